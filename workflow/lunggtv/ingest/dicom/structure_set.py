"""RT structure sets: the ROIs whose names say GTV, their contours, and the CT images they were drawn on."""

import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom

from lunggtv.files import file_digest
from lunggtv.ingest.dicom.contour_kinds import UnknownKind, judge_kind
from lunggtv.ingest.dicom.contour_planes import Contour
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.headers import relative_name
from lunggtv.ingest.dicom.identity import ALL_TAGS, Identity, identity_of
from lunggtv.ingest.dicom.limits import check_items
from lunggtv.ingest.dicom.nesting import UNDEFINED_LENGTH, check_nesting
from lunggtv.ingest.dicom.roi_names import RoiName, items_of, number_of, read_roi_names
from lunggtv.ingest.dicom.values import READ_ERRORS, text_of, value_of
from lunggtv.ingest.raw_scan import Refused

CONTOUR_DATA = 0x30060050
# The structures and their names, their contours, and the images of these.
ROI_CONTOURS = 0x30060039
CONTOUR_SEQUENCES = (0x30060020, ROI_CONTOURS, 0x30060040, 0x30060016)
MAX_BYTES = 1 << 28  # a large plan with all organs has some 20 MB
NEEDED_TAGS = [
    "SpecificCharacterSet", "ReferencedFrameOfReferenceSequence", "StructureSetROISequence",
    "ROIContourSequence",
]  # fmt: skip
DATE_TAGS = ["StructureSetDate", "StructureSetTime"]
TAGS = [*NEEDED_TAGS, *DATE_TAGS, *ALL_TAGS]


@dataclass(frozen=True)
class Roi:
    """A region of interest that is GTV by its name.

    Attributes:
        name: as the physician wrote it, as far as a message may show it.
        contours: its closed contours.
        open_contours: number of points, lines and open contours, which enclose nothing.
        kinds_closed: types of those contours that are closed by their points or name, not by DICOM's definition.
        frame_uid: frame of reference of the points.
        image_uids: CT images its contours were drawn on, where the contours say.
    """

    name: str
    contours: tuple[Contour, ...] = field(repr=False)
    open_contours: int
    kinds_closed: tuple[str, ...]
    frame_uid: str = field(repr=False)
    image_uids: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class StructureSet:
    """One RTSTRUCT file. ``roi_names`` are all names in it, ``gtv`` those ROIs that the settings choose, ``like_gtv``
    the names of others that look like a GTV.

    ``images`` maps each series it refers to to the images it names there; ``nameless`` counts the ROIs with contours
    but no name; ``written`` is its date and time, to compare alone, empty where it has none.
    """

    name: str
    digest: str
    roi_names: tuple[str, ...]
    gtv: tuple[Roi, ...]
    like_gtv: tuple[str, ...]
    nameless: int
    written: str = field(repr=False)
    images: dict[str, frozenset[str]] = field(repr=False)
    frame_uids: frozenset[str] = field(repr=False)

    @property
    def drawn(self) -> tuple[Roi, ...]:
        """The GTV ROIs that have a closed contour."""
        return tuple(roi for roi in self.gtv if roi.contours)

    @property
    def image_uids(self) -> frozenset[str]:
        """CT images that the contours of the GTV, or else the series references, name."""
        by_contour = frozenset().union(*(roi.image_uids for roi in self.gtv))
        return by_contour or frozenset().union(*self.images.values())


def read_structure_set(path: Path, folder: Path, settings: DicomSettings) -> StructureSet:
    """Read an RTSTRUCT, with the contours of the ROIs that the settings choose.

    Raises:
        Refused: the file is damaged, a chosen contour has broken coordinates or a type that cannot be judged, or a
            chosen ROI shares its number with another.
    """
    name = relative_name(path, folder)
    if path.stat().st_size > MAX_BYTES:
        raise Refused("damaged_rtstruct", f"{name}: an RTSTRUCT of more than 256 MiB is not read.")
    content = path.read_bytes()
    try:
        check_items(content)
        last_tag = check_nesting(content, CONTOUR_SEQUENCES, last=ROI_CONTOURS)
        # Some planning systems leave out the preamble and the prefix, which pydicom reads by force alone.
        dataset = pydicom.dcmread(io.BytesIO(content), specific_tags=TAGS, force=True)
        _check_whole(dataset)
        identity = identity_of(dataset)
        names = read_roi_names(dataset, settings, identity)
        if last_tag < ROI_CONTOURS and (not names or any(one.may_be_gtv for one in names)):
            raise EOFError("may have been cut before its contours")
        gtv = tuple(_roi(dataset, one, identity) for one in names if one.is_gtv)
        nameless = _nameless(dataset, names)
        images, frame_uids = _references(dataset)
    except UnknownKind as error:
        raise Refused("contour_type", f"{name}: {error}") from None
    except READ_ERRORS:
        raise Refused(
            "damaged_rtstruct",
            f"{name}: the RTSTRUCT is cut short, or its contours are not readable. Export it again; if it holds no "
            "structures at all, take it out of the folder.",
        ) from None
    numbers = Counter(one.number for one in names)
    if shared := [one.shown for one in names if numbers[one.number] > 1 and one.is_gtv]:
        raise Refused(
            "roi_number_twice",
            f"{name}: ROI '{shared[0]}' shares its number with another ROI, and whose contours are whose cannot be "
            "told. Export it again.",
        )
    return StructureSet(
        name=name,
        digest=file_digest(path),
        roi_names=tuple(one.shown for one in names),
        gtv=gtv,
        like_gtv=tuple(one.shown for one in names if one.may_be_gtv and not one.is_gtv),
        nameless=nameless,
        written=_written(dataset),
        images=images,
        frame_uids=frame_uids,
    )


