"""Series are told apart in words, chosen by rules for a cohort, and parted where a structure set names one phase."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.errors import ConfigError
from lunggtv.ingest.dicom.dicom_settings import DicomSettings, PreferredSeries
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.ingest.raw_scan import NOTED, WARNED, RawScan, Refused
from pydicom.dataset import Dataset

from tests.unit.dicom_files import (
    DATE_MARK,
    MARKS,
    NAME_MARK,
    CtSeries,
    Reference,
    box,
    patient_files,
    settings,
    write_ct,
    write_rtstruct,
)

CT = CtSeries()
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def described(description: str, kernel: str | list[str], thickness_mm: float):
    def change(dataset, z):
        dataset.SeriesDescription, dataset.ConvolutionKernel = description, kernel
        dataset.SliceThickness = str(thickness_mm)

    return change


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A soft and a sharp reconstruction, the latter with four slices."""
    write_ct(tmp_path / "a", CT, change=described("Thorax  native", "B31f", 3))
    sharp = replace(CT, number=2, slices=4)
    write_ct(tmp_path / "b", sharp, change=described("Lunge\t1.5", ["B70f", "3"], 1.5))
    return tmp_path


def read(folder: Path, *rules: PreferredSeries, label: bool = False) -> RawScan:
    wanted = DicomSettings(("GTV.*",), 0.1, prefer_series=rules)
    return read_dicom(patient_files(folder, label), wanted)


def refusal(folder: Path, *rules: PreferredSeries, label: bool = False) -> str:
    with pytest.raises(Refused) as caught:
        read(folder, *rules, label=label)
    assert caught.value.reason.code == "several_series" and str(folder) not in str(caught.value)
    return str(caught.value)


def test_a_refusal_tells_series_apart(folder: Path) -> None:
    text = refusal(folder)
    assert (
        ": 5 slices of 12 x 16, spacing 3 x 0.9 x 1.1 mm, axial, thickness 3 mm, kernel 'B31f', described as "
        "'Thorax native', from a/ct000.dcm on"
    ) in text
    assert (
        ": 4 slices of 12 x 16, spacing 3 x 0.9 x 1.1 mm, axial, thickness 1.5 mm, kernel 'B70f\\3', described as "
        "'Lunge 1.5', from b/ct000.dcm on"
    ) in text
    assert "data.prefer_series" in text and 'data: series: {"7": "s' in text


@pytest.mark.parametrize(("orientation", "plane"), [(CORONAL, "coronal"), (OBLIQUE, "oblique")])
def test_planes_are_named(folder: Path, orientation: tuple[float, ...], plane: str) -> None:
    write_ct(folder / "c", replace(CT, number=3, slices=3, orientation=orientation))
    assert f"3 slices of 12 x 16, spacing 3 x 0.9 x 1.1 mm, {plane}, thickness" in refusal(folder)


def test_who_it_was_stands_in_no_description(folder: Path) -> None:
    words = f"CT {NAME_MARK.lower()}s {DATE_MARK[6:]}.{DATE_MARK[4:6]}.{DATE_MARK[:4]} lung"
    write_ct(folder / "c", replace(CT, number=3, slices=3), change=described(words, f"x_{NAME_MARK}", 3))
    text = refusal(folder)
    assert "described as 'CT … … lung'" in text and "kernel 'x_…'" in text
    assert not [mark for mark in MARKS if mark.casefold() in text.casefold()]


def test_a_description_in_other_letters_than_declared_is_read_as_it_was_typed(folder: Path) -> None:
    """UTF-8 under Latin-1."""
    words = described("Läsionen", "", 2)

    def change(dataset, z):
        words(dataset, z)
        dataset.SpecificCharacterSet = "ISO_IR 192"

    write_ct(folder / "c", replace(CT, number=3, slices=3), change=change)
    for path in (folder / "c").iterdir():
        path.write_bytes(path.read_bytes().replace(b"ISO_IR 192", b"ISO_IR 100"))
    assert "described as 'Läsionen'" in refusal(folder)
    assert len(read(folder, PreferredSeries(description="^läs")).ct) == 3


