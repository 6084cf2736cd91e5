"""What names a person in a DICOM file, kept out of messages; and free texts as messages may show them."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import pydicom
from pydicom.multival import MultiValue

from lunggtv.ingest.dicom.spellings import bare, plain, spelt
from lunggtv.ingest.dicom.values import typed_text_of, value_of

IDENTITY_TAGS = [
    "PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames", "AccessionNumber",
    "ReferringPhysicianName", "OperatorsName", "PhysiciansOfRecord", "InstitutionName", "StudyID", "StudyDate",
    "PatientBirthName", "PatientMotherBirthName", "PerformingPhysicianName", "RequestingPhysician", "AdmissionID",
    "NameOfPhysiciansReadingStudy", "ConsultingPhysicianName", "ResponsiblePerson", "ReviewerName", "ROIInterpreter",
    "ContentCreatorName",
]  # fmt: skip
# Sequences whose items have some of them.
IDENTITY_SEQUENCES = [
    "OtherPatientIDsSequence", "RTROIObservationsSequence", "ReferencedRequestSequence", "RequestAttributesSequence",
]  # fmt: skip
ALL_TAGS = [*IDENTITY_TAGS, *IDENTITY_SEQUENCES]
LEAST_LETTERS = 3  # of a value, or a part of one, that could tell it
LEAST_DIGITS = 5  # of a number in a path
MOST_NAMES = 4  # of a person
IDEOGRAPHS = "\u2e80"  # from here on one sign says as much as several letters
LONGEST_SHOWN = 64  # characters
HIDDEN = "…"
BETWEEN = r"[\W_]*"  # the parts of a value, however they are separated
# The parts of a date, likewise; last the Chinese and the Korean signs of year, month and day.
BETWEEN_DATES = r"(?:[\W_]|del?|of|th|st|nd|rd|er|[\u5e74\u6708\u65e5]|[\ub144\uc6d4\uc77c])*"
SPACE = r"[\W_]{0,3}"  # between the digits of a number
PARTED = r"[\W_]{1,3}"  # between the numbers of a date
# How the names of the months begin, in languages of Latin, Cyrillic and Greek letters, and their Roman numbers.
MONTHS = (
    "jan|ene|gen|sty|led|oca|tam|янв|січ|ιαν|i", "feb|fév|fev|lut|úno|şub|hel|фев|лют|φεβ|ii",
    "mar|mär|már|maerz|mrz|maa|bře|мар|бер|μαρ|μάρ|iii", "apr|avr|abr|ápr|kwi|dub|nis|huh|апр|кві|απρ|iv",
    "may|mai|mag|mei|maj|máj|kvě|tou|мая|май|тра|μαΐ|μάι|v",
    "jun|jún|juin|giu|cze|červen|haz|kes|июн|чер|ιουν|ιούν|vi",
    "jul|júl|juil|lug|lip|červenec|tem|hei|июл|лип|ιουλ|ιούλ|vii",
    "aug|aoû|aou|ago|sie|srp|ağu|elo|авг|сер|αυγ|αύγ|viii",
    "sep|set|sze|wrz|zář|eyl|syy|сен|вер|σεπ|ix", "oct|okt|out|ott|paź|říj|eki|lok|окт|жов|οκτ|x",
    "nov|lis|kas|marras|ноя|лис|νοε|νοέ|xi", "dec|dez|déc|dic|gru|pro|ara|jou|дек|гру|δεκ|xii",
)  # fmt: skip
WORDS = r"\D{1,24}"  # between a day and its year, in whatever language
DATE = re.compile(r"(\d{4})\D?(\d\d)\D?(\d\d)")


@dataclass(frozen=True)
class Identity:
    """The values that name a person in one file, as a pattern that finds whole words with one in them."""

    words: re.Pattern[str] | None = field(default=None, repr=False)

    def is_in(self, text: str) -> bool:
        """Whether a text holds one of the values."""
        return self.words is not None and self.words.search(plain(_tidy(text))) is not None

    def hidden(self, text: str) -> str:
        """A text without the words that hold one of the values; as it is if there are none."""
        tidy, shown, end = _tidy(text), "", 0
        for found in self.words.finditer(plain(tidy)) if self.words is not None else ():
            shown += tidy[end : found.start()] + HIDDEN
            end = found.end()
        return shown + tidy[end:] if end else text

    def shown(self, text: str) -> str:
        """A text that somebody typed, for a message: identity hidden, blanks made plain, odd letters escaped, short."""
        hidden = " ".join(unicodedata.normalize("NFC", self.hidden(text)).split())
        escaped = "".join(
            one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in hidden
        )
        return escaped if len(escaped) <= LONGEST_SHOWN else escaped[: LONGEST_SHOWN - 1] + HIDDEN


NOBODY = Identity()


def identity_of(dataset: pydicom.Dataset, in_paths: bool = False) -> Identity:
    """What names a person in a data set read with ALL_TAGS: each value whole, its parts, dates in any order.

    Args:
        in_paths: leave out short numbers, and dates in other orders but those of three parted numbers, which the
            numbers of slices hold by chance.
    """
    items = [item for keyword in IDENTITY_SEQUENCES for item in value_of(dataset, keyword) or ()]
    found = {
        pattern
        for one in (dataset, *items)
        for keyword in IDENTITY_TAGS
        for pattern in _patterns(one, keyword, in_paths)
    }
    if not found:
        return NOBODY
    # The longest first: an alternative that comes first wins.
    any_of = "|".join(sorted(found, key=lambda one: (-len(one), one)))
    # Tried from the start of a word alone, or a long word would be searched anew from each of its letters.
    return Identity(re.compile(rf"(?<![^\W_])[^\W_]*(?:{any_of})[^\W_]*", re.IGNORECASE))


def _tidy(text: str) -> str:
    """A text as it is searched: one blank where there are several, wide letters and digits as the usual ones."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _patterns(dataset: pydicom.Dataset, keyword: str, in_paths: bool) -> Iterator[str]:
    # Before pydicom decodes it as it is declared: names may be in other letters, as those of ROIs are.
    typed = typed_text_of(dataset, keyword)
    value = value_of(dataset, keyword)
    several = value if isinstance(value, MultiValue) else [value]
    values = {str(one) for one in several if one is not None} | set(typed.split("\\"))
    # The groups of a name: in letters, in ideographs, as it is spoken.
    groups = {group for text in values for group in text.split("=")}
    for text in {way for group in groups for way in _spellings(group)}:
        parts = [part for part in re.split(r"[\W_]+", text) if part]
        if date := DATE.fullmatch(text):
            yield from _parted_dates(*date.groups()) if in_paths else _dates(*date.groups())
        for some in (*_orders(parts), *([part] for part in parts)):
            joined = "".join(some)
            if in_paths and joined.isdigit() and len(joined) < LEAST_DIGITS:
                continue
            if _letters_in(joined) >= LEAST_LETTERS:
                # People group the digits of a number as they like.
                spaced = any(map(str.isdigit, joined))
                yield spelt(joined, SPACE) if spaced else BETWEEN.join(map(spelt, some))


