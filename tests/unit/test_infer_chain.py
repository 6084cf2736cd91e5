"""From a raw scan through ingest and cache to the draft: it comes back on the scan's own grid, and no worse than the
cache allows."""

import struct

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.cache.cache_patient import cache_patient
from lunggtv.files import read_json, write_json
from lunggtv.geometry import Grid, Orientation
from lunggtv.image_files import read_image
from lunggtv.infer.infer_patient import infer_patient
from lunggtv.infer.write_rtstruct import write_rtstruct
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.patient_files import PatientFiles
from lunggtv.resampling import resample_mask
from lunggtv.version import VERSION
from lunggtv.volume import read_volume

from tests.unit.cache_cases import settings as cache_settings
from tests.unit.dicom_files import CtSeries, patient_files, write_ct
from tests.unit.dicom_files import settings as dicom_settings
from tests.unit.infer_files import write_predicted
from tests.unit.ingest_bodies import GRID, chest_hu, gtv_mask, ingest, write_pair

LESSON = {"expected_dice": None, "patients": 4, "smallest_lesion_ml": 0.0, "threshold": 0.5}
turns = st.builds(Orientation, st.permutations((0, 1, 2)).map(tuple), st.tuples(*[st.booleans()] * 3))
ROUNDING = 5.1e-5  # crop.json keeps four decimals
# Degrees; beyond 45 another axis would be the nearest. Real gantries and slanted acquisitions stay below 30.
tilts = st.one_of(st.just((0.0, 0.0, 0.0)), st.tuples(*[st.floats(-20, 20, allow_nan=False)] * 3))


def tilted(grid: Grid, tilt_deg: tuple[float, float, float], slice_mm: float) -> Grid:
    """The grid turned about x, y and z, with slices of another distance."""
    (ca, sa), (cb, sb), (cc, sc) = ((np.cos(a), np.sin(a)) for a in np.radians(tilt_deg))
    about_x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    about_y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    about_z = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
    direction = (about_z @ about_y @ about_x).reshape(-1)
    return Grid(grid.shape, (slice_mm, *grid.spacing_mm[1:]), grid.origin_mm, tuple(map(float, direction)))


def stored(array: np.ndarray, grid: Grid, turn: Orientation) -> tuple[np.ndarray, Grid]:
    """The array and its grid as a file may hold them whose axes ``turn`` brings back."""
    inverse = tuple(int(axis) for axis in np.argsort(turn.permutation))
    back = Orientation(inverse, tuple(turn.flips[axis] for axis in inverse))
    return turn.undo(array), back.apply_to_grid(grid)


def bits(grid: Grid) -> bytes:
    """All numbers of a grid as bits, with -0.0 and 0.0 the same."""
    values = (*grid.shape, *grid.spacing_mm, *grid.origin_mm, *grid.direction)
    return struct.pack(f"{len(values)}d", *(value + 0.0 for value in values))