def test_long_and_odd_descriptions_are_shown_short_and_escaped(folder: Path) -> None:
    write_ct(folder / "c", replace(CT, number=3, slices=3), change=described("a\x07" + 80 * "b", "", 3))
    text = refusal(folder)
    assert f"described as 'a\\x07{'b' * 58}…'" in text
    assert text.count("kernel") == 2


@pytest.mark.parametrize(
    ("rules", "slices"),
    [
        ([PreferredSeries(kernel="^b7")], 4),
        ([PreferredSeries(kernel="^B3")], 5),
        ([PreferredSeries(description="native")], 5),
        ([PreferredSeries(thickness_mm=1.5)], 4),
        ([PreferredSeries(thickness_mm=3)], 5),
        ([PreferredSeries(kernel="none"), PreferredSeries(description="^lunge")], 4),
        ([PreferredSeries(kernel="B", thickness_mm=1.5)], 4),
        ([PreferredSeries(kernel="B3", thickness_mm=1.5), PreferredSeries(thickness_mm=3)], 5),
    ],
)
def test_rules_choose_for_a_cohort(folder: Path, rules: list[PreferredSeries], slices: int) -> None:
    scan = read(folder, *rules)
    assert len(scan.ct) == slices
    (note,) = (note for note in scan.notes if note.code == "preferred_series")
    assert note.severity == NOTED and f"{slices} slices" in note.text


@pytest.mark.parametrize("rules", [[], [PreferredSeries(kernel="B")], [PreferredSeries(thickness_mm=2)]])
def test_rules_that_leave_several_choose_none(folder: Path, rules: list[PreferredSeries]) -> None:
    refusal(folder, *rules)


def test_rules_choose_among_those_that_a_structure_set_may_mean(folder: Path) -> None:
    gtv = [box(CT, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2, 3)]
    write_rtstruct(folder / "rs.dcm", {"GTV": gtv}, Reference(None))
    refusal(folder, label=True)
    scan = read(folder, PreferredSeries(kernel="B3"), label=True)
    assert len(scan.ct) == 5 and scan.label.sum() == 36


def test_what_a_structure_set_says_goes_before_any_rule(folder: Path) -> None:
    gtv = [box(CT, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2, 3)]
    write_rtstruct(folder / "rs.dcm", {"GTV": gtv}, Reference(CT))
    for label in (True, False):
        assert len(read(folder, PreferredSeries(kernel="B7"), label=label).ct) == 5


def test_rules_come_from_the_settings() -> None:
    section = {
        "gtv_values": [1], "spacing_tolerance_mm": 0.1, "position_tolerance_mm": 0.1, "max_voxels": 10,
        "roi_patterns": ["GTV"], "slice_tolerance_mm": 0.1, "interpolate_gtv": False,
    }  # fmt: skip
    assert IngestSettings.from_config(section).dicom.prefer_series == ()
    rules = [{"kernel": "^B3"}, {"thickness_mm": 3, "description": "x"}]
    assert IngestSettings.from_config(section | {"prefer_series": rules}).dicom.prefer_series == (
        PreferredSeries(kernel="^B3"),
        PreferredSeries(thickness_mm=3, description="x"),
    )
    with pytest.raises(ConfigError, match=r"data\.prefer_series: '\(' is not a regular expression"):
        PreferredSeries(description="(")


# --- phases in one series -------------------------------------------------------------------------------------


