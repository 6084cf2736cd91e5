"""The report opens in a browser without a network: every category and result is shown, and no script fails."""

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


def opened(page: Path, folder: Path) -> subprocess.CompletedProcess:
    """The page as Chromium has it after its scripts ran, on stdout; the browser's console on stderr."""
    return subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={folder / 'browser'}", "--virtual-time-budget=60000",
            "--window-size=1200,500", "--enable-logging=stderr",
            "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip


def walked(report: Path, folder: Path) -> dict:
    """What a walk through the report saw: rows and shown results of every category, script errors."""
    page = report.read_text(encoding="utf-8")
    end = page.rindex("</body>")
    copy = folder / "walked.html"
    copy.write_text(f"{page[:end]}<script>{WALK.read_text('utf-8')}</script>{page[end:]}", encoding="utf-8")
    done = opened(copy, folder)
    found = re.search(r'<pre id="walk">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, "the walk came to its end\n" + "\n".join(
        line for line in done.stderr.splitlines() if "CONSOLE" in line
    )
    return json.loads(html.unescape(found.group(1)))


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
class TestInABrowser:
    def test_the_landing_page_speaks(self, finished, tmp_path):
        done = opened(finished.work / "results/report.html", tmp_path)
        for words in (*CATEGORIES, "Failures:", "Review queue:", "which they propose, is"):
            assert words in done.stdout, words
        assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line and "Uncaught" in line]

    def test_every_result_is_shown(self, finished, tmp_path):
        seen = walked(finished.work / "results/report.html", tmp_path)
        assert seen["errors"] == []
        assert seen["top"] >= 0, "the first page begins within the window"
        assert tuple(seen["categories"]) == CATEGORIES
        shown = {path: tag for found in seen["categories"].values() for path, tag in found["shown"].items()}
        assert {tag for path, tag in shown.items() if path.endswith((".png", ".svg"))} == {"IMG"}
        assert {tag for path, tag in shown.items() if path.endswith(".html")} == {"IFRAME"}
        assert set(shown.values()) == {"IMG", "IFRAME"}, "nothing but a download"
        count = {category: len(found["shown"]) for category, found in seen["categories"].items()}
        assert count["2 Lung crops"] == LABELLED + UNLABELLED + 1
        assert count["3 Training"] == 2 * FOLDS
        assert count["4 Patients"] == LABELLED

    def test_those_to_look_at_first_stand_first(self, finished, tmp_path):
        seen = walked(finished.work / "results/report.html", tmp_path)["categories"]
        crops = seen["2 Lung crops"]["rows"]
        assert crops[0] == "0. table of all patients"
        assert [row[:2] for row in crops[1:]] == [f"{n}." for n in range(1, LABELLED + UNLABELLED + 1)]
        patients = seen["4 Patients"]["rows"]
        dice = [0.0 if "missed" in row else float(row.rpartition(" ")[2]) for row in patients]
        assert len(dice) == LABELLED and dice == sorted(dice)

    def test_a_broken_report_is_noticed(self, finished, tmp_path):
        """The walk can fail: a category without its results, and a script that throws."""
        page = (finished.work / "results/report.html").read_text(encoding="utf-8")
        broken = tmp_path / "broken.html"
        broken.write_text(
            page.replace('"results/evaluate/1.png": {', '"results/evaluate/gone.png": {'), encoding="utf-8"
        )
        assert broken.read_text(encoding="utf-8") != page
        with pytest.raises(AssertionError, match="did not come to its end"):
            walked(broken, tmp_path)


def test_it_loads_nothing_from_elsewhere(finished):
    page = (finished.work / "results/report.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.https?://", page)
