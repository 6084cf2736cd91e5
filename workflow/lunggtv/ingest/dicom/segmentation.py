"""DICOM segmentations (SEG, DICOM PS3.3, A.51): which segments a file has, and which of them say GTV."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag

from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.headers import relative_name
from lunggtv.ingest.dicom.identity import ALL_TAGS, identity_of
from lunggtv.ingest.dicom.limits import BoundedFile, is_deflated
from lunggtv.ingest.dicom.nesting import UNDEFINED_LENGTH
from lunggtv.ingest.dicom.values import READ_ERRORS, typed_text_of
from lunggtv.ingest.raw_scan import Refused

SEGMENTS = Tag("SegmentSequence")
LAST = Tag("ContentCreatorName")  # of those that are read
LABEL_TAGS: list[BaseTag | int] = [
    Tag(keyword) for keyword in ("SpecificCharacterSet", "SegmentSequence", *ALL_TAGS)
]


@dataclass(frozen=True)
class Segment:
    """A segment by its number in the file and its label, as it may be shown."""

    number: int
    name: str


@dataclass(frozen=True)
class Segmentation:
    """One file: all its segments, and in ``gtv`` those that the settings choose."""

    path: Path
    name: str
    segments: tuple[Segment, ...]
    gtv: tuple[Segment, ...]


def quoted(segments: Sequence[Segment]) -> str:
    """Segments in a message."""
    return ", ".join(f"'{segment.name}'" for segment in segments)


def read_segmentation(path: Path, folder: Path, settings: DicomSettings) -> Segmentation:
    """Which segments a file has; neither its frames nor its pixels are read.

    Raises:
        Refused: the file is damaged, or a chosen segment shares its number with another.
    """
    name = relative_name(path, folder)
    try:
        with open(path, "rb") as file:
            source = file if is_deflated(file) else BoundedFile(file)
            header = read_partial(source, stop_when=_past_labels, force=True, specific_tags=LABEL_TAGS)  # type: ignore[arg-type]
        element = header.get_item(SEGMENTS)
        value = getattr(element, "value", None)
        # Pydicom returns what is left of a sequence that was cut. A raw element has its length; the types do not know.
        if isinstance(value, bytes) and len(value) < element.length != UNDEFINED_LENGTH:  # type: ignore[attr-defined]
            raise EOFError
        identity = identity_of(header)
        labels = [
            (int(one.SegmentNumber), typed_text_of(one, "SegmentLabel")) for one in header.SegmentSequence
        ]
    except READ_ERRORS:
        raise damaged(name) from None
    segments = tuple(Segment(number, identity.shown(label)) for number, label in labels)
    gtv = tuple(one for one, (_, label) in zip(segments, labels, strict=True) if settings.is_gtv(label))
    numbers = [one.number for one in segments]
    if shared := [one for one in gtv if numbers.count(one.number) > 1]:
        raise Refused(
            "segment_number_twice",
            f"{name}: segment {quoted(shared[:1])} shares its number with another one, and whose frames are whose "
            "cannot be told. Export it again.",
        )
    return Segmentation(path, name, segments, gtv)


def _past_labels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag > LAST


def damaged(name: str) -> Refused:
    """The refusal of a segmentation that cannot be read."""
    return Refused(
        "damaged_segmentation",
        f"{name}: the segmentation is cut short, or its frames are not readable. Export it again.",
    )
