"""The report opens in a browser without a network: every category and result is shown, and no script fails."""

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lunggtv.report.result_names import crop_labels, draft_labels
from lunggtv.tables import read_tsv

from tests.conftest import FOLDS, LABELLED, UNLABELLED

WALK = Path(__file__).with_name("report_walk.js")
CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
CATEGORIES = (
    "1 Data verdicts",
    "2 Lung crops",
    "3 Training",
    "4 Patients",
    "5 Review queue",
    "6 Statistics",
    "8 Timings and memory",
)


def walked(report: Path, folder: Path) -> dict:
    """What a walk through the report saw: the first page, rows and results of every category, script errors."""
    page = report.read_text(encoding="utf-8")
    end = page.rindex("</body>")
    copy = folder / "walked.html"
    copy.write_text(f"{page[:end]}<script>{WALK.read_text('utf-8')}</script>{page[end:]}", encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1200,500",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'browser'}",
            "--virtual-time-budget=60000", "--enable-logging=stderr", "--dump-dom", copy.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    found = re.search(r'<pre id="walk">(.*?)</pre>', done.stdout, re.DOTALL)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert found, "\n".join(["the walk did not come to its end", *console])
    seen = json.loads(html.unescape(found.group(1)))
    seen["errors"] += [line for line in console if "Uncaught" in line]
    return seen


@pytest.fixture(scope="module")
def seen(finished, tmp_path_factory) -> dict:
    """One walk through the report of the finished run."""
    return walked(finished.work / "results/report.html", tmp_path_factory.mktemp("browser"))


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
class TestInABrowser:
    def test_no_script_fails(self, seen):
        assert seen["errors"] == []

    def test_the_first_page_speaks(self, seen):
        for words in (*CATEGORIES, "Failures:", "Review queue:", "which they propose, is"):
            assert words in seen["first"], words
        assert seen["top"] >= 0, "it begins within the window"

    def test_every_result_is_shown(self, seen):
        assert tuple(seen["categories"]) == CATEGORIES
        shown = {path: tag for found in seen["categories"].values() for path, tag in found["shown"].items()}
        tags = {".png": "IMG", ".svg": "IMG", ".html": "IFRAME"}
        assert shown == {path: tags[Path(path).suffix] for path in shown}, "nothing is but a download"
        count = {category: len(found["shown"]) for category, found in seen["categories"].items()}
        assert count["2 Lung crops"] == LABELLED + UNLABELLED + 1
        assert count["3 Training"] == 2 * FOLDS
        assert count["4 Patients"] == LABELLED + UNLABELLED

    def test_those_to_look_at_first_stand_first(self, seen, finished):
        crops = seen["categories"]["2 Lung crops"]["rows"]
        assert crops[0] == "0. table of all patients"
        assert [row[:2] for row in crops[1:]] == [f"{n}." for n in range(1, LABELLED + UNLABELLED + 1)]
        patients = seen["categories"]["4 Patients"]["rows"]
        scored, others = patients[:LABELLED], patients[LABELLED:]
        assert scored == sorted(
            draft_labels(read_tsv(finished.work / "results/evaluate/metrics.tsv")).values()
        )
        assert others == [f"patient new{n}" for n in range(1, UNLABELLED + 1)]

    def test_a_broken_report_is_noticed(self, finished, tmp_path):
        """The walk can fail: here a result of a category is not there, and a script throws."""
        page = (finished.work / "results/report.html").read_text(encoding="utf-8")
        content = page.replace('"results/evaluate/1.png": {', '"results/evaluate/gone.png": {')
        assert content != page
        (tmp_path / "broken.html").write_text(content, encoding="utf-8")
        with pytest.raises(AssertionError, match="did not come to its end"):
            walked(tmp_path / "broken.html", tmp_path)


def results_of(report: Path) -> dict[str, dict]:
    """What a report says of every result, and its category, by its path."""
    page, decode = report.read_text(encoding="utf-8"), json.JSONDecoder().raw_decode
    starts = {found.group(1): found.end() for found in re.finditer(r'"(results/[^"]+)": (?=\{"name")', page)}
    found = {path: decode(page, start)[0] for path, start in starts.items()}
    told = re.search(r"var categories = ", page)
    for category, parts in decode(page, told.end())[0].items():
        for path in (path for paths in parts.values() for path in paths):
            found[path]["category"] = category
    return found


CAPTIONS = {
    r"ingest/verdicts\.html": "accepted, warned, rejected or excluded",
    r"cache/\w+/crop\.png": "the lungs found",
    r"cache/crops\.html": "suspicious crops first",
    r"train/fold\d/augmentation\.png": "patches as the network saw them",
    r"train/fold\d/curves\.svg": "training loss, learning rate",
    r"evaluate/\w+\.png": "label (solid) and draft (dashed)",
    r"infer/\w+/gtv\.png": "Nothing scores it",
    r"infer/review\.html": "those most in need of a look first",
    r"evaluate/metrics\.html": "scored once, on the original CT grid, by a model that never saw it",
    r"evaluate/dice_by_volume\.svg": "against the volume of its GTV",
    r"evaluate/distributions\.svg": "How the scores spread",
    r"evaluate/calibration\.svg": "unsure about",
    r"timings\.html": "What each rule's jobs cost",
}


def test_every_result_is_told_by_its_own_words(finished):
    found = results_of(finished.work / "results/report.html")
    met = set()
    for path, result in found.items():
        (pattern,) = (p for p in CAPTIONS if re.fullmatch(f"results/{p}", path))
        assert CAPTIONS[pattern] in result["caption"].replace("\n", " "), path
        met.add(pattern)
    assert met == set(CAPTIONS)
    crops, drafts = (
        names(read_tsv(finished.work / f"results/{table}.tsv"))
        for names, table in ((crop_labels, "cache/crops"), (draft_labels, "evaluate/metrics"))
    )
    look = {f"cache/{patient}/crop.png": ("2 Lung crops", label) for patient, label in crops.items()}
    look |= {f"evaluate/{patient}.png": ("4 Patients", label) for patient, label in drafts.items()}
    look |= {"cache/crops.html": ("2 Lung crops", "0. table of all patients")}
    look |= {"infer/new1/gtv.png": ("4 Patients", "patient new1")}
    expected = {
        path: (category, {"those to look at first": label}) for path, (category, label) in look.items()
    }
    for fold in range(FOLDS):
        for name, figure in (("curves.svg", "curves"), ("augmentation.png", "augmented patches")):
            expected[f"train/fold{fold}/{name}"] = ("3 Training", {"fold": str(fold), "figure": figure})
    expected |= {
        "ingest/verdicts.html": ("1 Data verdicts", {"table": "verdict on every patient"}),
        "infer/review.html": ("5 Review queue", {"table": "all drafts, most urgent first"}),
        "evaluate/metrics.html": ("6 Statistics", {"what": "metrics of every patient"}),
        "evaluate/dice_by_volume.svg": ("6 Statistics", {"what": "Dice by volume"}),
        "evaluate/distributions.svg": ("6 Statistics", {"what": "distributions"}),
        "evaluate/calibration.svg": ("6 Statistics", {"what": "calibration"}),
        "timings.html": ("8 Timings and memory", {"table": "cost of every rule's jobs"}),
    }
    told = {path: (result["category"], result["labels"]) for path, result in found.items()}
    assert told == {f"results/{path}": words for path, words in expected.items()}
    for number in range(1, LABELLED + 1):
        for path in (f"results/cache/{number}/crop.png", f"results/evaluate/{number}.png"):
            assert f"<p>Patient {number}:" in found[path]["caption"]
            assert f"patient {number}" in found[path]["labels"]["those to look at first"].partition(":")[0]


def test_timings_are_those_of_the_run(finished):
    jobs = {row["rule"]: int(row["jobs"]) for row in read_tsv(finished.work / "results/timings.tsv")}
    many = {"ingest_patient", "cache_patient", "picture_crop", "predict_patient"}
    assert jobs == (
        dict.fromkeys(many, LABELLED + UNLABELLED)
        | dict.fromkeys({"train_fold", "validate_fold", "picture_samples"}, FOLDS)
        | dict.fromkeys({"evaluate_patient", "picture_patient"}, LABELLED)
        | {"calibrate_drafts": 1, "picture_draft": UNLABELLED}
    )


def test_it_loads_nothing_from_elsewhere(finished):
    page = (finished.work / "results/report.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.https?://", page)


def test_it_is_made_for_the_settings_of_the_run_wherever_they_stand(analysis):
    """The unlabelled patient is known from a settings file of another name alone."""
    report = analysis.work / "results/report.html"
    report.unlink()
    (analysis.work / "config.yaml").rename(analysis.work / "study.yaml")
    analysis.run("--configfile", str(analysis.work / "study.yaml"), "--forcerun", "collect_timings")
    picture = (analysis.work / "results/infer/new1/gtv.png").read_bytes()
    assert base64.b64encode(picture).decode() in report.read_text(encoding="utf-8")
