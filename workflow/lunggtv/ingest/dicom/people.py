"""Whether the CTs of a folder are of one person: by the ids in their headers, which no message shows."""

import itertools
import re
from collections.abc import Collection, Iterable, Sequence

from lunggtv.ingest.dicom.choice_words import example, listing
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.series import Series
from lunggtv.ingest.dicom.spellings import fewest_letters
from lunggtv.ingest.raw_scan import NOTED, WARNED, Reason, Refused
from lunggtv.wording import few

PARTS = re.compile(r"0*(\d+)|([^\W\d_]+)")  # of an id: numbers without the zeros before them, and words
BETWEEN = "-"  # two numbers or two words; between a number and a word stands nothing
WORDS = re.compile(r"[^\W_]+")


def people_in(series: Sequence[Series]) -> frozenset[str]:
    """The patient ids in the headers of series, in one form; images without an id say nothing."""
    return frozenset(_id(image.person) for one in series for image in one.slices) - {""}


def share_an_id(ids: Collection[str], others: Collection[str]) -> bool:
    """Whether one of several ids is that of others.

    What one system writes of an id another leaves out: zeros before a number, and signs. 12-3 may be 123, and 1-2-3 may
    be 12-3, but 1-23 is not 12-3.
    """
    return any(
        _unsigned(one) == _unsigned(other) and (_ends(one) <= _ends(other) or _ends(other) <= _ends(one))
        for one, other in itertools.product(ids, others)
    )


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
    people = _groups(people_in([one]) for one in series)
    pinned = [one for one in series if one.key == settings.series]
    told = [
        Reason(
            "several_ids_in_series",
            f"the images of series {one.key} have {count} patient ids in their headers. Look whether all are of one "
            "person.",
            WARNED,
        )
        for one in pinned or series
        if (count := len(_groups(frozenset({person}) for person in people_in([one])))) > 1
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


def others_left_out(taken: Series, series: Sequence[Series]) -> list[Reason]:
    """What to note of CTs that may be of another person than the one taken, where none is pinned.

    Ids that are blank or all the same, as after anonymisation, do not say so; names may, and no frame of reference may
    tie the two. Whom ids tell apart, ``check_people`` has told of.
    """
    people = _groups(people_in([one]) for one in series)
    mine = frozenset().union(*(ids for ids in people if ids & people_in([taken])))
    others = [one for one in series if one.uid != taken.uid and not _is_of_another(people_in([one]), mine)]
    unlike = [one for one in others if _are_called_otherwise(taken, one)]
    untied = [one for one in others if one not in unlike and not one.frame_uids & taken.frame_uids]
    notes = []
    if unlike:
        text = _left_out("with another patient name in their headers than the one taken", unlike)
        notes.append(Reason("other_name_left_out", text, NOTED))
    if untied:
        text = _left_out("that share no frame of reference with the one taken", untied)
        notes.append(Reason("other_ct_left_out", text, NOTED))
    return notes


def _left_out(which: str, series: Sequence[Series]) -> str:
    # 2 before 10, without what orders tables: that may make no volume again.
    first = sorted(
        (min(image.name for image in one.slices) for one in series), key=lambda name: (len(name), name)
    )
    return (
        f"CT series {which} were left out ({len(series)}): from {few(first)} on. If one is of another person, give "
        "each a folder of their own."
    )


def _id(text: str) -> str:
    """An id in one form."""
    parts = PARTS.findall(text)
    joined = ""
    for number, word in parts:
        part = number or word
        joined += BETWEEN + part if joined and joined[-1].isdigit() == bool(number) else part
    return joined


def _unsigned(one: str) -> str:
    return one.replace(BETWEEN, "")


def _ends(one: str) -> set[int]:
    """Where the parts of an id end, by the signs between them, which do not count."""
    lengths = (len(part) for part in one.split(BETWEEN))
    return set(list(itertools.accumulate(lengths))[:-1])


def _is_of_another(ids: Collection[str], mine: Collection[str]) -> bool:
    return bool(ids and mine) and not share_an_id(ids, mine)


def _groups(several: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """The ids of each person, where those that one series has are of one."""
    groups: list[frozenset[str]] = []
    for ids in several:
        if ids:
            joined = [group for group in groups if share_an_id(group, ids)]
            groups = [group for group in groups if group not in joined] + [ids.union(*joined)]
    return groups


def _are_called_otherwise(one: Series, other: Series) -> bool:
    """Whether both series have names in their headers, and none of one is one of the other, whole or in part."""
    pairs = list(itertools.product(_names(one), _names(other)))
    return bool(pairs) and not any(name <= another or another <= name for name, another in pairs)


def _names(series: Series) -> set[frozenset[str]]:
    """The names in the headers of a series, each as its words, however they are written."""
    # A name may stand there in other letters too.
    first = {image.called.strip("=").split("=")[0] for image in series.slices}
    return {frozenset(WORDS.findall(fewest_letters(name))) for name in first} - {frozenset()}
