"""Whether the CTs of a folder are of one person: by the ids in their headers, which no message shows."""

from collections.abc import Sequence

from lunggtv.ingest.dicom.choice_words import example, listing
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.series import Series
from lunggtv.ingest.raw_scan import NOTED, Reason, Refused


def people_in(series: Sequence[Series]) -> frozenset[str]:
    """The patient ids in the headers of series; images without an id say nothing."""
    return frozenset(image.person for one in series for image in one.slices) - {""}


def check_people(patient: str, series: Sequence[Series], settings: DicomSettings) -> list[Reason]:
    """Refuse a folder with CTs of several people: one would be taken for the patient, and the others lost in silence.

    ``data.prefer_series`` is a rule for all patients and does not say which person is meant; a pin does.

    Returns:
        What to note where a pinned series says who is meant.

    Raises:
        Refused: the series have several patient ids, and none of a single id is pinned.
    """
    people = people_in(series)
    if len(people) < 2:
        return []
    pinned = [one for one in series if one.key == settings.series]
    if pinned and len(people_in(pinned)) < 2:
        text = (
            f"the CT series of the folder have {len(people)} patient ids in their headers. {pinned[0].key} was taken, "
            "which data.series pins; the others were left out."
        )
        return [Reason("other_patient_left_out", text, NOTED)]
    ways = "Give each person a folder of its own."
    single = [one for one in series if len(people_in([one])) < 2]
    if single:
        ways += " If it is one person with several ids, pin the right series under data.series, as "
        ways += f"{example(patient, single, settings)}."
    raise Refused(
        "several_patients",
        f"the CT series of the folder are of several people: they have {len(people)} patient ids in their headers. "
        f"Here are {listing(series, settings)}. {ways}",
    )
