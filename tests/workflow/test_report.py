"""The report opens in a browser without a network: every category is there, and no script fails."""

import re
import shutil
import subprocess

import pytest

CATEGORIES = (
    "Data verdicts",
    "Lung crops",
    "Training",
    "Patients",
    "Review queue",
    "Statistics",
    "Timings and memory",
)
CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_it_opens_with_every_category(finished, tmp_path):
    page = finished.work / "results/report.html"
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path}", "--virtual-time-budget=8000", "--enable-logging=stderr", "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    for category in CATEGORIES:
        assert re.search(rf">\s*\d {category}\s*<", done.stdout), category
    assert "Failures:" in done.stdout and "Review queue:" in done.stdout, "the landing page speaks"
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line and "Uncaught" in line]
    assert errors == []


def test_it_loads_nothing_from_elsewhere(finished):
    page = (finished.work / "results/report.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.https?://", page)
