"""Contours without a link to the CT are taken only where slices and body bear them out, and told."""

import copy
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.ingest.dicom.dicom_settings import DicomSettings, PreferredSeries
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.raw_scan import WARNED, RawScan, Refused

from tests.unit.dicom_files import CtSeries, Reference, box, patient_files, settings, write_ct, write_rtstruct

CT = CtSeries(slices=8, rows=40, columns=48, spacing_mm=(3.0, 4.0, 4.0), intercept=-1024)
BODY, LUNG = (slice(None), slice(8, 34), slice(6, 42)), (slice(None), slice(14, 26), slice(12, 22))
TUMOUR = ((15.5, 20.5), (13.5, 18.5))  # y, x: 25 voxels of lung on each slice
AIR = ((1.5, 4.5), (13.5, 18.5))


def chest() -> np.ndarray:
    """Stored values: soft tissue in air, with a lung."""
    stored = np.full(CT.grid.shape, 24, np.uint16)
    stored[BODY], stored[LUNG] = 1064, 174
    return stored


def contours(shift_mm: float = 0.0, place=TUMOUR) -> list[np.ndarray]:
    return [np.add(box(CT, z, *place), (0, 0, shift_mm)) for z in (2, 3, 4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_ct(tmp_path / "ct", CT, chest())
    return tmp_path


def drawn_on(folder: Path, series: CtSeries, name: str = "rs.dcm", **place) -> None:
    write_rtstruct(folder / name, {"GTV": contours(**place)}, Reference(series))


def read(folder: Path, series: str | None = None) -> RawScan:
    return read_dicom(patient_files(folder), settings(series=series))


def refusal(folder: Path, series: str | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        read(folder, series)
    return caught.value


def key_in(folder: Path) -> str:
    text = str(refusal(folder, series="s00000000"))
    return text[text.index("holds s") + 6 :][:9]


def told(scan: RawScan) -> dict[str, tuple[str, str]]:
    return {note.code: (note.severity, note.text) for note in scan.notes}


def assert_taken(scan: RawScan, code: str, *words: str) -> None:
    """The label is that of the contours, and the verdict warns with these words."""
    expected = np.zeros(CT.grid.shape, np.uint8)
    expected[2:5, 16:21, 14:19] = 1
    np.testing.assert_array_equal(scan.label, expected)
    severity, text = told(scan)[code]
    assert severity == WARNED and all(word in text for word in words), text
    assert "other_frame_of_reference" not in told(scan)


def test_another_series_of_the_same_frame(folder: Path) -> None:
    drawn_on(folder, replace(CT, number=2))
    text = (
        f"rs.dcm was drawn on another series than {key_in(folder)}, which was taken; both have the same frame of "
        "reference. Its contours lie on the slices of the CT and inside the body. Check that the tumour lies where it "
        "is drawn."
    )
    assert_taken(read(folder), "drawn_on_another_series", text)


def test_the_pet_beside_the_ct(folder: Path) -> None:
    pet = replace(CT, number=2)

    def change(dataset, z):
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.128"
        dataset.Modality = "PT"

    write_ct(folder / "pet", pet, change=change)
    drawn_on(folder, pet)
    assert_taken(read(folder), "drawn_on_another_series")


def test_other_ids_throughout_are_taken_by_a_pin_alone(folder: Path) -> None:
    drawn_on(folder, replace(CT, number=2, frame=2))
    refused = refusal(folder)
    assert refused.reason.code == "series_absent" and "data.series" in str(refused)
    text = (
        f"rs.dcm names neither the images nor the frame of reference of series {key_in(folder)}, which data.series "
        "pins. Its contours lie on the slices"
    )
    assert_taken(read(folder, key_in(folder)), "pinned_series_not_referenced", text)


def test_a_pin_of_another_series_of_the_same_frame(folder: Path) -> None:
    drawn_on(folder, replace(CT, number=2))
    assert_taken(read(folder, key_in(folder)), "drawn_on_another_series")


def test_a_set_that_names_the_ct_is_preferred_to_one_of_the_same_frame(folder: Path) -> None:
    drawn_on(folder, CT)
    write_rtstruct(folder / "b.dcm", {"GTV": contours()[:1]}, Reference(replace(CT, number=2)))
    scan = read(folder)
    assert scan.label.sum() == 75 and "drawn_on_another_series" not in told(scan)
    assert told(scan)["other_gtv_left_out"][1] == (
        "b.dcm has a GTV too, 'GTV', but refers to other images than rs.dcm, which was taken. Check that this is the "
        "right one."
    )


@pytest.mark.parametrize("frame", [1, 2])
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"shift_mm": 1.2}, "up to 1.2 mm off"),
        ({"place": ((1.5, 4.5), (13.5, 18.5))}, "100 % of what they enclose lie outside the body"),
        ({"place": ((2.5, 13.5), (13.5, 18.5))}, "45 % of what they enclose lie outside the body"),
    ],
)
def test_what_geometry_does_not_bear_out_is_refused(
    folder: Path, frame: int, place: dict, words: str
) -> None:
    drawn_on(folder, replace(CT, number=2, frame=frame), **place)
    refused = refusal(folder, key_in(folder))
    assert refused.reason.code == "drawn_elsewhere" and words in str(refused)
    if frame == 1:
        assert refusal(folder).reason.code == "drawn_elsewhere"


