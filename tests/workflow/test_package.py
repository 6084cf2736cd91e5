"""A model package: made here, used elsewhere without any training data, refused when a byte has changed."""

import re
import shlex
import shutil

import pytest
import yaml
from lunggtv.files import read_json
from lunggtv.image_files import read_image, write_image
from lunggtv.package.package_file import read_manifest
from lunggtv.tables import read_tsv

from tests.conftest import FOLDS, LABELLED
from tests.workflow.engine import PROJECT, Analysis, new_analysis

DRAFT = "results/infer/new1/gtv.nii.gz"


@pytest.fixture(scope="module")
def packaged(finished, tmp_path_factory) -> Analysis:
    """The finished run with its package."""
    analysis = finished.copied_to(tmp_path_factory.mktemp("packaged") / "copy")
    assert analysis.reruns("package") == {"package_models": 1}
    analysis.run("package")
    return analysis


@pytest.fixture
def elsewhere(packaged, tmp_path) -> Analysis:
    """A fresh clone with one unlabelled patient and the package, nothing else."""
    analysis = new_analysis(tmp_path)
    shutil.copytree(packaged.work / "raw/unlabelled", analysis.work / "raw/unlabelled")
    shutil.copy(packaged.work / "results/package.zip", analysis.work / "models.zip")
    (analysis.work / "config.yaml").write_text("model: models.zip\ndata: {unlabelled: raw/unlabelled}\n")
    return analysis


def test_it_drafts_elsewhere_as_it_did_at_home_bit_for_bit(packaged, elsewhere, raw_cohort):
    """And a labelled patient of that place is new to all models: it is scored as nobody's held-out patient."""
    patient = str(LABELLED + 1)
    shutil.copytree(raw_cohort / "labelled" / patient, elsewhere.work / "raw/labelled" / patient)
    planned = elsewhere.reruns()
    assert planned["unpack_models"] == 1 and "train_fold" not in planned and "calibrate_drafts" not in planned
    elsewhere.run()
    assert (elsewhere.work / DRAFT).read_bytes() == (packaged.work / DRAFT).read_bytes()
    assert (elsewhere.work / "results/report.html").is_file()
    assert elsewhere.reruns() == {}
    drafted = read_json(elsewhere.work / f"results/infer/{patient}/infer.json")
    calibration = read_json(packaged.work / "results/infer/calibration.json")
    assert len(drafted["models"]) == FOLDS and drafted["threshold"] == calibration["all"]["threshold"]
    (scored,) = read_tsv(elsewhere.work / "results/evaluate/metrics.tsv")
    assert (scored["patient"], scored["fold"]) == (patient, "")


def test_the_command_of_the_readme_needs_no_settings_and_no_training_data(packaged, elsewhere):
    (elsewhere.work / "config.yaml").unlink()
    (elsewhere.work / "raw/unlabelled").rename(elsewhere.work / "raw/new")
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^\.venv/bin/snakemake (.* --config model=.*)$", readme, re.MULTILINE)
    (elsewhere.work / "models.zip").rename(elsewhere.work / "package.zip")
    elsewhere.run("infer", *shlex.split(command))
    assert (elsewhere.work / DRAFT).read_bytes() == (packaged.work / DRAFT).read_bytes()
    assert (elsewhere.work / DRAFT).with_name("gtv.png").is_file()
    assert [row["patient"] for row in read_tsv(elsewhere.work / "results/infer/review.tsv")] == ["new1"]


def test_training_begins_from_a_package_that_knows_nobody_held_out(packaged, elsewhere, raw_cohort):
    """First the patients whom its models learnt from, then the same with other voxels: another site's."""
    config = yaml.safe_load((packaged.work / "config.yaml").read_text(encoding="utf-8"))
    config["train"]["start_from"], config["folds"] = "models.zip", {"count": 2}
    (elsewhere.work / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    # Held out by the package's fold 1, so that its model 0 knows them, from which fold 0 begins.
    patients = [
        row["patient"] for row in read_tsv(packaged.work / "results/folds.tsv") if row["fold"] == "1"
    ][:2]
    for patient in patients:
        shutil.copytree(raw_cohort / "labelled" / patient, elsewhere.work / "raw/labelled" / patient)
    elsewhere.run("ingest")
    done = elsewhere.run("train", check=False)
    assert done.returncode != 0
    assert "have learnt from patients that this fold holds out" in done.stderr + done.stdout
    for patient in patients:
        path = elsewhere.work / f"raw/labelled/{patient}/data.nii.gz"
        ct, grid = read_image(path)
        write_image(path, ct + ct.dtype.type(1), grid)
    elsewhere.run("infer")
    made = {
        card["weights_sha256"] for card in map(read_json, packaged.work.glob("results/train/*/card.json"))
    }
    began = [read_json(elsewhere.work / f"results/train/fold{fold}/card.json")["start"] for fold in (0, 1)]
    assert {start["weights_sha256"] for start in began} <= made and began[0] != began[1]
    assert elsewhere.reruns("infer") == {}


def test_a_package_with_one_flipped_byte_is_refused(elsewhere):
    path = elsewhere.work / "models.zip"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    done = elsewhere.run("infer", check=False)
    assert done.returncode != 0
    assert (
        "models.zip: the package has changed since it was made. Copy it again." in done.stderr + done.stdout
    )
    assert not (elsewhere.work / DRAFT).exists()


def test_a_package_brings_every_setting_that_its_models_depend_on(packaged):
    used = yaml.safe_load((packaged.work / "config.yaml").read_text(encoding="utf-8"))["cache"]
    shipped = yaml.safe_load((packaged.project / "config.yaml").read_text(encoding="utf-8"))
    settings = read_manifest(packaged.work / "results/package.zip")["settings"]
    assert settings == {
        "cache": used | {"keep_native_within": shipped["cache"]["keep_native_within"]},
        "infer": {"mirror": shipped["infer"]["mirror"]},
    }


def test_a_package_names_nobody(packaged):
    content = (packaged.work / "results/package.zip").read_bytes()
    assert b'"new1"' not in content
    assert b'"1"' not in content, "patients stand by digests alone"
