"""The names of the structures in a set: they say which ones are GTV, in whatever letters they are written."""

import re
import unicodedata
from dataclasses import dataclass, field

import pydicom

from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.identity import Identity
from lunggtv.ingest.dicom.values import text_of, typed_text_of

# Gross tumour volume in the languages of those who write it out, and the letters that others look like.
GTV_WORDS = ("gtv", "grosstumo", "гтв", "vtm", "肿瘤", "腫瘍")
LOOK_ALIKE = str.maketrans("тτνѵԍɡ", "ttvvgg")
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")  # but for blanks, such as tabs


@dataclass(frozen=True)
class RoiName:
    """A structure by its name.

    Attributes:
        number: ties it to its contours.
        shown: the name as far as a message may show it.
        is_gtv: whether the settings say that it is GTV.
        may_be_gtv: whether it looks like it.
        frame_uid: frame of reference of its points.
    """

    number: int | str
    shown: str
    is_gtv: bool
    may_be_gtv: bool
    frame_uid: str = field(repr=False)


def read_roi_names(dataset: pydicom.Dataset, settings: DicomSettings, identity: Identity) -> list[RoiName]:
    """The structures in the order of the file; their names decide which ones are GTV, and nothing else.

    Raises:
        ValueError: the name of what may be the GTV is damaged.
    """
    names = []
    for item in items_of(dataset, "StructureSetROISequence"):
        name = typed_text_of(item, "ROIName")
        # A damaged length makes a name swallow what follows. Only what could hide the GTV matters.
        until_control = CONTROLS.split(name)[0]
        may_be_gtv = settings.is_gtv(until_control) or looks_like_gtv(name)
        if until_control != name and may_be_gtv:
            raise ValueError("the name of the GTV has no control characters")
        names.append(
            RoiName(
                number=number_of(item, "ROINumber"),
                shown=identity.shown(name),
                is_gtv=settings.is_gtv(name),
                may_be_gtv=may_be_gtv,
                frame_uid=text_of(item, "ReferencedFrameOfReferenceUID"),
            )
        )
    return names


def looks_like_gtv(name: str) -> bool:
    """Whether people may mean a gross tumour volume, however they space, widen or abbreviate it."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    letters = "".join(one for one in plain if one.isalpha())
    return any(word in spelt for word in GTV_WORDS for spelt in (letters, letters.translate(LOOK_ALIKE)))


def number_of(item: pydicom.Dataset, keyword: str) -> int | str:
    """The number of a ROI: 1 is 01; what is no number is told apart by its text."""
    text = text_of(item, keyword)
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else text


def items_of(dataset: pydicom.Dataset, keyword: str) -> list[pydicom.Dataset]:
    """Items of a sequence, none if absent. Errors are not hidden: a lost item would be a lost contour."""
    return list(dataset.get(keyword) or [])
