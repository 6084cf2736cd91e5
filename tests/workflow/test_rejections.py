"""A bad patient is refused by name, in one message; the others go on, and nobody is lost from the tables."""

import gzip
import json
import shutil

import pytest
import yaml
from lunggtv.tables import read_tsv

from tests.conftest import SETTINGS
from tests.workflow.engine import new_analysis


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, raw_cohort):
    """Two good patients, a truncated scan, an empty folder, a twin, a link that leads out; run as far as the caches."""
    analysis = new_analysis(tmp_path_factory.mktemp("mixed"))
    raw = analysis.work / "raw/labelled"
    for patient in ("1", "2", "3"):
        shutil.copytree(raw_cohort / "labelled" / patient, raw / patient)
    (raw / "Zoë B").mkdir()
    whole = (raw / "2/data.nii.gz").read_bytes()
    (raw / "2/data.nii.gz").write_bytes(whole[: len(whole) // 2])
    shutil.copytree(raw / "3", raw / "4")
    # The same voxels in other clothes: another gzip stream.
    content = gzip.decompress((raw / "4/data.nii.gz").read_bytes())
    (raw / "4/data.nii.gz").write_bytes(gzip.compress(content, compresslevel=1, mtime=5))
    (raw / "5").symlink_to(raw_cohort / "labelled/5")
    (analysis.work / "config.yaml").write_text("folds: {count: 2}\n")
    return analysis, analysis.run("cache", check=False)


def test_the_run_ends_with_an_error_that_names_every_rejected_patient(mixed):
    _, done = mixed
    output = done.stdout + done.stderr
    assert done.returncode != 0
    for patient in ("2", "3", "4", "Zoë B"):
        assert f"Patient {patient}" in output or f"patient {patient}" in output, output
    assert "data.exclude" in output, "the remedy is named"


def test_the_others_went_on(mixed):
    analysis, _ = mixed
    assert (analysis.work / "results/cache/1/volume.h5").is_file()
    assert not (analysis.work / "results/cache/2/volume.h5").exists()


def test_every_patient_has_a_verdict_and_a_row(mixed):
    analysis, _ = mixed
    rows = {row["patient"]: row for row in read_tsv(analysis.work / "results/ingest/verdicts.tsv")}
    assert list(rows) == ["1", "2", "3", "4", "5", "Zoë B"]
    assert rows["5"]["verdict"] == "rejected" and "symbolic link" in rows["5"]["reasons"]
    assert rows["1"]["verdict"] in ("accepted", "warned")
    assert rows["2"]["verdict"] == rows["Zoë B"]["verdict"] == "rejected"
    assert "data.nii.gz" in rows["2"]["reasons"]
    assert rows["3"]["verdict"] == rows["4"]["verdict"] == "rejected"
    assert "4" in rows["3"]["reasons"] and "3" in rows["4"]["reasons"]
    for patient in rows:
        verdict = json.loads((analysis.work / f"results/ingest/{patient}/verdict.json").read_text("utf-8"))
        assert verdict["patient"] == patient


def test_the_report_shows_the_verdicts(mixed):
    analysis, _ = mixed
    page = (analysis.work / "results/report.html").read_text(encoding="utf-8")
    assert "results/ingest/verdicts.html" in page


def test_excluding_them_with_reasons_lets_the_rest_pass(mixed, tmp_path):
    analysis = mixed[0].copied_to(tmp_path / "copy")
    reasons = {"2": "lost at the archive", "4": "copy of 3", "5": "elsewhere", "Zoë B": "empty"}
    (analysis.work / "config.yaml").write_text(
        f"folds: {{count: 2}}\ndata: {{exclude: {json.dumps(reasons)}}}\n"
    )
    analysis.run("ingest")
    rows = {row["patient"]: row for row in read_tsv(analysis.work / "results/ingest/verdicts.tsv")}
    assert rows["4"]["verdict"] == "excluded" and "copy of 3" in rows["4"]["reasons"]
    assert rows["3"]["verdict"] in ("accepted", "warned")
    admitted = (analysis.work / "results/ingest/admitted.txt").read_text(encoding="utf-8").split("\n")
    assert "3" in admitted and "4" not in admitted


def test_no_fold_trains_while_a_labelled_patient_is_in_doubt(mixed, raw_cohort, tmp_path):
    """Not even the one that never sees the patient; once the files are mended, the old verdict is not in the way."""
    analysis = mixed[0].copied_to(tmp_path / "copy")
    reasons = {"4": "copy of 3", "5": "elsewhere", "Zoë B": "empty"}
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    settings |= {"folds": {"count": 3}, "data": {"exclude": reasons}}
    (analysis.work / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")
    done = analysis.run("train", check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "No fold is trained while a labelled patient is in doubt:\n  2: " in output, output
    trained = analysis.work / "results/train"
    assert not list(trained.glob("fold*/weights.safetensors"))
    assert not (analysis.work / "train_state").exists()
    shutil.copy(raw_cohort / "labelled/2/data.nii.gz", analysis.work / "raw/labelled/2/data.nii.gz")
    analysis.run("train")
    assert len(list(trained.glob("fold*/weights.safetensors"))) == 3