def test_planes_between_the_slices_are_refused_though_some_lie_on_them(folder: Path) -> None:
    planes = [box(CT, z, *TUMOUR) for z in (2, 2.5, 3, 3.5, 4)]
    write_rtstruct(folder / "rs.dcm", {"GTV": planes}, Reference(replace(CT, number=2)))
    assert refusal(folder).reason.code == "drawn_elsewhere"


def test_what_the_ids_prove_needs_no_body(folder: Path) -> None:
    drawn_on(folder, CT, place=((1.5, 4.5), (13.5, 18.5)))
    assert read(folder).label.sum() == 3 * 3 * 5


def test_two_series_of_the_same_frame_are_not_chosen_from(folder: Path) -> None:
    write_ct(folder / "b", replace(CT, number=3), chest())
    drawn_on(folder, replace(CT, number=2))
    assert refusal(folder).reason.code == "several_series"


def test_two_sets_for_a_pinned_series_are_not_chosen_from(folder: Path) -> None:
    for number, name in ((2, "a.dcm"), (3, "b.dcm")):
        write_rtstruct(
            folder / name, {"GTV": contours()[:number]}, Reference(replace(CT, number=number, frame=number))
        )
    assert refusal(folder, key_in(folder)).reason.code == "several_rtstructs"


# --- frames of reference --------------------------------------------------------------------------------------


def test_a_ct_without_frame_is_read_and_its_draft_spoken_of(tmp_path: Path) -> None:
    write_ct(tmp_path, CT, chest(), change=lambda dataset, z: delattr(dataset, "FrameOfReferenceUID"))
    drawn_on(tmp_path, CT)
    scan = read(tmp_path)
    assert scan.label.sum() == 75
    severity, text = told(scan)["no_frame_of_reference"]
    assert severity == WARNED and "names no frame of reference" in text and "RTSTRUCT" in text


def test_a_frame_for_every_slice_is_read_and_told(tmp_path: Path) -> None:
    def number(dataset, z):
        dataset.FrameOfReferenceUID = f"1.2.3.{z}"

    write_ct(tmp_path, CT, chest(), change=number)
    drawn_on(tmp_path, CT)
    scan = read(tmp_path)
    assert scan.label.sum() == 75
    assert "another frame of reference for every slice" in told(scan)["no_frame_of_reference"][1]


def test_one_frame_is_nothing_to_speak_of(folder: Path) -> None:
    drawn_on(folder, CT)
    assert "no_frame_of_reference" not in told(read(folder))


def test_two_frames_in_one_series_are_two_positions_of_a_patient(tmp_path: Path) -> None:
    def halves(dataset, z):
        dataset.FrameOfReferenceUID = f"1.2.3.{z // 4}"

    write_ct(tmp_path, CT, chest(), change=halves)
    drawn_on(tmp_path, CT)
    assert refusal(tmp_path).reason.code == "mixed_frames"


# --- sets that name no images ---------------------------------------------------------------------------------


