"""Whether the CTs of a folder are of one person: by the ids in their headers, which no message shows."""

import re
from collections.abc import Sequence

from lunggtv.ingest.dicom.choice_words import example, listing
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.series import Series
from lunggtv.ingest.raw_scan import NOTED, WARNED, Reason, Refused
from lunggtv.wording import few

SIGNS = re.compile(r"[\W_]+|(?<!\d)0+(?=\d)")  # what one system writes of an id and another leaves out


def people_in(series: Sequence[Series]) -> frozenset[str]:
    """The patient ids in the headers of series; images without an id say nothing."""
    return frozenset(SIGNS.sub("", image.person) for one in series for image in one.slices) - {""}


def check_people(
    patient: str, series: Sequence[Series], settings: DicomSettings, drawn_on: Series | None = None
) -> list[Reason]:
    """Refuse a folder with CTs of several people: one would be taken for the patient, and the others lost in silence.

    Series that have an id in common are of one person, as where archives were merged. ``data.prefer_series`` is a rule
    for all patients and does not say which person is meant; a pin does, and so do contours of the GTV that name images.

    Args:
        patient: the patient's id in the workflow.
        series: all CTs of the folder.
        settings: with the pin.
        drawn_on: the series whose images the contours of the GTV name, if it is one.

    Returns:
        What to tell where a pin or the GTV says who is meant, and of a series with several ids.

    Raises:
        Refused: there are several people, and nothing says who is meant.
    """
    people = _groups(series)
    pinned = [one for one in series if one.key == settings.series]
    told = [
        Reason(
            "several_ids_in_series",
            f"the images of series {one.key} have {len(people_in([one]))} patient ids in their headers. Look whether "
            "all are of one person.",
            WARNED,
        )
        for one in pinned or series
        if len(people_in([one])) > 1
    ]
    if len(people) < 2:
        return told
    if pinned:
        text = (
            f"the CT series of the folder have patient ids of {len(people)} people in their headers. Series "
            f"{pinned[0].key} was taken, which data.series pins; the others were left out."
        )
        return [Reason("other_patient_left_out", text, NOTED), *told]
    if drawn_on is not None:
        text = (
            f"the CT series of the folder have patient ids of {len(people)} people in their headers. Series "
            f"{drawn_on.key} was taken, whose images the GTV names; the others were left out. Give each person a "
            "folder of their own."
        )
        return [Reason("others_beside_gtv", text, WARNED), *told]
    raise Refused(
        "several_patients",
        f"the CT series of the folder seem to be of several people: they have patient ids of {len(people)} in their "
        f"headers. Here are {listing(series, settings)}. Give each person a folder of its own. If it is one person "
        f"with several ids, pin the right series under data.series, as {example(patient, series, settings)}.",
    )


def other_frames(taken: Series, series: Sequence[Series]) -> list[Reason]:
    """What to note of CTs in another frame of reference than the one taken, where none is pinned: ids that are
    blank or all the same, as after anonymisation, do not say whether they are of the same person."""
    others = [
        one
        for one in series
        if len(taken.frame_uids) == len(one.frame_uids) == 1 and one.frame_uids != taken.frame_uids
    ]
    if not others:
        return []
    first = [min(image.name for image in one.slices) for one in others]
    text = (
        f"CT series in another frame of reference than the one taken were left out ({len(others)}): from "
        f"{few(first)} on. If one is of another person, give each a folder of their own."
    )
    return [Reason("other_ct_left_out", text, NOTED)]


def _groups(series: Sequence[Series]) -> list[frozenset[str]]:
    """The ids of each person, where those that one series has are of one."""
    groups: list[frozenset[str]] = []
    for one in series:
        ids = people_in([one])
        if ids:
            joined = [group for group in groups if group & ids]
            groups = [group for group in groups if not group & ids] + [ids.union(*joined)]
    return groups
