"""Phantoms on disk: exactly the planned files, the same bytes always, NIfTI and DICOM alike."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lunggtv.geometry import Grid, lps_orientation
from lunggtv.image_files import grid_of, read_image
from lungphantom.__main__ import main
from lungphantom.body import paint_phantom
from lungphantom.dicom_folder import SeriesStyle, outlines, write_ct_series, write_dicom, write_rtstruct
from lungphantom.make_phantom import make_phantom, write_patient
from lungphantom.nifti_pair import write_nifti
from lungphantom.plan import PhantomSettings, plan_cohort, planned_files
from pydicom.uid import RTStructureSetStorage

from tests.unit.phantom_plans import with_spacing

SETTINGS = PhantomSettings(labelled=3, unlabelled=1, dicom=1, seed=4)
COARSE = with_spacing(plan_cohort(SETTINGS)[0], (14.0, 6.0, 6.0))
TILTED = (1.0, 0.0, 0.0, 0.0, 0.96, -0.28, 0.0, 0.28, 0.96)


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def even_odd(shape: tuple[int, int], loops: list[np.ndarray]) -> np.ndarray:
    """Pixels whose centres see an odd number of crossings on the ray towards larger columns."""
    rows, columns = np.indices(shape)
    inside = np.zeros(shape, bool)
    for loop in loops:
        for (r0, c0), (r1, c1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            spans = (r0 > rows) != (r1 > rows)
            if spans.any():
                inside ^= spans & (columns < c0 + (rows - r0) / (r1 - r0) * (c1 - c0))
    return inside


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("cohort")
    make_phantom(SETTINGS, root, workers=1)
    return root


@pytest.fixture(scope="module")
def coarse():
    return paint_phantom(COARSE)


def test_just_the_planned_files_are_written(cohort):
    planned = [path for plan in plan_cohort(SETTINGS) for path in planned_files(plan, str(cohort))]
    assert sorted(planned) == sorted(str(cohort / path) for path in digests(cohort))


def test_neither_workers_nor_a_longer_cohort_change_a_byte(cohort, tmp_path):
    make_phantom(replace(SETTINGS, labelled=4), tmp_path, workers=2)
    longer = digests(tmp_path)
    assert digests(cohort) == {name: longer[name] for name in digests(cohort)}
    assert {name.split("/")[1] for name in set(longer) - set(digests(cohort))} == {"4"}


def test_files_of_an_earlier_cohort_do_not_stay_in_a_patient(tmp_path):
    write_patient(COARSE, tmp_path)
    (tmp_path / "labelled" / "1" / "notes.txt").write_text("mine")
    nifti = replace(COARSE, dicom=False)
    write_patient(nifti, tmp_path)
    assert set(digests(tmp_path)) == {
        "labelled/1/data.nii.gz", "labelled/1/label.nii.gz", "labelled/1/notes.txt"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("orientation", "diagonal"),
    [("lps", (1, 1, 1)), ("flip_xy", (-1, -1, 1)), ("flip_y", (1, -1, 1)), ("oblique", None)],
)
def test_stored_orientation_leads_back_to_the_phantom(orientation, diagonal, coarse, tmp_path):
    plan = replace(COARSE, orientation=orientation)
    phantom = paint_phantom(plan)
    write_nifti(phantom, plan, tmp_path)
    for name, expected in (("data", phantom.ct), ("label", phantom.label)):
        stored, grid = read_image(tmp_path / f"{name}.nii.gz")
        if diagonal is None:
            # Ten degrees about the x axis.
            assert grid.matrix[1, 1] == pytest.approx(np.cos(np.deg2rad(10.0)), abs=1e-6)
        else:
            np.testing.assert_allclose(grid.matrix, np.diag(diagonal), atol=1e-6)
        turn = lps_orientation(grid)
        np.testing.assert_array_equal(turn.apply(stored), expected)
        assert stored.dtype == expected.dtype
        np.testing.assert_allclose(turn.apply_to_grid(grid).origin_mm, phantom.grid.origin_mm, atol=1e-3)
        np.testing.assert_allclose(turn.apply_to_grid(grid).direction, phantom.grid.direction, atol=1e-6)
        np.testing.assert_allclose(grid.spacing_mm, plan.spacing_mm, rtol=1e-6)
    # What is stored does not change who the patient is.
    np.testing.assert_array_equal(phantom.ct, coarse.ct)


@settings(max_examples=150, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_outlines_filled_by_even_odd_are_the_mask(mask):
    np.testing.assert_array_equal(even_odd(mask.shape, outlines(mask)), mask)


def test_outlines_of_known_masks():
    (diamond,) = outlines(np.array([[False, False], [False, True]]))
    assert sorted(map(tuple, diamond)) == [(0.5, 1.0), (1.0, 0.5), (1.0, 1.5), (1.5, 1.0)]
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert len(outlines(ring)) == 2
    assert len(outlines(np.eye(2, dtype=bool))) == 2
    assert outlines(np.zeros((4, 4), bool)) == []
    # On a straight side only its two ends remain.
    (oblong,) = outlines(np.ones((2, 40), bool))
    assert len(oblong) == 8


def test_rtstruct_fills_to_the_label(coarse, tmp_path):
    write_dicom(coarse, COARSE, tmp_path)
    dataset = pydicom.dcmread(tmp_path / "rtstruct.dcm")
    assert dataset.SOPClassUID == dataset.file_meta.MediaStorageSOPClassUID == RTStructureSetStorage
    names = {item.ROINumber: item.ROIName for item in dataset.StructureSetROISequence}
    assert sorted(names.values()) == ["GTV", "Heart"]
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in (tmp_path / "ct").iterdir()]
    slices = {
        round(coarse.grid.index_zyx(header.ImagePositionPatient)[0]): header.SOPInstanceUID
        for header in headers
    }
    for item in dataset.ROIContourSequence:
        filled = np.zeros(coarse.ct.shape, bool)
        for contour in item.ContourSequence:
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            points = np.asarray(contour.ContourData, dtype=float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            index = coarse.grid.index_zyx(points)
            number = round(index[0, 0])
            np.testing.assert_allclose(index[:, 0], number, atol=1e-5)
            assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID == slices[number]
            filled[number] ^= even_odd(coarse.ct.shape[1:], [index[:, 1:]])
        expected = coarse.label if names[item.ReferencedROINumber] == "GTV" else coarse.heart
        np.testing.assert_array_equal(filled, expected.astype(bool))


def test_other_readers_read_the_series(coarse, tmp_path):
    write_dicom(coarse, COARSE, tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "ct")))
    image = reader.Execute()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), coarse.ct)
    grid = grid_of(image)
    np.testing.assert_allclose(grid.spacing_mm, coarse.grid.spacing_mm, rtol=1e-5)
    np.testing.assert_allclose(grid.origin_mm, coarse.grid.origin_mm, atol=1e-5)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("intercept", [0, -1024])
@pytest.mark.parametrize("rle", [False, True])
def test_series_styles(signed, intercept, rle, tmp_path):
    rng = np.random.default_rng(1)
    low = -3024 if signed else intercept
    ct = rng.integers(low, 3000, (4, 6, 5)).astype(np.int16)
    grid = Grid(ct.shape, (3.0, 1.5, 1.25), (-10.0, 20.0, -300.5), TILTED)
    style = SeriesStyle("odd", "A^B", intercept=intercept, signed=signed, rle=rle, file_order=(3, 1, 4, 2))
    paths = write_ct_series(ct, grid, tmp_path, style)
    assert [path.name for path in paths] == ["CT0003.dcm", "CT0001.dcm", "CT0004.dcm", "CT0002.dcm"]
    for number, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        assert dataset.PixelRepresentation == int(signed)
        assert dataset.file_meta.TransferSyntaxUID.is_compressed == rle
        stored = dataset.pixel_array.astype(int)
        np.testing.assert_array_equal(stored + int(dataset.RescaleIntercept), ct[number])
        np.testing.assert_allclose(
            np.asarray(dataset.ImagePositionPatient, float), grid.point_mm((number, 0, 0)), atol=1e-6
        )
        assert list(map(float, dataset.ImageOrientationPatient)) == [1.0, 0.0, 0.0, 0.0, 0.96, 0.28]
        assert list(map(float, dataset.PixelSpacing)) == [1.5, 1.25]
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in paths}) == 4


def test_rtstruct_of_any_mask_on_a_tilted_grid(tmp_path):
    mask = np.zeros((3, 7, 8), np.uint8)
    mask[1, 1:6, 1:7] = 1
    mask[1, 3, 3:5] = 0
    mask[2, 0, 0] = mask[2, 6, 7] = 1
    grid = Grid(mask.shape, (4.0, 1.1, 0.9), (5.0, -6.0, 7.0), TILTED)
    write_rtstruct({"GTVp 1": mask}, grid, tmp_path / "rs.dcm", SeriesStyle("tilted"))
    (item,) = pydicom.dcmread(tmp_path / "rs.dcm").ROIContourSequence
    filled = np.zeros(mask.shape, bool)
    for contour in item.ContourSequence:
        index = grid.index_zyx(np.asarray(contour.ContourData, float).reshape(-1, 3))
        filled[round(index[0, 0])] ^= even_odd(mask.shape[1:], [index[:, 1:]])
    np.testing.assert_array_equal(filled, mask.astype(bool))
    # Outer ring and hole in one slice, two single pixels in the other.
    assert len(item.ContourSequence) == 4


def test_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["phantom", str(tmp_path / "out"), "--labelled", "1"])
    main()
    assert set(digests(tmp_path / "out")) == {"labelled/1/data.nii.gz", "labelled/1/label.nii.gz"}
    monkeypatch.setattr("sys.argv", ["phantom", str(tmp_path / "out"), "--labelled", "1", "--dicom", "2"])
    with pytest.raises(SystemExit):
        main()
    assert "more than the 1 patients" in capsys.readouterr().err
