"""Evaluation from file to file: orientation, refusals, byte-identical outputs, comparison, command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from lunggtv.errors import DamagedFile, RejectedPatient, UnreadableImage, UnusableMask
from lunggtv.evaluate.__main__ import LESION_OVERLAP, TOLERANCES_MM, main
from lunggtv.evaluate.cohort_figures import draw_comparison
from lunggtv.evaluate.columns import table_columns
from lunggtv.evaluate.compare_scores import compare_scores
from lunggtv.evaluate.comparison import COMPARISON_COLUMNS, PATIENT_COLUMNS
from lunggtv.evaluate.evaluate_patient import evaluate_patient, score_files
from lunggtv.evaluate.evaluate_settings import CohortSettings, EvaluateSettings
from lunggtv.evaluate.gather_sets import gather_sets
from lunggtv.evaluate.other_masks import check_places, mask_file
from lunggtv.evaluate.overlay import chosen_slices
from lunggtv.evaluate.picture_patient import picture_patient
from lunggtv.evaluate.score import score_masks
from lunggtv.evaluate.spread import spread_columns
from lunggtv.evaluate.summarise_metrics import summarise_metrics
from lunggtv.evaluate.summary import summarise_records, summarise_review
from lunggtv.figures import save_svg
from lunggtv.files import read_json, write_json
from lunggtv.geometry import Grid, lps_orientation
from lunggtv.image_files import read_image, write_image
from lunggtv.settings import settings_from
from lunggtv.tables import read_tsv
from lunggtv.volume import Volume, read_metadata, write_rejected, write_volume

from tests.unit.scaled_files import write_scaled
from tests.unit.test_mask_grids import ORIENTATIONS

SETTINGS = settings_from(EvaluateSettings, {"tolerances_mm": [5, 1, 2, 3], "lesion_overlap": 0.1})
COHORT = CohortSettings(resamples=200, seed=1, volume_edges_ml=(1.0,))
SHAPE = (10, 14, 16)
SPACING_MM = (5.0, 1.5, 1.25)
LPS = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)
# RAS as NIfTI mostly has it, axes in another order, and an oblique grid (about 8 degrees).
DIRECTIONS = {
    "lps": LPS,
    "ras": (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0),
    "sagittal": (0, 0, 1.0, 1.0, 0, 0, 0, -1.0, 0),
    "oblique": (0.990268, 0, -0.139173, 0, 1.0, 0, 0.139173, 0, 0.990268),
}


def tumour(start: int = 3, slices: int = 4) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[start : start + slices, 4:10, 5:12] = 1
    return mask


def write_patient(
    folder: Path,
    label: np.ndarray | None,
    direction: tuple = LPS,
    patient: str = "7",
    digests: dict[str, str] | None = None,
) -> Path:
    """A patient whose volume is ``label`` in LPS order and whose files have axes along ``direction``."""
    probe = Grid((2, 2, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), direction)
    turn = lps_orientation(probe)
    stored = turn.undo(np.zeros(SHAPE, np.uint8))
    spacing = np.empty(3)
    spacing[list(turn.permutation)] = SPACING_MM
    original = Grid(stored.shape, tuple(spacing), (-100.0, 50.0, -300.0), direction)
    ct = np.random.default_rng(0).integers(-900, 100, SHAPE).astype(np.int16)
    metadata = {
        "original": original.to_dict(),
        "orientation": turn.to_dict(),
        "digests": digests or {"image": "aa", "label": "bb"},
    }
    path = folder / f"{patient}.h5"
    write_volume(path, "ingest", Volume(patient, ct, turn.apply_to_grid(original), label, None, metadata))
    return path


def write_draft(path: Path, volume_path: Path, draft: np.ndarray) -> Path:
    """``draft`` in LPS order, written on the original grid as another tool would."""
    original = Grid.from_dict(read_metadata(volume_path, "ingest")["original"])
    write_image(path, lps_orientation(original).undo(draft), original)
    return path


def evaluated(folder: Path, label: np.ndarray, draft: np.ndarray, direction: tuple = LPS, patient: str = "7"):
    volume = write_patient(folder, label, direction, patient)
    draft_path = write_draft(folder / f"{patient}.nii.gz", volume, draft)
    out = folder / "out"
    scores = out / f"{patient}.json"
    evaluate_patient(
        volume_path=volume, prediction_path=draft_path, fold=2, settings=SETTINGS, json_path=scores
    )
    picture_patient(volume=volume, mask=draft_path, record=scores, picture=out / f"{patient}.png")
    return read_json(scores)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_scores_are_those_of_the_masks_whatever_the_stored_axes(tmp_path, direction):
    label, draft = tumour(), tumour(start=4)
    record = evaluated(tmp_path, label, draft, direction)
    expected = score_masks(label, draft, SPACING_MM, SETTINGS)
    for key, value in expected.items():
        expected_value = pytest.approx(value, abs=1e-9) if isinstance(value, float) else value
        assert record[key] == expected_value, key
    assert (record["patient"], record["fold"], record["label_digest"]) == ("7", 2, "bb")
    assert (record["spacing_mm"], record["shape"]) == (list(SPACING_MM), list(SHAPE))
    assert record["cranial_error_mm"] == pytest.approx(5.0)
    assert record["hd_mm"] == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("digests", "label"),
    [
        ({"image": "a", "label": "b", "label_data": "c"}, "b"),
        ({"rtstruct": "d"}, "d"),
        ({"segmentation": "e"}, "e"),
        ({"image": "a"}, None),
    ],
)
def test_the_record_proves_which_file_was_scored_against(tmp_path, digests, label):
    volume = write_patient(tmp_path, tumour(), digests=digests)
    draft = write_draft(tmp_path / "7.nii.gz", volume, tumour())
    scores = tmp_path / "7.json"
    evaluate_patient(volume_path=volume, prediction_path=draft, fold=2, settings=SETTINGS, json_path=scores)
    assert read_json(scores)["label_digest"] == label


def test_the_record_keeps_its_contract(tmp_path):
    record = evaluated(tmp_path, tumour(), tumour(slices=3))
    contract = {
        *("patient", "fold", "outcome", "dice", "hd95_mm", "hd95_pooled_mm", "hd_mm", "assd_mm"),
        *(f"surface_dice_{tolerance}mm" for tolerance in (1, 2, 3, 5)),
        *("added_path_length_mm", "label_ml", "prediction_ml", "volume_error_percent", "centroid_shift_mm"),
        *("lesions_label", "lesions_found", "lesions_false"),
    }
    assert contract <= set(record)


def test_every_column_and_key_is_explained_in_the_docs(tmp_path):
    record = evaluated(tmp_path, tumour(), tumour(slices=3))
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
    names = [*table_columns([record]), *record, *COMPARISON_COLUMNS, *PATIENT_COLUMNS, *spread_columns([])]
    names += summarise_records([record], COHORT).keys() | summarise_review([record], []).keys()
    missing = {name for name in names if f"`{name}" not in page and not name.startswith("surface_dice_")}
    assert missing == set()


@pytest.mark.parametrize(
    ("label", "draft", "outcome"),
    [
        (tumour(), np.zeros(SHAPE, np.uint8), "missed"),
        (np.zeros(SHAPE, np.uint8), tumour(), "false_alarm"),
        (np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8), "both_empty"),
        (np.ones(SHAPE, np.uint8), np.ones(SHAPE, np.uint8), "scored"),
    ],
    ids=["missed", "false_alarm", "both_empty", "everything"],
)
def test_extreme_masks_are_scored_and_pictured(tmp_path, label, draft, outcome):
    assert evaluated(tmp_path, label, draft)["outcome"] == outcome
    assert (tmp_path / "out/7.png").stat().st_size > 10_000


def test_one_slice_and_one_voxel_are_no_crash(tmp_path):
    """A volume of one slice is pictured too."""
    grid = Grid((1, 8, 8), SPACING_MM, (0.0, 0.0, 0.0), LPS)
    label = np.zeros(grid.shape, np.uint8)
    label[0, 7, 7] = 1
    metadata = {"original": grid.to_dict(), "orientation": lps_orientation(grid).to_dict()}
    volume = Volume("1", np.zeros(grid.shape, np.int16), grid, label, None, metadata)
    write_volume(tmp_path / "v.h5", "ingest", volume)
    write_image(tmp_path / "p.nii.gz", label, grid)
    files = {"volume": tmp_path / "v.h5", "mask": tmp_path / "p.nii.gz", "record": tmp_path / "1.json"}
    evaluate_patient(
        volume_path=files["volume"],
        prediction_path=files["mask"],
        fold=None,
        settings=SETTINGS,
        json_path=files["record"],
    )
    picture_patient(**files, picture=tmp_path / "1.png")
    assert (tmp_path / "1.png").stat().st_size > 10_000
    record = read_json(tmp_path / "1.json")
    assert (record["dice"], record["fold"], record["label_digest"]) == (1.0, None, None)


def test_outputs_are_byte_identical(tmp_path):
    """Also in another process with another hash seed."""
    evaluated(tmp_path, tumour(), tumour(start=4))
    first = [(tmp_path / "out" / name).read_bytes() for name in ("7.json", "7.png")]
    code = (
        "import sys; from lunggtv.evaluate.evaluate_patient import evaluate_patient;"
        "from lunggtv.evaluate.evaluate_settings import EvaluateSettings;"
        "from lunggtv.evaluate.picture_patient import picture_patient;"
        "volume, mask, record, picture = sys.argv[1:];"
        "evaluate_patient(volume_path=volume, prediction_path=mask, fold=2,"
        " settings=EvaluateSettings((1, 2, 3, 5), 0.1), json_path=record);"
        "picture_patient(volume=volume, mask=mask, record=record, picture=picture)"
    )
    paths = [tmp_path / name for name in ("7.h5", "7.nii.gz", "again.json", "again.png")]
    workflow = Path(__file__).parents[2] / "workflow"
    subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)], cwd=workflow, check=True, env={"PYTHONHASHSEED": "42"}
    )
    assert [paths[2].read_bytes(), paths[3].read_bytes()] == first


@pytest.mark.parametrize(("off_mm", "scored"), [(0.09, True), (-0.09, True), (0.11, False), (-0.11, False)])
def test_a_grid_may_be_off_by_a_tenth_of_a_millimetre(tmp_path, off_mm, scored):
    """Rounded positions; half a voxel of the finest CT is more."""
    volume = write_patient(tmp_path, tumour())
    grid = Grid(SHAPE, SPACING_MM, (-100.0, 50.0, -300.0 + off_mm), LPS)
    write_image(tmp_path / "7.nii.gz", tumour(), grid)
    files = {
        "volume_path": volume,
        "prediction_path": tmp_path / "7.nii.gz",
        "json_path": tmp_path / "7.json",
    }
    if scored:
        evaluate_patient(**files, fold=None, settings=SETTINGS)
        assert read_json(tmp_path / "7.json")["dice"] == 1.0
    else:
        with pytest.raises(UnusableMask, match=r"up to 0\.11 mm away"):
            evaluate_patient(**files, fold=None, settings=SETTINGS)


def test_unusable_masks_are_refused_with_a_remedy(tmp_path):
    volume = write_patient(tmp_path, tumour())
    out = tmp_path / "o.json"
    good = Grid(SHAPE, SPACING_MM, (-100.0, 50.0, -300.0), LPS)

    def refuse(name: str, array: np.ndarray, grid: Grid, message: str) -> None:
        write_image(tmp_path / name, array, grid)
        with pytest.raises(UnusableMask, match=message) as caught:
            evaluate_patient(
                volume_path=volume, prediction_path=tmp_path / name, fold=0, settings=SETTINGS, json_path=out
            )
        assert name in str(caught.value)

    refuse("shape.nii.gz", tumour()[1:], Grid((9, 14, 16), SPACING_MM, good.origin_mm, LPS), "9 x 14 x 16")
    refuse("moved.nii.gz", tumour(), Grid(SHAPE, SPACING_MM, (-100, 50, -295), LPS), "up to 5.00 mm away")
    refuse("flipped.nii.gz", tumour(), Grid(SHAPE, SPACING_MM, good.origin_mm, DIRECTIONS["ras"]), "mm away")
    refuse("spacing.nii.gz", tumour(), Grid(SHAPE, (5.0, 1.0, 1.0), good.origin_mm, LPS), "mm away")
    refuse("classes.nii.gz", tumour() * 2, good, "holds the values 0, 2")
    refuse("soft.nii.gz", tumour().astype(np.float32) / 2, good, "0, 0.5")
    refuse("holes.nii.gz", np.where(tumour() > 0, 1.0, np.nan), good, "1, nan")
    write_image(tmp_path / "torn.nii.gz", tumour(), good)
    whole = (tmp_path / "torn.nii.gz").read_bytes()
    (tmp_path / "torn.nii.gz").write_bytes(whole[:-8])  # the end of gzip: its checksum
    with pytest.raises(UnreadableImage, match=r"torn\.nii\.gz: is truncated"):
        evaluate_patient(
            volume_path=volume,
            prediction_path=tmp_path / "torn.nii.gz",
            fold=0,
            settings=SETTINGS,
            json_path=out,
        )
    assert not out.exists()


@pytest.mark.parametrize("direction", ["lps", "ras", "sagittal", "oblique"])
@pytest.mark.parametrize("orientation", ORIENTATIONS[1::6], ids=str)
def test_a_mask_in_another_axis_order_has_the_same_scores_and_picture(tmp_path, orientation, direction):
    """Not only for the workflow: on the command line either file may be turned."""
    volume = write_patient(tmp_path, tumour(), DIRECTIONS[direction])
    plain = write_draft(tmp_path / "plain.nii.gz", volume, tumour(start=4))
    original = Grid.from_dict(read_metadata(volume, "ingest")["original"])
    turned, label = tmp_path / "turned.nii.gz", tmp_path / "label.nii.gz"
    stored = lps_orientation(original).undo(tumour(start=4))
    write_image(turned, orientation.apply(stored), orientation.apply_to_grid(original))
    write_image(label, lps_orientation(original).undo(tumour()), original)
    records, pictures = [], []
    for mask in (plain, turned):
        out = tmp_path / "o.json"
        evaluate_patient(
            volume_path=volume, prediction_path=mask, fold=None, settings=SETTINGS, json_path=out
        )
        picture_patient(volume=volume, mask=mask, record=out, picture=tmp_path / "o.png")
        records.append(read_json(out))
        pictures.append((tmp_path / "o.png").read_bytes())
    assert records[0] == records[1] and records[0]["dice"] == 0.75
    assert pictures[0] == pictures[1]
    assert score_files(turned, label, SETTINGS) == score_files(plain, label, SETTINGS)
    assert score_files(label, turned, SETTINGS) == score_files(label, plain, SETTINGS)
    # The third slice is the third for both, whichever way the file's axes run.
    assert score_files(turned, label, SETTINGS)["cranial_error_slices"] == 1


def test_a_mask_with_a_scale_factor_is_the_mask(tmp_path, capsys):
    volume = write_patient(tmp_path, tumour())
    original = Grid.from_dict(read_metadata(volume, "ingest")["original"])
    write_scaled(tmp_path / "p.nii.gz", tumour().astype(float), original)
    values, _ = read_image(tmp_path / "p.nii.gz")
    assert 0 < np.abs(values - np.rint(values)).max() < 1e-4, "the file is what the test is about"
    evaluate_patient(
        volume_path=volume, prediction_path=tmp_path / "p.nii.gz", fold=None, settings=SETTINGS,
        json_path=tmp_path / "o.json",
    )  # fmt: skip
    assert read_json(tmp_path / "o.json")["dice"] == 1.0
    picture_patient(
        volume=volume, mask=tmp_path / "p.nii.gz", record=tmp_path / "o.json", picture=tmp_path / "o.png"
    )
    plain = write_draft(tmp_path / "plain.nii.gz", volume, tumour())
    picture_patient(volume=volume, mask=plain, record=tmp_path / "o.json", picture=tmp_path / "plain.png")
    assert (tmp_path / "o.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
    assert main([str(tmp_path / "p.nii.gz"), str(tmp_path / "p.nii.gz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dice"] == 1.0


def test_a_header_rounded_to_float32_is_the_same_grid(tmp_path):
    volume = write_patient(tmp_path, tumour())
    grid = Grid(SHAPE, (5.000001, 1.500001, 1.25), (-100.00001, 50.0, -300.0), LPS)
    write_image(tmp_path / "p.nii.gz", tumour(), grid)
    evaluate_patient(
        volume_path=volume,
        prediction_path=tmp_path / "p.nii.gz",
        fold=0,
        settings=SETTINGS,
        json_path=tmp_path / "o.json",
    )
    assert read_json(tmp_path / "o.json")["dice"] == 1.0


def test_volumes_without_a_label_and_rejected_ones_say_so(tmp_path):
    rest = {
        "prediction_path": tmp_path / "p.nii.gz", "fold": 0, "settings": SETTINGS, "json_path": tmp_path / "o.json"
    }  # fmt: skip
    with pytest.raises(UnusableMask, match=r"7: .* has no label"):
        evaluate_patient(volume_path=write_patient(tmp_path, None), **rest)
    write_rejected(tmp_path / "r.h5", "8", "8: the label is empty.")
    with pytest.raises(RejectedPatient, match="the label is empty"):
        evaluate_patient(volume_path=tmp_path / "r.h5", **rest)
    (tmp_path / "d.h5").write_bytes(b"torn")
    with pytest.raises(DamagedFile):
        evaluate_patient(volume_path=tmp_path / "d.h5", **rest)


@pytest.mark.parametrize(
    ("share", "contact"), [(None, None), (0.0, False), (0.09, False), (0.1, True), (0.5, True)]
)
def test_a_tumour_touches_the_wall_from_a_tenth_of_its_border_on(tmp_path, monkeypatch, share, contact):
    monkeypatch.setattr("lunggtv.evaluate.evaluate_patient.contact_share", lambda *_: share)
    record = evaluated(tmp_path, tumour(), tumour())
    assert (record["contact_share"], record["contact"]) == (share, contact)


def test_the_picture_shows_the_largest_and_the_worst_slice():
    """The largest slice of the label is 4; the draft is farthest off in 8, where there is no label."""
    label, draft = np.zeros((10, 6, 6), np.uint8), np.zeros((10, 6, 6), np.uint8)
    label[3, :3, :3], label[4, :4, :4] = 1, 1
    draft[4, :4, :4], draft[8, :3, :4] = 1, 1
    assert chosen_slices(label, draft) == (4, 8)
    # The worst slice may be the largest: then the second worst is shown.
    draft[4] = 0
    assert chosen_slices(label, draft) == (4, 8)
    assert chosen_slices(np.zeros_like(label), draft)[0] == 8


def write_scores(folder: Path, drafts: list[np.ndarray]) -> list[Path]:
    """Records of patients 1, 2, ... as evaluate_patient writes them, without the pictures."""
    paths = [folder / f"{number}.json" for number in range(1, len(drafts) + 1)]
    for path, draft in zip(paths, drafts, strict=True):
        record = score_masks(tumour(), draft, SPACING_MM, SETTINGS)
        write_json(path, record | {"patient": path.stem, "fold": 0, "contact": True, "contact_share": 0.2})
    return paths


def test_the_cohort_is_gathered_in_natural_order_and_repeats(tmp_path):
    drafts = [tumour(slices=n % 4 + 1) for n in range(10)] + [np.zeros(SHAPE, np.uint8)]
    scores = write_scores(tmp_path, drafts)
    write_json(tmp_path / "infer.json", {"patient": "3", "expected_dice": 0.9, "review": ["odd"]})
    names = {
        "metrics_tsv": "metrics.tsv", "summary_json": "summary.json", "volume_svg": "volume.svg",
        "distributions_svg": "distributions.svg", "calibration_svg": "calibration.svg",
    }  # fmt: skip
    for run in ("a", "b"):
        paths = scores if run == "a" else scores[::-1]
        outputs = {kind: tmp_path / run / name for kind, name in names.items()}
        summarise_metrics(
            score_paths=paths, draft_paths=[tmp_path / "infer.json"], settings=COHORT, **outputs
        )
    for name in names.values():
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes()
        assert str(tmp_path).encode() not in content
    rows = read_tsv(tmp_path / "a/metrics.tsv")
    assert [row["patient"] for row in rows] == [str(n) for n in range(1, 12)]
    assert rows[-1]["outcome"] == "missed"
    assert rows[-1]["hd95_mm"] == f"{np.hypot(50, np.hypot(21, 20)):.4f}", "six digits are enough to read"
    assert rows[-1]["cranial_error_mm"] == ""
    summary = read_json(tmp_path / "a/summary.json")
    assert (summary["review"]["patients"], summary["review"]["flagged"]) == (1, 1)
    # Nothing drawn, then one slice of four (Dice 0.4).
    assert summary["failures"] == ["11", "1", "5", "9"]
    assert set(summary["metrics"]["dice"]) >= {"mean", "median", "ci95"}


def test_each_figure_goes_to_its_own_file(tmp_path, monkeypatch):
    room = "lunggtv.evaluate.summarise_metrics"
    for name in ("dice_by_volume", "distributions", "calibration"):
        monkeypatch.setattr(f"{room}.draw_{name}", lambda *_, name=name: name)
    saved = {}
    monkeypatch.setattr(f"{room}.save_svg", lambda figure, path: saved.update({figure: path}))
    summarise_metrics(
        score_paths=write_scores(tmp_path / "scores", [tumour(), tumour(slices=3)]), draft_paths=[], settings=COHORT,
        metrics_tsv=tmp_path / "m.tsv", summary_json=tmp_path / "s.json", volume_svg="volume",
        distributions_svg="distributions", calibration_svg="calibration",
    )  # fmt: skip
    assert saved == {
        "dice_by_volume": "volume",
        "distributions": "distributions",
        "calibration": "calibration",
    }


def test_a_folder_of_nnunets_predictions_is_compared(tmp_path):
    """nnU-Net writes <case>.nii.gz beside its own JSON files; an empty mask where it finds nothing."""
    ours = write_scores(tmp_path / "ours", [tumour(), tumour(slices=3), tumour(start=4)])
    folder = tmp_path / "nnunet"
    folder.mkdir()
    for name in ("dataset.json", "plans.json", "predict_from_raw_data_args.json", "summary.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    theirs = []
    for patient, draft in {"1": tumour(slices=3), "2": tumour(), "3": np.zeros(SHAPE, np.uint8)}.items():
        volume = write_patient(tmp_path, tumour(), patient=patient)
        write_draft(folder / f"{patient}.nii.gz", volume, draft)
        theirs.append(tmp_path / "compare" / f"{patient}.json")
        evaluate_patient(
            volume_path=volume,
            prediction_path=mask_file(str(folder), patient),
            fold=None,
            settings=SETTINGS,
            json_path=theirs[-1],
        )
    outputs = [tmp_path / name for name in ("c.tsv", "patients.tsv", "c.json", "c.svg")]
    kinds = ("comparison_tsv", "patients_tsv", "comparison_json", "comparison_svg")
    compare_scores("LungGTV", ours, "nnunet", theirs, COHORT, **dict(zip(kinds, outputs, strict=True)))
    comparison = read_json(outputs[2])
    assert comparison["metrics"]["dice"]["wins"] == {"first": 2, "second": 1, "ties": 0}
    assert comparison["failures"] == {"first": [], "second": ["3"]}
    assert [worst["patient"] for worst in comparison["worst"]["second"]] == ["3", "1", "2"]
    dice = read_tsv(outputs[0])[0]
    assert (dice["metric"], dice["first"], dice["second"]) == ("dice", "LungGTV", "nnunet")
    rows = read_tsv(outputs[1])
    assert [row["patient"] for row in rows] == ["2", "1", "3"], "where ours lose most comes first"
    assert [row["winner"] for row in rows] == ["nnunet", "LungGTV", "LungGTV"]
    assert rows[2]["second_outcome"] == "missed" and rows[0]["contact"] == "yes"
    records = [list(map(read_json, paths)) for paths in (ours, theirs)]
    save_svg(draw_comparison("LungGTV", records[0], "nnunet", records[1]), tmp_path / "drawn.svg")
    assert outputs[3].read_bytes() == (tmp_path / "drawn.svg").read_bytes()
    before = [path.read_bytes() for path in outputs]
    compare_scores("LungGTV", ours, "nnunet", theirs, COHORT, **dict(zip(kinds, outputs, strict=True)))
    assert [path.read_bytes() for path in outputs] == before


def test_masks_are_found_where_other_tools_and_other_runs_leave_them(tmp_path):
    def put(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    flat = put("nnunet/7.nii.gz")
    put("nnunet/7.npz"), put("nnunet/7.pkl"), put("nnunet/plans.json"), put("nnunet/17.nii.gz")
    named = put("cases/lung_007.nii.gz")
    run = put("study2/results/infer/7/gtv.nii.gz")
    assert mask_file(str(tmp_path / "nnunet"), "7") == flat
    assert mask_file(str(tmp_path / "cases/lung_{patient:0>3}.nii.gz"), "7") == named
    assert mask_file(str(tmp_path / "study2"), "7") == mask_file(str(tmp_path / "study2/results"), "7") == run
    with pytest.raises(UnusableMask, match=r"no mask of patient 4.*4\.nii\.gz"):
        mask_file(str(tmp_path / "nnunet"), "4")
    with pytest.raises(UnusableMask, match="no mask of patient 8"):
        mask_file(str(tmp_path / "cases/lung_{patient:0>3}.nii.gz"), "8")
    with pytest.raises(UnusableMask, match="no such folder"):
        mask_file(str(tmp_path / "absent"), "7")
    for pattern in (
        "lung_{}.nii.gz",
        "lung_{case}.nii.gz",
        "lung_{patient.nii.gz",
        "{patient.a}",
        "{patient:q}",
    ):
        with pytest.raises(UnusableMask, match="may stand in braces"):
            mask_file(pattern, "7")
    for suffix in (".nii", ".nrrd", ".mha"):
        other = put(f"others/case{suffix}{suffix}")
        assert mask_file(str(tmp_path / "others"), f"case{suffix}") == other
    check_places({"a": str(tmp_path / "nnunet"), "b": str(tmp_path / "cases/lung_{patient:0>3}.nii.gz")})
    for place in ("absent", "absent/lung_{patient}.nii.gz"):
        with pytest.raises(
            UnusableMask, match=rf"compare: b: .*{re.escape(place)}: there is no folder .*absent\."
        ):
            check_places({"a": str(tmp_path / "nnunet"), "b": str(tmp_path / place)})
    put("nnunet/7.nii")
    with pytest.raises(UnusableMask, match="several masks of patient 7"):
        mask_file(str(tmp_path / "nnunet"), "7")


def test_sets_are_put_side_by_side_with_their_spread(tmp_path):
    """Dice of patient 1: 1, 6/7, 4/6; of 2: 4/6, 1, 6/7; of 3: 1, missed, 1; seeds have no patient 4."""
    sets = {}
    for name, slices in {"LungGTV": (4, 2, 4, 1), "seed2": (3, 4, 0), "seed3": (2, 3, 4)}.items():
        sets[name] = write_scores(tmp_path / name, [tumour(slices=n) for n in slices])
    gather_sets("LungGTV", sets.pop("LungGTV"), sets, tmp_path / "sets.tsv")
    rows = {row["metric"]: row for row in read_tsv(tmp_path / "sets.tsv")}
    dice = rows["dice"]
    each = np.array([[1, 6 / 7, 4 / 6], [4 / 6, 1, 6 / 7], [1, 0, 1]])
    means = each.mean(axis=0)
    assert (dice["better"], dice["patients"], rows["cranial_error_mm"]["patients"]) == ("higher", "3", "2")
    assert [float(dice[name]) for name in ("LungGTV", "seed2", "seed3")] == pytest.approx(means, rel=1e-5)
    assert float(dice["sd_of_means"]) == pytest.approx(np.std(means, ddof=1), rel=1e-5)
    within = each.std(axis=1, ddof=1).mean()
    assert float(dice["sd_within_patient"]) == pytest.approx(within, rel=1e-5)
    # Errors are taken by size: one, two slices too short are 5 and 10 mm, not -5 and -10.
    assert float(rows["cranial_error_mm"]["seed3"]) == pytest.approx((10 + 5) / 2)
    missed = {name: write_scores(tmp_path / name, [tumour(slices=0)]) for name in ("a", "b")}
    gather_sets("a", missed.pop("a"), missed, tmp_path / "missed.tsv")
    told = {row["metric"]: row["b"] for row in read_tsv(tmp_path / "missed.tsv")}
    assert "cranial_error_mm" not in told and told["volume_error_percent"] == "100"


def test_two_mask_files_on_the_command_line(tmp_path, capsys):
    grid = Grid(SHAPE, SPACING_MM, (0.0, 0.0, 0.0), DIRECTIONS["ras"])
    write_image(tmp_path / "label.nii.gz", tumour(), grid)
    write_image(tmp_path / "draft.nii.gz", tumour(start=4), grid)
    files = [str(tmp_path / "draft.nii.gz"), str(tmp_path / "label.nii.gz")]
    assert main([*files, "--json", "--tolerances-mm", "5", "2"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["dice"] == 0.75
    assert {key for key in record if key.startswith("surface")} == {"surface_dice_2mm", "surface_dice_5mm"}
    assert main(files) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (lines["dice"], lines["hd95_mm"], lines["outcome"]) == ("0.7500", "5.0000", "scored")
    assert {f"surface_dice_{mm}mm" for mm in (1, 2, 3, 5)} <= set(lines)
    # 4 x 6 x 7 voxels of 5 x 1.5 x 1.25 mm.
    assert lines["lesion"].split(maxsplit=1) == [
        "1", "volume_ml 1.5750, covered 0.7500, dice 0.7500, found yes"
    ]  # fmt: skip
    write_image(tmp_path / "far.nii.gz", tumour(start=8, slices=1), grid)
    assert main([str(tmp_path / "far.nii.gz"), files[1]]) == 0
    printed = capsys.readouterr().out
    assert "found no\n" in printed and "false lesion 1" in printed and printed.endswith("volume_ml 0.3937\n")
    assert main([files[0], files[1], "--lesion-overlap", "0.76"]) == 0
    assert "covered 0.7500, dice 0.7500, found no\n" in capsys.readouterr().out
    write_image(tmp_path / "empty.nii.gz", tumour(slices=0), grid)
    assert main([str(tmp_path / "empty.nii.gz"), files[1]]) == 0
    assert ["cranial_error_mm", "-"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_the_command_line_refuses_in_one_line(tmp_path, capsys):
    """Exit code 1 for files that cannot be scored, 2 for arguments that make no sense; nothing on stdout."""
    grid = Grid(SHAPE, SPACING_MM, (0.0, 0.0, 0.0), LPS)
    label = tmp_path / "label.nii.gz"
    write_image(label, tumour(), grid)
    for name, array in {"other.nrrd": tumour()[1:], "ct.mha": tumour().astype(np.int16) * 900}.items():
        write_image(tmp_path / name, array, Grid(array.shape, SPACING_MM, (0.0, 0.0, 0.0), LPS))
    flat = sitk.GetImageFromArray(tumour()[4])
    sitk.WriteImage(flat, tmp_path / "flat.nii.gz")
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(tumour())] * 2), tmp_path / "two.nii.gz")
    (tmp_path / "words.nii.gz").write_text("no image\n", encoding="utf-8")
    (tmp_path / "nothing.nii").touch()
    expected = {
        "other.nrrd": "has 9 x 14 x 16 voxels", "ct.mha": "holds the values 0, 900", "absent.nii.gz": "no such file",
        "flat.nii.gz": "not one three-dimensional", "two.nii.gz": "not one three-dimensional",
        "words.nii.gz": "ends inside its header", "nothing.nii": "ends inside its header", "": "no such file",
    }  # fmt: skip
    for name, words in expected.items():
        for files in ([tmp_path / name, label], [label, tmp_path / name]):
            assert main([str(file) for file in files]) == 1
            printed = capsys.readouterr()
            assert printed.out == "" and printed.err.startswith("error: ") and printed.err.count("\n") == 1
            assert words in printed.err or "has 10 x 14 x 16 voxels" in printed.err, name
            if "values" in words:
                assert printed.err.startswith(f"error: {tmp_path / name}: {words}")
    assert main([str(label), str(label), "--tolerances-mm", "50", "--lesion-overlap", "1"]) == 0
    assert "surface_dice_50mm" in capsys.readouterr().out
    wrong = {"--tolerances-mm": ("0", "nan", "50.1", "wide"), "--lesion-overlap": ("1.01", "0")}
    for option in [[name, value] for name, values in wrong.items() for value in values]:
        with pytest.raises(SystemExit) as stopped:
            main([str(label), str(label), *option])
        assert stopped.value.code == 2
        most = {"--tolerances-mm": 50, "--lesion-overlap": 1}[option[0]]
        assert f"{option[1]!r} is not a number above 0, at most {most}\n" in capsys.readouterr().err


def test_the_command_line_gives_what_the_workflow_gives(tmp_path):
    """Flipped axes, in a process of its own, started as a user would."""
    record = evaluated(tmp_path, tumour(), tumour(start=4), DIRECTIONS["sagittal"])
    original = Grid.from_dict(read_metadata(tmp_path / "7.h5", "ingest")["original"])
    write_image(tmp_path / "label.nii.gz", lps_orientation(original).undo(tumour()), original)

    def started(draft: Path) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "lunggtv.evaluate", draft, tmp_path / "label.nii.gz", "--json"]
        place = Path(__file__).parents[2] / "workflow"
        return subprocess.run(command, cwd=place, check=False, capture_output=True)

    refused, done = started(tmp_path / "absent.nii.gz"), started(tmp_path / "7.nii.gz")
    assert (refused.returncode, refused.stdout, done.returncode) == (1, b"", 0)
    printed = json.loads(done.stdout)
    assert {key: record[key] for key in printed} == printed
    files = (tmp_path / "7.nii.gz", tmp_path / "label.nii.gz")
    assert score_files(*files, SETTINGS) == printed


def test_evaluation_imports_no_torch():
    modules = "lunggtv.evaluate.evaluate_patient, lunggtv.evaluate.summarise_metrics"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2] / "workflow", check=True)


def test_the_command_line_scores_as_the_shipped_settings_do():
    shipped = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text(encoding="utf-8"))[
        "evaluate"
    ]
    assert (list(TOLERANCES_MM), LESION_OVERLAP) == (shipped["tolerances_mm"], shipped["lesion_overlap"])
