"""What the adapters between rules and functions hand over: each file and setting to its own argument, a device only
to jobs that were given one."""

import runpy
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from lunggtv.infer.calibrate_drafts import LabelledFiles
from lunggtv.infer.infer_settings import DrawingSettings
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.patient_files import PatientFiles
from lunggtv.train.validate_fold import HeldOut

from tests.unit.adapter_cases import COHORT, HANDED, Files, files

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
# The adapters that use a GPU, and the function that each calls.
CALLS = {
    "predict_patient": "lunggtv.infer.predict_patient.predict_patient",
    "train_fold": "lunggtv.train.train_fold.train_fold",
    "unpack_models": "lunggtv.package.unpack_models.unpack_models",
    "validate_fold": "lunggtv.train.validate_fold.validate_fold",
}


class Names(list):
    """Files or settings by position and by any name."""

    def __getattr__(self, name):
        return (
            self
            if name in ("weights", "cards", "caches", "held_out_caches", "held_out_volumes")
            else f"7/{name}"
        )


@pytest.mark.parametrize("adapter", CALLS)
@pytest.mark.parametrize(("gpu", "device"), [(0, "cpu"), (1, "auto")])
def test_a_job_without_a_gpu_stays_on_the_processor(tmp_path, monkeypatch, adapter, gpu, device):
    calls = []
    monkeypatch.setattr(CALLS[adapter], lambda *_, **named: calls.append(named))
    monkeypatch.setattr("lunggtv.settings.settings_from", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    job = SimpleNamespace(
        input=Names(["7/a"]), output=Names(["7/b"]), log=["log"], threads=3,
        resources=SimpleNamespace(gpu=gpu, cpu_hours=7),
        params=SimpleNamespace(config=defaultdict(bool), identity={}, state="state", verdicts="ingest"),
        wildcards=SimpleNamespace(fold="2"),
    )  # fmt: skip
    monkeypatch.setattr("lunggtv.job.forget_digest", lambda _: None)
    monkeypatch.setattr("lunggtv.job.record_digest", lambda _: None)
    runpy.run_path(str(SCRIPTS / f"{adapter}.py"), {"snakemake": job})
    (named,) = calls
    assert (named["device"], named["threads"]) == (device, 3)
    assert named.get("fold", 2) == 2
    assert named.get("cpu_hours", 7) == 7 and ("cpu_hours" in named) == (adapter == "train_fold")


def test_every_adapter_that_asks_for_a_gpu_is_here():
    asking = {
        path.stem for path in SCRIPTS.glob("*.py") if "resources.gpu" in path.read_text(encoding="utf-8")
    }
    assert asking == set(CALLS)


def run_adapter(tmp_path, monkeypatch, adapter: str, function: str, **job: object) -> tuple[tuple, dict]:
    """What an adapter hands to its function; ``pages`` is told what pages it writes."""
    calls, pages = [], job.pop("pages", [])
    monkeypatch.setattr(function, lambda *given, **named: calls.append((given, named)))
    monkeypatch.setattr("lunggtv.table_pages.write_table_page", lambda **told: pages.append(told))
    for name in ("forget_digest", "record_digest", "is_as_written"):
        monkeypatch.setattr(f"lunggtv.job.{name}", lambda _: True)
    monkeypatch.chdir(tmp_path)
    parts = {"input": Files(), "output": Files(), "wildcards": SimpleNamespace(), "params": SimpleNamespace()}
    job = SimpleNamespace(**parts | {"log": ["log"], "threads": 3} | job)
    runpy.run_path(str(SCRIPTS / f"{adapter}.py"), {"snakemake": job})
    ((given, named),) = calls
    return given, named


@pytest.mark.parametrize(
    ("adapter", "room", "job", "config", "given", "named", "title"),
    [(*case, None)[:7] for case in HANDED],
    ids=[f"{case[0]} {number}" for number, case in enumerate(HANDED)],
)
def test_every_file_and_setting_goes_to_its_own_argument(
    tmp_path, monkeypatch, adapter, room, job, config, given, named, title
):
    pages = []
    parts = {name: job[name] for name in ("input", "output") if name in job}
    params = {name: value for name, value in job.items() if name not in parts}
    found = run_adapter(
        tmp_path, monkeypatch, adapter, f"lunggtv.{room}.{adapter}.{adapter}", pages=pages,
        **{"output": Files("o")} | parts, params=SimpleNamespace(config=config, **params),
        wildcards=SimpleNamespace(fold="11"), resources=SimpleNamespace(gpu=0, cpu_hours=7),
    )  # fmt: skip
    assert found == (given, named)
    written = {"page_path": "o/page", "title": title}
    table = {"table_path": "o/metrics" if adapter == "summarise_metrics" else "o/table"}
    assert pages == ([written | table] if title else [])


SOURCE = {"folder": "raw/7", "image": None, "label": None, "labelled": True, "problem": None, "sizes": [3]}
FOLDER = PatientFiles("7", True, Path("raw/7"), (Path("raw/7/a.dcm"), Path("raw/7/b.dcm")))


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ({}, FOLDER),
        ({"labelled": False}, replace(FOLDER, labelled=False)),
        ({"problem": "It is empty."}, replace(FOLDER, problem="It is empty.")),
        (
            {"image": "raw/7/a.dcm", "label": "raw/7/b.dcm"},
            replace(FOLDER, image=Path("raw/7/a.dcm"), label=Path("raw/7/b.dcm")),
        ),
        ({"image": "raw/7/a.dcm"}, replace(FOLDER, image=Path("raw/7/a.dcm"))),
    ],
    ids=["labelled dicom", "unlabelled dicom", "unusable", "pair", "no label file"],
)
def test_a_patient_is_ingested_as_it_was_found(tmp_path, monkeypatch, source, files):
    settings = {
        "gtv_values": [1], "spacing_tolerance_mm": 0.01, "position_tolerance_mm": 0.2, "max_voxels": 5,
        "roi_patterns": ["GTV"], "slice_tolerance_mm": 0.3, "series": "s12345678", "interpolate_gtv": True,
    }  # fmt: skip
    given, named = run_adapter(
        tmp_path, monkeypatch, "ingest_patient", "lunggtv.ingest.ingest_patient.ingest_patient",
        input=Files("raw/7/a.dcm", "raw/7/b.dcm"), output=Files(volume="v.h5", verdict="v.json"),
        params=SimpleNamespace(config={**settings, "source": SOURCE | source}),
        wildcards=SimpleNamespace(patient="7"),
    )  # fmt: skip
    assert given == (files, IngestSettings.from_config(settings))
    assert named == {"volume_path": "v.h5", "verdict_path": "v.json"}


