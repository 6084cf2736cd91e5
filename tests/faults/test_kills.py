"""SIGKILL at random moments: the same command again ends with the bytes of an undisturbed run, nothing to clean."""

import random
import shutil
import time
from collections import Counter

import pytest
from lunggtv.tables import read_tsv

from tests.faults.chaos import differences, start

KINDS = ("job", "snakemake", "all")
WORDS = {"job": "one job", "snakemake": "Snakemake alone, its jobs live on", "all": "the whole process group"}
RULES = (
    "ingest_patient", "collect_verdicts", "cache_patient", "train_fold", "validate_fold", "predict_patient",
    "calibrate_drafts", "infer_patient", "write_rtstruct", "evaluate_patient", "summarise_metrics",
)  # fmt: skip
KILLS = 50
UNTIMED_S = 1.0  # for rules without a benchmark file


def seconds_of_rules(analysis):
    """How long the jobs of each rule take, as the run itself measured it."""
    return {row["rule"]: float(row["mean_s"]) for row in read_tsv(analysis.work / "results/timings.tsv")}


def disturb(analysis, rule, kind, delay_s):
    """Run until a job of the rule is at work, a little longer, and kill; the rules that were at work then."""
    run = start(analysis)
    if run.wait_for_job(rule):
        time.sleep(delay_s)
    return run.kill(kind)


def test_killed_at_every_level_it_goes_on(analysis, finished):
    """The short set: a copy without its models is interrupted four times, each time in another way."""
    shutil.rmtree(analysis.work / "results/train/fold0")
    shutil.rmtree(analysis.work / "train_state")
    shutil.rmtree(analysis.work / "results/evaluate")
    for rule, kind in (
        ("train_fold", "ctrl-c"), ("train_fold", "snakemake"), ("predict_patient", "all"), ("evaluate_patient", "job"),
    ):  # fmt: skip
        assert rule in disturb(analysis, rule, kind, delay_s=0.5)
    analysis.run()
    assert differences(analysis, finished) == []
    assert analysis.reruns() == {}


@pytest.mark.long
def test_fifty_kills(finished, tmp_path, campaign):
    """Whole runs from raw data, killed in every stage; seeds are fixed, the machine's pace is not."""
    seconds = seconds_of_rules(finished)
    choose = random.Random(7)
    hits, kinds, runs = Counter(), Counter(), 0
    while sum(kinds.values()) < KILLS:
        runs += 1
        analysis = finished.copied_to(tmp_path / str(runs))
        for name in ("results", "logs", "benchmarks", "train_state", ".snakemake"):
            shutil.rmtree(analysis.work / name)
        for rule in RULES:
            kind = choose.choice(KINDS)
            victims = disturb(analysis, rule, kind, choose.uniform(0, seconds.get(rule, UNTIMED_S)))
            hits.update(victims or ["between jobs"])
            kinds[kind] += 1
        analysis.run()
        assert differences(analysis, finished) == []
        assert analysis.reruns() == {}
        shutil.rmtree(tmp_path / str(runs))
    for kind, count in sorted(kinds.items()):
        campaign.append((f"SIGKILL: {WORDS[kind]}, {count} times", "the run that followed went on"))
    struck = ", ".join(f"{rule} {count}" for rule, count in hits.most_common())
    campaign.append(
        (
            f"{sum(kinds.values())} kills in {runs} runs; at work when it struck: {struck}",
            f"all {len(finished.results())} files of each run with the bytes of an undisturbed one, nothing left to do",
        )
    )
