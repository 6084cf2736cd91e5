"""Reading DICOM folders: pixels, geometry, choice of series and structure set, and every refusal."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.errors import ConfigError
from lunggtv.files import file_digest
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.headers import take_inventory
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.dicom.series import group_series
from lunggtv.ingest.dicom.slice_names import named_like
from lunggtv.ingest.raw_scan import NOTED, WARNED, RawScan, Reason, Refused
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from tests.unit.dicom_files import (
    CT_CLASS,
    UID_MARK,
    CtSeries,
    Reference,
    box,
    leave_lengths_open,
    patient_files,
    settings,
    write_ct,
    write_other,
    write_rtstruct,
)

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
RTDOSE = "1.2.840.10008.5.1.4.1.1.481.2"
DICOMDIR = "1.2.840.10008.1.3.10"
RTPLAN = "1.2.840.10008.5.1.4.1.1.481.5"
PET = "1.2.840.10008.5.1.4.1.1.128"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
CT = CtSeries()
# Small images crash GDCM's own JPEG 2000 writer, not its reader.
CODED = replace(CT, rows=32, columns=40)


def gtv_boxes(series: CtSeries) -> list[np.ndarray]:
    """Boxes of 3 x 4 pixels on slices 1 to 3."""
    return [box(series, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2, 3)]


def labelled(folder: Path, series: CtSeries = CT, name: str = "GTV-1", **reference: object) -> None:
    write_rtstruct(folder / "plan" / "rs.dcm", {name: gtv_boxes(series)}, Reference(series, **reference))


def read(folder: Path, *patterns: str, label: bool = True, series: str | None = None) -> RawScan:
    return read_dicom(patient_files(folder, label), settings(*patterns, series=series))


def refusal(folder: Path, *patterns: str, label: bool = True, series: str | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        read(folder, *patterns, label=label, series=series)
    assert caught.value.reason.severity == "rejected" and str(folder) not in str(caught.value)
    return caught.value


def bare(path: Path) -> bytes:
    """A file without the 128 bytes of preamble and the prefix ``DICM``."""
    return path.read_bytes()[132:]


def codes(scan: RawScan) -> dict[str, str]:
    return {note.code: note.text for note in scan.notes}


# --- pixels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("slope", "intercept"), [(1, -1024), (1, 0), (2, -1000), (0.5, -1024), (1, -1024.25)]
)
@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian,
        RLELossless, JPEGLosslessSV1, JPEG2000Lossless,
    ],
    ids=lambda uid: uid.name.replace(" ", "")[:18],
)  # fmt: skip
def test_values_are_exact(tmp_path: Path, syntax: str, slope: float, intercept: float, signed: bool) -> None:
    series = replace(CODED, syntax=syntax, slope=slope, intercept=intercept, signed=signed, slices=3)
    stored = write_ct(tmp_path, series)
    scan = read(tmp_path, label=False)
    np.testing.assert_array_equal(scan.ct, stored.astype(float) * slope + intercept)
    whole = float(slope).is_integer() and float(intercept).is_integer()
    assert scan.ct.dtype == (np.int16 if whole else np.float32)
    assert scan.notes == ()


def test_values_beyond_int16_are_kept(tmp_path: Path) -> None:
    stored = np.full(CT.grid.shape, 65000, dtype=np.uint16)
    write_ct(tmp_path, CT, stored)
    scan = read(tmp_path, label=False)
    assert scan.ct.dtype == np.int32
    assert scan.ct.max() == 65000 - 1024


def test_negative_values_of_twelve_bits_written_without_sign_extension(tmp_path: Path) -> None:
    series = replace(CT, signed=True, bits_stored=12, intercept=0)
    stored = series.stored()
    stored[:, 0, 0] = -1024
    write_ct(tmp_path, series, stored & 0x0FFF)
    np.testing.assert_array_equal(read(tmp_path, label=False).ct, stored)


def test_one_bit_more_than_announced_is_no_sign(tmp_path: Path) -> None:
    """4096 cannot be a negative number of twelve bits, so 2048 is none either."""
    series = replace(CT, signed=True, bits_stored=12, intercept=0)
    stored = np.abs(series.stored())
    stored[:, :2] = 4096
    stored[:, 2] = 2048
    write_ct(tmp_path, series, stored)
    np.testing.assert_array_equal(read(tmp_path, label=False).ct, stored)


@pytest.mark.parametrize("padding", [-3024, 5000])
def test_values_beyond_the_announced_bits_stand_as_written(tmp_path: Path, padding: int) -> None:
    series = replace(CT, signed=True, bits_stored=12, intercept=0)
    stored = np.abs(series.stored())
    stored[:, :2] = padding  # more than twelve bits can hold
    stored[:, 2] = 2047
    write_ct(tmp_path, series, stored)
    np.testing.assert_array_equal(read(tmp_path, label=False).ct, stored)


def test_slope_and_intercept_may_differ_by_slice(tmp_path: Path) -> None:
    def change(dataset: Dataset, z: int) -> None:
        dataset.RescaleSlope = str(1 + z)
        dataset.RescaleIntercept = str(-1000 - z)

    stored = write_ct(tmp_path, CT, change=change)
    z = np.arange(CT.slices)[:, None, None]
    np.testing.assert_array_equal(read(tmp_path, label=False).ct, stored.astype(int) * (1 + z) - 1000 - z)


def test_missing_rescale_is_taken_as_one_and_zero_and_warned(tmp_path: Path) -> None:
    stored = write_ct(tmp_path, replace(CT, slope=None, intercept=None))
    scan = read(tmp_path, label=False)
    np.testing.assert_array_equal(scan.ct, stored)
    assert codes(scan) == {"no_rescale": "no rescale slope or intercept (slices: 5); 1 and 0 were taken."}


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_one_slice_without_rescale_and_two_with_loss_are_counted(tmp_path: Path, keyword: str) -> None:
    def change(dataset: Dataset, z: int) -> None:
        dataset.RescaleSlope = "2"
        dataset.LossyImageCompression = ("00", "01", "01", "00", "00")[z]
        if z == 3:
            delattr(dataset, keyword)

    stored = write_ct(tmp_path, CT, change=change)
    scan = read(tmp_path, label=False)
    expected = stored.astype(int) * 2 - 1024
    expected[3] = stored[3].astype(int) - 1024 if keyword == "RescaleSlope" else stored[3].astype(int) * 2
    np.testing.assert_array_equal(scan.ct, expected)
    assert codes(scan) == {
        "lossy_compression": "compressed with loss (slices: 2); HU are not exact.",
        "no_rescale": "no rescale slope or intercept (slices: 1); 1 and 0 were taken.",
    }


def test_one_slice_with_loss_is_warned(tmp_path: Path) -> None:
    def change(dataset: Dataset, z: int) -> None:
        if z == 4:
            dataset.LossyImageCompression = "01"

    write_ct(tmp_path, CT, change=change)
    assert codes(read(tmp_path, label=False)) == {
        "lossy_compression": "compressed with loss (slices: 1); HU are not exact."
    }


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLosslessSV1, JPEG2000Lossless])
@pytest.mark.parametrize("kept", [0.6, 0.95])
def test_truncated_slice_is_named(tmp_path: Path, syntax: str, kept: float) -> None:
    write_ct(tmp_path, replace(CODED, syntax=syntax, slices=3))
    path = tmp_path / "ct001.dcm"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "damaged_pixels"
    assert "ct001.dcm" in str(refused)
    assert "truncated or damaged" in str(refused)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEG2000Lossless])
def test_compressed_pixels_filled_up_with_zeros_are_refused(tmp_path: Path, syntax: str) -> None:
    """What an interrupted copy leaves in a file of full length; GDCM decodes such a JPEG without an error."""

    def change(dataset: Dataset, z: int) -> None:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        half = len(frame) // 2
        dataset.PixelData = encapsulate([frame[:half] + b"\0" * (len(frame) - half)])
        dataset["PixelData"].is_undefined_length = True

    write_ct(tmp_path, replace(CODED, syntax=syntax, slices=3), change=change)
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "damaged_pixels"
    assert "compressed pixels without an end" in str(refused)


def test_compressed_garbage_is_refused(tmp_path: Path) -> None:
    def change(dataset: Dataset, z: int) -> None:
        dataset.PixelData = encapsulate([b"\xff\xd8" + bytes(range(250)) + b"\xff\xd9"])
        dataset["PixelData"].is_undefined_length = True

    write_ct(tmp_path, replace(CODED, syntax=JPEGLosslessSV1, slices=3), change=change)
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "undecodable_pixels"
    assert str(refused) == (
        "ct000.dcm: the compressed pixels are damaged or of a kind that GDCM does not know. Copy the file again, or "
        "decompress the series (gdcmconv --raw, dcmdjpeg)."
    )


def test_unusual_bits_are_refused(tmp_path: Path) -> None:
    write_ct(tmp_path, CT, change=lambda dataset, z: setattr(dataset, "HighBit", 11))
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "unsupported_pixels"
    assert str(refused) == (
        "ct000.dcm: pixels of 16 bits in 16 with high bit 11 are not supported. Convert the series to 16 bits."
    )


# --- geometry -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "orientation",
    [
        (1, 0, 0, 0, 1, 0),
        (-1, 0, 0, 0, 1, 0),
        (1, 0, 0, 0, -1, 0),
        (0, 1, 0, 0, 0, -1),
        (0.96, 0, -0.28, 0, 1, 0),
    ],
    ids=["HFS", "FFS", "y flipped", "sagittal", "oblique"],
)
def test_grid_and_order_do_not_depend_on_names(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    series = replace(CT, orientation=orientation, slices=7)
    names = [f"{'AbcDefg'[i]}/IM{i}" for i in range(7)]
    random.Random(1).shuffle(names)
    for z in range(7):
        (tmp_path / names[z]).parent.mkdir()
    stored = write_ct(tmp_path, series, name=lambda z: names[z])
    labelled(tmp_path, series)
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert scan.grid.shape == series.grid.shape
    assert scan.grid.spacing_mm == pytest.approx(series.spacing_mm)
    assert scan.grid.origin_mm == pytest.approx(series.origin_mm)
    assert scan.grid.direction == pytest.approx(series.grid.direction)
    assert scan.slice_digests == tuple(file_digest(tmp_path / names[z]) for z in range(7))
    assert scan.digests == {"rtstruct": file_digest(tmp_path / "plan" / "rs.dcm")}
    expected = np.zeros(series.grid.shape, dtype=np.uint8)
    expected[1:4, 3:6, 4:8] = 1
    np.testing.assert_array_equal(scan.label, expected)
    assert scan.label_grid == scan.grid
    assert (scan.format, scan.notes) == ("dicom", ())


def test_positions_rounded_to_a_tenth_are_regular(tmp_path: Path) -> None:
    series = replace(CT, slices=40, spacing_mm=(0.625, 0.9, 1.1))

    def change(dataset: Dataset, z: int) -> None:
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], f"{-30 + 0.625 * z:.1f}"]

    write_ct(tmp_path, series, change=change)
    # Positions end at -30 + 24.375, written as -5.6: the spacing is their distance over 39 steps.
    assert read(tmp_path, label=False).grid.spacing_mm[0] == pytest.approx((30 - 5.6) / 39)


Change = Callable[[Dataset, int], None]


def shift(axis: int, z_from: int, mm: float, every: bool = True) -> Change:
    """Move slices from ``z_from`` on (or that one alone) along one axis."""

    def change(dataset: Dataset, z: int) -> None:
        if z == z_from or (every and z > z_from):
            position = list(dataset.ImagePositionPatient)
            position[axis] = f"{float(position[axis]) + mm:.6g}"
            dataset.ImagePositionPatient = position

    return change


def stretch(dataset: Dataset, z: int) -> None:
    """Steps of 3, 3, 3.15 and 3.15 mm: none far from the median, but slice 2 is off the stack by 0.15 mm."""
    position = list(dataset.ImagePositionPatient)
    dataset.ImagePositionPatient = [*position[:2], f"{float(position[2]) + 0.15 * max(z - 2, 0):.6g}"]


def at_heights(*heights_mm: float) -> Change:
    def change(dataset: Dataset, z: int) -> None:
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], str(heights_mm[z])]

    return change


def lean(dataset: Dataset, z: int) -> None:
    position = list(dataset.ImagePositionPatient)
    dataset.ImagePositionPatient = [position[0], f"{float(position[1]) + 0.5 * z:.6g}", position[2]]


def on_slice(z_changed: int, **elements: object) -> Change:
    def change(dataset: Dataset, z: int) -> None:
        if z == z_changed:
            for keyword, value in elements.items():
                setattr(dataset, keyword, value)

    return change


def without(keyword: str, z_changed: int) -> Change:
    def change(dataset: Dataset, z: int) -> None:
        if z == z_changed:
            delattr(dataset, keyword)

    return change


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (shift(2, 3, 3.0), "missing_slices", "ct003.dcm it is 6 mm where slices lie 3 mm apart"),
        (shift(2, 3, 6.0), "missing_slices", "(missing in all: 2)"),
        (at_heights(0, 1, 3, 4, 5), "missing_slices", "it is 2 mm where slices lie 1 mm apart"),
        (
            shift(2, 3, 1.0),
            "irregular_slices",
            "slice gaps: the distance between slices varies from 3 to 4 mm (median 3 mm), most between ct002.dcm and "
            "ct003.dcm. Export with one slice spacing; rounding of positions is allowed for by "
            "ingest.slice_tolerance_mm. Resample CT and GTV together to one slice distance and give them as NIfTI (3D "
            "Slicer: acquisition geometry regularization when it loads the series), or leave the patient out.",
        ),
        (shift(2, 2, 0.5, every=False), "irregular_slices", "2.5 to 3.5 mm (median 3 mm), most between ct001.dcm"),
        (shift(2, 2, -2.9, every=False), "irregular_slices", "from 0.1 to 5.9 mm"),
        (stretch, "irregular_slices", "from 3 to 3.15 mm (median 3.075 mm)"),
        (shift(2, 2, -3.0, every=False), "duplicate_slices",
         "duplicate slices: ct001.dcm and ct002.dcm lie at one place (such pairs: 1). Keep one scan, or one phase of a "
         "4D CT, in the folder."),
        (lean, "gantry_tilt",
         "the slices lean against their normal by 9.46 degrees, as a gantry tilt makes them. Have the CT resampled "
         "without tilt (a planning CT has none), or leave the patient out."),
        (shift(0, 2, 4.0), "shifted_slices",
         "ct002.dcm lies 4 mm sideways of ct000.dcm: images of different scans or reconstructions in one series. "
         "Export one reconstruction alone."),
        (on_slice(2, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "mixed_orientations",
         "mixed orientations in one CT series: ct000.dcm and ct002.dcm differ. Export the axial images alone."),
        (on_slice(2, PixelSpacing=["0.9", "1.2"]), "mixed_pixel_grid",
         "different pixel spacing in one CT series: ct000.dcm has 0.9 x 1.1 mm, ct002.dcm 0.9 x 1.2 mm. Export one "
         "reconstruction alone."),
        (on_slice(2, PixelSpacing=["0.8", "1.1"]), "mixed_pixel_grid", "x 1.1 mm, ct002.dcm 0.8 x 1.1"),
        (on_slice(2, Rows=6, Columns=32), "mixed_pixel_grid",
         "images of different size in one CT series: ct000.dcm has 12 x 16 pixels, ct002.dcm 6 x 32. Export one "
         "reconstruction alone."),
        (on_slice(2, FrameOfReferenceUID=f"{UID_MARK}.77"), "mixed_frames", "different frames of reference"),
        (without("ImagePositionPatient", 2), "missing_geometry",
         "ct002.dcm: position, orientation or pixel spacing is missing or unreadable. Copy the series again from its "
         "source; an image that is not part of the CT must leave the folder."),
        (on_slice(2, PixelSpacing=["nan", "1"]), "missing_geometry", "missing or unreadable"),
        (without("Rows", 2), "damaged_file", "ct002.dcm: the DICOM header of a CT image is cut short"),
    ],
)  # fmt: skip
def test_irregular_series_is_refused(tmp_path: Path, change: Change, code: str, words: str) -> None:
    write_ct(tmp_path, CT, change=change)
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == code
    assert words in str(refused)


def everywhere(**elements: object) -> Change:
    def change(dataset: Dataset, z: int) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


def drift(mm: float) -> Change:
    """Each slice lies farther back than the one below it."""

    def change(dataset: Dataset, z: int) -> None:
        x, y, height = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, f"{float(y) + mm * z:.6g}", height]

    return change


@pytest.mark.parametrize(
    ("allowed", "refused", "code"),
    [
        (
            on_slice(2, ImageOrientationPatient=[1, 0.0009, 0, 0, 1, 0]),
            on_slice(2, ImageOrientationPatient=[1, -0.0011, 0, 0, 1, 0]),
            "mixed_orientations",
        ),
        (
            everywhere(ImageOrientationPatient=[1.0009, 0, 0, 0, 1, 0]),
            everywhere(ImageOrientationPatient=[0.9989, 0, 0, 0, 1, 0]),
            "bad_geometry",
        ),
        (
            everywhere(ImageOrientationPatient=[1, 0.0009, 0, 0, 1, 0]),
            everywhere(ImageOrientationPatient=[1, -0.0011, 0, 0, 1, 0]),
            "bad_geometry",
        ),
        (
            on_slice(2, PixelSpacing=["0.90009", "1.1"]),
            on_slice(2, PixelSpacing=["0.9", "1.09989"]),
            "mixed_pixel_grid",
        ),
        # Off by 0.12 and 0.128 mm after 12 mm, of which 0.024 are rounded cosines and 0.1 the tolerance.
        (drift(0.03), drift(0.032), "gantry_tilt"),
    ],
    ids=["one turned", "length", "angle", "pixels", "drift"],
)
def test_what_rounding_may_do_to_a_series_and_no_more(tmp_path: Path, allowed, refused, code: str) -> None:
    write_ct(tmp_path / "a", CT, change=allowed)
    assert read(tmp_path / "a", label=False).grid.shape == CT.grid.shape
    write_ct(tmp_path / "b", CT, change=refused)
    assert refusal(tmp_path / "b", label=False).reason.code == code


@pytest.mark.parametrize(("mm", "code"), [(-2.991, "duplicate_slices"), (-2.989, "irregular_slices")])
def test_slices_a_hundredth_of_a_millimetre_apart_lie_at_one_place(
    tmp_path: Path, mm: float, code: str
) -> None:
    write_ct(tmp_path, CT, change=shift(2, 2, mm, every=False))
    assert refusal(tmp_path, label=False).reason.code == code


@pytest.mark.parametrize(
    ("keyword", "value", "text"),
    [
        (
            "ImageOrientationPatient",
            [1, 0, 0, 0.5, 0.5, 0],
            "the CT's row and column directions are not perpendicular unit vectors. Export the series again.",
        ),
        ("PixelSpacing", ["0", "1"], "ct000.dcm: pixel spacing is 0 x 1 mm."),
    ],
)
def test_impossible_geometry_is_refused(tmp_path: Path, keyword: str, value: list, text: str) -> None:
    write_ct(tmp_path, CT, change=lambda dataset, z: setattr(dataset, keyword, value))
    refused = refusal(tmp_path, label=False)
    assert (refused.reason.code, str(refused)) == ("bad_geometry", text)


def test_overlapping_thick_slices_and_a_tilt_in_a_tag_alone_are_fine(tmp_path: Path) -> None:
    def change(dataset: Dataset, z: int) -> None:
        dataset.SliceThickness = "5"
        dataset.GantryDetectorTilt = "-15"

    write_ct(tmp_path, CT, change=change)
    assert read(tmp_path, label=False).grid.spacing_mm[0] == 3.0


# --- what lies in the folder --------------------------------------------------------------------------------


def test_other_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct", CT, name="no_extension_{}".format)
    labelled(tmp_path)
    (tmp_path / "README.txt").write_text("not an image")
    write_other(tmp_path / "dose.dcm", RTDOSE, "RTDOSE")
    write_other(tmp_path / "plan.dcm", RTPLAN, "RTPLAN")
    write_other(tmp_path / "DICOMDIR", DICOMDIR, "")
    write_other(tmp_path / "pet.dcm", PET, "PT")
    write_other(tmp_path / "capture.dcm", SECONDARY_CAPTURE, "CT")
    write_other(tmp_path / "scout.dcm", CT_CLASS, "CT", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_other(tmp_path / "note.dcm", "1.2.840.10008.5.1.4.1.1.88.11", "SR")
    write_ct(tmp_path / "single", replace(CT, number=5, slices=1))
    scan = read(tmp_path)
    assert scan.ct.shape == CT.grid.shape
    [note] = scan.notes
    assert note.severity == NOTED
    assert note.text == (
        "files not used: 1 DICOMDIR, 1 PET, 1 RTDOSE, 1 RTPLAN, 1 not DICOM, 1 other object, 1 scout, "
        "1 secondary capture, CT images that form no series (1)"
    )


def test_images_that_form_no_series_are_counted_alone(tmp_path: Path) -> None:
    write_ct(tmp_path / "single", replace(CT, number=5, slices=1))
    assert "in the folder; it holds CT images that form no series of three" in str(
        refusal(tmp_path, label=False)
    )
    write_ct(tmp_path / "ct", CT)
    (note,) = read(tmp_path, label=False).notes
    assert note.text == "files not used: CT images that form no series (1)"


def test_empty_and_unreadable_files_are_named(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    (tmp_path / "x.dcm").write_bytes(b"")
    (tmp_path / "cut.dcm").write_bytes(bare(tmp_path / "ct000.dcm")[:30])
    scan = read(tmp_path, label=False)
    text = codes(scan)["suspect_files"]
    assert "cut.dcm, x.dcm" in text
    assert {note.code: note.severity for note in scan.notes}["suspect_files"] == WARNED


def test_a_slice_and_its_copy_without_prefix_are_one(tmp_path: Path) -> None:
    stored = write_ct(tmp_path, CT)
    (tmp_path / "copy").write_bytes(bare(tmp_path / "ct001.dcm"))
    scan = read(tmp_path, label=False)
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert codes(scan)["copied_files"] == "copies of other files left out: ct001.dcm."


def test_a_number_that_is_none_is_taken_as_missing(tmp_path: Path) -> None:
    """Nobody needs the acquisition's number where one series is one acquisition."""
    stored = write_ct(tmp_path, CT, change=on_slice(2, AcquisitionNumber="31719"))
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes().replace(b"31719 ", b"1e400 "))
    np.testing.assert_array_equal(read(tmp_path, label=False).ct, stored.astype(int) - 1024)