def phases(folder: Path, named: int, slices: int = 5, parted: str = "") -> np.ndarray:
    """Two phases in one series without acquisition numbers; a structure set on the first slices of one of them.

    Args:
        parted: ``acquisitions`` for such with numbers, ``series`` for phases in two series.

    Returns:
        The stored values of the phase that the set names.
    """
    stored = []
    for phase in (1, 2):

        def part(dataset, z, phase=phase):
            if parted != "series":
                dataset.SeriesInstanceUID = CT.uid
            if parted == "acquisitions":
                dataset.AcquisitionNumber = phase

        series = replace(CT, number=phase)
        stored.append(write_ct(folder / str(phase), series, CT.stored(seed=phase), change=part))
    gtv = [box(CT, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2)]
    reference = Reference(replace(CT, number=named), slices=list(range(slices)))
    write_rtstruct(folder / "rs.dcm", {"GTV": gtv, "GTV n": gtv[:1]}, reference)
    return stored[named - 1]


def edit_set(folder: Path, change: Callable[[Dataset], None]) -> None:
    dataset = pydicom.dcmread(folder / "rs.dcm")
    change(dataset)
    dataset.save_as(folder / "rs.dcm")


def drawn_on(phase: int, rois: tuple[int, ...]) -> Callable[[Dataset], None]:
    """An edit after which the contours of some ROIs name the images of a phase; the list of images stays."""

    def change(dataset):
        for roi in rois:
            for z, contour in zip((1, 2), dataset.ROIContourSequence[roi].ContourSequence, strict=False):
                contour.ContourImageSequence[0].ReferencedSOPInstanceUID = replace(CT, number=phase).sop_uid(
                    z
                )

    return change


def listed_in(dataset: Dataset) -> list[Dataset]:
    """The series that a structure set lists."""
    return (
        dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence
    )


@pytest.mark.parametrize("label", [True, False])
@pytest.mark.parametrize("named", [1, 2])
def test_the_phase_that_a_structure_set_names_is_taken(tmp_path: Path, named: int, label: bool) -> None:
    stored = phases(tmp_path, named)
    scan = read_dicom(patient_files(tmp_path, label), settings())
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert len(scan.slice_digests) == 5
    (note,) = (note for note in scan.notes if note.code == "phase_by_structure_set")
    assert note.severity == NOTED and "the structure set names were taken, 5 others left out" in note.text


def test_a_part_of_a_phase_is_no_phase(tmp_path: Path) -> None:
    """Contours name the slices of a tumour alone: the CT must not shrink to these."""
    phases(tmp_path, 1, slices=4)
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), settings())
    assert caught.value.reason.code == "duplicate_slices"


@pytest.mark.parametrize("parted", ["", "acquisitions", "series"])
def test_contours_of_another_phase_than_the_set_lists(tmp_path: Path, parted: str) -> None:
    """The list of images names one phase, the contours the other: neither may be taken in silence."""
    phases(tmp_path, 1, parted=parted)
    edit_set(tmp_path, drawn_on(2, rois=(0, 1)))
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), settings())
    assert caught.value.reason.code == "contours_of_another_phase"
    assert "rs.dcm lists the images of one of them, but contours of 'GTV', 'GTV n' name" in str(caught.value)
    assert "roi_patterns" not in str(caught.value)
    # No label is asked for: either phase is as good.
    assert len(read_dicom(patient_files(tmp_path, labelled=False), settings()).ct) == 5
    # As the reason says, the phase that was drawn on does alone.
    shutil.rmtree(tmp_path / "1")
    assert read_dicom(patient_files(tmp_path), settings()).label.sum() == 24


def test_a_series_listed_without_its_images_is_listed_whole(tmp_path: Path) -> None:
    phases(tmp_path, 1, parted="series")

    def change(dataset):
        drawn_on(2, rois=(0, 1))(dataset)
        del listed_in(dataset)[0].ContourImageSequence

    edit_set(tmp_path, change)
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), settings())
    assert caught.value.reason.code == "contours_of_another_phase"


