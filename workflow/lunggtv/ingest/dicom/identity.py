"""What names a person in a DICOM file, kept out of messages; and free texts as messages may show them."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import pydicom
from pydicom.multival import MultiValue

from lunggtv.ingest.dicom.values import typed_text_of, value_of

IDENTITY_TAGS = [
    "PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames", "AccessionNumber",
    "ReferringPhysicianName", "OperatorsName", "PhysiciansOfRecord", "InstitutionName", "StudyID", "StudyDate",
    "PatientBirthName", "PatientMotherBirthName", "PerformingPhysicianName", "RequestingPhysician", "AdmissionID",
    "NameOfPhysiciansReadingStudy", "ConsultingPhysicianName", "ResponsiblePerson",
]  # fmt: skip
LEAST_LETTERS = 3  # of a value, or a part of one, that could tell it
IDEOGRAPHS = "\u2e80"  # from here on one sign says as much as several letters
LONGEST_SHOWN = 64  # characters
HIDDEN = "…"
BETWEEN = r"[\W_]*"  # the parts of a value, however they are separated
SPACE = r"[\W_]{0,3}"  # between the digits of a number
WRITTEN_OUT = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "Ä": "Ae",
        "Ö": "Oe",
        "Ü": "Ue",
        "ß": "ss",
        "å": "aa",
        "ø": "oe",
        "æ": "ae",
    }
)
# How the names of the months begin, in languages of Latin letters.
MONTHS = (
    "jan|ene|gen|sty|led", "feb|fév|fev|lut|úno", "mar|mär|mrz|maa|bře", "apr|avr|abr|kwi|dub",
    "may|mai|mag|mei|maj|kvě", "jun|juin|giu|cze|červen", "jul|juil|lug|lip|červenec", "aug|aoû|aou|ago|sie|srp",
    "sep|set|wrz|zář", "oct|okt|out|ott|paź|říj", "nov|lis", "dec|dez|déc|dic|gru|pro",
)  # fmt: skip
DATE = re.compile(r"(\d{4})\D?(\d\d)\D?(\d\d)")


@dataclass(frozen=True)
class Identity:
    """The values that name a person in one file, as a pattern that finds whole words with one in them."""

    words: re.Pattern[str] | None = field(default=None, repr=False)

    def is_in(self, text: str) -> bool:
        """Whether a text holds one of the values."""
        return self.words is not None and self.words.search(unicodedata.normalize("NFC", text)) is not None

    def shown(self, text: str) -> str:
        """A text that somebody typed, for a message: identity hidden, blanks made plain, odd letters escaped, short."""
        plain = " ".join(unicodedata.normalize("NFC", text).split())
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
    # Before pydicom decodes it as it is declared: names may be in other letters, as those of ROIs are.
    typed = typed_text_of(dataset, keyword)
    value = value_of(dataset, keyword)
    several = value if isinstance(value, MultiValue) else [value]
    values = {str(one) for one in several if one is not None} | set(typed.split("\\"))
    # The groups of a name: in letters, in ideographs, as it is spoken.
    groups = {group for text in values for group in text.split("=")}
    for text in {spelt for group in groups for spelt in _spellings(group)}:
        parts = [part for part in re.split(r"[\W_]+", text) if part]
        if date := DATE.fullmatch(text):
            yield from _dates(*date.groups())
        for some in (parts, *([part] for part in parts)):
            joined = "".join(some)
            if sum(3 if letter >= IDEOGRAPHS else 1 for letter in joined) >= LEAST_LETTERS:
                # People group the digits of a number as they like.
                spaced = any(map(str.isdigit, joined))
                yield (SPACE if spaced else BETWEEN).join(map(re.escape, joined if spaced else some))


def _spellings(text: str) -> set[str]:
    """A text, also with its umlauts written out or left out, and an id without the zeros before it."""
    composed = unicodedata.normalize("NFC", text)
    bare = "".join(one for one in unicodedata.normalize("NFKD", composed) if not unicodedata.combining(one))
    return {composed, composed.translate(WRITTEN_OUT), bare, bare.replace("ß", "ss"), composed.lstrip("0")}


def _dates(year: str, month: str, day: str) -> Iterator[str]:
    """A date in any order, with or without the zeros before days and months and the century, the month also by name."""
    short = rf"(?:{year[:2]})?{year[2:]}"
    days = f"0?{day.lstrip('0')}"
    months = f"(?:0?{month.lstrip('0')}"
    if 1 <= int(month) <= len(MONTHS):
        months += rf"|(?:{MONTHS[int(month) - 1]})[^\W\d_]*"
    months += ")"
    for order in ((short, months, days), (days, months, short), (months, days, short)):
        yield BETWEEN.join(order)