def test_a_set_that_names_nothing_is_told_beside_a_single_ct(folder: Path) -> None:
    write_rtstruct(folder / "rs.dcm", {"GTV": contours()}, Reference(None))
    text = (
        f"rs.dcm: the contours of its GTV name no image of series {key_in(folder)}, which was taken. Check that the "
        "tumour lies where it is drawn."
    )
    assert_taken(read(folder), "structure_set_names_no_images", text)


def test_a_frame_alone_ties_a_set_to_a_single_ct(folder: Path) -> None:
    write_rtstruct(folder / "rs.dcm", {"GTV": contours()}, Reference(CT, by_contour=False, by_series=False))
    assert "structure_set_names_no_images" not in told(read(folder))


@pytest.mark.parametrize("frame", [True, False])
def test_what_a_rule_chose_for_a_set_that_names_no_images_is_looked_at(folder: Path, frame: bool) -> None:
    """By a rule or a pin, another scan may be taken: the contours have to lie on its slices and in its body."""
    other = replace(CT, number=2, frame=1 if frame else 2)

    def described(dataset, z):
        dataset.SeriesDescription = "Diagnostic"

    write_ct(folder / "b", other, chest(), change=described)
    reference = Reference(CT, by_contour=False, by_series=False) if frame else Reference(None)
    write_rtstruct(folder / "rs.dcm", {"GTV": contours()}, reference)
    rules = DicomSettings(("GTV.*",), 0.1, prefer_series=(PreferredSeries(description="diag"),))
    scan = read_dicom(patient_files(folder), rules)
    assert_taken(scan, "structure_set_names_no_images", "inside the body")
    write_ct(folder / "b", other, np.roll(chest(), 16, axis=1), change=described)
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(folder), rules)
    assert caught.value.reason.code == "drawn_elsewhere"


def write_acquisitions(folder: Path) -> None:
    """Two acquisitions in one series, which are parted."""
    for number, kernel in ((1, "B30"), (2, "B70")):

        def acquired(dataset, z, number=number, kernel=kernel):
            dataset.SeriesInstanceUID, dataset.AcquisitionNumber = CT.uid, number
            dataset.ConvolutionKernel = kernel

        write_ct(folder / str(number), replace(CT, number=number), chest(), change=acquired)


def key_of(folder: Path, number: int) -> str:
    """The key of an acquisition, which the refusal of a pin that is not there tells by its first file."""
    text = str(refusal(folder, series="s00000000"))
    return re.findall(r"\bs[0-9a-f]{8}\b", text[: text.index(f"from {number}/ct")])[-1]


@pytest.mark.parametrize("pinned", [True, False])
def test_a_parted_series_named_as_a_whole_does_not_say_which_part(tmp_path: Path, pinned: bool) -> None:
    """Two acquisitions in one series, which the set names without images: a rule or a pin chose one of them."""
    write_acquisitions(tmp_path)

    def named_alone(**place) -> None:
        drawn = {"GTV": contours(**place)}
        write_rtstruct(tmp_path / "rs.dcm", drawn, Reference(CT, by_contour=False))
        dataset = pydicom.dcmread(tmp_path / "rs.dcm")
        study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
        del study.RTReferencedSeriesSequence[0].ContourImageSequence
        dataset.save_as(tmp_path / "rs.dcm")

    named_alone()
    assert refusal(tmp_path).reason.code == "several_series"
    chosen = (
        settings(series=key_in(tmp_path))
        if pinned
        else DicomSettings(("GTV.*",), 0.1, prefer_series=(PreferredSeries(kernel="B70"),))
    )
    scan = read_dicom(patient_files(tmp_path), chosen)
    assert_taken(scan, "structure_set_names_no_images", "inside the body")
    named_alone(place=AIR)
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), chosen)
    assert caught.value.reason.code == "drawn_elsewhere"
    # What names the images of one of them needs no rule, nor what names a series that is whole.
    write_rtstruct(
        tmp_path / "rs.dcm",
        {"GTV": contours(place=AIR)},
        Reference(CT, by_contour=False),
    )
    assert read(tmp_path).label.sum() == 3 * 3 * 5
    shutil.rmtree(tmp_path / "2")
    named_alone(place=AIR)
    assert read(tmp_path, key_in(tmp_path)).label.sum() == 3 * 3 * 5


