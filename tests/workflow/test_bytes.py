"""Two runs in two folders, with different numbers of cores, write the same bytes."""

import subprocess

import pytest

from tests.conftest import DICOM, FOLDS
from tests.workflow.engine import new_analysis
from tests.workflow.expected import PATIENTS

EVERYBODY = [*PATIENTS, "new1"]
FILES = sorted(
    [
        "results/folds.tsv",
        "results/landing.rst",
        "results/ingest/admitted.txt",
        "results/infer/calibration.json",
        *(
            f"results/{table}.{suffix}"
            for table in ("ingest/verdicts", "cache/crops", "infer/review", "evaluate/metrics")
            for suffix in ("tsv", "html")
        ),
        f"results/infer/{DICOM}/gtv.dcm",
        "results/infer/new1/gtv.png",
        *(f"results/ingest/{patient}/{name}" for patient in EVERYBODY for name in ("volume.h5", "verdict.json")),
        *(
            f"results/cache/{patient}/{name}"
            for patient in EVERYBODY
            for name in ("volume.h5", "crop.json", "crop.png")
        ),
        *(
            f"results/train/fold{fold}/{name}"
            for fold in range(FOLDS)
            for name in (
                "weights.safetensors", "card.json", "model.json", "history.tsv", "snapshots.safetensors",
                "samples.safetensors", "validation.tsv", "curves.svg", "augmentation.png",
            )
        ),
        *(
            f"results/infer/{patient}/{name}"
            for patient in EVERYBODY
            for name in ("prediction.h5", "gtv.nii.gz", "infer.json")
        ),
        *(f"results/evaluate/{patient}.{suffix}" for patient in PATIENTS for suffix in ("json", "png")),
        *(
            f"results/evaluate/{name}"
            for name in (
                "summary.json", "dice_by_volume.svg", "distributions.svg", "calibration.svg",
            )
        ),
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def again(finished, tmp_path_factory):
    """The run of ``finished`` once more, elsewhere, one job at a time."""
    analysis = new_analysis(tmp_path_factory.mktemp("again") / "somewhere else")
    for name in ("raw", "config.yaml"):
        subprocess.run(["cp", "-a", finished.work / name, analysis.work / name], check=True)
    analysis.run("--cores", "1")
    return analysis


def test_the_list_is_complete(finished, again):
    # Beside it: engine.OF_THE_MOMENT, with the reason.
    assert list(finished.results()) == list(again.results()) == FILES


@pytest.mark.parametrize("file", FILES)
def test_the_bytes_are_the_same(finished, again, file):
    assert (again.work / file).read_bytes() == (finished.work / file).read_bytes()
