"""A flipped byte in any result: found by one command, refused by whoever reads the file, repaired by another."""

import subprocess
from pathlib import Path

import pytest

from tests.workflow.engine import Analysis
from tests.workflow.expected import AFTER_EVALUATION, PATIENTS, after_training, all_from

# One of every kind of result.
RESULTS = [
    "results/folds.tsv",
    "results/landing.rst",
    "results/timings.tsv",
    "results/ingest/1/volume.h5",
    "results/ingest/1/verdict.json",
    "results/ingest/verdicts.tsv",
    "results/ingest/admitted.txt",
    "results/cache/2/volume.h5",
    "results/cache/2/crop.json",
    "results/cache/2/crop.png",
    "results/cache/crops.tsv",
    "results/train/fold0/weights.safetensors",
    "results/train/fold0/card.json",
    "results/train/fold0/model.json",
    "results/train/fold0/history.tsv",
    "results/train/fold0/validation.tsv",
    "results/train/fold0/samples.safetensors",
    "results/train/fold0/snapshots.safetensors",
    "results/train/fold0/curves.svg",
    "results/train/fold0/augmentation.png",
    "results/infer/3/prediction.h5",
    "results/infer/3/gtv.nii.gz",
    "results/infer/3/infer.json",
    "results/infer/1/gtv.dcm",
    "results/infer/calibration.json",
    "results/infer/review.tsv",
    "results/evaluate/4.json",
    "results/evaluate/4.png",
    "results/evaluate/metrics.tsv",
    "results/evaluate/summary.json",
    "results/evaluate/dice_by_volume.svg",
    "results/evaluate/distributions.svg",
    "results/evaluate/calibration.svg",
    "results/infer/new1/gtv.png",
    *(
        f"results/{table}.html"
        for table in ("ingest/verdicts", "cache/crops", "infer/review", "evaluate/metrics")
    ),
    "results/timings.html",
]


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def changed(analysis: Analysis) -> list[str]:
    """What the README's command names: results whose bytes are not those that were written."""
    command = "find results -name '.*.sha256' -exec cat {} + | sha256sum --check --quiet 2>/dev/null"
    done = subprocess.run(
        ["bash", "-c", command], cwd=analysis.work, capture_output=True, text=True, check=False
    )
    return sorted(line.removesuffix(": FAILED") for line in done.stdout.splitlines())


def kind(path: str) -> tuple[str, ...]:
    """The path without patient and fold."""
    return tuple(
        "*" if part.rstrip(".jsonpg").removeprefix("new").removeprefix("fold").isdigit() else part
        for part in path.split("/")
    )


def test_every_result_has_a_digest_and_one_of_its_kind_is_tried_below(finished):
    results = {
        path.relative_to(finished.work).as_posix()
        for path in (finished.work / "results").rglob("*")
        if path.is_file() and not path.name.endswith(".sha256")
    }
    # The report is Snakemake's, made again after every run.
    results.remove("results/report.html")
    for path in results:
        name = Path(path).name
        assert (finished.work / path).with_name(f".{name}.sha256").is_file(), path
    assert {kind(path) for path in results} == {kind(path) for path in RESULTS}


def test_one_command_names_every_damaged_file(analysis):
    assert changed(analysis) == []
    for path in RESULTS:
        flip(analysis.work / path)
    assert changed(analysis) == sorted(RESULTS)


@pytest.mark.parametrize(
    ("damaged", "repair"),
    [
        ("results/ingest/verdicts.tsv", all_from("collect_verdicts")),
        ("results/train/fold1/curves.svg", {"picture_curves": 1}),
        ("results/train/fold1/validation.tsv", {"validate_fold": 1, "picture_curves": 1}),
        (
            "results/train/fold1/card.json",
            {
                **dict.fromkeys(("train_fold", "validate_fold", "picture_curves", "picture_samples"), 1),
                **after_training(PATIENTS, {1}, set()),
            },
        ),
        ("results/evaluate/2.png", {"picture_patient": 1}),
        ("results/evaluate/2.json", {"evaluate_patient": 1, "picture_patient": 1, **AFTER_EVALUATION}),
        ("results/evaluate/metrics.tsv", AFTER_EVALUATION),
    ],
)
def test_forcing_the_file_makes_it_and_what_follows_again(analysis, damaged, repair):
    flip(analysis.work / damaged)
    assert analysis.reruns("--forcerun", damaged) == repair


def test_it_is_refused_by_name_and_repaired_by_the_command_in_the_message(analysis, finished):
    damaged = ["results/infer/2/gtv.nii.gz", "results/ingest/verdicts.tsv"]
    for path in damaged:
        flip(analysis.work / path)
    done = analysis.run(check=False)
    assert done.returncode != 0
    for path in damaged:
        assert f"Not as the workflow wrote it: {path}." in done.stderr, done.stderr
        assert f"snakemake --cores 4 --forcerun {path}" in done.stderr
    assert "Traceback" not in done.stderr

    analysis.run("--forcerun", *damaged)
    assert analysis.reruns() == {}
    assert changed(analysis) == []
    for path in [*damaged, "results/evaluate/2.json", "results/evaluate/summary.json"]:
        assert (analysis.work / path).read_bytes() == (finished.work / path).read_bytes(), path