def list_images(folder: Path, *numbers: int, **place) -> None:
    """A set that lists all images of some acquisitions; its contours name none."""
    reference = Reference(CT, by_contour=False, slices=range(CT.slices))
    write_rtstruct(folder / "rs.dcm", {"GTV": contours(**place)}, reference)
    dataset = pydicom.dcmread(folder / "rs.dcm")
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    images = study.RTReferencedSeriesSequence[0].ContourImageSequence
    listed = [(number, z) for number in numbers for z in range(CT.slices)]
    images.extend([copy.deepcopy(images[0]) for _ in listed[CT.slices :]])
    for image, (number, z) in zip(images, listed, strict=True):
        image.ReferencedSOPInstanceUID = replace(CT, number=number).sop_uid(z)
    dataset.save_as(folder / "rs.dcm")


def test_a_pin_of_another_acquisition_than_the_set_lists_is_looked_at(tmp_path: Path) -> None:
    write_acquisitions(tmp_path)
    for listed, other in ((1, 2), (2, 1)):
        list_images(tmp_path, listed)
        assert read(tmp_path, key_of(tmp_path, listed)).notes == ()
        assert_taken(read(tmp_path, key_of(tmp_path, other)), "drawn_on_another_series", "inside the body")
        list_images(tmp_path, listed, place=AIR)
        assert refusal(tmp_path, key_of(tmp_path, other)).reason.code == "drawn_elsewhere"


def test_of_two_sets_a_pin_takes_that_of_its_acquisition(tmp_path: Path) -> None:
    write_acquisitions(tmp_path)
    list_images(tmp_path, 2, place=AIR)
    (tmp_path / "rs.dcm").rename(tmp_path / "air.dcm")
    list_images(tmp_path, 1)
    assert_taken(read(tmp_path, key_of(tmp_path, 1)), "other_gtv_left_out", "air.dcm has a GTV too")


@pytest.mark.parametrize("pinned", [True, False])
def test_a_list_of_several_acquisitions_does_not_say_which_one(tmp_path: Path, pinned: bool) -> None:
    """The contours name no image: the list of both is as good as none."""
    write_acquisitions(tmp_path)
    list_images(tmp_path, 1, 2)
    assert refusal(tmp_path).reason.code == "several_series"
    chosen = (
        settings(series=key_of(tmp_path, 2))
        if pinned
        else DicomSettings(("GTV.*",), 0.1, prefer_series=(PreferredSeries(kernel="B70"),))
    )
    scan = read_dicom(patient_files(tmp_path), chosen)
    assert_taken(scan, "structure_set_names_no_images", "inside the body")
    list_images(tmp_path, 1, 2, place=AIR)
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), chosen)
    assert caught.value.reason.code == "drawn_elsewhere"


def test_lung_at_the_border_of_the_field_of_view_is_no_outer_air(tmp_path: Path) -> None:
    cut = chest()[:, :, 12:]  # the lung begins at the first column
    series = replace(CT, columns=36)
    write_ct(tmp_path, series, cut)
    gtv = [box(series, z, (15.5, 20.5), (1.5, 6.5)) for z in (2, 3, 4)]
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": gtv}, Reference(replace(series, number=2)))
    assert read(tmp_path).label.sum() == 75


def test_a_roi_of_other_images_than_the_cts_is_told(folder: Path) -> None:
    """Of two GTVs one names images of another phase: joined as ever, but not without a word."""
    write_rtstruct(folder / "rs.dcm", {"GTV 1": contours()[:1], "GTV 2": contours()[1:]}, Reference(CT))
    assert "roi_on_other_images" not in told(read(folder))
    dataset = pydicom.dcmread(folder / "rs.dcm")
    for contour in dataset.ROIContourSequence[1].ContourSequence:
        contour.ContourImageSequence[0].ReferencedSOPInstanceUID += ".9"
    dataset.save_as(folder / "rs.dcm")
    scan = read(folder)
    severity, text = told(scan)["roi_on_other_images"]
    assert scan.label.sum() == 75 and severity == WARNED
    assert "'GTV 2'" in text and "'GTV 1'" not in text


