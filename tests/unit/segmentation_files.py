"""DICOM segmentations for tests, frame by frame as the caller wants them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ExplicitVRLittleEndian

from tests.unit.dicom_files import CT_CLASS, UID_MARK, CtSeries, identified, save

SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"
Change = Callable[[FileDataset], None]


@dataclass(frozen=True)
class FramePlan:
    """A frame to write: the segment's number, the slice it lies on, what it shows."""

    segment: int
    z: int
    shown: np.ndarray


def frames_of(masks: Sequence[np.ndarray]) -> list[FramePlan]:
    """The slices that are not empty, segment by segment, from the lowest up."""
    return [
        FramePlan(number, z, plane)
        for number, mask in enumerate(masks, start=1)
        for z, plane in enumerate(mask)
        if plane.any()
    ]


def write_segmentation(
    path: Path,
    series: CtSeries,
    segments: Mapping[str, np.ndarray],
    *,
    frames: Sequence[FramePlan] | None = None,
    names_images: bool = True,
    change: Change | None = None,
) -> None:
    """Write a binary segmentation on the slices of a series.

    Args:
        segments: mask (z, y, x) by label.
        frames: what to write instead of the slices that are not empty.
        names_images: whether the frames and the file name the images that they were drawn on.
        change: edits the data set before it is saved.
    """
    plans = frames_of(list(segments.values())) if frames is None else list(frames)
    dataset = identified(SEG_CLASS, f"{UID_MARK}.6.{sum(path.name.encode())}", ExplicitVRLittleEndian)
    dataset.Modality, dataset.SeriesInstanceUID = "SEG", f"{UID_MARK}.6.9"
    dataset.FrameOfReferenceUID = series.frame_uid
    dataset.Rows, dataset.Columns = plans[0].shown.shape if plans else (series.rows, series.columns)
    dataset.NumberOfFrames, dataset.SamplesPerPixel = len(plans), 1
    dataset.PhotometricInterpretation, dataset.SegmentationType = "MONOCHROME2", "BINARY"
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.SegmentSequence = [
        item(SegmentNumber=number, SegmentLabel=label, SegmentDescription="ZZNAMEZZ")
        for number, label in enumerate(segments, start=1)
    ]
    if names_images:
        images = [image_item(series, z) for z in range(series.slices)]
        dataset.ReferencedSeriesSequence = [
            item(SeriesInstanceUID=series.uid, ReferencedInstanceSequence=images)
        ]
    measures = item(PixelSpacing=[str(v) for v in series.spacing_mm[1:]])
    axes = item(ImageOrientationPatient=[f"{v:.9g}" for v in series.orientation])
    dataset.SharedFunctionalGroupsSequence = [
        item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[axes])
    ]
    dataset.PerFrameFunctionalGroupsSequence = [_groups(plan, series, names_images) for plan in plans]
    set_frames(dataset, [plan.shown for plan in plans], bits=1)
    if change is not None:
        change(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(dataset, path)


def set_frames(dataset: FileDataset, frames: Sequence[np.ndarray], bits: int = 8) -> None:
    """The pixels of a data set: of one bit, frame after frame without a gap, or of eight."""
    flat = np.concatenate(
        [np.asarray(frame, np.uint8).ravel() for frame in frames] or [np.zeros(0, np.uint8)]
    )
    content = np.packbits(flat, bitorder="little").tobytes() if bits == 1 else flat.tobytes()
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB"


def item(**elements: object) -> Dataset:
    """A sequence item."""
    one = Dataset()
    for keyword, value in elements.items():
        setattr(one, keyword, value)
    return one


def image_item(series: CtSeries, z: int) -> Dataset:
    """A reference to a slice of a series."""
    return item(ReferencedSOPClassUID=CT_CLASS, ReferencedSOPInstanceUID=series.sop_uid(z))


def _groups(plan: FramePlan, series: CtSeries, names_images: bool) -> Dataset:
    place = [f"{v:.9g}" for v in series.grid.point_mm((plan.z, 0, 0))]
    groups = item(
        SegmentIdentificationSequence=[item(ReferencedSegmentNumber=plan.segment)],
        PlanePositionSequence=[item(ImagePositionPatient=place)],
    )
    if names_images:
        groups.DerivationImageSequence = [item(SourceImageSequence=[image_item(series, plan.z)])]
    return groups
