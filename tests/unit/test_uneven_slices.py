"""DICOM folders whose slices lie at several distances: CT, label and drafts on a regular grid, contours on slices."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.errors import ConfigError
from lunggtv.files import file_digest
from lunggtv.infer.rtstruct_file import write_structure_set
from lunggtv.infer.write_rtstruct import find_slices, parts_between
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.dicom.slice_stack import SliceStack
from lunggtv.ingest.dicom.uneven_notes import label_on_planes
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.ingest.raw_scan import RawScan, Refused

from tests.unit.dicom_files import CtSeries, Reference, box, patient_files, write_ct, write_rtstruct

PLANES = (0, 2, 4, 5, 6, 7, 9, 11)
GRID = replace(CtSeries(), slices=12)  # the grid on which the slices lie, 3 mm a plane
SERIES = replace(GRID, slices=len(PLANES))
BETWEEN = [plane for plane in range(12) if plane not in PLANES]
Y, X = (2.5, 7.5), (3.5, 9.5)


def write_uneven(folder: Path, series: CtSeries = SERIES) -> np.ndarray:
    """Write the slices of ``PLANES`` and return their HU."""
    grid = replace(series, slices=12).grid

    def change(dataset, z):
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in grid.point_mm((PLANES[z], 0, 0))]
        dataset.InstanceNumber = z + 1

    return write_ct(folder / "ct", series, change=change).astype(int) - 1024


def read(folder: Path, label: bool = True, interpolate_gtv: bool = False, **changed) -> RawScan:
    """As ingest takes a folder."""
    scan = read_dicom(patient_files(folder, label), replace(DicomSettings(("GTV.*",), 0.1), **changed))
    if scan.label is None:
        return scan
    assert not scan.label[BETWEEN].any()
    on_grid = SliceStack(scan.grid, PLANES)
    drawn, notes = label_on_planes(scan.label, on_grid, "the GTV", interpolate_gtv)
    return replace(scan, label=drawn, notes=(*scan.notes, *notes))


def refusal(folder: Path, **changed) -> Refused:
    with pytest.raises(Refused) as caught:
        read(folder, **changed)
    return caught.value


def draw(folder: Path, *planes: float, y=Y, x=X, series: CtSeries = GRID) -> None:
    write_rtstruct(
        folder / "rs.dcm",
        {"GTV": [box(series, z, y, x) for z in planes]},
        Reference(SERIES, by_contour=False, by_series=False),
    )


def on_planes(*planes: int, rows=slice(3, 8), columns=slice(4, 10)) -> np.ndarray:
    mask = np.zeros(GRID.grid.shape, np.uint8)
    mask[list(planes), rows, columns] = 1
    return mask


def texts(scan: RawScan) -> dict[str, str]:
    assert all(note.severity == "warned" for note in scan.notes)
    return {note.code: note.text for note in scan.notes}


@pytest.mark.parametrize(
    "orientation",
    [(1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0), (0, 1, 0, 0, 0, -1)],
    ids=["axial", "feet", "sagittal"],
)
def test_slices_keep_their_values_and_planes_between_are_mixed(tmp_path, orientation):
    series = replace(SERIES, orientation=orientation)
    hu = write_uneven(tmp_path, series)
    scan = read(tmp_path, label=False)
    wanted = replace(GRID, orientation=orientation).grid
    assert scan.grid.shape == (12, 12, 16) and scan.grid.spacing_mm == pytest.approx(wanted.spacing_mm)
    assert scan.grid.point_mm((11, 3, 4)) == pytest.approx(wanted.point_mm((11, 3, 4)))
    np.testing.assert_array_equal(scan.ct[list(PLANES)], hu)
    for plane in BETWEEN:
        lower = PLANES.index(plane - 1)
        np.testing.assert_array_equal(scan.ct[plane], np.rint((hu[lower] + hu[lower + 1]) / 2))
    assert [digest is None for digest in scan.slice_digests] == [z in BETWEEN for z in range(12)]
    files = [tmp_path / "ct" / f"ct{z:03d}.dcm" for z in range(len(PLANES))]
    assert [digest for digest in scan.slice_digests if digest] == [file_digest(file) for file in files]
    text = texts(scan)["interpolated_planes"]
    assert "lie 3 and 6 mm apart: 6 mm up to ct/ct002.dcm" in text
    assert "3 mm up to ct/ct005.dcm" in text and "then 6 mm" in text
    assert "regular grid of 3 mm" in text and "(4 of 12)" in text


def test_a_label_where_the_slices_are_fine_is_drawn_as_ever(tmp_path):
    write_uneven(tmp_path)
    draw(tmp_path, 5, 6)
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.label, on_planes(5, 6))
    assert list(texts(scan)) == ["interpolated_planes"]
    np.testing.assert_array_equal(read(tmp_path, interpolate_gtv=True).label, on_planes(5, 6))


def test_a_label_on_wide_slices_is_refused_or_interpolated_as_set(tmp_path):
    write_uneven(tmp_path)
    draw(tmp_path, 2, 4, 5)
    refused = refusal(tmp_path)
    assert refused.reason.code == "gtv_between_slices"
    assert "where slices lie 6 mm apart" in str(refused) and "planes between slices (1)" in str(refused)
    assert "set ingest.interpolate_gtv: true" in str(refused)
    scan = read(tmp_path, interpolate_gtv=True)
    np.testing.assert_array_equal(scan.label, on_planes(2, 3, 4, 5))
    told = texts(scan)
    assert list(told) == ["interpolated_planes", "gtv_interpolated", "gtv_ends_between_slices"]
    voxel_ml = 3.0 * 0.9 * 1.1 / 1000
    assert "planes between slices (1)" in told["gtv_interpolated"]
    assert f"({30 * voxel_ml:.3g} ml)" in told["gtv_interpolated"]
    # Slice 2 is drawn half a plane thick downwards, not one.
    assert f"smaller by {15 * voxel_ml:.2g} ml" in told["gtv_ends_between_slices"]


def test_the_widest_distance_within_the_label_is_told():
    stack = SliceStack(replace(GRID.grid, shape=(9, 12, 16)), (0, 2, 5, 6, 8))
    mask = on_planes(2, 5, 6, 8)[:9]
    with pytest.raises(Refused, match=r"GTV was .* slices lie 9 mm apart, .* planes between slices \(3\)"):
        label_on_planes(mask, stack, "the GTV", interpolate=False)
    label, notes = label_on_planes(mask, stack, "the GTV", interpolate=True)
    assert label.sum(axis=(1, 2)).tolist() == [0, 0, 30, 30, 30, 30, 30, 30, 30]
    assert [note.code for note in notes] == ["gtv_interpolated", "gtv_ends_between_slices"]
    np.testing.assert_array_equal(mask, on_planes(2, 5, 6, 8)[:9])


def test_a_mask_that_was_made_on_the_grid_is_taken_as_it_stands_if_it_may_be():
    stack = SliceStack(GRID.grid, PLANES)
    mask = on_planes(2, 4) | on_planes(3, rows=slice(3, 5))
    with pytest.raises(Refused, match=r"a.nii was .* slices lie 6 mm apart, .* planes between slices \(1\)"):
        label_on_planes(mask, stack, "a.nii", interpolate=False)
    label, (note,) = label_on_planes(mask, stack, "a.nii", interpolate=True)
    np.testing.assert_array_equal(label, mask)
    assert (note.code, "taken as it stands (0.0356 ml)" in note.text) == ("gtv_interpolated", True)
    assert label_on_planes(on_planes(5, 6), stack, "a.nii", interpolate=False)[1] == []


def test_a_shape_that_changes_is_interpolated_halfway(tmp_path):
    write_uneven(tmp_path)
    contours = [box(GRID, 2, (0.5, 9.5), (2.5, 13.5)), box(GRID, 4, (2.5, 7.5), (4.5, 11.5))]
    write_rtstruct(
        tmp_path / "rs.dcm", {"GTV": contours}, Reference(SERIES, by_contour=False, by_series=False)
    )
    label = read(tmp_path, interpolate_gtv=True).label
    assert label[3, 5].tolist() == [0] * 4 + [1] * 9 + [0] * 3
    assert label[3, :, 8].tolist() == [0] * 2 + [1] * 7 + [0] * 3


def test_parts_on_two_slices_that_are_not_one_need_no_plane_between(tmp_path):
    write_uneven(tmp_path)
    contours = [box(GRID, 2, (0.5, 3.5), (0.5, 3.5)), box(GRID, 4, (7.5, 10.5), (10.5, 14.5))]
    write_rtstruct(
        tmp_path / "rs.dcm", {"GTV": contours}, Reference(SERIES, by_contour=False, by_series=False)
    )
    scan = read(tmp_path)
    assert scan.label.any(axis=(1, 2)).nonzero()[0].tolist() == [2, 4]
    assert "gtv_ends_between_slices" in texts(scan)


def test_contours_on_planes_without_a_slice_are_left_out_or_moved_as_ever(tmp_path):
    """As drawn on the planning system's own planes, 3 mm apart throughout."""
    write_uneven(tmp_path)
    draw(tmp_path, 2, 3, 4, 5, 6, 7)
    scan = read(tmp_path, interpolate_gtv=True)
    np.testing.assert_array_equal(scan.label, on_planes(2, 3, 4, 5, 6, 7))
    text = texts(scan)["contours_between_slices"]
    # Slices counted from one on, among those that are there; plane 3 lies between the second and the third.
    assert "ROI 'GTV', slice 3 (z -18 mm)" in text
    draw(tmp_path, 3, 5, 6)
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.label, on_planes(4, 5, 6))
    assert "contours lie up to 3 mm from the nearest slice" in texts(scan)["contours_off_slice"]


