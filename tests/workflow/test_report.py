"""The report opens in a browser without a network: every category and result is shown, and no script fails."""

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

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

    def test_those_to_look_at_first_stand_first(self, seen):
        crops = seen["categories"]["2 Lung crops"]["rows"]
        assert crops[0] == "0. table of all patients"
        assert [row[:2] for row in crops[1:]] == [f"{n}." for n in range(1, LABELLED + UNLABELLED + 1)]
        patients = seen["categories"]["4 Patients"]["rows"]
        scored, others = patients[:LABELLED], patients[LABELLED:]
        dice = [0.0 if "missed" in row else float(row.rpartition(" ")[2]) for row in scored]
        assert dice == sorted(dice)
        assert others == [f"patient new{n}" for n in range(1, UNLABELLED + 1)]

    def test_a_broken_report_is_noticed(self, finished, tmp_path):
        """The walk can fail: here a result of a category is not there, and a script throws."""
        page = (finished.work / "results/report.html").read_text(encoding="utf-8")
        content = page.replace('"results/evaluate/1.png": {', '"results/evaluate/gone.png": {')
        assert content != page
        (tmp_path / "broken.html").write_text(content, encoding="utf-8")
        with pytest.raises(AssertionError, match="did not come to its end"):
            walked(tmp_path / "broken.html", tmp_path)


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
