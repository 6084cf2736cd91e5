"""Labels that other tools write: scaled, in other axes, cropped, beside a DICOM CT; never on another voxel."""

import gzip
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lunggtv.cohort.discover import find_patients
from lunggtv.geometry import Grid, Orientation
from lunggtv.image_files import write_image
from lunggtv.patient_files import PatientFiles
from lunggtv.volume import read_volume

from tests.unit.dicom_files import CtSeries, Reference, box, write_ct, write_rtstruct
from tests.unit.ingest_bodies import GRID, Outcome, chest_hu, gtv_mask, ingest, write_pair
from tests.unit.scaled_files import write_scaled
from tests.unit.segmentation_files import write_segmentation
from tests.unit.test_mask_grids import ORIENTATIONS

SERIES = CtSeries(
    slices=16, rows=36, columns=44, spacing_mm=GRID.spacing_mm, origin_mm=GRID.origin_mm, intercept=-1024
)
LAS = Orientation((0, 1, 2), (False, True, False))  # as dcm2niix stores
GTV_BOX = (slice(5, 12), slice(16, 21), slice(28, 33))  # just around gtv_mask()


def label_of(outcome: Outcome) -> np.ndarray:
    assert outcome.verdict["verdict"] in ("accepted", "warned"), outcome.words
    return read_volume(outcome.volume, "ingest").label


@pytest.mark.parametrize("stored", ["<i2", "u1"])
def test_a_label_stored_with_a_scale_factor(tmp_path, stored):
    label = gtv_mask().astype(float)
    label[8, 18, 28:30] = 2
    files = write_pair(tmp_path / "7")
    write_scaled(files.label, label, GRID, stored)
    outcome = ingest(files, tmp_path, gtv_values=(1, 2))
    assert np.array_equal(label_of(outcome), gtv_mask())
    assert (outcome.verdict["verdict"], outcome.codes) == ("accepted", ["label_rounded"])
    assert np.array_equal(label_of(ingest(files, tmp_path / "b", gtv_values=(1, 2, 3))), gtv_mask())
    outcome = ingest(files, tmp_path / "c")
    assert outcome.codes == ["label_values"]
    assert outcome.words == (
        "label.nii.gz holds the values 0, 1, 2; known are 0 and 1. Name those that are GTV in ingest.gtv_values, or "
        "export the GTV alone."
    )


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_what_such_a_label_was_read_to_is_a_mask_too(tmp_path, suffix):
    label = np.where(gtv_mask() == 1, np.float32(1.0000153), np.float32(-1e-6))
    outcome = ingest(write_pair(tmp_path / "7", label=label, suffix=suffix), tmp_path)
    assert np.array_equal(label_of(outcome), gtv_mask())
    assert outcome.codes == ["label_rounded"]
    assert outcome.words == (
        f"label{suffix} holds values up to 1.5e-05 beside whole numbers, as a scale factor leaves them; rounded."
    )


@pytest.mark.parametrize(("value", "refused"), [(0.991, False), (0.989, True), (0.009, False), (0.011, True)])
def test_how_far_from_whole_a_value_may_be(tmp_path, value, refused):
    label = gtv_mask().astype(np.float32)
    label[8, 18, 30] = value
    outcome = ingest(write_pair(tmp_path / "7", label=label), tmp_path)
    assert (outcome.verdict["verdict"] == "rejected") == refused
    assert outcome.codes == (["label_fractional"] if refused else ["label_rounded"])
    if not refused:
        assert label_of(outcome)[8, 18, 30] == round(value)


@pytest.mark.parametrize("orientation", ORIENTATIONS[::5], ids=str)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_label_with_other_axes_than_the_image(tmp_path, orientation, suffix):
    files = write_pair(
        tmp_path / "7",
        label=orientation.apply(gtv_mask()),
        label_grid=orientation.apply_to_grid(GRID),
        suffix=suffix,
    )
    outcome = ingest(files, tmp_path)
    assert np.array_equal(label_of(outcome), gtv_mask())
    assert np.array_equal(read_volume(outcome.volume, "ingest").ct, chest_hu())
    assert outcome.verdict["verdict"] == "accepted", outcome.words