def _written(dataset: pydicom.Dataset) -> str:
    date, time = (text_of(dataset, keyword) for keyword in DATE_TAGS)
    return date + time if date else ""


def _nameless(dataset: pydicom.Dataset, names: Sequence[RoiName]) -> int:
    known = {one.number for one in names if one.shown}
    return sum(
        number_of(roi, "ReferencedROINumber") not in known
        for roi in items_of(dataset, "ROIContourSequence")
        if items_of(roi, "ContourSequence")
    )


def _roi(dataset: pydicom.Dataset, roi_name: RoiName, identity: Identity) -> Roi:
    contours: list[Contour] = []
    kinds_closed: set[str] = set()
    open_contours = 0
    for roi in items_of(dataset, "ROIContourSequence"):
        if number_of(roi, "ReferencedROINumber") != roi_name.number:
            continue
        for item in items_of(roi, "ContourSequence"):
            points = _points(item)
            kind = judge_kind(text_of(item, "ContourGeometricType"), points, roi_name.shown, identity)
            if not kind.closed:
                open_contours += 1
                continue
            if kind.unusual:
                kinds_closed.add(kind.unusual)
            referred = (
                text_of(image, "ReferencedSOPInstanceUID") for image in items_of(item, "ContourImageSequence")
            )
            contours.append(Contour(points, kind.exclusive, frozenset(referred) - {""}))
    return Roi(
        name=roi_name.shown,
        contours=tuple(contours),
        open_contours=open_contours,
        kinds_closed=tuple(sorted(kinds_closed)),
        frame_uid=roi_name.frame_uid,
        image_uids=frozenset().union(*(contour.images for contour in contours)),
    )


def _points(item: pydicom.Dataset) -> np.ndarray:
    """Points (n, 3) of a contour, from the raw text: pydicom's DS objects would take most of the time."""
    if CONTOUR_DATA not in item:
        return np.empty((0, 3))
    content = item.get_item(CONTOUR_DATA).value
    if isinstance(content, bytes):
        content = content.rstrip(b" \0").split(b"\\") if content.strip(b" \0") else []
    numbers = np.array([float(number) for number in content or []])
    count = value_of(item, "NumberOfContourPoints")
    if not np.all(np.isfinite(numbers)) or (count is not None and len(numbers) != 3 * int(count)):
        raise ValueError("contour coordinates must be finite and as many as announced")
    return numbers.reshape(-1, 3)


def _check_whole(dataset: pydicom.Dataset) -> None:
    """Raise EOFError if the file ends within a sequence; pydicom itself returns what is left.

    A sequence that is not there is none that was cut; whether the file ends before it, others see.
    """
    for keyword in NEEDED_TAGS:
        element = dataset.get_item(keyword) if keyword in dataset else None
        value = getattr(element, "value", None)
        # Only a raw element has bytes, and its length; pydicom's types do not know it.
        if isinstance(value, bytes) and len(value) < element.length != UNDEFINED_LENGTH:  # type: ignore[union-attr]
            raise EOFError


def _references(dataset: pydicom.Dataset) -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    images: dict[str, set[str]] = defaultdict(set)
    frames = set()
    for frame in items_of(dataset, "ReferencedFrameOfReferenceSequence"):
        frames.add(text_of(frame, "FrameOfReferenceUID"))
        for study in items_of(frame, "RTReferencedStudySequence"):
            for series in items_of(study, "RTReferencedSeriesSequence"):
                uid = text_of(series, "SeriesInstanceUID")
                for image in items_of(series, "ContourImageSequence"):
                    images[uid].add(text_of(image, "ReferencedSOPInstanceUID"))
                images[uid].discard("")
    images.pop("", None)
    return {uid: frozenset(sops) for uid, sops in images.items()}, frozenset(frames - {""})