def _orders(parts: list[str]) -> list[list[str]]:
    """A value's parts, and in other orders, as the given name first, if one is too short to tell by itself."""
    if all(_letters_in(part) >= LEAST_LETTERS for part in parts) or len(parts) > MOST_NAMES:
        return [parts]
    return [parts, parts[::-1], [*parts[1:], *parts[:1]], [*parts[-1:], *parts[:-1]]]


def _letters_in(text: str) -> int:
    return sum(3 if letter >= IDEOGRAPHS else 1 for letter in text)


def _spellings(text: str) -> set[str]:
    """A text, also without its accents, and an id without the zeros before it."""
    composed = unicodedata.normalize("NFKC", text)
    return {composed, bare(composed), composed.lstrip("0")}


def _parted_dates(year: str, month: str, day: str) -> Iterator[str]:
    """A date with the year last, its numbers parted, as in 31.01.1950."""
    days, months = (f"0?{number.lstrip('0')}" for number in (day, month))
    for order in ((days, months, year), (months, days, year)):
        yield rf"(?<!\d){PARTED.join(order)}(?!\d)"


def _dates(year: str, month: str, day: str) -> Iterator[str]:
    """A date in any order, with or without the zeros before days and months and the century, the month also by name."""
    short = rf"(?:{year[:2]})?{year[2:]}"
    days = f"0?{day.lstrip('0')}"
    months = f"(?:0?{month.lstrip('0')}"
    if 1 <= int(month) <= len(MONTHS):
        months += rf"|(?:{plain(MONTHS[int(month) - 1])})[^\W\d_]*"
    months += ")"
    for order in ((short, months, days), (days, months, short), (months, days, short)):
        yield BETWEEN_DATES.join(order)
    yield rf"(?<!\d){days}{WORDS}{year}(?!\d)"
    yield rf"(?<!\d){year}{WORDS}{days}(?!\d)"
