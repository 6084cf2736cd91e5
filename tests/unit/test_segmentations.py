"""DICOM segmentations as labels: every frame on its own slice, voxel by voxel, or refused for the true reason."""

import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom import UID
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation as WrittenSegmentation
from highdicom.seg import SegmentationTypeValues, SegmentDescription
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.headers import take_inventory
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.dicom.segment_frames import read_frames
from lunggtv.ingest.dicom.segment_mask import draw_segments, segment_notes
from lunggtv.ingest.dicom.segmentation import read_segmentation
from lunggtv.ingest.dicom.series import Series, group_series
from lunggtv.ingest.raw_scan import NOTED, WARNED, RawScan, Refused
from pydicom.encaps import encapsulate
from pydicom.sr.codedict import codes
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from tests.unit.dicom_files import (
    MARKS,
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
from tests.unit.segmentation_files import (
    LABEL_MAP_CLASS,
    SEG_CLASS,
    FramePlan,
    frames_of,
    image_item,
    item,
    set_frames,
    write_segmentation,
)

# 11 x 13 pixels are no whole bytes: frames begin within one.
SERIES = CtSeries(slices=6, rows=11, columns=13)
OBLIQUE = (0.990268069, 0.0, 0.139173101, 0.0, 1.0, 0.0)


def gtv() -> np.ndarray:
    """A body without any symmetry on three slices."""
    mask = np.zeros(SERIES.grid.shape, np.uint8)
    mask[1, 2:5, 3:6] = 1
    mask[2, 2:6, 3:8] = 1
    mask[3, 4, 7:9] = 1
    return mask


def lungs() -> np.ndarray:
    mask = np.zeros(SERIES.grid.shape, np.uint8)
    mask[:, 1:10, 1:12] = 1
    return mask


def read(folder: Path, **wanted) -> RawScan:
    return read_dicom(patient_files(folder), settings(**wanted))


def refused(folder: Path, code: str, *words: str, **wanted) -> None:
    """Assert a refusal with this code and these words, none of which identifies anybody."""
    with pytest.raises(Refused) as caught:
        read(folder, **wanted)
    assert caught.value.reason.code == code, caught.value.reason.text
    assert all(word in caught.value.reason.text for word in words), caught.value.reason.text
    assert not [mark for mark in (*MARKS, str(folder)) if mark in caught.value.reason.text]


def codes_of(scan: RawScan) -> list[str]:
    assert not [mark for mark in MARKS if any(mark in note.text for note in scan.notes)]
    return [note.code for note in scan.notes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_ct(tmp_path / "7/ct", SERIES)
    return tmp_path / "7"


def test_the_segment_that_is_called_gtv_is_the_label(folder):
    write_segmentation(folder / "seg.dcm", SERIES, {"Lungs": lungs(), "GTV-1": gtv()})
    scan = read(folder)
    assert np.array_equal(scan.label, gtv())
    assert scan.label_grid == scan.grid and scan.format == "dicom"
    assert list(scan.digests) == ["segmentation"]
    assert codes_of(scan) == []


@pytest.mark.parametrize("orientation", [(1.0, 0, 0, 0, 1.0, 0), OBLIQUE, (0, 1.0, 0, 0, 0, -1.0)])
def test_on_slices_of_any_orientation(tmp_path, orientation):
    series = replace(SERIES, orientation=orientation)
    write_ct(tmp_path / "7", series)
    write_segmentation(tmp_path / "7/seg.dcm", series, {"GTV": gtv()})
    assert np.array_equal(read(tmp_path / "7").label, gtv())


def test_segments_that_match_are_joined(folder):
    other = np.roll(gtv(), 1, axis=2)
    write_segmentation(folder / "seg.dcm", SERIES, {"GTVp": gtv(), "Lungs": lungs(), "gtv n": other})
    scan = read(folder)
    assert np.array_equal(scan.label, gtv() | other)
    assert codes_of(scan) == ["segments_joined", "segments_overlap"]
    shared_ml = np.count_nonzero(gtv() & other) * SERIES.grid.voxel_ml
    assert [note.text for note in scan.notes] == [
        "2 segments match ingest.roi_patterns and were joined: 'GTVp', 'gtv n'.",
        f"GTV segments overlap by {shared_ml:.3g} ml: 'GTVp', 'gtv n'. If some are older versions of others, make "
        "ingest.roi_patterns narrower.",
    ]
    assert np.array_equal(read(folder, **{}).label, scan.label)
    narrow = read_dicom(patient_files(folder), settings("gtv n"))
    assert np.array_equal(narrow.label, other)


@tried(max_examples=25, deadline=None)
@given(order=st.permutations(range(9)), empty=st.sets(st.integers(0, 5)))
def test_frames_stand_in_any_order_and_may_be_empty(tmp_path_factory, order, empty):
    folder = tmp_path_factory.mktemp("7")
    write_ct(folder, SERIES)
    frames = frames_of([lungs(), gtv()])
    there = {(frame.segment, frame.z) for frame in frames}
    frames = [frames[i] for i in order]
    blank = np.zeros(SERIES.grid.shape[1:], np.uint8)
    frames += [FramePlan(2, z, blank) for z in empty if (2, z) not in there]
    write_segmentation(folder / "seg.dcm", SERIES, {"Lungs": lungs(), "GTV": gtv()}, frames=frames)
    assert np.array_equal(read(folder).label, gtv())


def turned(dataset, rows: bool, columns: bool) -> None:
    """Turn the frames of a data set round, with the place of their first pixel: the same voxels."""
    y, x = SERIES.rows - 1 if rows else 0, SERIES.columns - 1 if columns else 0
    axes = [-1.0 if columns else 1.0, 0, 0, 0, -1.0 if rows else 1.0, 0]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = axes
    shown = []
    for frame, groups in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        place = groups.PlanePositionSequence[0]
        z = SERIES.grid.index_zyx(np.array(place.ImagePositionPatient, float))[0]
        place.ImagePositionPatient = [f"{v:.9g}" for v in SERIES.grid.point_mm((z, y, x))]
        shown.append(frame[:: -1 if rows else 1, :: -1 if columns else 1])
    set_frames(dataset, shown, bits=1)


@pytest.mark.parametrize(("rows", "columns"), [(True, False), (False, True), (True, True)])
def test_frames_that_run_in_other_directions(folder, rows, columns):
    write_segmentation(
        folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=lambda dataset: turned(dataset, rows, columns)
    )
    assert np.array_equal(read(folder).label, gtv())


def test_frames_across_the_slices(folder):
    """A coronal segmentation on the same voxels: rows go up the slices."""

    def coronal(dataset):
        z_mm, _, x_mm = SERIES.spacing_mm
        shared = dataset.SharedFunctionalGroupsSequence[0]
        shared.PixelMeasuresSequence[0].PixelSpacing = [str(z_mm), str(x_mm)]
        shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 0, 1]
        dataset.Rows, dataset.NumberOfFrames = SERIES.slices, SERIES.rows
        dataset.PerFrameFunctionalGroupsSequence = [
            item(
                SegmentIdentificationSequence=[item(ReferencedSegmentNumber=1)],
                PlanePositionSequence=[
                    item(ImagePositionPatient=[f"{v:.9g}" for v in SERIES.grid.point_mm((0, y, 0))])
                ],
            )
            for y in range(SERIES.rows)
        ]
        set_frames(dataset, list(gtv().transpose(1, 0, 2)), bits=1)

    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=coronal)
    assert np.array_equal(read(folder).label, gtv())