def test_rois_of_other_images_are_looked_at(folder: Path) -> None:
    """Where the contours say that they were drawn elsewhere, they have to lie in the body."""
    outside = contours(place=((1.5, 4.5), (13.5, 18.5)))
    write_rtstruct(folder / "rs.dcm", {"GTV 1": contours()[:1], "GTV 2": outside[1:]}, Reference(CT))
    assert "roi_on_other_images" not in told(read(folder))
    name_others(folder, 1, contours=[1])
    refused = refusal(folder)
    assert refused.reason.code == "drawn_elsewhere"
    assert str(refused) == (
        "rs.dcm: contours of ROI 'GTV 2' name other images than this CT's, and 100 % of what they enclose lie outside "
        "the body: they were drawn on another scan. Draw them on this CT. If this ROI is not to be in the label, make "
        "ingest.roi_patterns narrower."
    )


def name_others(folder: Path, roi: int, contours: Sequence[int]) -> None:
    """Let contours of a ROI name images that are not here."""
    dataset = pydicom.dcmread(folder / "rs.dcm")
    for number in contours:
        contour = dataset.ROIContourSequence[roi].ContourSequence[number]
        contour.ContourImageSequence[0].ReferencedSOPInstanceUID += ".9"
    dataset.save_as(folder / "rs.dcm")


def test_contours_of_other_images_are_not_blamed_for_those_of_the_ct(folder: Path) -> None:
    """What names the CT's own images may lie off its slices, or outside the body: by other ROIs and by the same."""
    outside = contours(place=((1.5, 4.5), (13.5, 18.5)))[0]
    off = contours(shift_mm=0.3)[1]
    write_rtstruct(folder / "rs.dcm", {"GTV 1": [outside, off], "GTV 2": [off, contours()[2]]}, Reference(CT))
    name_others(folder, 1, contours=[1])
    scan = read(folder)
    assert scan.label.sum() == 15 + 25 + 25
    assert "'GTV 2'" in told(scan)["roi_on_other_images"][1]
    assert "They lie on the slices" in told(scan)["roi_on_other_images"][1]
    assert "up to 0.3 mm" in told(scan)["contours_off_slice"][1]


def test_a_roi_that_was_drawn_on_another_scan_is_named(folder: Path) -> None:
    """A PET's, between the slices: the CT cannot be mended, but the ROI left out."""
    rois = {"GTV": contours(), "GTV PET": contours(shift_mm=1.2)}
    write_rtstruct(folder / "rs.dcm", rois, Reference(CT))
    name_others(folder, 1, contours=[0, 1, 2])
    refused = refusal(folder)
    assert refused.reason.code == "drawn_elsewhere" and "data.series" not in str(refused)
    assert "contours of ROI 'GTV PET' name other images than this CT's, and not all" in str(refused)
    assert "(up to 1.2 mm off)" in str(refused) and "ingest.roi_patterns narrower" in str(refused)
    assert read_dicom(patient_files(folder), settings("GTV")).label.sum() == 75


def test_each_roi_of_a_set_that_names_another_ct_is_looked_at(folder: Path) -> None:
    """A small one outside the body is not made up for by a large one inside; one without a voxel is left to others."""
    outside = box(CT, 3, (2.5, 3.5), (13.5, 14.5))
    rois = {"GTV": contours(), "GTV n": [outside]}
    write_rtstruct(folder / "rs.dcm", rois, Reference(replace(CT, number=2)))
    refused = refusal(folder)
    assert "contours of ROI 'GTV n' name no image of this CT, and 100 % of what they enclose" in str(refused)
    assert "data.series" in str(refused) and "ingest.roi_patterns narrower" in str(refused)
    rois["GTV n"] = [box(CT, 3, (16.1, 16.4), (14.1, 14.4))]
    write_rtstruct(folder / "rs.dcm", rois, Reference(replace(CT, number=2)))
    scan = read(folder)
    assert scan.label.sum() == 75 and "'GTV n'" in told(scan)["roi_without_voxels"][1]


def test_a_ct_without_frame_and_a_set_that_names_nothing_else(tmp_path: Path) -> None:
    """Neither says that they do not belong together, so the contours have to."""

    def unframed(dataset, z):
        del dataset.FrameOfReferenceUID

    write_ct(tmp_path, CT, chest(), change=unframed)
    reference = Reference(CT, by_contour=False, by_series=False)
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": contours()}, reference)
    assert_taken(read(tmp_path), "structure_set_names_no_images", "inside the body")
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": contours(place=((1.5, 4.5), (13.5, 18.5)))}, reference)
    assert refusal(tmp_path).reason.code == "drawn_elsewhere"
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": contours()}, Reference(replace(CT, number=2)))
    assert refusal(tmp_path).reason.code == "series_absent"


