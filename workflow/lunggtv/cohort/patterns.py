"""Path patterns: ``{patient}`` within a component, ``*`` within a component, ``**`` any folders; and ids.

Standard library only: runs at parse time.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator

from lunggtv.errors import CohortError

PLACE = "{patient}"
# What file managers, archivers and network disks leave behind.
CLUTTER = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
# These too, and whole folders of them: told, because deleted scans may lie in there.
SYSTEM = re.compile(
    r"\$recycle\.bin|recycle[dr]|system volume information|found\.\d{3}|lost\+found|[#@]recycle|"
    r"#snapshot|@recently-snapshot|~snapshot",
    re.IGNORECASE,
)
DATASET_PARTS = re.compile(
    r"(images|labels|pred(iction)?s)(Tr|Ts|Val)|code|derivatives|sourcedata|stimuli|phenotype|logs"
)
ID_BYTES = 200  # file systems allow 255; names of our own are built around the id
PERIODIC = re.compile(r"(.+)\1{19}\Z")  # what Snakemake takes for a rule that feeds itself without end
RESERVED = ("comparison", "summary")  # results/evaluate/summary.json is no patient


def components(pattern: str) -> tuple[str, ...]:
    """The components of a pattern; raises CohortError if it is none below a data folder."""
    parts = tuple(part for part in pattern.split("/") if part not in ("", "."))
    if pattern.startswith("/") or ".." in parts or not any(PLACE in part for part in parts):
        raise CohortError(
            f"data.image and data.label are patterns below the data folder with {PLACE} in them, such as "
            f"{PLACE}/data.nii.gz; {pattern!r} is none."
        )
    return parts


def fitting(
    names: Callable[[], list[str]], part: str, patient: str | None
) -> Iterator[tuple[str, str | None]]:
    """Names that fit one component, each with the patient's id as far as it is known.

    A component without a wildcard is given as it is, there or not: that saves a look at the disk.
    """
    if patient is not None:
        part = part.replace(PLACE, patient)
    if PLACE not in part and "*" not in part:
        yield part, patient
        return
    fits, named = component_expression(part).fullmatch, PLACE in part
    for name in names():
        if match := fits(name):
            yield name, match["patient"] if named else patient


def component_expression(part: str, flags: int = 0) -> re.Pattern[str]:
    """What one component says, as an expression for a whole name with the group ``patient``."""
    expression, named = "", False
    for piece in re.split(r"(\{patient\}|\*)", part):
        if piece == PLACE:
            expression += "(?P=patient)" if named else "(?P<patient>.+)"
            named = True
        else:
            expression += "[^/]*" if piece == "*" else re.escape(piece)
    return re.compile(expression, re.DOTALL | flags)


def visible(folder: str) -> list[str]:
    """Names in a folder without hidden files and clutter; none if it is no folder. Raises OSError as it is closed."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not is_clutter(entry.name)]
    except NotADirectoryError:
        return []


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is no patient's data."""
    return name.startswith(".") or name.casefold() in CLUTTER


def is_system(name: str) -> bool:
    """Whether disks of Windows, Linux or a NAS bring a folder of this name along: files in it are lost or deleted."""
    return SYSTEM.fullmatch(name) is not None


def is_part_of_dataset(name: str) -> bool:
    """Whether a folder of this name holds no patients in the layout of a known kind of data set: BIDS 1.10, the
    Medical Segmentation Decathlon and nnU-Net.
    """
    return DATASET_PARTS.fullmatch(name) is not None


def literal_length(parts: tuple[str, ...]) -> int:
    """How much of a pattern is said without wildcards."""
    return len("".join(parts).replace(PLACE, "").replace("*", ""))


def literal_start(parts: tuple[str, ...]) -> list[str]:
    """The components of a pattern that come before the first wildcard."""
    return list(itertools.takewhile(lambda part: PLACE not in part and "*" not in part, parts[:-1]))


def wrong_id(patient: str) -> str | None:
    """Why ``patient`` cannot name folders, table rows and jobs; None if it can."""
    complaints = (
        (not patient.isprintable(), "holds control characters or bytes that are not UTF-8"),
        (
            " ".join(patient.split()) != patient,
            "has blanks at an end, two in a row, or a blank of another kind",
        ),
        (patient.startswith((".", "-")), "begins with a dot or a dash"),
        (any(sign in patient for sign in "{}/\\"), "holds a brace or a slash"),
        (len(os.fsencode(patient)) > ID_BYTES, f"is longer than {ID_BYTES} bytes"),
        (PERIODIC.search(patient) is not None, "ends in one part repeated 20 times or more"),
        (patient in RESERVED, "names a table of the whole cohort among the results"),
    )
    return next((text for wrong, text in complaints if wrong), None)