def test_other_axes_do_not_excuse_another_place(tmp_path):
    grid = LAS.apply_to_grid(GRID)
    x, y, z = grid.origin_mm
    files = write_pair(
        tmp_path / "7", label=LAS.apply(gtv_mask()), label_grid=replace(grid, origin_mm=(x, y + 8.0, z))
    )
    outcome = ingest(files, tmp_path)
    assert outcome.codes == ["origin_differs"] and "8 mm" in outcome.words


def test_a_label_that_does_not_say_how_it_lies_is_not_turned(tmp_path):
    """Without sform and qform its axes are a guess of the format; they must be the image's."""
    for image_grid, code in (
        (GRID, "origin_differs"),
        (LAS.apply_to_grid(GRID), "label_unplaced"),
        (Orientation((0, 1, 2), (False, True, True)).apply_to_grid(GRID), "label_unplaced"),
    ):
        files = write_pair(tmp_path / "7", grid=image_grid, label_grid=GRID)
        content = bytearray(gzip.decompress(files.label.read_bytes()))
        struct.pack_into("<2h", content, 252, 0, 0)
        files.label.write_bytes(gzip.compress(bytes(content), 1))
        outcome = ingest(files, tmp_path)
        assert outcome.codes == [code]
    assert outcome.words == (
        "label.nii.gz does not say how it lies in the patient, and its axes or its number of voxels are not those of "
        "the CT. Write the label with its orientation and origin."
    )


def cropped(
    where: tuple[slice, slice, slice], orientation: Orientation | None = None
) -> tuple[np.ndarray, Grid]:
    """The part of the label in a box of the image, and its grid; its axes turned as given."""
    mask, start = gtv_mask()[where], tuple(one.start for one in where)
    grid = GRID.cropped(start, mask.shape)
    return (mask, grid) if orientation is None else (orientation.apply(mask), orientation.apply_to_grid(grid))


def test_the_box_of_these_tests_lies_just_around_the_gtv():
    where = np.argwhere(gtv_mask())
    assert [(one.start, one.stop) for one in GTV_BOX] == list(
        zip(where.min(0), where.max(0) + 1, strict=True)
    )


@pytest.mark.parametrize("orientation", [None, LAS, ORIENTATIONS[29]])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_a_label_cropped_by_a_viewer_is_placed_by_its_geometry(tmp_path, orientation, suffix):
    """To what is drawn, and with a margin."""
    for where in (GTV_BOX, (slice(4, 13), slice(14, 22), slice(20, 40))):
        label, grid = cropped(where, orientation)
        outcome = ingest(write_pair(tmp_path / "7", label=label, label_grid=grid, suffix=suffix), tmp_path)
        assert np.array_equal(label_of(outcome), gtv_mask())
        assert (outcome.verdict["verdict"], outcome.codes) == ("accepted", ["label_cropped"])
    assert outcome.words == (
        f"label{suffix} covers 20 x 8 x 9 of the image's 44 x 36 x 16 voxels; it was placed by its geometry, from "
        "voxel 20 x 14 x 4 on, and the rest is no GTV."
    )


def test_a_crop_that_may_have_cut_the_gtv_is_warned_about(tmp_path):
    """One slice of the GTV is missing at the top; a row, a column; all but one slice."""
    z, y, x = GTV_BOX
    wide = (slice(4, 13), slice(10, 25), slice(20, 40))
    for where in (
        (slice(4, z.stop - 1), *wide[1:]),
        (wide[0], slice(y.start + 1, 25), wide[2]),
        (*wide[:2], slice(20, x.stop - 1)),
        (slice(8, 9), *wide[1:]),
    ):
        label, grid = cropped(where)
        outcome = ingest(write_pair(tmp_path / "7", label=label, label_grid=grid), tmp_path)
        expected = np.zeros_like(gtv_mask())
        expected[where] = gtv_mask()[where]
        assert np.array_equal(label_of(outcome), expected)
        assert (outcome.verdict["verdict"], outcome.codes) == ("warned", ["label_cropped"])
        assert outcome.words.endswith("The GTV ends at a side of it: look whether it was cut there.")


