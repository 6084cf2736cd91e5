"""Series are told apart in words, chosen by rules for a cohort, and parted where a structure set names one phase."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lunggtv.errors import ConfigError
from lunggtv.ingest.dicom.dicom_settings import DicomSettings, PreferredSeries
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.ingest.raw_scan import NOTED, RawScan, Refused

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
    assert caught.value.reason.code == "several_series"
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


def phases(folder: Path, named: int, slices: int = 5) -> np.ndarray:
    """Two phases in one series without acquisition numbers; a structure set on the first slices of one of them.

    Returns its stored values.
    """
    stored = []
    for phase in (1, 2):
        series = replace(CT, number=phase)

        def one_series(dataset, z):
            dataset.SeriesInstanceUID = CT.uid

        stored.append(write_ct(folder / str(phase), series, CT.stored(seed=phase), change=one_series))

    def names(phase: int) -> CtSeries:
        return replace(CT, number=phase)

    gtv = [box(CT, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2)]
    write_rtstruct(folder / "rs.dcm", {"GTV": gtv}, Reference(names(named), slices=list(range(slices))))
    return stored[named - 1]


@pytest.mark.parametrize("label", [True, False])
@pytest.mark.parametrize("named", [1, 2])
def test_the_phase_that_a_structure_set_names_is_taken(tmp_path: Path, named: int, label: bool) -> None:
    stored = phases(tmp_path, named)
    scan = read_dicom(patient_files(tmp_path, label), settings())
    np.testing.assert_array_equal(scan.ct, stored.astype(int) - 1024)
    assert len(scan.slice_digests) == 5
    (note,) = (note for note in scan.notes if note.code == "phase_by_structure_set")
    assert note.severity == NOTED and "5 others left out" in note.text


def test_a_part_of_a_phase_is_no_phase(tmp_path: Path) -> None:
    """Contours name the slices of a tumour alone: the CT must not shrink to these."""
    phases(tmp_path, 1, slices=4)
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), settings())
    assert caught.value.reason.code == "duplicate_slices"


def test_contours_of_another_phase_than_the_set_lists(tmp_path: Path) -> None:
    """The list of images names one phase, the contours the other: neither may be taken in silence."""
    phases(tmp_path, 1)
    path = tmp_path / "rs.dcm"
    dataset = pydicom.dcmread(path)
    for z, contour in zip((1, 2), dataset.ROIContourSequence[0].ContourSequence, strict=True):
        contour.ContourImageSequence[0].ReferencedSOPInstanceUID = replace(CT, number=2).sop_uid(z)
    dataset.save_as(path)
    with pytest.raises(Refused) as caught:
        read_dicom(patient_files(tmp_path), settings())
    assert caught.value.reason.code == "contours_of_another_phase"
    assert "'GTV' name images of another one" in str(caught.value)
    # No label is asked for: the phase that the set lists is as good as any.
    assert len(read_dicom(patient_files(tmp_path, labelled=False), settings()).ct) == 5