def test_a_contour_beyond_the_end_is_judged_by_the_distance_there(tmp_path):
    write_uneven(tmp_path)
    draw(tmp_path, 11, 11.9)
    assert "contours_between_slices" in texts(read(tmp_path))
    draw(tmp_path, 11, 12.2)
    assert refusal(tmp_path).reason.code == "contour_outside_ct"


def test_contours_that_name_their_slice_are_not_elsewhere(tmp_path):
    write_uneven(tmp_path)
    draw(tmp_path, 5, 6)
    dataset = pydicom.dcmread(tmp_path / "rs.dcm")
    for contour, z in zip(dataset.ROIContourSequence[0].ContourSequence, (3, 4), strict=True):
        image = pydicom.Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = dataset.SOPClassUID, SERIES.sop_uid(z)
        contour.ContourImageSequence = [image]
    dataset.save_as(tmp_path / "rs.dcm")
    assert list(texts(read(tmp_path))) == ["interpolated_planes"]


def test_a_slice_without_contour_is_told_by_its_own_number(tmp_path):
    write_uneven(tmp_path)
    draw(tmp_path, 4, 6, 7)
    text = texts(read(tmp_path))["slices_without_contour"]
    assert "slice 4 (z -15 mm)" in text


def test_added_planes_count_for_the_limit_of_voxels(tmp_path):
    write_uneven(tmp_path)
    assert read(tmp_path, label=False, max_voxels=12 * 12 * 16).ct.size == 12 * 12 * 16
    told = r"12 planes \(4 of them between slices\) of 12 x 16 voxels, above ingest.max_voxels \(2303\)"
    with pytest.raises(Refused, match=told):
        read(tmp_path, label=False, max_voxels=12 * 12 * 16 - 1)


