"""Whose a scan is, by its name. Standard library only: runs at parse time.

A name that the pattern takes but for its suffix or its capitals bears its patient's whole id: ``P1-2_0000.nii`` is
P1-2's, though there is a P1. Any other name is that of a patient who is there if it is the id with nothing beside it
but words of letters, what the pattern has there, and a channel of nnU-Net: ``P1_seg``, ``lungs_P1``, ``P1_0001``.
A further number makes another id (``P1-2``, ``P1_2021``), and so does another word in the place of the one that
begins every name of nnU-Net: with ``lung_{patient}_0000``, ``colon_0001`` is not 0001's.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from lunggtv.cohort.known_trees import CHANNEL
from lunggtv.cohort.patterns import PLACE, component_expression
from lunggtv.image_headers import suffix_of

OTHER_CHANNEL = re.compile(r"\A_00\d\d(?!\d)")  # four figures that begin otherwise are rather a year


@dataclass(frozen=True)
class Owner:
    """A patient's id, where it begins and ends in the name, and whether the name has no words of its own."""

    patient: str
    place: tuple[int, int]
    plain: bool = True


def owner_of(stem: str, part: str, known: Collection[str]) -> Owner:
    """Whose a scan is: of one of ``known``, or else of an id as the pattern has it, or else of the whole name's.

    Args:
        stem: the scan's name without its suffix.
        part: the component of data.image with the patient's id.
        known: the ids of patients that are there.
    """
    head = part[: -len(suffix_of(part) or "")] or part
    before, _, after = head.partition(PLACE)
    match = component_expression(head, re.IGNORECASE).fullmatch(stem)
    # Where the pattern has nothing but the id, every name fits, and fitting says nothing.
    if match and (match["patient"] in known or (before + after).strip("*")):
        return Owner(match["patient"], match.span("patient"))
    for start, end in _places(stem, before, after):
        words = _words(stem[:start], stem[end:], before, after)
        if words is not None and stem[start:end] in known:
            return Owner(stem[start:end], (start, end), not any(map(str.isalnum, words)))
    match = match or component_expression(CHANNEL.sub("", head), re.IGNORECASE).fullmatch(stem)
    start, end = match.span("patient") if match else _without_ends(stem, before, after)
    return Owner(stem[start:end], (start, end))


def _without_ends(stem: str, before: str, after: str) -> tuple[int, int]:
    """Where an id stands in a name that has what the pattern begins and ends with, but not what a wildcard parts."""
    if "*" not in before + after:
        return 0, len(stem)
    first, last = before.partition("*")[0], after.rpartition("*")[2]
    start = len(first) if _begins_with(stem, first) else 0
    end = len(stem) - (len(last) if _ends_with(stem, last) else 0)
    return (start, end) if start < end else (0, len(stem))


def _places(stem: str, before: str, after: str) -> list[tuple[int, int]]:
    """Where an id may begin and end, the longest first: letters and digits do not go on beside it, unless they are
    the pattern's."""
    marks = range(len(stem) + 1)
    starts = [i for i in marks if not stem[i - 1 : i].isalnum() or _ends_with(stem[:i], before)]
    ends = [i for i in marks if not stem[i : i + 1].isalnum() or _begins_with(stem[i:], after)]
    places = [(start, end) for start in starts for end in ends if start < end]
    return sorted(places, key=lambda place: place[0] - place[1])


def _words(left: str, right: str, before: str, after: str) -> str | None:
    """What stands beside an id and is not the pattern's, where it makes no other id."""
    of_nnunet = CHANNEL.search(after) is not None
    if _ends_with(left, before):
        left = left[: -len(before)]
    elif left and before and of_nnunet:
        return None
    if _begins_with(right, after):
        right = right[len(after) :]
    elif of_nnunet:
        right = OTHER_CHANNEL.sub("", right)
    words = left + right
    return None if any(map(str.isdecimal, words)) else words


def _ends_with(text: str, end: str) -> bool:
    return end != "" and text[-len(end) :].casefold() == end.casefold()


def _begins_with(text: str, start: str) -> bool:
    return start != "" and text[: len(start)].casefold() == start.casefold()