@pytest.mark.parametrize("slices", [[0], [0, 3, 4], [1, 4]])
def test_a_list_may_leave_out_images_of_its_series(tmp_path: Path, slices: list[int]) -> None:
    """One CT alone; the contours, on slices 1 and 2, name the images that the list leaves out."""
    stored = write_ct(tmp_path / "ct", CT)
    gtv = [box(CT, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2)]
    write_rtstruct(tmp_path / "rs.dcm", {"GTV": gtv}, Reference(CT, slices=slices))
    scan = read_dicom(patient_files(tmp_path), settings())
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert scan.label.sum(axis=(1, 2)).tolist() == [0, 12, 12, 0, 0]
    assert scan.notes == ()


@pytest.mark.parametrize("parted", ["", "acquisitions", "series"])
def test_contours_of_another_phase_than_a_short_list(tmp_path: Path, parted: str) -> None:
    """The list holds three images of one phase, two of them where the contours' images of the other lie."""
    phases(tmp_path, 1, slices=3, parted=parted)
    edit_set(tmp_path, drawn_on(2, rois=(0, 1)))
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), settings())
    assert caught.value.reason.code == "contours_of_another_phase"


@pytest.mark.parametrize("parted", ["acquisitions", "series"])
def test_contours_beside_a_list_of_another_phase(tmp_path: Path, parted: str) -> None:
    """Parted phases are told apart also where the list holds an image of no place that was drawn on."""
    phases(tmp_path, 1, slices=1, parted=parted)
    edit_set(tmp_path, drawn_on(2, rois=(0, 1)))
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), settings())
    assert caught.value.reason.code == "contours_of_another_phase"


def test_one_roi_of_another_phase(tmp_path: Path) -> None:
    """In one series it is refused by name; a narrower pattern leaves it out."""
    phases(tmp_path, 1)
    edit_set(tmp_path, drawn_on(2, rois=(1,)))
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), settings())
    assert caught.value.reason.code == "contours_of_another_phase"
    assert "contours of 'GTV n' name" in str(caught.value) and "roi_patterns narrower" in str(caught.value)
    assert read_dicom(patient_files(tmp_path), settings("GTV")).label.sum() == 24


@pytest.mark.parametrize("parted", ["acquisitions", "series"])
def test_a_list_of_all_phases_says_nothing_against_the_one_drawn_on(tmp_path: Path, parted: str) -> None:
    stored = phases(tmp_path, 2, parted=parted)

    def all_phases(dataset):
        (one,) = listed_in(dataset)
        first = copy.deepcopy(one)
        first.SeriesInstanceUID = replace(CT, number=1).uid
        for z, image in enumerate(first.ContourImageSequence):
            image.ReferencedSOPInstanceUID = replace(CT, number=1).sop_uid(z)
        listed_in(dataset).insert(0, first)

    edit_set(tmp_path, all_phases)
    scan = read_dicom(patient_files(tmp_path), settings())
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert [note.code for note in scan.notes if note.severity == WARNED] == ["rois_overlap"]


def test_a_list_decides_where_contours_name_images_that_are_not_here(tmp_path: Path) -> None:
    stored = phases(tmp_path, 2, parted="acquisitions")

    def replaced(dataset):
        listed_in(dataset)[0].SeriesInstanceUID = CT.uid
        for roi in dataset.ROIContourSequence:
            for contour in roi.ContourSequence:
                contour.ContourImageSequence[0].ReferencedSOPInstanceUID += ".9"

    edit_set(tmp_path, replaced)
    for label in (True, False):
        scan = read_dicom(patient_files(tmp_path, label), settings())
        np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
        assert ("roi_on_other_images" in {note.code for note in scan.notes}) == label


def test_a_list_of_images_that_are_not_here_contradicts_nothing(tmp_path: Path) -> None:
    """As that of a PET, or of a series that was left behind."""
    stored = phases(tmp_path, 2, parted="series")

    def left_behind(dataset):
        for image in listed_in(dataset)[0].ContourImageSequence:
            image.ReferencedSOPInstanceUID += ".9"

    edit_set(tmp_path, left_behind)
    scan = read_dicom(patient_files(tmp_path), settings())
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