def test_a_generous_tolerance_moves_no_slice_of_a_regular_stack_onto_another(tmp_path):
    def change(dataset, z):
        position = list(dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [*position[:2], f"{position[2] + 0.6 * (z == 3):.6g}"]

    stored = write_ct(tmp_path / "ct", replace(SERIES, spacing_mm=(1.0, 0.9, 1.1)), change=change)
    scan = read(tmp_path, label=False, slice_tolerance_mm=1.0)
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert None not in scan.slice_digests and not scan.notes


def test_a_listed_series_tells_its_distances(tmp_path):
    write_uneven(tmp_path / "a")
    write_ct(tmp_path / "b", replace(SERIES, number=2))
    with pytest.raises(Refused) as caught:
        read(tmp_path, label=False)
    text = str(caught.value)
    assert "8 slices of 12 x 16, spacing 3 x 0.9 x 1.1 mm, some slices up to 6 mm apart" in text
    assert text.count("apart") == 1


def test_drafts_have_contours_on_slices_alone_and_come_back_exactly(tmp_path):
    write_uneven(tmp_path)
    scan = read(tmp_path, label=False)
    files = find_slices(sorted((tmp_path / "ct").iterdir()), scan.slice_digests)
    assert [None if file is None else file.name for file in files] == [
        f"ct{PLANES.index(z):03d}.dcm" if z in PLANES else None for z in range(12)
    ]
    mask = np.random.default_rng(3).integers(0, 2, GRID.grid.shape).astype(np.uint8)
    write_structure_set(mask, files, tmp_path / "gtv.dcm", "GTV", "test")
    found = pydicom.dcmread(tmp_path / "gtv.dcm")
    named = (
        found.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    )
    uids = [SERIES.sop_uid(z) for z in range(len(PLANES))]
    assert [one.ReferencedSOPInstanceUID for one in named.ContourImageSequence] == uids
    for contour in found.ROIContourSequence[0].ContourSequence:
        z = uids.index(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)
        heights = np.asarray(contour.ContourData, float)[2::3]
        assert np.all(heights == GRID.grid.point_mm((PLANES[z], 0, 0))[2])
    back = read(tmp_path, interpolate_gtv=True).label
    np.testing.assert_array_equal(back[list(PLANES)], mask[list(PLANES)])


def test_parts_that_no_slice_shows_are_counted():
    slices = [Path("a") if z in PLANES else None for z in range(12)]
    mask = (
        on_planes(1)
        | on_planes(3, rows=slice(0, 2))
        | on_planes(4, rows=slice(2, 3), columns=slice(10, 11))  # joined at a corner
        | on_planes(8, columns=slice(0, 1), rows=slice(10, 12))
    )
    assert parts_between(mask, slices) == 2
    assert parts_between(mask, [Path("a")] * 12) == 0


def test_lost_slices_of_a_draft_are_counted_without_the_planes_between(tmp_path):
    write_uneven(tmp_path)
    scan = read(tmp_path, label=False)
    (tmp_path / "ct" / "ct003.dcm").unlink()
    with pytest.raises(Exception, match="1 of 8 CT slices are gone"):
        find_slices(sorted((tmp_path / "ct").iterdir()), scan.slice_digests)


def test_the_setting_has_no_default_but_that_of_the_schema():
    section = {
        "gtv_values": [1], "spacing_tolerance_mm": 0.001, "position_tolerance_mm": 0.1, "max_voxels": 10**8,
        "roi_patterns": ["GTV"], "slice_tolerance_mm": 0.1, "interpolate_gtv": True,
    }  # fmt: skip
    assert IngestSettings.from_config(section).interpolate_gtv
    section.pop("interpolate_gtv")
    with pytest.raises(ConfigError, match="interpolate_gtv: is missing"):
        IngestSettings.from_config(section)


def test_a_stray_voxel_between_slices_makes_no_mask_of_the_grid():
    """It was drawn on the slices: what is missing between them is filled in, and the voxel told."""
    stack = SliceStack(GRID.grid, PLANES)
    mask = on_planes(0, 2, 4, 5, 6)
    mask[10, 3, 4] = 1
    label, notes = label_on_planes(mask, stack, "a.nii", interpolate=True)
    expected = on_planes(0, 1, 2, 3, 4, 5, 6)
    expected[10, 3, 4] = 1
    np.testing.assert_array_equal(label, expected)
    assert "interpolated by its shape" in notes[0].text and "voxels that it has there (1)" in notes[0].text
    half = on_planes(0, 1, 2, 4, 5, 6)  # one of two planes within it
    np.testing.assert_array_equal(label_on_planes(half, stack, "a.nii", interpolate=True)[0], half)


@pytest.mark.parametrize("strays", [(1,), (1, 3)])
def test_as_many_strays_as_planes_between_make_no_mask_of_the_grid_either(strays) -> None:
    """A plane with a few voxels where the slices around it have many is not drawn on."""
    stack = SliceStack(GRID.grid, PLANES)
    mask = on_planes(0, 2, 4)
    for plane in strays:
        mask[plane, 3, 4] = 1
    expected = on_planes(0, 1, 2, 3, 4)
    for plane in strays:
        expected[plane, 3, 4] = 1
    label, notes = label_on_planes(mask, stack, "a.nii", interpolate=True)
    np.testing.assert_array_equal(label, expected)
    assert f"voxels that it has there ({len(strays)})" in notes[0].text


def test_a_plane_with_more_than_a_quarter_of_what_the_slices_around_it_have_is_drawn_on() -> None:
    stack = SliceStack(GRID.grid, PLANES)
    due = int(on_planes(3, rows=slice(3, 7)).sum())
    assert due == 24
    for voxels, taken in ((7, True), (6, False)):
        mask = on_planes(2, 4, rows=slice(3, 7))
        inside = np.argwhere(on_planes(3, rows=slice(3, 7))[3])[:voxels]
        mask[3, inside[:, 0], inside[:, 1]] = 1
        label, _ = label_on_planes(mask, stack, "a.nii", interpolate=True)
        assert int(label[3].sum()) == (voxels if taken else due)