@settings(max_examples=12, deadline=None)
@given(turn=turns, tilt_deg=tilts, slice_mm=st.sampled_from((6.0, 5.0, 3.0)))
def test_a_perfect_prediction_of_any_scan_comes_back_on_its_own_grid(
    tmp_path_factory, turn, tilt_deg, slice_mm
):
    folder = tmp_path_factory.mktemp("chain")
    grid = tilted(GRID, tilt_deg, slice_mm)
    ct, file_grid = stored(chest_hu(), grid, turn)
    label, _ = stored(gtv_mask(), grid, turn)
    files = write_pair(folder / "7", ct, label, file_grid)
    outcome = ingest(files, folder)
    assert outcome.verdict["verdict"] != "rejected", outcome.words
    coarser = cache_settings(spacing_mm=[7.0, 9.5, 9.5], keep_native_within=0.0)
    cache_patient(
        outcome.volume, coarser, cache_path=folder / "cache.h5", crop_json_path=folder / "crop.json"
    )
    cached = read_volume(folder / "cache.h5", "cache")
    write_predicted(folder / "p.h5", cached, cached.label)
    write_json(folder / "calibration.json", {"all": LESSON, "folds": {}, "quality": None})
    infer_patient(
        prediction_path=folder / "p.h5",
        calibration_path=folder / "calibration.json",
        fold=None,
        review_dice=0.7,
        mask_path=folder / "gtv.nii.gz",
        json_path=folder / "infer.json",
    )
    mask, found = read_image(folder / "gtv.nii.gz")
    assert bits(found) == bits(read_image(files.image)[1])
    # The cache measured what crop and resampling cost this label; the way back costs nothing more.
    crop = read_json(folder / "crop.json")
    assert crop["gtv_lost_ml"] == 0
    dice = 2 * np.count_nonzero(mask & label) / (np.count_nonzero(mask) + np.count_nonzero(label))
    assert dice == pytest.approx(crop["round_trip_dice"], abs=ROUNDING)
    assert 0.6 < dice < 1


@pytest.mark.parametrize("flips", [(False, False, False), (True, True, False), (True, False, True)])
def test_a_dicom_scan_gets_its_mask_as_a_structure_set_on_its_own_slices(tmp_path, flips):
    turn = Orientation((0, 1, 2), flips)
    ct, grid = stored(chest_hu(), GRID, turn)
    rows_and_columns = tuple(grid.matrix[:, :2].T.reshape(-1))
    series = CtSeries(
        slices=grid.shape[0], rows=grid.shape[1], columns=grid.shape[2], spacing_mm=grid.spacing_mm,
        origin_mm=grid.origin_mm, orientation=rows_and_columns,
    )  # fmt: skip
    raw = tmp_path / "7"
    write_ct(raw, series, (ct + 1024).astype(np.uint16), name=lambda z: f"{(7 * z) % 16:02d}.dcm")
    files = tuple(sorted(raw.iterdir()))
    outcome = ingest(PatientFiles("7", False, raw, files), tmp_path)
    assert outcome.verdict["verdict"] != "rejected", outcome.words
    names = [tmp_path / name for name in ("cache.h5", "crop.json")]
    own = cache_settings(spacing_mm=[None] * 3)
    cache_patient(outcome.volume, own, cache_path=names[0], crop_json_path=names[1])
    cached = read_volume(names[0], "cache")
    scan = Grid.from_dict(cached.metadata["ingested"])
    write_predicted(tmp_path / "p.h5", cached, resample_mask(gtv_mask(), scan, cached.grid))
    write_json(tmp_path / "calibration.json", {"all": LESSON, "folds": {}, "quality": None})
    draft, record = tmp_path / "gtv.nii.gz", tmp_path / "infer.json"
    infer_patient(
        prediction_path=tmp_path / "p.h5",
        calibration_path=tmp_path / "calibration.json",
        fold=None,
        review_dice=0.7,
        mask_path=draft,
        json_path=record,
    )
    digests = ["0" * 64, "1" * 12 + "2" * 52]
    write_json(record, read_json(record) | {"models": [{"weights_sha256": digest} for digest in digests]})
    write_rtstruct(
        mask_path=draft,
        json_path=record,
        cache_path=names[0],
        raw_files=files,
        roi_name="GTV",
        rtstruct_path=raw / "gtv.dcm",
    )
    mask, _ = read_image(draft)
    assert pydicom.dcmread(raw / "gtv.dcm").StructureSetDescription == (
        f"LungGTV {VERSION}, automatic draft by models {'0' * 12}, 111111111111; not approved, to be reviewed by a "
        "physician before any use."
    )
    # The cache is at the scan's own voxels, so nothing is lost on the way.
    assert np.array_equal(mask, stored(gtv_mask(), GRID, turn)[0])
    assert np.array_equal(read_dicom(patient_files(raw), dicom_settings("GTV")).label, mask)