def test_frames_of_a_part_of_the_slices(folder):
    """Cropped to 6 x 7 pixels from row 1 and column 2."""

    def cropped(dataset):
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            place = groups.PlanePositionSequence[0]
            z = SERIES.grid.index_zyx(np.array(place.ImagePositionPatient, float))[0]
            place.ImagePositionPatient = [f"{v:.9g}" for v in SERIES.grid.point_mm((z, 1, 2))]

    frames = [replace(frame, shown=frame.shown[1:7, 2:9]) for frame in frames_of([gtv()])]
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, frames=frames, change=cropped)
    assert np.array_equal(read(folder).label, gtv())
    frames = [replace(frame, shown=np.pad(frame.shown, 2)) for frame in frames_of([gtv()])]
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, frames=frames)
    words = (
        "seg.dcm: a frame of segment 'GTV' reaches beyond the CT: slices are missing at an end, or it was drawn on "
        "another scan. Add the whole planning CT."
    )
    refused(folder, "segmentation_outside_ct", words)


def shared_and_own(dataset) -> None:
    """The segment in the groups that all frames share, spacing and orientation in each frame's own."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        del groups.SegmentIdentificationSequence
        groups.PixelMeasuresSequence = shared.PixelMeasuresSequence
        groups.PlaneOrientationSequence = shared.PlaneOrientationSequence
    dataset.SharedFunctionalGroupsSequence = [
        item(SegmentIdentificationSequence=[item(ReferencedSegmentNumber=1)])
    ]


def without_prefix(folder: Path) -> None:
    path = folder / "seg.dcm"
    path.write_bytes(path.read_bytes()[132:])


def test_groups_may_be_shared_or_each_frame_s_own(folder):
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=shared_and_own)
    assert np.array_equal(read(folder).label, gtv())
    without_prefix(folder)
    assert np.array_equal(read(folder).label, gtv())


def test_a_label_map(folder):
    def label_map(dataset):
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = LABEL_MAP_CLASS
        dataset.SegmentationType = "LABELMAP"
        values = lungs() * 1
        values[gtv() == 1] = 2
        values[2, 8:10, 2:5] = values[5] = 3
        dataset.NumberOfFrames = SERIES.slices
        places = [
            item(
                PlanePositionSequence=[
                    item(ImagePositionPatient=[f"{v:.9g}" for v in SERIES.grid.point_mm((z, 0, 0))])
                ]
            )
            for z in range(SERIES.slices)
        ]
        dataset.PerFrameFunctionalGroupsSequence = places
        set_frames(dataset, list(values))

    segments = {"Lungs": lungs(), "GTV": gtv(), "Heart": lungs()}
    write_segmentation(folder / "seg.dcm", SERIES, segments, change=label_map)
    assert np.array_equal(read(folder).label, gtv())
    # Two of three, the higher one among them.
    both = gtv()
    both[2, 8:10, 2:5] = both[5] = 1
    assert np.array_equal(read_dicom(patient_files(folder), settings("GTV", "Heart")).label, both)


def fractional(values: list[np.ndarray]):
    def change(dataset):
        dataset.SegmentationType, dataset.SegmentationFractionalType = "FRACTIONAL", "PROBABILITY"
        dataset.MaximumFractionalValue = 200
        set_frames(dataset, values)

    return change


def test_fractions_are_refused_and_whole_voxels_are_not(folder):
    planes = [frame.shown * np.uint8(200) for frame in frames_of([gtv()])]
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=fractional(planes))
    assert np.array_equal(read(folder).label, gtv())
    # The maximum counts where the file says that it is fractional.
    with_maximum = lambda dataset: setattr(dataset, "MaximumFractionalValue", 200)  # noqa: E731
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=with_maximum)
    assert np.array_equal(read(folder).label, gtv())
    planes[1] = planes[1].copy()
    planes[1][0, 0] = 199
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=fractional(planes))
    refused(folder, "segmentation_fractional", "seg.dcm", "Export a binary segmentation")


@pytest.mark.filterwarnings("ignore:The string")  # of a name in one piece
def test_what_highdicom_writes(folder):
    """With all that the standard asks for, without empty frames."""
    images = [pydicom.dcmread(path) for path in sorted((folder / "ct").iterdir())]
    for image in images:
        image.PatientSex, image.StudyInstanceUID = "", f"{UID_MARK}.9"
    algorithm = AlgorithmIdentificationSequence("a", codes.DCM.ArtificialIntelligence, "1")
    for kind in (SegmentationTypeValues.BINARY, SegmentationTypeValues.LABELMAP):
        written = WrittenSegmentation(
            images, np.stack([lungs() & ~gtv() & 1, gtv()], -1), kind,
            [
                SegmentDescription(
                    number, label, codes.SCT.Tissue, codes.SCT.Tissue, "AUTOMATIC", algorithm
                )
                for number, label in ((1, "Lungs"), (2, "GTV 1"))
            ],
            UID(), 1, UID(), 1, "a", "b", "1", "c",
        )  # fmt: skip
        written.save_as(folder / "seg.dcm")
        scan = read(folder)
        assert np.array_equal(scan.label, gtv())
        assert codes_of(scan) == []


def with_images_of(series: CtSeries, z: int = 0):
    """Name images of this series, ``z`` slices up, in every frame."""

    def change(dataset):
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            source = groups.DerivationImageSequence[0].SourceImageSequence[0]
            own = int(source.ReferencedSOPInstanceUID.split(".")[-1])
            source.ReferencedSOPInstanceUID = series.sop_uid(own + z)

    return change


def test_a_frame_may_name_its_image_in_any_of_its_derivations(folder):
    def change(dataset):
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            first = item(DerivationDescription="of nothing that is named")
            groups.DerivationImageSequence = [first, *groups.DerivationImageSequence]
        del dataset.ReferencedSeriesSequence

    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=change)
    frames = read_frames(read_segmentation(folder / "seg.dcm", folder, settings()))
    assert frames.frame_images == {SERIES.sop_uid(z) for z in (1, 2, 3)}
    assert frames.frame_uid == SERIES.frame_uid and not [mark for mark in MARKS if mark in repr(frames)]
    scan = read(folder)
    assert np.array_equal(scan.label, gtv()) and codes_of(scan) == []


def test_frames_of_other_images_are_refused(folder):
    other = replace(SERIES, number=2)
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=with_images_of(other))
    words = (
        "seg.dcm refers to images that are not those of a CT series in the folder. Add the planning CT that it was "
        "drawn on. If it was drawn on one that is here and its ids were replaced, pin that one under data.series, as "
        '{"7": "s'
    )
    refused(folder, "segmentation_of_other_images", words, '"}; here are s', ": 6 slices of 11 x 13, spacing")
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=with_images_of(SERIES, 1))
    refused(folder, "segmentation_of_other_images", "'GTV'", "another slice than the image that it names")

    def one_elsewhere(dataset):
        source = dataset.PerFrameFunctionalGroupsSequence[1].DerivationImageSequence[0].SourceImageSequence[0]
        source.ReferencedSOPInstanceUID = other.sop_uid(0)

    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=one_elsewhere)
    words = "'GTV' names images that are not the CT's. Export the segmentation on the CT's own images"
    refused(folder, "segmentation_of_other_images", f"{words}.")
    # A PET's beside the CT's own is left out by a narrower pattern.
    masks = {"GTV PET": gtv(), "GTV": gtv()}
    write_segmentation(folder / "seg.dcm", SERIES, masks, change=one_elsewhere)
    words = words.replace("GTV", "GTV PET") + ", or make ingest.roi_patterns narrower."
    refused(folder, "segmentation_of_other_images", words)
    with pytest.raises(Refused, match="lies on another slice") as caught:
        write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=with_images_of(SERIES, 1))
        read(folder)
    assert "data.series" not in str(caught.value)


def test_of_several_series_the_one_it_was_drawn_on_is_taken(folder):
    # The same place, other images.
    other = replace(SERIES, number=2, intercept=-1000)
    write_ct(folder / "other", other, SERIES.stored(seed=1))
    write_segmentation(folder / "seg.dcm", other, {"GTV": gtv()})
    scan = read(folder)
    assert np.array_equal(scan.label, gtv())
    assert np.array_equal(scan.ct, SERIES.stored(seed=1).astype(int) - 1000)
    (folder / "seg.dcm").unlink()
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(folder, labelled=False), settings())
    keys = [
        word.rstrip(":") for word in caught.value.reason.text.split() if word.startswith("s") and ":" in word
    ]
    keys = sorted(key for key in keys if len(key) == 9)
    write_segmentation(folder / "seg.dcm", other, {"GTV": gtv()})
    results = []
    for key in keys[:2]:
        try:
            results.append(np.array_equal(read(folder, series=key).label, gtv()))
        except Refused as refusal:
            assert refusal.reason.code == "segmentation_of_other_images"
            assert f"data.series pins {key}" in refusal.reason.text
            results.append("refused")
    assert sorted(map(str, results)) == ["True", "refused"]


def test_a_pin_chooses_between_segmentations_of_two_series(folder):
    """As between structure sets: the one drawn on the pinned series is taken, the other told."""
    other = replace(SERIES, number=2, frame=2)
    write_ct(folder / "other", other, SERIES.stored(seed=1))
    drawn = {"a.dcm": (SERIES, gtv()), "b.dcm": (other, gtv()[:, ::-1])}
    for name, (series, mask) in drawn.items():
        write_segmentation(folder / name, series, {"GTV": mask, "Lungs": lungs()})
    keys = {}
    for name, (series, _) in drawn.items():
        (one,) = (one for one in series_in(folder) if one.uid == series.uid)
        keys[name] = one.key
    words = f"; b.dcm has 'GTV', drawn on {keys['b.dcm']} (from other/ct000.dcm on). They were drawn on different CTs."
    refused(folder, "several_segmentations", f"a.dcm has 'GTV', drawn on {keys['a.dcm']} (from ", words)
    for name, left in (("a.dcm", "b.dcm"), ("b.dcm", "a.dcm")):
        scan = read(folder, series=keys[name])
        np.testing.assert_array_equal(scan.label, drawn[name][1])
        (note,) = (note for note in scan.notes if note.code == "other_gtv_left_out")
        assert note.severity == WARNED
        assert f"{left} has a GTV too, 'GTV', but refers to other images than {name}" in note.text
        assert "other_segmentation" not in codes_of(scan)
    # Two on the pinned series, or none.
    write_segmentation(folder / "c.dcm", SERIES, {"GTV": lungs()})
    words = "a.dcm has 'GTV'; c.dcm has 'GTV'. Keep the right one in the folder, or make"
    refused(folder, "several_segmentations", words, series=keys["a.dcm"])
    (folder / "b.dcm").unlink()
    words = (f"data.series pins {keys['b.dcm']}", "a.dcm was drawn on other images")
    refused(folder, "segmentation_of_other_images", *words, series=keys["b.dcm"])
    # Nor does one whose images are not here keep the other from being taken without a pin.
    write_segmentation(folder / "c.dcm", replace(SERIES, number=3, frame=3), {"GTV": lungs()})
    scan = read(folder)
    np.testing.assert_array_equal(scan.label, gtv())
    assert "other_gtv_left_out" in codes_of(scan)
    # With a pin it may be the one that is meant: it can be taken where it stands alone.
    way = f"If c.dcm was drawn on {keys['b.dcm']} and its ids were replaced, take a.dcm out of the folder."
    refused(folder, "segmentation_of_other_images", *words, way, series=keys["b.dcm"])


def test_a_gtv_on_two_parts_of_one_scan_is_refused_for_what_it_is(folder):
    above = replace(SERIES, number=2, origin_mm=tuple(SERIES.grid.point_mm((SERIES.slices, 0, 0))))
    write_ct(folder / "above", above)

    def on_both(dataset):
        source = (
            dataset.PerFrameFunctionalGroupsSequence[-1].DerivationImageSequence[0].SourceImageSequence[0]
        )
        source.ReferencedSOPInstanceUID = above.sop_uid(0)

    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=on_both)
    words = ("seg.dcm was drawn on 2 CT series that go on with one another", "Export it as one series.")
    refused(folder, "ct_in_parts", *words)
    for one in series_in(folder):
        refused(folder, "ct_in_parts", *words, series=one.key)


def series_in(folder: Path) -> list[Series]:
    return group_series(take_inventory(patient_files(folder).files, folder).slices)[0]


def test_one_that_names_no_images_is_placed_and_warned_about(folder):
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, names_images=False)
    scan = read(folder)
    assert np.array_equal(scan.label, gtv())
    assert codes_of(scan) == ["segmentation_names_no_images"]
    elsewhere = replace(SERIES, frame=5)
    write_segmentation(folder / "seg.dcm", elsewhere, {"GTV": gtv()}, names_images=False)
    refused(folder, "segmentation_of_other_images", "seg.dcm")


def test_another_frame_of_reference_is_warned_about(folder):
    write_segmentation(folder / "seg.dcm", replace(SERIES, frame=5), {"GTV": gtv()})
    scan = read(folder)
    assert np.array_equal(scan.label, gtv())
    assert codes_of(scan) == ["other_frame_of_reference"]
    for change in (without_frame, with_frame_of_the_ct):
        write_segmentation(folder / "seg.dcm", replace(SERIES, frame=5), {"GTV": gtv()}, change=change)
        assert codes_of(read(folder)) == []


def without_frame(dataset) -> None:
    del dataset.FrameOfReferenceUID


def with_frame_of_the_ct(dataset) -> None:
    dataset.FrameOfReferenceUID = SERIES.frame_uid


def moved(offset_mm: tuple[float, float, float]):
    def change(dataset):
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            place = groups.PlanePositionSequence[0]
            shifted = np.array(place.ImagePositionPatient, float) + offset_mm
            place.ImagePositionPatient = [f"{v:.9g}" for v in shifted]

    return change


def with_pixels_of(*spacing_mm: float):
    def change(dataset):
        measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        measures.PixelSpacing = list(map(str, spacing_mm))

    return change


def tilted(dataset) -> None:
    orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    orientation.ImageOrientationPatient = [f"{v:.9g}" for v in OBLIQUE]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (
            moved((0, 0, 1.0)),
            "segmentation_beside_voxels",
            "lies 1 mm from the CT's voxels: it was drawn on other slices. Export the segmentation on the CT's own "
            "images.",
        ),
        (moved((0.5, 0, 0)), "segmentation_beside_voxels", "lies 0.5 mm from the CT's voxels"),
        (moved((0, 0, 9.0)), "segmentation_outside_ct", "reaches beyond the CT"),
        (moved((1.1, 0, 0)), "segmentation_outside_ct", "reaches beyond the CT"),
        (moved((0, 0, 3.0)), "segmentation_of_other_images", "another slice than the image"),
        (
            with_pixels_of(0.95, 1.1),
            "segmentation_other_pixels",
            "has other pixels than the CT: of 0.95 x 1.1 mm, where the CT's voxels (z, y, x) have 3 x 0.9 x 1.1 mm, or "
            "turned. Export the segmentation on the CT's own images.",
        ),
        (with_pixels_of(1.8, 2.2), "segmentation_other_pixels", "of 1.8 x 2.2 mm"),
        (tilted, "segmentation_other_pixels", "or turned"),
    ],
)
def test_frames_that_do_not_lie_on_the_ct_s_voxels(folder, change, code, words):
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=change)
    refused(folder, code, "seg.dcm: a frame of segment 'GTV' ", words)


def test_rounded_positions_are_tolerated(folder):
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=moved((0.05, -0.05, 0.1)))
    assert np.array_equal(read(folder).label, gtv())


def test_a_frame_that_stands_twice_and_a_slice_that_is_skipped(folder):
    frames = frames_of([gtv()])
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, frames=[*frames, frames[0]])
    refused(folder, "segmentation_frames_twice", "'GTV'")
    whole = np.zeros(SERIES.grid.shape, np.uint8)
    whole[1:5, 3:6, 3:6] = 1
    frames = [frame for frame in frames_of([whole]) if frame.z != 2]
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": whole}, frames=frames)
    scan = read(folder)
    whole[2] = 0
    assert np.array_equal(scan.label, whole)
    assert codes_of(scan) == ["slices_skipped"] and ": 3 (counted from one)" in scan.notes[0].text


def test_segments_that_are_not_taken_are_told(folder):
    """A label that looks like a GTV, and frames of a segment without a label."""
    frames = frames_of([gtv(), lungs(), lungs()])
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv(), "old G.T.V.": lungs()}, frames=frames)
    scan = read(folder)
    assert np.array_equal(scan.label, gtv())
    assert [(note.code, note.severity) for note in scan.notes] == [
        ("segments_not_taken", NOTED),
        ("nameless_segments", "warned"),
    ]
    assert "'old G.T.V.'" in scan.notes[0].text and "does not name (1)" in scan.notes[1].text


def test_two_segments_of_one_number(folder):
    def same_number(dataset):
        dataset.SegmentSequence[1].SegmentNumber = 1

    write_segmentation(folder / "seg.dcm", SERIES, {"Lungs": lungs(), "GTV": gtv()}, change=same_number)
    refused(folder, "segment_number_twice", "seg.dcm", "'GTV'", "shares its number")


def test_on_a_grid_with_planes_between_the_slices(folder):
    """Frames lie on slices alone, and empty planes between them are none that the drawing left out."""
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()})
    z_mm, *in_plane_mm = SERIES.spacing_mm
    finer = Grid((11, 11, 13), (z_mm / 2, *in_plane_mm), SERIES.origin_mm, SERIES.grid.direction)
    slices = take_inventory(sorted((folder / "ct").iterdir()), folder).slices
    found = read_frames(read_segmentation(folder / "seg.dcm", folder, settings()))
    drawn = draw_segments(found, slices, finer, 0.2)
    assert np.array_equal(drawn.mask[::2], gtv()) and not drawn.mask[1::2].any()
    assert list(segment_notes(found, drawn, slices, finer.voxel_ml)) == []
    write_segmentation(
        folder / "seg.dcm", SERIES, {"GTV": gtv()}, names_images=False, change=moved((0, 0, z_mm / 2))
    )
    found = read_frames(read_segmentation(folder / "seg.dcm", folder, settings()))
    with pytest.raises(Refused, match="lies between the slices of the CT"):
        draw_segments(found, slices, finer, 0.2)


def test_without_a_gtv_the_labels_are_named(folder):
    write_segmentation(folder / "seg.dcm", SERIES, {"Lungs": lungs(), "Heart": gtv()})
    refused(
        folder,
        "no_rtstruct",
        "No segment is named as ingest.roi_patterns asks",
        "seg.dcm has 'Lungs', 'Heart'",
    )
    drawn = [box(SERIES, 2, (3, 8), (3, 8))]
    write_rtstruct(folder / "rs.dcm", {"Skin": drawn}, Reference(SERIES))
    refused(folder, "no_matching_roi", "rs.dcm has 'Skin'", "seg.dcm has 'Lungs', 'Heart'")
    blank = np.zeros(SERIES.grid.shape, np.uint8)
    write_segmentation(folder / "seg.dcm", SERIES, {"Lungs": lungs(), "GTV": blank})
    refused(folder, "empty_segment", "seg.dcm: 'GTV' is empty. Export the GTV with what was drawn.")


def test_beside_a_structure_set_with_a_gtv_it_is_only_named(folder):
    write_rtstruct(folder / "rs.dcm", {"GTV": [box(SERIES, 4, (2.5, 6.5), (2.5, 6.5))]}, Reference(SERIES))
    alone = read(folder)
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV-1": gtv()})
    scan = read(folder)
    assert np.array_equal(scan.label, alone.label) and scan.label.sum() == 16
    assert list(scan.digests) == ["rtstruct"]
    said = {note.code: note for note in scan.notes}
    assert said["other_segmentation"].severity == NOTED
    assert "seg.dcm" in said["other_segmentation"].text and "'GTV-1'" in said["other_segmentation"].text
    # Nor does a damaged one matter then.
    (folder / "seg.dcm").write_bytes((folder / "seg.dcm").read_bytes()[:1500])
    write_other(folder / "seg2.dcm", SEG_CLASS, "SEG")
    assert np.array_equal(read(folder).label, alone.label)


def test_beside_a_structure_set_without_a_gtv_it_is_the_label(folder):
    drawn = [box(SERIES, 2, (3, 8), (3, 8))]
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()})
    for roi, severity in (("Skin", "noted"), ("old gtv", "warned")):
        write_rtstruct(folder / "rs.dcm", {roi: drawn}, Reference(SERIES))
        scan = read(folder)
        assert np.array_equal(scan.label, gtv())
        assert [(note.code, note.severity) for note in scan.notes] == [("other_rtstruct", severity)]
        assert f"it has '{roi}'" in scan.notes[0].text
    write_rtstruct(folder / "rs.dcm", {"GTV": [], "Skin": drawn}, Reference(SERIES))
    assert [(note.code, note.severity) for note in read(folder).notes] == [("other_rtstruct", "warned")]


def test_of_two_with_a_gtv_none_is_guessed(folder):
    write_segmentation(folder / "a.dcm", SERIES, {"GTV": gtv()})
    write_segmentation(folder / "b.dcm", SERIES, {"GTV-2": lungs(), "Lungs": lungs()})
    refused(folder, "several_segmentations", "a.dcm has 'GTV'", "b.dcm has 'GTV-2'")
    (folder / "b.dcm").write_bytes((folder / "a.dcm").read_bytes())
    assert np.array_equal(read(folder).label, gtv())
    write_segmentation(folder / "b.dcm", SERIES, {"Lungs": lungs()})
    scan = read(folder)
    assert np.array_equal(scan.label, gtv())
    assert [note.text for note in scan.notes if note.code == "other_segmentation"] == [
        "b.dcm, a segmentation, was not used: the label is that of a.dcm. It has 'Lungs'."
    ]


def cut_everywhere(folder: Path) -> None:
    """Cut the segmentation within its pixels, its frames, and its segments: refused each time."""
    whole = (folder / "seg.dcm").read_bytes()
    pixels, segments = whole.index(b"\xe0\x7f\x10\x00"), whole.index(b"\x62\x00\x02\x00")
    for end in (len(whole) - 30, pixels, pixels - 200, segments + 60, segments + 90, segments + 130):
        (folder / "seg.dcm").write_bytes(whole[:end])
        refused(folder, "damaged_segmentation", "seg.dcm")


def test_a_damaged_one_is_named(folder):
    write_segmentation(folder / "seg.dcm", SERIES, {"Lungs": lungs(), "GTV": gtv()})
    cut_everywhere(folder)
    write_segmentation(
        folder / "seg.dcm", SERIES, {"Lungs": lungs(), "GTV": gtv()}, change=leave_lengths_open
    )
    cut_everywhere(folder)

    def one_frame_more(dataset):
        dataset.NumberOfFrames += 1

    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=one_frame_more)
    refused(folder, "damaged_segmentation", "seg.dcm")


def test_a_label_that_names_a_person_is_not_shown(folder):
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV zznamezz": gtv(), "GTV": lungs()})
    scan = read(folder)
    assert np.array_equal(scan.label, lungs())
    assert "…" in scan.notes[0].text and "zznamezz" not in scan.notes[0].text.casefold()
    assert UID_MARK not in repr(scan.notes)


def test_nothing_of_the_header_is_logged(folder, caplog):
    caplog.set_level(logging.DEBUG)
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()})
    assert np.array_equal(read(folder).label, gtv())
    assert not [mark for mark in MARKS if mark in caplog.text]


@pytest.mark.parametrize("syntax", [RLELossless, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_packed_frames(folder, syntax):
    def packed(dataset):
        planes = dataset.pixel_array
        if syntax == RLELossless:
            set_frames(dataset, list(planes))
            dataset.compress(RLELossless, planes, generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.set_original_encoding(syntax == ImplicitVRLittleEndian, True)

    write_segmentation(folder / "seg.dcm", SERIES, {"Lungs": lungs(), "GTV": gtv()}, change=packed)
    assert np.array_equal(read(folder).label, gtv())


def test_frames_packed_in_a_way_that_is_not_read(folder):
    def as_jpeg(dataset):
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.PixelData = encapsulate([b"\xff\x4f\xff\xd9"] * dataset.NumberOfFrames)
        dataset["PixelData"].is_undefined_length = True

    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()}, change=as_jpeg)
    refused(folder, "segmentation_compressed", "seg.dcm", "Export the segmentation uncompressed")


def test_an_unlabelled_patient_s_is_not_read(folder):
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()})
    scan = read_dicom(patient_files(folder, labelled=False), settings())
    assert scan.label is None
    assert [note.text for note in scan.notes] == ["files not used: 1 segmentation"]


def test_whoever_has_none_does_not_load_highdicom(folder):
    write_rtstruct(folder / "rs.dcm", {"GTV": [box(SERIES, 2, (3, 8), (3, 8))]}, Reference(SERIES))
    write_segmentation(folder / "seg.dcm", SERIES, {"GTV": gtv()})
    code = (
        "import sys; from pathlib import Path; from tests.unit.dicom_files import patient_files, settings;"
        "from lunggtv.ingest.dicom.read_folder import read_dicom;"
        "read_dicom(patient_files(Path(sys.argv[1])), settings()); sys.exit('highdicom' in sys.modules)"
    )
    here = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=here,
        env={"PYTHONPATH": f"{here}:{here / 'workflow'}"},
        check=True,
    )


def test_one_whose_ids_were_replaced_is_taken_by_a_pin_alone(tmp_path):
    """What no id ties to the CT has to lie on its voxels and inside the body."""
    series = CtSeries(slices=6, rows=40, columns=48, spacing_mm=(3.0, 4.0, 4.0))
    stored = np.full(series.grid.shape, 24, np.uint16)
    stored[:, 8:34, 6:42] = 1064
    write_ct(tmp_path / "ct", series, stored)

    def drawn(name="seg.dcm", rows=slice(16, 21), number=2, **changed):
        mask = np.zeros(series.grid.shape, np.uint8)
        mask[2:5, rows, 14:19] = 1
        other = replace(series, number=number, frame=number, **changed)
        write_segmentation(tmp_path / name, other, {"GTV": mask})
        return mask

    mask = drawn()
    with pytest.raises(Refused) as caught:
        read(tmp_path)
    assert caught.value.reason.code == "segmentation_of_other_images"
    key = caught.value.reason.text.partition('"7": "')[2][:9]
    scan = read(tmp_path, series=key)
    np.testing.assert_array_equal(scan.label, mask)
    assert codes_of(scan) == ["pinned_series_not_referenced", "other_frame_of_reference"]
    assert "inside the body" in scan.notes[0].text
    drawn(rows=slice(1, 5))
    elsewhere = (
        "seg.dcm does not name this CT, and 100 % of its GTV lie outside the body: it was drawn on another scan. Add "
        "that one, or pin another series of the folder under data.series."
    )
    refused(tmp_path, "drawn_elsewhere", elsewhere, series=key)
    drawn(origin_mm=(-50, -40, -28.5))
    refused(tmp_path, "segmentation_beside_voxels", series=key)
    drawn()
    drawn("seg2.dcm", rows=slice(17, 20), number=3)
    refused(tmp_path, "several_segmentations", series=key)


def test_who_made_it_is_hidden_in_the_labels_of_its_segments(folder):
    """The name stands in the file behind the segments."""

    def made(dataset):
        dataset.ContentCreatorName = "Quincey^Morris"

    mask = gtv()
    drawn = {"GTV Quincey": mask, "GTV morris 2": np.roll(mask, 8, axis=2)}
    write_segmentation(folder / "seg.dcm", SERIES, drawn, change=made)
    (note,) = (note for note in read(folder).notes if note.code == "segments_joined")
    assert "'GTV …', 'GTV … 2'" in note.text


def write_phases(folder: Path, parted: str = "") -> None:
    """Two phases in one series, in one by ``acquisitions``, or in two ``series``."""
    for phase in (1, 2):

        def part(dataset, z, phase=phase):
            if parted != "series":
                dataset.SeriesInstanceUID = SERIES.uid
            if parted == "acquisitions":
                dataset.AcquisitionNumber = phase

        series = replace(SERIES, number=phase)
        write_ct(folder / str(phase), series, SERIES.stored(seed=phase), change=part)


def test_the_phase_whose_images_the_file_names_is_taken(tmp_path):
    """Two phases in one series; the frames name the slices with a tumour alone, the file all of its phase."""
    write_phases(tmp_path)
    write_segmentation(tmp_path / "seg.dcm", replace(SERIES, number=2), {"GTV": gtv()})
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.ct, SERIES.stored(seed=2).astype(int) - 1024)
    np.testing.assert_array_equal(scan.label, gtv())
    (note,) = scan.notes
    assert (note.code, note.severity) == ("phase_by_structure_set", NOTED)
    assert f"those that the segmentation names were taken, {SERIES.slices} others left out" in note.text


@pytest.mark.parametrize(
    ("parted", "whole"), [("", False), ("acquisitions", False), ("series", False), ("series", True)]
)
def test_frames_of_another_phase_than_the_file_lists(tmp_path, parted, whole):
    """By its list of images, or of series alone, it was drawn on one phase, by its frames on the other."""
    write_phases(tmp_path, parted)

    def frames_of_the_first(dataset):
        for group in dataset.PerFrameFunctionalGroupsSequence:
            source = group.DerivationImageSequence[0].SourceImageSequence[0]
            source.ReferencedSOPInstanceUID = source.ReferencedSOPInstanceUID.replace(".3.2.", ".3.1.")
        if whole:
            del dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence

    drawn = {"GTV": gtv()}
    write_segmentation(tmp_path / "seg.dcm", replace(SERIES, number=2), drawn, change=frames_of_the_first)
    words = ("seg.dcm lists the images of one of them", "frames of 'GTV' name images of another one")
    refused(tmp_path, "contours_of_another_phase", *words)
    shutil.rmtree(tmp_path / "2")
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.label, gtv())


def test_a_list_may_leave_out_images_of_its_series(tmp_path):
    """One CT alone; of its images the file lists the first, the frames name others."""
    write_ct(tmp_path / "ct", SERIES)

    def first_alone(dataset):
        images = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence = images[:1]

    write_segmentation(tmp_path / "seg.dcm", SERIES, {"GTV": gtv()}, change=first_alone)
    np.testing.assert_array_equal(read(tmp_path).label, gtv())


@pytest.mark.parametrize("parted", ["acquisitions", "series"])
def test_a_file_that_lists_all_phases_was_drawn_on_that_of_its_frames(tmp_path, parted):
    write_phases(tmp_path, parted)

    def all_phases(dataset):
        images = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        images.extend([image_item(replace(SERIES, number=1), z) for z in range(SERIES.slices)])

    write_segmentation(tmp_path / "seg.dcm", replace(SERIES, number=2), {"GTV": gtv()}, change=all_phases)
    scan = read(tmp_path)
    np.testing.assert_array_equal(scan.ct, SERIES.stored(seed=2).astype(int) - 1024)
    np.testing.assert_array_equal(scan.label, gtv())