def test_a_frame_alone_chooses_no_series_for_a_draft_among_those_without(tmp_path: Path) -> None:
    def unframed(dataset, z):
        del dataset.FrameOfReferenceUID

    write_ct(tmp_path / "a", CT, chest(), change=unframed)
    write_ct(tmp_path / "b", replace(CT, number=2, frame=2), chest())
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": contours()}, Reference(CT, by_contour=False, by_series=False))
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path, labelled=False), settings())
    assert caught.value.reason.code == "several_series"


def write_framed(folder: Path, frames: str) -> None:
    """A CT whose slices name these frames of reference, or none where there is a dot."""

    def one_each(dataset, z):
        dataset.FrameOfReferenceUID = "" if frames[z] == "." else f"1.2.3.{frames[z]}"

    write_ct(folder, CT, chest(), change=one_each)
    drawn_on(folder, CT)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ("0.234567", "7 frames of reference on 8 slices, 1 of them without one"),
        ("01234556", "7 frames of reference on 8 slices"),
        ("0123.5.7", "6 frames of reference on 8 slices, 2 of them without one"),
        ("0......7", "2 frames of reference on 8 slices, 6 of them without one"),
    ],
)
def test_a_frame_for_nearly_every_slice(tmp_path: Path, frames: str, words: str) -> None:
    """Some slices name none, or one twice."""
    write_framed(tmp_path, frames)
    scan = read(tmp_path)
    assert scan.label.sum() == 75 and f"the CT has {words}." in told(scan)["no_frame_of_reference"][1]


@pytest.mark.parametrize(
    "frames", ["00112233", "0000...1", "01010101", "01234444", "01234555", "01122345", "0.....77"]
)
def test_frames_that_slices_share(tmp_path: Path, frames: str) -> None:
    write_framed(tmp_path, frames)
    assert refusal(tmp_path).reason.code == "mixed_frames"


def test_three_slices_of_one_frame_are_a_position_of_the_patient_however_long_the_scan(
    tmp_path: Path,
) -> None:
    """Below the quarter of slices that may share a frame by twos."""
    for frames, code in (("0123456789abcddd", "mixed_frames"), ("0123456789abccdd", "")):
        series = replace(CT, slices=len(frames))

        def framed(dataset, z, frames=frames):
            dataset.FrameOfReferenceUID = f"1.2.3.{int(frames[z], 16)}"

        write_ct(tmp_path, series, change=framed)
        if not code:
            scan = read_dicom(patient_files(tmp_path, labelled=False), settings())
            assert "14 frames of reference on 16 slices." in told(scan)["no_frame_of_reference"][1]
            continue
        with pytest.raises(Refused, match=r"ct013.dcm and ct000.dcm .* has 3 slices") as caught:
            read_dicom(patient_files(tmp_path, labelled=False), settings())
        assert caught.value.reason.code == code


def test_the_body_is_found_where_a_file_lost_its_intercept(tmp_path: Path) -> None:
    """Air is then stored as 24, and would be taken for tissue."""
    unscaled = replace(CT, slope=None, intercept=None)
    write_ct(tmp_path, unscaled, chest())
    drawn_on(tmp_path, replace(CT, number=2), place=((1.5, 4.5), (13.5, 18.5)))
    refused = refusal(tmp_path)
    assert refused.reason.code == "drawn_elsewhere" and "100 % of what they enclose" in str(refused)
    drawn_on(tmp_path, replace(CT, number=2))
    assert read(tmp_path).label.sum() == 75


def test_contours_between_slices_that_others_lie_on_are_not_said_to_be_off_by_nothing(folder: Path) -> None:
    planes = [box(CT, z, *TUMOUR) for z in (2, 2.5, 3, 3.5, 4)]
    write_rtstruct(folder / "rs.dcm", {"GTV": planes}, Reference(replace(CT, number=2)))
    text = str(refusal(folder))
    assert "not all of them lie on the CT's slices: they" in text and "up to 0 mm" not in text