def test_sets_whose_names_hold_each_other_keep_their_own_scores(tmp_path, monkeypatch):
    theirs = [
        f"results/compare/{name}/{patient}.json" for name in ("nnU-Net", "nnU-Net-2", "2") for patient in "12"
    ]
    given, _ = run_adapter(
        tmp_path, monkeypatch, "gather_sets", "lunggtv.evaluate.gather_sets.gather_sets",
        input=Files(ours=["o/1.json", "o/2.json"], theirs=theirs), output=Files(table="t.tsv", page="t.html"),
        params=SimpleNamespace(names=["nnU-Net", "nnU-Net-2", "2"]),
    )  # fmt: skip
    sets = {"nnU-Net": theirs[:2], "nnU-Net-2": theirs[2:4], "2": theirs[4:]}
    assert given == ("LungGTV", ["o/1.json", "o/2.json"], sets, "t.tsv")


def test_a_comparison_is_of_ours_with_theirs_and_has_two_pages(tmp_path, monkeypatch):
    pages = []
    given, named = run_adapter(
        tmp_path, monkeypatch, "compare_scores", "lunggtv.evaluate.compare_scores.compare_scores", pages=pages,
        input=Files(ours=["o/1", "o/2"], theirs=["t/1", "t/2"]), wildcards=SimpleNamespace(other="nnU-Net"),
        output=files("c", "table", "page", "patients", "patients_page", "record", "figure"),
        params=SimpleNamespace(config=vars(COHORT)),
    )  # fmt: skip
    assert given == ("LungGTV", ["o/1", "o/2"], "nnU-Net", ["t/1", "t/2"], COHORT)
    assert named == {
        "comparison_tsv": "c/table", "patients_tsv": "c/patients", "comparison_json": "c/record",
        "comparison_svg": "c/figure",
    }  # fmt: skip
    titles = [f"LungGTV and nnU-Net: every {what}" for what in ("metric", "patient")]
    assert pages == [
        {"table_path": "c/table", "page_path": "c/page", "title": titles[0]},
        {"table_path": "c/patients", "page_path": "c/patients_page", "title": titles[1]},
    ]


def test_every_patient_calibrates_with_its_own_files_and_fold(tmp_path, monkeypatch):
    given, _ = run_adapter(
        tmp_path, monkeypatch, "calibrate_drafts", "lunggtv.infer.calibrate_drafts.calibrate_drafts",
        input=Files(predictions=["i/10/p.h5", "i/9/p.h5"], volumes=["c/10/v.h5", "c/9/v.h5"]),
        output=Files("calibration.json"),
        params=SimpleNamespace(
            config={"threshold": 0.4, "smallest_lesion_ml": None}, folds={"folds": [["10", 2], ["9", 0]]}
        ),
    )  # fmt: skip
    assert given == (
        {
            "10": LabelledFiles(fold=2, prediction="i/10/p.h5", cache="c/10/v.h5"),
            "9": LabelledFiles(fold=0, prediction="i/9/p.h5", cache="c/9/v.h5"),
        },
        DrawingSettings(threshold=0.4, smallest_lesion_ml=None),
        "calibration.json",
    )


def test_a_fold_is_validated_on_the_cache_and_the_scan_of_each_patient(tmp_path, monkeypatch):
    _, named = run_adapter(
        tmp_path, monkeypatch, "validate_fold", "lunggtv.train.validate_fold.validate_fold",
        input=Files(
            weights="w", card="c", snapshots="s", held_out_caches=["c/10/v.h5", "c/9/v.h5"],
            held_out_volumes=["i/10/v.h5", "i/9/v.h5"],
        ),
        output=Files(model="m.json", validation="v.tsv"), wildcards=SimpleNamespace(fold="11"),
        resources=SimpleNamespace(gpu=0),
    )  # fmt: skip
    assert named == {
        "fold": 11, "weights": "w", "card": "c", "snapshots": "s", "validation": "v.tsv", "model": "m.json",
        "held_out": {"10": HeldOut("c/10/v.h5", "i/10/v.h5"), "9": HeldOut("c/9/v.h5", "i/9/v.h5")},
        "device": "cpu", "threads": 3,
    }  # fmt: skip
