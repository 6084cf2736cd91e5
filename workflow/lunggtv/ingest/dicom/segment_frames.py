"""The frames of a DICOM segmentation that show its GTV: where they lie (PS3.3, C.7.6.16), and what they show.

They are decoded by highdicom, which is imported here alone and only where a segmentation is the label.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from lunggtv.files import file_digest
from lunggtv.geometry import three_of
from lunggtv.ingest.dicom.headers import SlicePlace
from lunggtv.ingest.dicom.limits import check_items
from lunggtv.ingest.dicom.segmentation import Segment, Segmentation, damaged
from lunggtv.ingest.dicom.values import READ_ERRORS, numbers_of, text_of, value_of
from lunggtv.ingest.raw_scan import Refused

MAX_BYTES = 1 << 28  # a hundred segments on 300 slices of 512 x 512, without empty frames, have some 100 MB
LABEL_MAP, FRACTIONAL = "LABELMAP", "FRACTIONAL"
# What run-length encoding makes of pixels of two bytes at most, and its header (PS3.5, G).
MOST_PACKED = 3
RLE_HEADER_BYTES = 66


@dataclass(frozen=True)
class Frame:
    """One plane of a segment; ``images`` are the CT images that it says it was drawn on."""

    index: int
    segment: Segment
    place: SlicePlace
    images: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class SegmentFrames:
    """The frames of the chosen segments, not yet decoded.

    Attributes:
        segments: the chosen ones, also those without a frame.
        others: those that were not chosen.
        nameless: number of segments that have frames but no label.
        rows, columns: of every frame.
        frames: in the order of the file.
        series, images: the series and images that the file as a whole says it was drawn on.
        frame_uid: its frame of reference.
    """

    name: str
    digest: str
    segments: tuple[Segment, ...]
    others: tuple[Segment, ...]
    nameless: int
    rows: int
    columns: int
    frames: tuple[Frame, ...]
    series: frozenset[str] = field(repr=False)
    images: frozenset[str] = field(repr=False)
    frame_uid: str = field(repr=False)
    dataset: pydicom.FileDataset = field(repr=False)

    @property
    def frame_images(self) -> frozenset[str]:
        """CT images that the frames name."""
        return frozenset().union(*(frame.images for frame in self.frames))

    @property
    def image_uids(self) -> frozenset[str]:
        """CT images that the frames, or else the file as a whole, name."""
        return self.frame_images or self.images

    def masks(self) -> Iterator[tuple[Frame, np.ndarray]]:
        """Each frame and what it shows (rows, columns; bool), decoded one by one.

        Raises:
            Refused: a frame is damaged, or holds other values than of what is in the segment and what is not.
        """
        # Here and not above: it takes a third of a second, and few folders hold a segmentation.
        from highdicom.frame import decode_frame

        data = self.dataset
        kind = text_of(data, "SegmentationType")
        most = numbers_of(data, "MaximumFractionalValue", 1)
        full = most[0] if most is not None and kind == FRACTIONAL else 1.0
        is_map = kind == LABEL_MAP
        for frame in self.frames:
            try:
                stored = decode_frame(
                    _encoded(data, frame.index), data.file_meta.TransferSyntaxUID, self.rows, self.columns, 1,
                    data.BitsAllocated, data.BitsStored, data.PhotometricInterpretation, data.PixelRepresentation,
                    index=frame.index,
                )  # fmt: skip
            except (*READ_ERRORS, RuntimeError):
                raise damaged(self.name) from None
            shown = stored == (frame.segment.number if is_map else full)
            if not is_map and np.any((stored != 0) & ~shown):
                raise Refused(
                    "segmentation_fractional",
                    f"{self.name} holds fractions of voxels or probabilities (a fractional segmentation), and from "
                    "which share on a voxel is GTV is not said. Export a binary segmentation.",
                )
            yield frame, shown


def read_frames(segmentation: Segmentation) -> SegmentFrames:
    """Where the frames of the chosen segments lie.

    Raises:
        Refused: the file is damaged or too large, or its segments are no masks.
    """
    name = segmentation.name
    if segmentation.path.stat().st_size > MAX_BYTES:
        raise Refused(
            "segmentation_too_large",
            f"{name}: a segmentation of more than 256 MiB is not read. Export the GTV alone.",
        )
    try:
        dataset = _data_set(segmentation)
        items = list(dataset.PerFrameFunctionalGroupsSequence)
        if len(items) != int(dataset.NumberOfFrames) or dataset.SamplesPerPixel != 1:
            raise ValueError("frames must be as many as announced, in grey")
        frames = [
            one for index, item in enumerate(items) for one in _frames(dataset, item, index, segmentation)
        ]
        series, images = _references(dataset)
        return SegmentFrames(
            name=name,
            digest=file_digest(segmentation.path),
            segments=segmentation.gtv,
            others=tuple(one for one in segmentation.segments if one not in segmentation.gtv),
            nameless=len(set(_numbers(dataset, items)) - {one.number for one in segmentation.segments}),
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            frames=tuple(frames),
            series=series,
            images=images,
            frame_uid=text_of(dataset, "FrameOfReferenceUID"),
            dataset=dataset,
        )
    except READ_ERRORS:
        raise damaged(name) from None


def _data_set(segmentation: Segmentation) -> pydicom.FileDataset:
    content = segmentation.path.read_bytes()
    check_items(content)
    dataset = pydicom.dcmread(io.BytesIO(content), force=True)
    meta = dataset.file_meta
    if "TransferSyntaxUID" not in meta:
        implicit, _ = dataset.original_encoding
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    if meta.TransferSyntaxUID.is_encapsulated and meta.TransferSyntaxUID != RLELossless:
        raise Refused(
            "segmentation_compressed",
            f"{segmentation.name}: frames compressed as JPEG are not read. Export the segmentation uncompressed, or "
            "decompress it (gdcmconv --raw).",
        )
    return dataset


def _frames(
    dataset: pydicom.FileDataset, item: pydicom.Dataset, index: int, segmentation: Segmentation
) -> Iterator[Frame]:
    """The frame once for each chosen segment that it shows: in a label map, all of them."""
    chosen: Sequence[Segment] = segmentation.gtv
    if text_of(dataset, "SegmentationType") != LABEL_MAP:
        (number,) = _numbers(dataset, [item])
        chosen = [one for one in chosen if one.number == number]
    if not chosen:
        return
    place = _place(dataset, item)
    sources = (
        source
        for derivation in item.get("DerivationImageSequence") or []
        for source in derivation.get("SourceImageSequence") or []
    )
    images = frozenset(text_of(source, "ReferencedSOPInstanceUID") for source in sources) - {""}
    for segment in chosen:
        yield Frame(index, segment, place, images)


def _numbers(dataset: pydicom.Dataset, items: Sequence[pydicom.Dataset]) -> list[int]:
    """The segment that each frame shows; none for a label map, whose pixels say it."""
    if text_of(dataset, "SegmentationType") == LABEL_MAP:
        return []
    groups = (_group(dataset, item, "SegmentIdentificationSequence") for item in items)
    return [int(group.ReferencedSegmentNumber) for group in groups]


def _group(dataset: pydicom.Dataset, item: pydicom.Dataset, keyword: str) -> pydicom.Dataset:
    """A functional group of a frame, its own or the one that all frames share."""
    for groups in (item, *(dataset.get("SharedFunctionalGroupsSequence") or [])):
        if value_of(groups, keyword) is not None:
            return groups[keyword][0]
    raise ValueError(f"a frame has no {keyword}")


def _place(dataset: pydicom.Dataset, item: pydicom.Dataset) -> SlicePlace:
    measures = _group(dataset, item, "PixelMeasuresSequence")
    spacing_mm = numbers_of(measures, "PixelSpacing", 2)
    position_mm = numbers_of(_group(dataset, item, "PlanePositionSequence"), "ImagePositionPatient", 3)
    orientation = numbers_of(_group(dataset, item, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    if spacing_mm is None or position_mm is None or orientation is None or min(spacing_mm) <= 0:
        raise ValueError("a frame has no place")
    return SlicePlace((spacing_mm[0], spacing_mm[1]), three_of(position_mm), orientation)


def _references(dataset: pydicom.Dataset) -> tuple[frozenset[str], frozenset[str]]:
    items = list(dataset.get("ReferencedSeriesSequence") or [])
    series = frozenset(text_of(one, "SeriesInstanceUID") for one in items)
    images = frozenset(
        text_of(image, "ReferencedSOPInstanceUID")
        for one in items
        for image in one.get("ReferencedInstanceSequence") or []
    )
    return series - {""}, images - {""}


def _encoded(dataset: pydicom.FileDataset, index: int) -> bytes:
    """The bytes in which a frame stands. Raises ValueError if it is packed and they are more than any frame has."""
    pixels = dataset.Rows * dataset.Columns
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        content = get_frame(dataset.PixelData, index, number_of_frames=int(dataset.NumberOfFrames))
        if len(content) > MOST_PACKED * pixels + RLE_HEADER_BYTES:
            raise ValueError("a packed frame is longer than the pixels in it")
        return content
    bits = pixels * dataset.BitsAllocated
    return dataset.PixelData[index * bits // 8 : ((index + 1) * bits + 7) // 8]
