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
    "NameOfPhysiciansReadingStudy", "ConsultingPhysicianName", "ResponsiblePerson", "ReviewerName", "ROIInterpreter",
    "ContentCreatorName",
]  # fmt: skip
# Sequences whose items have some of them.
IDENTITY_SEQUENCES = [
    "OtherPatientIDsSequence", "RTROIObservationsSequence", "ReferencedRequestSequence", "RequestAttributesSequence",
]  # fmt: skip
ALL_TAGS = [*IDENTITY_TAGS, *IDENTITY_SEQUENCES]
LEAST_LETTERS = 3  # of a value, or a part of one, that could tell it
IDEOGRAPHS = "\u2e80"  # from here on one sign says as much as several letters
LONGEST_SHOWN = 64  # characters
HIDDEN = "…"
BETWEEN = r"[\W_]*"  # the parts of a value, however they are separated
# The parts of a date, likewise; last the Chinese and the Korean signs of year, month and day.
BETWEEN_DATES = r"(?:[\W_]|del?|of|th|st|nd|rd|er|[\u5e74\u6708\u65e5]|[\ub144\uc6d4\uc77c])*"
SPACE = r"[\W_]{0,3}"  # between the digits of a number
# How else people write a letter, besides leaving out its accent.
ALSO_WRITTEN = {
    "ä": ["ae"], "ö": ["oe"], "ü": ["ue"], "ß": ["ss"], "å": ["aa"], "ø": ["oe", "o"], "æ": ["ae"], "œ": ["oe"],
    "ł": ["l"], "đ": ["d", "dj"], "ð": ["d"], "þ": ["th"], "ħ": ["h"], "ı": ["i"],
}  # fmt: skip
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
        return self.words is not None and self.words.search(_plain(text)) is not None

    def shown(self, text: str) -> str:
        """A text that somebody typed, for a message: identity hidden, blanks made plain, odd letters escaped, short."""
        plain = " ".join(unicodedata.normalize("NFC", text).split())
        if self.words is not None:
            hidden, found = self.words.subn(HIDDEN, _plain(text))
            plain = hidden if found else plain
        escaped = "".join(
            one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in plain
        )
        return escaped if len(escaped) <= LONGEST_SHOWN else escaped[: LONGEST_SHOWN - 1] + HIDDEN


NOBODY = Identity()


def identity_of(dataset: pydicom.Dataset) -> Identity:
    """What names a person in a data set read with ALL_TAGS: each value whole, its parts, dates in any order."""
    items = [item for keyword in IDENTITY_SEQUENCES for item in value_of(dataset, keyword) or ()]
    found = {
        pattern
        for one in (dataset, *items)
        for keyword in IDENTITY_TAGS
        for pattern in _patterns(one, keyword)
    }
    if not found:
        return NOBODY
    # The longest first: an alternative that comes first wins.
    any_of = "|".join(sorted(found, key=lambda one: (-len(one), one)))
    # Tried from the start of a word alone, or a long word would be searched anew from each of its letters.
    return Identity(re.compile(rf"(?<![^\W_])[^\W_]*(?:{any_of})[^\W_]*", re.IGNORECASE))


def _plain(text: str) -> str:
    """A text as it is searched: one blank where there are several, wide letters and digits as the usual ones."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


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
                yield (SPACE if spaced else BETWEEN).join(map(_written, joined if spaced else some))


def _spellings(text: str) -> set[str]:
    """A text, also without its accents, and an id without the zeros before it."""
    composed = unicodedata.normalize("NFKC", text)
    return {composed, _bare(composed), composed.lstrip("0")}


def _bare(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


def _written(word: str) -> str:
    """A pattern of a word in which every letter may be written otherwise."""
    return "".join(map(_letter, word))


def _letter(letter: str) -> str:
    others = {letter, _bare(letter), *ALSO_WRITTEN.get(letter.lower(), [])} - {""}
    ways = sorted(map(re.escape, others), key=lambda one: (-len(one), one))
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


def _dates(year: str, month: str, day: str) -> Iterator[str]:
    """A date in any order, with or without the zeros before days and months and the century, the month also by name."""
    short = rf"(?:{year[:2]})?{year[2:]}"
    days = f"0?{day.lstrip('0')}"
    months = f"(?:0?{month.lstrip('0')}"
    if 1 <= int(month) <= len(MONTHS):
        months += rf"|(?:{MONTHS[int(month) - 1]})[^\W\d_]*"
    months += ")"
    for order in ((short, months, days), (days, months, short), (months, days, short)):
        yield BETWEEN_DATES.join(order)
    yield rf"(?<!\d){days}{WORDS}{year}(?!\d)"
    yield rf"(?<!\d){year}{WORDS}{days}(?!\d)"