def test_sides_that_are_the_image_s_own_cut_nothing(tmp_path):
    """A label of whole slices: its box ends inside the image above and below alone."""
    label, grid = cropped((slice(2, 14), slice(0, 36), slice(0, 44)))
    label[:, 0, 0] = 0
    outcome = ingest(write_pair(tmp_path / "7", label=label, label_grid=grid), tmp_path)
    assert outcome.verdict["verdict"] == "accepted", outcome.words


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (
            {"origin_mm": (57.0, -12.0, -17.0)},
            "origin_differs",
            "The label's origin lies 4.24 mm from the nearest voxel of the image, more than "
            "ingest.position_tolerance_mm allows.",
        ),
        (
            {"origin_mm": (150.0, -12.0, -20.0)},
            "shape_differs",
            "The label has 5 x 5 x 7 voxels, the image 44 x 36 x 16, and the label reaches beyond the image.",
        ),
        (
            {"spacing_mm": (3.0, 8.0, 9.0)},
            "spacing_differs",
            "The label's voxel spacing (x, y, z) is 9 x 8 x 3 mm, the image's 8 x 8 x 6 mm: more apart than "
            "ingest.spacing_tolerance_mm allows.",
        ),
        (
            {"direction": (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1.0)},
            "direction_differs",
            "The label's axes point elsewhere than the image's: 281 mm apart at a corner, more than "
            "ingest.position_tolerance_mm allows.",
        ),
    ],
)
def test_a_crop_that_does_not_fit_the_grid_is_refused_for_the_true_reason(tmp_path, change, code, words):
    label, grid = cropped(GTV_BOX)
    outcome = ingest(write_pair(tmp_path / "7", label=label, label_grid=replace(grid, **change)), tmp_path)
    assert outcome.codes == [code], outcome.words
    assert outcome.words == f"{words} Export the label again on the CT's own grid."


def dicom_patient(folder: Path) -> Path:
    """The chest as a DICOM series below ``folder``."""
    write_ct(folder / "ct", SERIES, (chest_hu() + np.int16(1024)).astype(np.uint16))
    return folder


def found(root: Path, label: str, image: str = "{patient}/data.nii.gz") -> PatientFiles:
    (files,) = find_patients(root, True, image, label)
    return files


@pytest.mark.parametrize("orientation", [None, LAS])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".nhdr", ".mhd"])
def test_a_mask_beside_a_dicom_ct(tmp_path, suffix, orientation):
    folder = dicom_patient(tmp_path / "raw/7")
    turn = orientation or ORIENTATIONS[0]
    write_image(folder / f"label{suffix}", turn.apply(gtv_mask()), turn.apply_to_grid(GRID))
    files = found(tmp_path / "raw", "{patient}/label" + suffix)
    assert (files.image, files.label) == (None, folder / f"label{suffix}")
    assert set(files.files) == {path for path in folder.rglob("*") if path.is_file()}
    outcome = ingest(files, tmp_path)
    assert np.array_equal(label_of(outcome), gtv_mask())
    assert np.array_equal(read_volume(outcome.volume, "ingest").ct, chest_hu())
    assert (outcome.verdict["verdict"], outcome.codes) == ("accepted", [])
    assert outcome.verdict["format"] == "dicom"
    assert {"label"} <= set(outcome.verdict["digests"]) <= {"label", "label_data"}


def test_the_mask_may_lie_in_another_folder(tmp_path):
    dicom_patient(tmp_path / "raw/ct/7")
    (tmp_path / "raw/masks").mkdir()
    write_image(tmp_path / "raw/masks/7.nrrd", gtv_mask(), GRID)
    files = found(tmp_path / "raw", "masks/{patient}.nrrd", "ct/{patient}/data.nii.gz")
    assert tmp_path / "raw/masks/7.nrrd" in files.files and len(files.files) == 17
    assert np.array_equal(label_of(ingest(files, tmp_path)), gtv_mask())


