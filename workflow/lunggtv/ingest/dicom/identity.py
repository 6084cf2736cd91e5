"""What names a person in a DICOM file, kept out of messages; and free texts as messages may show them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pydicom
from pydicom.multival import MultiValue

from lunggtv.ingest.dicom.values import value_of

IDENTITY_TAGS = [
    "PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames", "AccessionNumber",
    "ReferringPhysicianName", "OperatorsName", "PhysiciansOfRecord", "InstitutionName", "StudyID", "StudyDate",
]  # fmt: skip
LEAST_LETTERS = 3  # of a value, or a part of one, that could tell it
LONGEST_SHOWN = 64  # characters
HIDDEN = "…"
BETWEEN = r"[\W_]*"  # the parts of a value, however they are separated
DATE = re.compile(r"(\d{4})\D?(\d\d)\D?(\d\d)")


@dataclass(frozen=True)
class Identity:
    """The values that name a person in one file, as a pattern that finds whole words with one in them."""

    words: re.Pattern[str] | None = field(default=None, repr=False)

    def is_in(self, text: str) -> bool:
        """Whether a text holds one of the values."""
        return self.words is not None and self.words.search(text) is not None

    def shown(self, text: str) -> str:
        """A text that somebody typed, for a message: identity hidden, blanks made plain, odd letters escaped, short."""
        plain = " ".join(text.split())
        if self.words is not None:
            plain = self.words.sub(HIDDEN, plain)
        escaped = "".join(
            one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in plain
        )
        return escaped if len(escaped) <= LONGEST_SHOWN else escaped[: LONGEST_SHOWN - 1] + HIDDEN


NOBODY = Identity()


def identity_of(dataset: pydicom.Dataset) -> Identity:
    """What names a person in a data set read with IDENTITY_TAGS: each value whole, its parts, dates in any order."""
    found = {pattern for keyword in IDENTITY_TAGS for pattern in _patterns(dataset, keyword)}
    if not found:
        return NOBODY
    # The longest first: an alternative that comes first wins.
    any_of = "|".join(sorted(found, key=lambda one: (-len(one), one)))
    return Identity(re.compile(rf"[^\W_]*(?:{any_of})[^\W_]*", re.IGNORECASE))


def _patterns(dataset: pydicom.Dataset, keyword: str) -> Iterator[str]:
    value = value_of(dataset, keyword)
    several = value if isinstance(value, MultiValue) else [value]
    for text in [str(one) for one in several if one is not None]:
        parts = [part for part in re.split(r"[\W_]+", text) if part]
        if date := DATE.fullmatch(text):
            year, month, day = date.groups()
            for order in ((year, month, day), (day, month, year), (month, day, year)):
                yield BETWEEN.join(order)
        for some in (parts, *([part] for part in parts)):
            if sum(map(len, some)) >= LEAST_LETTERS:
                yield BETWEEN.join(map(re.escape, some))
