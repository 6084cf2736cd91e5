"""A home that cannot be written: Snakemake's cache goes where XDG_CACHE_HOME says, and nothing else needs one."""

import os
import re
import shutil

from tests.workflow.engine import PROJECT, new_analysis

NO_HOME = "/proc/no home"  # nobody can write there


def test_pictures_and_report_are_made_without_a_home(tmp_path, raw_cohort):
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (name,) = re.findall(r"`(\w+)=\$PWD/\.cache \.venv/bin/snakemake \.\.\.`", readme)
    analysis = new_analysis(tmp_path)
    shutil.copytree(raw_cohort / "labelled/2", analysis.work / "raw/labelled/2")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    analysis.run("cache", env=kept | {"HOME": NO_HOME, name: str(tmp_path / "cache")})
    assert (analysis.work / "results/cache/2/crop.png").is_file()
    assert (analysis.work / "results/report.html").is_file()