def test_a_mask_of_another_ct_beside_dicom_is_refused(tmp_path):
    folder = dicom_patient(tmp_path / "raw/7")
    write_image(folder / "label.nrrd", gtv_mask(), replace(GRID, spacing_mm=(5.0, 8.0, 8.0)))
    outcome = ingest(found(tmp_path / "raw", "{patient}/label.nrrd"), tmp_path)
    assert outcome.codes == ["spacing_differs"]


def test_a_mask_is_taken_before_other_gtvs_of_the_folder_and_those_are_told(tmp_path):
    """Neither an unreadable structure set nor a file that may be one matters then."""
    folder = dicom_patient(tmp_path / "raw/7")
    write_image(folder / "label.nii.gz", gtv_mask(), GRID)
    contours = [box(SERIES, z, (16.5, 19.5), (28.5, 31.5)) for z in (7, 8, 9)]
    write_rtstruct(folder / "rs.dcm", {"GTV-1": contours}, Reference(SERIES))
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV n": np.roll(gtv_mask(), 3, axis=2)})
    (folder / "rs2.dcm").write_bytes((folder / "rs.dcm").read_bytes()[:-500])
    (folder / "rs3.dcm").write_bytes(b"\0" * 300)
    outcome = ingest(found(tmp_path / "raw", "{patient}/label.nii.gz"), tmp_path)
    assert np.array_equal(label_of(outcome), gtv_mask())
    told = [one["text"] for one in outcome.verdict["reasons"] if one["code"] == "other_gtv_left_out"]
    taken = "but label.nii.gz was taken, which lies where data.label says. Check that this is the right one."
    assert told == [f"rs.dcm has a GTV too, 'GTV-1', {taken}", f"seg.dcm has a GTV too, 'GTV n', {taken}"]
    # Without the mask the structure set is read, and the unreadable file rejects.
    (folder / "label.nii.gz").unlink()
    outcome = ingest(found(tmp_path / "raw", "{patient}/label.nii.gz"), tmp_path)
    assert outcome.codes == ["unread_files"] and "rs3.dcm" in outcome.words


@pytest.mark.parametrize("at", [(0, 0, 0), (4, 15, 27)])
def test_a_crop_that_does_not_say_how_it_lies_is_placed_nowhere(tmp_path, at):
    mask, grid = gtv_mask()[4:13, 15:22, 27:34], GRID.cropped(at, (9, 7, 7))
    files = write_pair(tmp_path / "7", label=mask, label_grid=grid)
    content = bytearray(gzip.decompress(files.label.read_bytes()))
    struct.pack_into("<2h", content, 252, 0, 0)
    files.label.write_bytes(gzip.compress(bytes(content), 1))
    assert ingest(files, tmp_path).codes == ["label_unplaced"]


def test_a_mask_beside_two_series_says_which_was_taken(tmp_path):
    folder = dicom_patient(tmp_path / "raw/7")
    write_image(folder / "label.nii.gz", gtv_mask(), GRID)
    stored = (chest_hu(1) + np.int16(1024)).astype(np.uint16)
    write_ct(folder / "b", replace(SERIES, number=2), stored)
    write_rtstruct(
        folder / "organs.dcm", {"Heart": [box(SERIES, 8, (2.5, 6.5), (2.5, 6.5))]}, Reference(SERIES)
    )
    outcome = ingest(found(tmp_path / "raw", "{patient}/label.nii.gz"), tmp_path)
    assert outcome.verdict["verdict"] == "warned" and "mask_among_series" in outcome.codes
    assert re.search(
        r"label\.nii\.gz does not say on which of 2 CT series it was drawn; s[0-9a-f]{8} was taken\. Pin the right one "
        r"under data\.series\.",
        outcome.words,
    )
    assert np.array_equal(read_volume(outcome.volume, "ingest").ct, chest_hu())
