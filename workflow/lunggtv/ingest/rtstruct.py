"""RT structure sets: the ROIs whose names say GTV, their contours, and the CT images they were drawn on."""

import io
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom

from lunggtv.ingest.dicom_headers import READ_ERRORS, relative_name, text_of, value_of
from lunggtv.ingest.dicom_limits import check_items
from lunggtv.ingest.dicom_settings import DicomSettings
from lunggtv.ingest.raw import Refused
from lunggtv.provenance import file_digest

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
CONTOUR_DATA = 0x30060050
UNDEFINED_LENGTH = 0xFFFFFFFF
MAX_BYTES = 1 << 28  # a large plan with all organs has some 20 MB
NEEDED_TAGS = [
    "SpecificCharacterSet", "ReferencedFrameOfReferenceSequence", "StructureSetROISequence",
    "ROIContourSequence",
]  # fmt: skip


@dataclass(frozen=True)
class Roi:
    """A region of interest that is GTV by its name.

    Attributes:
        name: as the physician wrote it.
        contours: closed contours, arrays (n, 3) of points (x, y, z) in mm LPS.
        open_contours: number of points, lines and open contours, which enclose nothing.
        frame_uid: frame of reference of the points.
        image_uids: CT images its contours were drawn on, where the contours say.
    """

    name: str
    contours: tuple[np.ndarray, ...] = field(repr=False)
    open_contours: int
    frame_uid: str = field(repr=False)
    image_uids: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class StructureSet:
    """One RTSTRUCT file. ``roi_names`` are all names in it, ``gtv`` those ROIs that the settings choose.

    ``images`` maps each series it refers to to the images it names there.
    """

    name: str
    digest: str
    roi_names: tuple[str, ...]
    gtv: tuple[Roi, ...]
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
        Refused: the file is damaged, or a chosen contour has broken coordinates.
    """
    name = relative_name(path, folder)
    if path.stat().st_size > MAX_BYTES:
        raise Refused("damaged_rtstruct", f"{name}: an RTSTRUCT of more than 256 MiB is not read.")
    try:
        content = path.read_bytes()
        check_items(content)
        dataset = pydicom.dcmread(io.BytesIO(content), specific_tags=NEEDED_TAGS)
        _check_whole(dataset)
        names = _roi_names(dataset)
        gtv = tuple(
            _roi(dataset, number, roi_name, frame_uid)
            for number, (roi_name, frame_uid) in names.items()
            if settings.is_gtv(roi_name)
        )
        images, frame_uids = _references(dataset)
    except READ_ERRORS:
        raise Refused(
            "damaged_rtstruct",
            f"{name}: the RTSTRUCT is cut short, or its contours are not readable. Export it again.",
        ) from None
    roi_names = tuple(roi_name for roi_name, _ in names.values())
    return StructureSet(name, file_digest(path), roi_names, gtv, images, frame_uids)


def _roi_names(dataset: pydicom.Dataset) -> dict[str, tuple[str, str]]:
    """ROI number to name and frame of reference, in the order of the file."""
    names = {}
    for item in _items(dataset, "StructureSetROISequence"):
        name = text_of(item, "ROIName").strip("\0 ")
        if not name.isprintable():
            # A damaged length makes the name swallow what follows, which may identify the patient.
            raise ValueError("a ROI name has no control characters")
        names[text_of(item, "ROINumber")] = (name, text_of(item, "ReferencedFrameOfReferenceUID"))
    return names


def _roi(dataset: pydicom.Dataset, number: str, name: str, frame_uid: str) -> Roi:
    contours: list[np.ndarray] = []
    images: set[str] = set()
    open_contours = 0
    for roi in _items(dataset, "ROIContourSequence"):
        if text_of(roi, "ReferencedROINumber") != number:
            continue
        for item in _items(roi, "ContourSequence"):
            points = _points(item)
            if text_of(item, "ContourGeometricType") not in CLOSED or len(points) < 3:
                open_contours += 1
                continue
            contours.append(points)
            for image in _items(item, "ContourImageSequence"):
                images.add(text_of(image, "ReferencedSOPInstanceUID"))
    return Roi(name, tuple(contours), open_contours, frame_uid, frozenset(images - {""}))


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


def _items(dataset: pydicom.Dataset, keyword: str) -> list[pydicom.Dataset]:
    """Items of a sequence, none if absent. Errors are not hidden: a lost item would be a lost contour."""
    return list(dataset.get(keyword) or [])


def _check_whole(dataset: pydicom.Dataset) -> None:
    """Raise EOFError if the file ends before or within its contours; pydicom itself returns what is left."""
    for keyword in NEEDED_TAGS:
        element = dataset.get_item(keyword) if keyword in dataset else None
        value = getattr(element, "value", None)
        if isinstance(value, bytes) and len(value) < element.length != UNDEFINED_LENGTH:
            raise EOFError
    if "StructureSetROISequence" not in dataset or "ROIContourSequence" not in dataset:
        raise EOFError


def _references(dataset: pydicom.Dataset) -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    images: dict[str, set[str]] = defaultdict(set)
    frames = set()
    for frame in _items(dataset, "ReferencedFrameOfReferenceSequence"):
        frames.add(text_of(frame, "FrameOfReferenceUID"))
        for study in _items(frame, "RTReferencedStudySequence"):
            for series in _items(study, "RTReferencedSeriesSequence"):
                uid = text_of(series, "SeriesInstanceUID")
                for image in _items(series, "ContourImageSequence"):
                    images[uid].add(text_of(image, "ReferencedSOPInstanceUID"))
                images[uid].discard("")
    images.pop("", None)
    return {uid: frozenset(sops) for uid, sops in images.items()}, frozenset(frames - {""})