def test_exact_copies_of_slices_are_left_out(tmp_path: Path) -> None:
    stored = write_ct(tmp_path, CT)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "ct001.dcm").write_bytes((tmp_path / "ct001.dcm").read_bytes())
    scan = read(tmp_path, label=False)
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert codes(scan)["copied_files"] == "copies of other files left out: ct001.dcm."


def test_two_versions_of_one_slice_are_refused(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    write_ct(tmp_path / "again", CT, CT.stored(seed=1))
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "duplicate_slices"
    assert "again/ct000.dcm and ct000.dcm say they are the same CT image but differ" in str(refused)


def test_folder_without_ct_is_refused(tmp_path: Path) -> None:
    write_other(tmp_path / "dose.dcm", RTDOSE, "RTDOSE")
    write_ct(tmp_path, replace(CT, slices=2))
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "no_ct_series"
    assert "1 RTDOSE, CT images that form no series of three with a place in space (2)" in str(refused)


def test_series_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    files = patient_files(tmp_path, labelled=False)
    assert read_dicom(files, DicomSettings(("GTV",), 0.1, None, 5 * 12 * 16)).ct.size == 960
    with pytest.raises(Refused) as caught:
        read_dicom(files, DicomSettings(("GTV",), 0.1, None, 959))
    assert str(caught.value) == (
        "the CT series has 5 slices of 12 x 16 voxels, above ingest.max_voxels (959). If that is true, raise the "
        "limit; else export the series again."
    )


@pytest.mark.parametrize("sop_class", [ENHANCED_CT, CT_CLASS])
def test_multi_frame_ct_is_refused_with_the_way_out(tmp_path: Path, sop_class: str) -> None:
    write_other(tmp_path / "enhanced.dcm", sop_class, "CT", NumberOfFrames=100)
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "enhanced_ct"
    assert str(refused) == (
        "the CT is stored as enhanced (multi-frame) CT, which is not read; the folder holds 1 enhanced (multi-frame) "
        "CT. Export it as CT Image Storage, one file a slice (dcm4che's emf2sf converts)."
    )


def test_file_cut_within_its_header_is_refused(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    path = tmp_path / "ct002.dcm"
    path.write_bytes(path.read_bytes()[:500])
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "damaged_file"
    assert "ct002.dcm" in str(refused)


def test_nested_sequences_without_end_are_refused_not_followed(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    path = tmp_path / "ct002.dcm"
    sequence = b"\x08\x00\x11\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    content = path.read_bytes()
    at = content.index(b"\x08\x00\x05\x00CS")
    path.write_bytes(content[:at] + sequence * 5000 + content[at:])
    assert refusal(tmp_path, label=False).reason.code == "damaged_file"


# --- choice of series ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_contour", [True, False])
@pytest.mark.parametrize("by_series", [True, False])
@pytest.mark.parametrize("label", [True, False])
def test_rtstruct_chooses_the_series(tmp_path: Path, by_contour: bool, by_series: bool, label: bool) -> None:
    wanted = replace(CT, number=2, frame=2)
    write_ct(tmp_path / "a", CT)
    stored = write_ct(tmp_path / "b", wanted, CT.stored(seed=1))
    write_ct(tmp_path / "c", replace(CT, number=3, slices=9))
    labelled(tmp_path, wanted, by_contour=by_contour, by_series=by_series)
    scan = read(tmp_path, label=label)
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert (scan.label is not None) == label


def two_series(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    first = write_ct(folder / "a", CT)
    return first, write_ct(folder / "b", replace(CT, number=2, slices=4), CT.stored(seed=1)[:4])


def test_undecided_series_are_listed_and_can_be_pinned(tmp_path: Path) -> None:
    first, _ = two_series(tmp_path)
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "several_series"
    text = str(refused)
    assert "5 slices of 12 x 16, spacing 3 x 0.9 x 1.1 mm" in text
    assert "4 slices of 12 x 16, spacing 3 x 0.9 x 1.1 mm" in text
    assert 'data: series: {"7": "s' in text
    key = text[: text.index(": 5 slices")].rsplit(maxsplit=1)[-1]
    scan = read(tmp_path, label=False, series=key)
    np.testing.assert_array_equal(scan.ct, first.astype(int) - 1024)


def test_unusable_series_says_so_in_the_list(tmp_path: Path) -> None:
    write_ct(tmp_path / "a", CT)
    write_ct(tmp_path / "b", replace(CT, number=2), change=shift(2, 3, 3.0))
    text = str(refusal(tmp_path, label=False))
    assert "5 slices of 12 x 16, unusable (missing slices)" in text
    usable = text[: text.index(": 5 slices of 12 x 16, spacing")].rsplit(maxsplit=1)[-1]
    assert f'data: series: {{"7": "{usable}"}}' in text


@pytest.mark.parametrize("label", [True, False])
def test_images_at_one_place_are_no_series_beside_a_ct(tmp_path: Path, label: bool) -> None:
    """As those that wait for the contrast agent to arrive."""
    stored = write_ct(tmp_path / "a", CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": gtv_boxes(CT)}, Reference())
    write_ct(tmp_path / "b", replace(CT, number=2, slices=4), change=at_heights(-30, -30, -30, -27))
    scan = read(tmp_path, label=label)
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert "CT images that form no series (4)" in codes(scan)["skipped_files"]
    # More of them than the other has may be a damaged CT.
    write_ct(tmp_path / "b", replace(CT, number=2, slices=6), change=at_heights(*[-30] * 6))
    refused = str(refusal(tmp_path, label=False))
    assert "6 slices of 12 x 16, unusable (duplicate slices)" in refused


def test_images_at_one_place_alone_are_refused_for_what_they_are(tmp_path: Path) -> None:
    write_ct(tmp_path, CT, change=at_heights(*[-30] * 5))
    assert refusal(tmp_path, label=False).reason.code == "duplicate_slices"


def test_pinning_a_series_does_not_choose_between_two_structure_sets(tmp_path: Path) -> None:
    two_series(tmp_path)
    labelled(tmp_path)
    write_rtstruct(tmp_path / "replan.dcm", {"GTV-2": gtv_boxes(CT)[:1]}, Reference(CT))
    listed = str(refusal(tmp_path, series="s00000000"))
    key = listed[: listed.index(": 5 slices")].rsplit(maxsplit=1)[-1]
    assert refusal(tmp_path, series=key).reason.code == "several_rtstructs"


def test_labelled_patient_with_references_to_two_series_is_undecided(tmp_path: Path) -> None:
    two_series(tmp_path)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": gtv_boxes(CT)}, Reference())
    assert refusal(tmp_path).reason.code == "several_series"


def test_rtstruct_without_references_takes_the_only_series(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": gtv_boxes(CT)}, Reference())
    assert read(tmp_path).label.sum() == 3 * 12


def test_rtstruct_of_an_absent_series_is_refused(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    labelled(tmp_path, replace(CT, number=2, frame=2))
    refused = refusal(tmp_path)
    assert refused.reason.code == "series_absent"
    assert "plan/rs.dcm refers to a CT series that is not in the folder" in str(refused)
    assert "5 slices of 12 x 16" in str(refused) and 'data.series, as {"7": "s' in str(refused)
    assert read(tmp_path, label=False).ct.shape == CT.grid.shape


def test_a_pin_of_no_series_lists_those_that_are_here(tmp_path: Path) -> None:
    two_series(tmp_path)
    labelled(tmp_path, CT)
    refused = refusal(tmp_path, series="s00000000")
    assert refused.reason.code == "pinned_series_absent"
    assert "data.series pins s00000000 for patient 7" in str(refused)


def test_phases_in_one_series_are_parted_by_acquisition(tmp_path: Path) -> None:
    def acquisition(number: int) -> Change:
        def change(dataset: Dataset, z: int) -> None:
            dataset.AcquisitionNumber = number
            dataset.SeriesInstanceUID = CT.uid

        return change

    write_ct(tmp_path / "p1", CT, change=acquisition(1))
    second = replace(CT, number=2)
    stored = write_ct(tmp_path / "p2", second, CT.stored(seed=1), change=acquisition(2))
    assert refusal(tmp_path, label=False).reason.code == "several_series"
    labelled(tmp_path, second)
    path = tmp_path / "plan" / "rs.dcm"
    dataset = pydicom.dcmread(path)
    # As exported: the structure set refers to the one series with the images of both phases, its contours to
    # the images of the second.
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    referred = study.RTReferencedSeriesSequence[0]
    referred.SeriesInstanceUID = CT.uid
    for z in range(CT.slices):
        image = Dataset()
        image.ReferencedSOPInstanceUID = CT.sop_uid(z)
        referred.ContourImageSequence.append(image)
    dataset.save_as(path)
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert scan.notes == ()


def acquired(folder: Path, series: CtSeries, number: int, first: float = 0) -> np.ndarray:
    """Images of one acquisition of the series ``CT``, from plane ``first`` of it on; their stored values."""

    def change(dataset: Dataset, z: int) -> None:
        dataset.AcquisitionNumber = number
        dataset.SeriesInstanceUID = CT.uid
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in CT.grid.point_mm((first + z, 0, 0))]

    return write_ct(folder / f"a{number}", series, series.stored(seed=number), change=change)


def test_acquisitions_between_each_others_slices_are_two_scans(tmp_path: Path) -> None:
    stored = acquired(tmp_path, CT, 1)
    acquired(tmp_path, replace(CT, number=2), 2, first=0.5)
    assert refusal(tmp_path, label=False).reason.code == "several_series"
    labelled(tmp_path, CT)
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert scan.notes == ()


def test_acquisitions_one_after_the_other_are_one_scan(tmp_path: Path) -> None:
    first = acquired(tmp_path, CT, 2)
    second = acquired(tmp_path, replace(CT, number=2), 1, first=CT.slices)
    scan = read(tmp_path, label=False)
    np.testing.assert_array_equal(scan.ct, np.concatenate([first, second]).astype(int) - 1024)
    assert scan.notes == ()


def test_a_single_image_of_another_acquisition_parts_no_scan(tmp_path: Path) -> None:
    stored = write_ct(tmp_path, CT, change=on_slice(2, AcquisitionNumber="2"))
    np.testing.assert_array_equal(read(tmp_path, label=False).ct, stored.astype(int) - 1024)


@pytest.mark.parametrize(("taken", "first"), [(1, 0), (2, 4)])
def test_slices_of_another_acquisition_that_continue_the_scan_are_told(
    tmp_path: Path, taken: int, first: int
) -> None:
    """Two acquisitions share one place; the structure set was drawn on one of them."""
    acquired(tmp_path, CT, 1)
    acquired(tmp_path, replace(CT, number=2), 2, first=CT.slices - 1)
    names = replace(CT, number=taken)
    gtv = [box(CT, first + z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2, 3)]
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": gtv}, Reference(names))
    scan = read(tmp_path)
    (note,) = (note for note in scan.notes if note.code == "slices_left_out")
    assert note.severity == WARNED
    assert "4 images of the others continue it by 12 mm and were left out" in note.text


def test_phases_that_nothing_parts_are_duplicate_slices(tmp_path: Path) -> None:
    write_ct(tmp_path / "p1", CT)
    write_ct(
        tmp_path / "p2", replace(CT, number=2), change=lambda d, z: setattr(d, "SeriesInstanceUID", CT.uid)
    )
    refused = refusal(tmp_path, label=False)
    assert refused.reason.code == "duplicate_slices"
    assert "one phase of a 4D CT" in str(refused)


# --- structure sets -----------------------------------------------------------------------------------------


def test_labelled_patient_without_rtstruct_is_refused(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    refused = refusal(tmp_path)
    assert refused.reason.code == "no_rtstruct"
    assert str(refused) == (
        "no RTSTRUCT in the folder. A labelled patient needs the structure set of the planning CT; a patient without "
        "one belongs into data.unlabelled."
    )


def test_names_found_are_listed_when_none_matches(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"Tumor_c40": gtv_boxes(CT), "Lung_L": []}, Reference(CT))
    refused = refusal(tmp_path)
    assert refused.reason.code == "no_matching_roi"
    assert str(refused) == (
        "no ROI is named as ingest.roi_patterns ('GTV.*') asks: rs.dcm has 'Tumor_c40', 'Lung_L'. Add a pattern."
    )
    assert read(tmp_path, "Tumor.*").label.sum() == 36


def test_template_roi_without_contours_is_refused(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": [], "Lung": gtv_boxes(CT)}, Reference(CT))
    refused = refusal(tmp_path)
    assert refused.reason.code == "empty_roi"
    assert str(refused) == (
        "rs.dcm: 'GTV' has no closed contour. Export the structure set with its contours, or let ingest.roi_patterns "
        "name another ROI."
    )


def test_matching_rois_are_joined_and_empty_ones_told(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    rois = {
        "GTVp": gtv_boxes(CT),
        "gtv n1": [box(CT, 2, (8.5, 10.5), (0.5, 2.5))],
        "GTV_old": [],
        "PTV": [box(CT, 2, (0.5, 10.5), (0.5, 14.5))],
    }
    write_rtstruct(tmp_path / "rs.dcm", rois, Reference(CT))
    scan = read(tmp_path)
    assert scan.label.sum() == 36 + 4
    assert codes(scan).keys() == {"rois_joined", "empty_roi"}
    assert "'GTVp', 'gtv n1'" in codes(scan)["rois_joined"]
    assert {note.severity for note in scan.notes} == {NOTED}


def test_overlapping_rois_are_warned(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    rois = {"GTV": gtv_boxes(CT), "GTV_older": [box(CT, 2, (2.5, 5.5), (5.5, 9.5))]}
    write_rtstruct(tmp_path / "rs.dcm", rois, Reference(CT))
    scan = read(tmp_path)
    # Rows 3 to 5, columns 6 and 7 are shared: 6 voxels of 3 x 0.9 x 1.1 mm.
    assert "overlap by 0.0178 ml" in codes(scan)["rois_overlap"]
    assert scan.label.sum() == 36 + 6


def test_second_rtstruct_without_gtv_or_of_another_ct_does_not_matter(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    labelled(tmp_path)
    write_rtstruct(tmp_path / "organs.dcm", {"Heart": gtv_boxes(CT)}, Reference(CT))
    write_rtstruct(
        tmp_path / "other.dcm", {"GTV": gtv_boxes(CT)[:1]}, Reference(replace(CT, number=9, frame=9))
    )
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "plan" / "rs.dcm").read_bytes())
    scan = read(tmp_path)
    assert scan.label.sum() == 36
    assert codes(scan).keys() == {"other_gtv_left_out", "other_rtstruct"}


def test_two_rtstructs_with_a_gtv_are_refused(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    labelled(tmp_path)
    write_rtstruct(tmp_path / "replan.dcm", {"GTV-2": gtv_boxes(CT)[:1]}, Reference(CT))
    refused = refusal(tmp_path)
    assert refused.reason.code == "several_rtstructs"
    assert str(refused) == (
        "2 RTSTRUCTs have a GTV: plan/rs.dcm has 'GTV-1'; replan.dcm has 'GTV-2'. Keep the right one in the folder, or "
        "make ingest.roi_patterns narrower."
    )
    assert read(tmp_path, "GTV-2").label.sum() == 12


@pytest.mark.parametrize("kind", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"])
def test_open_contours_enclose_nothing(tmp_path: Path, kind: str) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": gtv_boxes(CT)}, Reference(CT), kind=kind)
    assert refusal(tmp_path).reason.code == "empty_roi"


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSEDPLANARXOR"])
def test_every_closed_kind_is_drawn(tmp_path: Path, kind: str) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": gtv_boxes(CT)}, Reference(CT), kind=kind)
    assert read(tmp_path).label.sum() == 36


def test_points_beside_closed_contours_are_left_out_with_a_warning(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    point = box(CT, 0, (1, 1), (1, 1))[:1]
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": [*gtv_boxes(CT), point]}, Reference(CT))
    scan = read(tmp_path)
    assert scan.label.sum() == 36
    assert "left out (1)" in codes(scan)["open_contours"]


def test_findings_of_the_drawing_are_told(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    contours = [box(CT, z, (2.5, 5.5), (10.5, 30.5)) for z in (0, 0.4, 1.2, 4)]
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": [*contours, contours[0]]}, Reference(CT))
    found = codes(read(tmp_path))
    assert "drawn once (1: ROI 'GTV', slice 1 (z -30 mm))" in found["repeated_contours"]
    assert "cut at its edge (5: ROI 'GTV', slices 1 to 2 and 5 (z -30 to -18 mm))" in found["contours_cut"]
    assert "thinner slices" in found["contours_between_slices"]
    assert "do not" not in found["slices_without_contour"]
    assert "fill them in" in found["slices_without_contour"]
    assert "up to 0.6 mm from the nearest slice" in found["contours_off_slice"]


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (
            box(CT, 9, (2.5, 5.5), (3.5, 7.5)),
            "lies outside the CT: slices are missing at an end, or it was drawn on another scan. Add the whole "
            "planning CT.",
        ),
        (
            CT.grid.point_mm([(0, 2, 5), (3, 2, 5), (3, 8, 5)]),
            "leans out of the CT's slices: it was drawn on images of another orientation. Export the GTV on the axial "
            "slices of the planning CT.",
        ),
    ],
)
def test_contour_off_the_ct_is_refused(tmp_path: Path, points: np.ndarray, words: str) -> None:
    write_ct(tmp_path, CT)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": [points]}, Reference(CT))
    refused = refusal(tmp_path)
    assert refused.reason.code == "contour_outside_ct"
    assert str(refused) == f"rs.dcm: a contour of ROI 'GTV' {words}"


def test_slices_that_the_rtstruct_names_but_are_not_here_are_warned(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    labelled(tmp_path)
    (tmp_path / "ct004.dcm").unlink()
    assert "not in the folder (1)" in codes(read(tmp_path))["slices_not_here"]


@pytest.mark.parametrize("by_contour", [True, False])
def test_roi_in_another_frame_is_warned_unless_its_contours_name_the_ct(
    tmp_path: Path, by_contour: bool
) -> None:
    write_ct(tmp_path, CT)
    labelled(tmp_path, by_contour=by_contour)
    path = tmp_path / "plan" / "rs.dcm"
    dataset = pydicom.dcmread(path)
    dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = f"{UID_MARK}.2.99"
    dataset.save_as(path)
    found = codes(read(tmp_path))
    assert ("other_frame_of_reference" in found) is not by_contour
    assert by_contour or "'GTV-1' names another frame" in found["other_frame_of_reference"]


@pytest.mark.parametrize(
    ("keyword", "value"), [("NumberOfContourPoints", 5), ("ContourData", ["1", "2", "1e999"] * 4)]
)
def test_broken_contour_is_refused(tmp_path: Path, keyword: str, value: object) -> None:
    write_ct(tmp_path, CT)
    labelled(tmp_path)
    path = tmp_path / "plan" / "rs.dcm"
    dataset = pydicom.dcmread(path)
    setattr(dataset.ROIContourSequence[0].ContourSequence[1], keyword, value)
    dataset.save_as(path)
    assert refusal(tmp_path).reason.code == "damaged_rtstruct"


@pytest.mark.parametrize("undefined_length", [False, True])
def test_truncated_rtstruct_never_gives_a_smaller_gtv(tmp_path: Path, undefined_length: bool) -> None:
    write_ct(tmp_path, CT)
    labelled(tmp_path)
    path = tmp_path / "plan" / "rs.dcm"
    if undefined_length:
        dataset = pydicom.dcmread(path)
        leave_lengths_open(dataset)
        dataset.save_as(path)
    assert read(tmp_path).label.sum() == 36
    content = path.read_bytes()
    for length in range(1500, len(content), 37):
        path.write_bytes(content[:length])
        refused = refusal(tmp_path)
        assert refused.reason.code == "damaged_rtstruct"
        assert "plan/rs.dcm: the RTSTRUCT is cut short" in str(refused)


def test_damaged_rtstruct_of_an_unlabelled_patient_does_not_matter(tmp_path: Path) -> None:
    write_ct(tmp_path, CT)
    labelled(tmp_path)
    path = tmp_path / "plan" / "rs.dcm"
    path.write_bytes(path.read_bytes()[:1500])
    assert read(tmp_path, label=False).label is None


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["GTV", "gtv", "GTV-1", "GTVp", "GTV 1", " GTVn "])
def test_default_pattern_takes_what_clinics_write(name: str) -> None:
    assert settings("GTV.*").is_gtv(name)


@pytest.mark.parametrize("name", ["PTV", "Tumor_c40", "PTV-GTV", "iGTV"])
def test_default_pattern_matches_from_the_beginning(name: str) -> None:
    assert not settings("GTV.*").is_gtv(name)


def test_broken_pattern_is_named() -> None:
    with pytest.raises(ConfigError, match=r"ingest.roi_patterns: 'GTV \(1' is not a regular expression"):
        DicomSettings(("GTV (1",), 0.1)


def parted(
    folder: Path, second: CtSeries, first: float, origin_mm: tuple[float, ...] = (0, 0, 0)
) -> list[Reason]:
    """A labelled CT and beside it a series whose first slice lies on plane ``first`` of it; what is told of it."""
    labelled(folder, CT)
    write_ct(folder / "ct", CT)

    def elsewhere(dataset: Dataset, z: int) -> None:
        at_mm = np.add(second.grid.point_mm((z, 0, 0)), (0, 0, 3 * first)) + np.array(origin_mm)
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in at_mm]

    write_ct(folder / "second", second, change=elsewhere)
    return [note for note in read(folder).notes if note.code == "slices_left_out"]


@pytest.mark.parametrize(
    ("first", "slices", "beyond", "mm"),
    [
        (5, 5, 5, 15),
        (5.3, 3, 3, 9.9),
        (-2, 2, 2, 6),
        (-4.2, 4, 4, 12.6),
        # They share slices with the CT.
        (4, 5, 4, 12),
        (2, 7, 4, 12),
        (-3, 4, 3, 9),
        (-3, 6, 3, 9),
    ],
)
def test_a_series_that_continues_the_scan_is_told(
    tmp_path: Path, first: float, slices: int, beyond: int, mm: float
) -> None:
    """Half a CT under a series id of its own is left out, as another scan would be."""
    (note,) = parted(tmp_path, replace(CT, number=2, frame=2, slices=slices), first)
    assert note.severity == WARNED
    assert f"{beyond} images of the others continue it by {mm:.4g} mm and were left out" in note.text
    assert "exported as several series" in note.text


def without_place(dataset: Dataset) -> None:
    del dataset.ImagePositionPatient


def coronal(dataset: Dataset) -> None:
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]


@pytest.mark.parametrize("odd", [without_place, coronal])
def test_an_odd_image_does_not_hide_that_a_series_continues_the_scan(
    tmp_path: Path, odd: Callable[[Dataset], None]
) -> None:
    """A screenshot or a scout among the images of the other half."""
    labelled(tmp_path, CT)
    write_ct(tmp_path / "ct", CT)

    def above(dataset: Dataset, z: int) -> None:
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in CT.grid.point_mm((5 + z, 0, 0))]
        if z == 4:
            odd(dataset)

    write_ct(tmp_path / "second", replace(CT, number=2), change=above)
    (note,) = (note for note in read(tmp_path).notes if note.code == "slices_left_out")
    assert "4 images of the others continue it by 12 mm and were left out" in note.text


@pytest.mark.parametrize(
    ("step_mm", "first", "slices", "beyond", "mm"),
    [
        (6.0, 6, 3, 3, 18),  # wider slices beside the fine ones through the tumour
        (6.0, -6, 3, 3, 18),
        (1.0, 5, 3, 3, 5),
        (3.0, 6, 3, 3, 12),  # one slice is lost between the two
        (6.0, 8, 3, 3, 24),
        (15.0, 16, 2, 2, 51),  # the widest slices beside the finest
    ],
)
def test_a_series_of_another_slice_distance_that_continues_the_scan_is_told(
    tmp_path: Path, step_mm: float, first: float, slices: int, beyond: int, mm: float
) -> None:
    second = replace(CT, number=2, slices=slices, spacing_mm=(step_mm, 0.9, 1.1))
    (note,) = parted(tmp_path, second, first)
    assert f"{beyond} images of the others continue it by {mm:.4g} mm and were left out" in note.text


@pytest.mark.parametrize("left_out", [(-2, -1, 5, 6), (-1, 0, 4, 5), (-4, -2, 6, 8), (-1, 5)])
def test_both_ends_of_a_scan_under_another_series_are_told(tmp_path: Path, left_out: tuple[int, ...]) -> None:
    """They lie around the CT taken but do not cover it again."""
    labelled(tmp_path, CT)
    write_ct(tmp_path / "ct", CT)

    def at_an_end(dataset: Dataset, z: int) -> None:
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in CT.grid.point_mm((left_out[z], 0, 0))]

    write_ct(tmp_path / "second", replace(CT, number=2, slices=len(left_out)), change=at_an_end)
    (note,) = (note for note in read(tmp_path).notes if note.code == "slices_left_out")
    beyond = sum(z not in range(5) for z in left_out)
    assert f"{beyond} images of the others continue it" in note.text


@pytest.mark.parametrize("pinned", ["a", "b", None])
def test_a_gtv_on_two_parts_of_one_scan_is_refused_for_what_it_is(tmp_path: Path, pinned: str | None) -> None:
    """The GTV lies on both halves of a CT: whichever is pinned, part of it lies outside."""
    halves = {"a": replace(CT, slices=3), "b": replace(CT, number=2, slices=3, origin_mm=(-50, -40, -21))}
    for name, half in halves.items():
        write_ct(tmp_path / name, half)
    gtv = [box(replace(CT, slices=6), z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2, 3)]
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": gtv}, Reference(halves["a"]))
    dataset = pydicom.dcmread(tmp_path / "rs.dcm")
    contour = dataset.ROIContourSequence[0].ContourSequence[2]
    contour.ContourImageSequence[0].ReferencedSOPInstanceUID = halves["b"].sop_uid(0)
    dataset.save_as(tmp_path / "rs.dcm")
    key = None
    if pinned is not None:
        files = patient_files(tmp_path / pinned).files
        key = group_series(take_inventory(files, tmp_path).slices)[0][0].key
    refused = refusal(tmp_path, series=key)
    assert refused.reason.code == "ct_in_parts"
    text = str(refused)
    assert "rs.dcm was drawn on 2 CT series that go on with one another" in text
    assert "from a/ct000.dcm on" in text and "from b/ct000.dcm on" in text
    assert text.endswith("Export it as one series.") and "data.series" not in text
    # Without a GTV on both, half of the lungs may be asked for.
    text = str(refusal(tmp_path, label=False))
    assert "Some of them go on with one another" in text and "Pin one" in text


def test_scans_of_one_place_do_not_go_on_with_one_another(tmp_path: Path) -> None:
    two_series(tmp_path)
    assert "go on with" not in str(refusal(tmp_path, label=False))


def test_a_single_image_that_continues_the_scan_is_told(tmp_path: Path) -> None:
    (note,) = parted(tmp_path, replace(CT, number=2, slices=1), 5)
    assert "; an image of the others continues it by 3 mm and was left out, with" in note.text


@pytest.mark.parametrize(
    ("change", "first", "origin_mm"),
    [
        ({"slices": 9}, -2, (0, 0, 0)),  # another scan, of more of the body
        ({}, 1, (0, 0, 0)),  # another scan, which begins and ends higher up
        ({}, -1, (0, 0, 0)),
        (
            {"slices": 9, "spacing_mm": (1.5, 0.9, 1.1)},
            1.4,
            (0, 0, 0),
        ),  # one of thinner slices, from between slices on
        ({"slices": 4}, 2, (0, 0, 0)),  # a short one, most of it on the CT
        ({"slices": 3}, 1, (0, 0, 0)),  # within the CT
        ({}, 0, (0, 0, 0)),  # another reconstruction
        # Single images far apart, far from the CT on either side.
        ({"slices": 3, "spacing_mm": (60.0, 0.9, 1.1)}, 19, (0, 0, 0)),
        ({"slices": 3, "spacing_mm": (60.0, 0.9, 1.1)}, -55, (0, 0, 0)),
        ({"slices": 4, "spacing_mm": (6.0, 0.9, 1.1)}, 0, (0, 0, 0)),  # one of thicker slices
        ({"slices": 10, "spacing_mm": (1.5, 0.9, 1.1)}, 0.5, (0, 0, 0)),  # one of thinner slices
        ({}, 7, (0, 0, 0)),  # too far away
        ({"spacing_mm": (6.0, 0.9, 1.1)}, 10, (0, 0, 0)),
        ({"rows": 14}, 5, (0, 0, 0)),
        ({"spacing_mm": (3.0, 0.9, 1.0)}, 5, (0, 0, 0)),
        ({}, 5, (0, 1.2, 0)),
        ({"orientation": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)}, 5, (0, 0, 0)),
    ],
)
def test_another_scan_above_the_one_taken_is_nothing_to_tell(
    tmp_path: Path, change, first, origin_mm
) -> None:
    assert parted(tmp_path, replace(CT, number=2, frame=2, **change), first, origin_mm) == []


@pytest.mark.parametrize("content", [b"", bytes(700), b"<html>404 Not Found</html>"])
def test_what_is_named_like_a_slice_may_be_one(tmp_path: Path, content: bytes) -> None:
    """A lost slice at an end leaves no gap; its file stands there, under a name that says nothing of DICOM."""
    write_ct(tmp_path, CT, name="slice_{:04d}".format)
    labelled(tmp_path, CT)
    assert read(tmp_path).notes == ()
    (tmp_path / "slice_0005").write_bytes(content)
    refused = refusal(tmp_path)
    assert refused.reason.code == "unread_files"
    assert "slice_0005" in str(refused) and "a slice of the CT" in str(refused)
    (note,) = (note for note in read(tmp_path, label=False).notes if note.code == "suspect_files")
    assert "slice_0005" in note.text and note.severity == WARNED
    (tmp_path / "slice_0005").rename(tmp_path / "notes_5")
    assert [note.code for note in read(tmp_path).notes] == ["skipped_files"]


def test_what_is_named_by_a_hash_as_the_slices_are_may_be_one(tmp_path: Path) -> None:
    names = ["9b1de0aa-1f", "c0ffee00-77", "00000000-0a", "123e4567-e8", "deadbee5-4b", "0f0f0f0f-12"]
    write_ct(tmp_path, CT, name=names.__getitem__)
    labelled(tmp_path, CT)
    assert read(tmp_path).notes == ()
    (tmp_path / "5ca1ab1e-99").write_bytes(b"")
    assert refusal(tmp_path).reason.code == "unread_files"
    (tmp_path / "5ca1ab1e-99").rename(tmp_path / "feedback-99")  # letters alone make a word, not a hash
    assert [note.code for note in read(tmp_path).notes] == ["skipped_files"]


def test_an_empty_slice_that_a_cd_counts_in_letters_is_none_to_pass_over(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct", CT, name="I0000{:X}".format)
    labelled(tmp_path, CT)
    (tmp_path / "ct/I0000A").write_bytes(b"")
    refused = refusal(tmp_path)
    assert refused.reason.code == "unread_files" and "ct/I0000A" in str(refused)


UUIDS = ["0b1d6a2e-13f4-4c5d-9e8f-7a6b5c4d3e2f", "fa7e0000-abcd-4eef-bbbb-00000000000a"]


@pytest.mark.parametrize(
    ("name", "slices", "alike"),
    [
        # The letter before the digits is one of a hash, too.
        ("image100", ["image1", "image99"], True),
        ("image99", ["image98", "image100"], True),
        ("face100", ["face1", "face99"], True),
        ("7/ct/slice9.dcm", ["7/ct/slice10.dcm"], True),
        ("7/pet/slice9.dcm", ["7/ct/slice10.dcm"], False),
        ("notes9", ["slice9"], False),
        # A group of letters alone, and a hash of such.
        (UUIDS[1], UUIDS[:1], True),
        (UUIDS[0], UUIDS[1:], True),
        ("abcdefab", ["12ab34cd"], True),
        ("ct_12345678.dcm", ["ct_1a2b3c4d.dcm", "ct_ffffffff.dcm"], True),
        ("ct.0a1b.dcm", ["ct.9f3e.dcm"], True),
        ("9f3e0000", ["9f3e"], True),
        # Numbers of digits and letters, as on CDs, and a hash behind a word.
        ("I0000F", ["I0000D", "I0000E"], True),
        ("PA0/SE0/IM00000K", ["PA0/SE0/IM00000A"], True),
        ("ct0b1c2z.dcm", ["ct3f2a9c.dcm"], True),
        ("SE1/I0000F", ["SE0/I0000E"], False),
        ("I0000F.txt", ["I0000E"], False),
        ("I0000F1", ["I0000E"], False),
        ("VERSION", ["I00000E"], False),
        ("LOG0000F", ["IMG0000E"], False),
        # Words and parts of words.
        ("facade", ["1a2b3c4d"], False),
        ("notes-1a2b", ["slice-1a2b"], False),
        ("scanfe12", ["scan0012"], False),
        ("readme", ["0001", "abcdefab"], False),
        # A file without numbers is named like no other.
        ("export", ["export"], False),
    ],
)
def test_numbers_and_hashes_in_names(name: str, slices: list[str], alike: bool) -> None:
    assert named_like([name], slices) == ([name] if alike else [])
    folder, slash, last = name.rpartition("/")
    assert bool(named_like([folder + slash + last.upper()], slices)) == alike
