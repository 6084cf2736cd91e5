"""CT series and RTSTRUCT as a planning system writes them, with UIDs that follow from a name alone."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lunggtv.border_walks import NEIGHBOUR, walks
from lunggtv.files import whole_file
from lunggtv.geometry import Grid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, RLELossless, RTStructureSetStorage

from lungphantom.body import Phantom
from lungphantom.plan import PhantomPlan

_DATE, _TIME = "20190901", "120000"
_COLOURS = ((255, 0, 0), (0, 128, 255), (0, 200, 0), (255, 200, 0))


@dataclass(frozen=True)
class SeriesStyle:
    """How a CT series is stored. ``file_order`` gives the file number of each slice; None counts upwards."""

    name: str
    patient_name: str = "PHANTOM"
    intercept: int = -1024
    signed: bool = False
    rle: bool = False
    file_order: tuple[int, ...] | None = None


def uid(name: str) -> UID:
    """A UID below 2.25 (ISO/IEC 9834-8) from the SHA-256 of a name."""
    return UID(f"2.25.{int.from_bytes(hashlib.sha256(name.encode()).digest()[:15], 'big')}")


def write_dicom(phantom: Phantom, plan: PhantomPlan, folder: Path) -> None:
    """Write the CT series below ``folder/ct`` and ``folder/rtstruct.dcm`` with the ROIs Heart and GTV."""
    # A ring below the intercept is a negative stored value, as scanners write it.
    signed = plan.padding_hu < SeriesStyle.intercept
    style = SeriesStyle(f"{plan.seed}", f"PHANTOM^{plan.patient}", signed=signed)
    write_ct_series(phantom.ct, phantom.grid, folder / "ct", style)
    rois = {"Heart": phantom.heart, "GTV": phantom.label}
    write_rtstruct(rois, phantom.grid, folder / "rtstruct.dcm", style)


def write_ct_series(ct: np.ndarray, grid: Grid, folder: Path, style: SeriesStyle) -> list[Path]:
    """Write one file a slice; returns their paths in slice order.

    Values below the intercept (a padded ring) need signed storage and are raised to it otherwise.
    """
    matrix, count = grid.matrix, grid.shape[0]
    order = style.file_order or tuple(range(1, count + 1))
    low, high, kind = (-32768, 32767, np.int16) if style.signed else (0, 65535, np.uint16)
    paths = []
    for number, (plane, file_number) in enumerate(zip(ct, order, strict=True)):
        instance = uid(f"{style.name}/slice/{number}")
        path = folder / f"CT{file_number:04d}.dcm"
        dataset = _dataset(path, CTImageStorage, instance, style)
        dataset.Modality = "CT"
        dataset.SeriesInstanceUID = uid(f"{style.name}/ct")
        dataset.SeriesNumber = "2"
        dataset.SeriesDescription = "Planning CT"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.InstanceNumber = str(number + 1)
        dataset.PatientPosition = "HFS"
        dataset.ImageOrientationPatient = _decimals((*matrix[:, 0], *matrix[:, 1]))
        dataset.ImagePositionPatient = _decimals(grid.point_mm((number, 0, 0)))
        dataset.SliceLocation = _decimals([float(grid.point_mm((number, 0, 0)) @ matrix[:, 2])])[0]
        dataset.SliceThickness = _decimals([grid.spacing_mm[0]])[0]
        dataset.PixelSpacing = _decimals(grid.spacing_mm[1:])
        dataset.KVP = "120"
        dataset.RescaleIntercept = str(style.intercept)
        dataset.RescaleSlope = "1"
        dataset.RescaleType = "HU"
        dataset.WindowCenter, dataset.WindowWidth = "40", "400"
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.Rows, dataset.Columns = plane.shape
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit = 15
        dataset.PixelRepresentation = int(style.signed)
        stored = np.clip(plane.astype(np.int32) - style.intercept, low, high).astype(kind)
        dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
        dataset["PixelData"].VR = "OW"
        if style.rle:
            dataset.compress(RLELossless, generate_instance_uid=False)
        _save(dataset, path)
        paths.append(path)
    return paths


def write_rtstruct(rois: Mapping[str, np.ndarray], grid: Grid, path: Path, style: SeriesStyle) -> None:
    """Write masks on ``grid`` as CLOSED_PLANAR contours of the series that ``style`` names.

    Pixel centres filled by the even-odd rule return every mask exactly; holes are contours of their own.
    """
    dataset = _dataset(path, RTStructureSetStorage, uid(f"{style.name}/rtstruct"), style)
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = uid(f"{style.name}/rtstruct series")
    dataset.SeriesNumber = "3"
    dataset.StructureSetLabel = "PLAN"
    dataset.StructureSetDate, dataset.StructureSetTime = _DATE, _TIME
    frame = uid(f"{style.name}/frame")
    dataset.ReferencedFrameOfReferenceSequence = [_referenced_frame(frame, grid, style)]
    numbered = [(str(number), name) for number, name in enumerate(rois, 1)]
    dataset.StructureSetROISequence = Sequence([_roi(number, name, frame) for number, name in numbered])
    dataset.ROIContourSequence = Sequence(
        [_roi_contour(number, rois[name], grid, style) for number, name in numbered]
    )
    dataset.RTROIObservationsSequence = Sequence([_observation(number, name) for number, name in numbered])
    dataset.ApprovalStatus = "UNAPPROVED"
    _save(dataset, path)


def _roi(number: str, name: str, frame: str) -> Dataset:
    return _item(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=frame,
        ROIName=name,
        ROIGenerationAlgorithm="MANUAL",
    )


def _roi_contour(number: str, mask: np.ndarray, grid: Grid, style: SeriesStyle) -> Dataset:
    return _item(
        ROIDisplayColor=list(_COLOURS[int(number) % len(_COLOURS)]),
        ReferencedROINumber=number,
        ContourSequence=Sequence(_contours(mask, grid, style)),
    )


def _observation(number: str, name: str) -> Dataset:
    return _item(
        ObservationNumber=number,
        ReferencedROINumber=number,
        RTROIInterpretedType="GTV" if name.upper().startswith("GTV") else "ORGAN",
        ROIInterpreter="",
    )


def _contours(mask: np.ndarray, grid: Grid, style: SeriesStyle) -> list[Dataset]:
    items = []
    for number in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        for outline in outlines(mask[number]):
            index = np.column_stack([np.full(len(outline), float(number)), outline])
            points = grid.point_mm(index)
            items.append(
                _item(
                    ContourImageSequence=Sequence([_image_reference(style, number)]),
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=str(len(points)),
                    ContourData=_decimals(points.reshape(-1)),
                )
            )
    return items


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of a 2-D mask as arrays (points, 2) of fractional (row, column), not closed by repetition.

    They run through the middles of the pixel edges that part inside from outside (marching squares at one
    half), so corners are cut and every pixel centre keeps at least 0.35 pixel distance. Holes are outlines of
    their own, to be taken away by the even-odd rule.
    """
    found = []
    for loop in walks(np.pad(mask.astype(bool), 1)):
        sides = np.asarray(loop)
        courses = sides[:, 2]
        straight = (courses == np.roll(courses, 1)) & (courses == np.roll(courses, -1))
        middles = sides[:, :2] - 1.0 + np.asarray(NEIGHBOUR)[courses] / 2.0
        found.append(middles[~straight])
    return found


def _referenced_frame(frame: str, grid: Grid, style: SeriesStyle) -> Dataset:
    images = Sequence([_image_reference(style, number) for number in range(grid.shape[0])])
    series = _item(SeriesInstanceUID=uid(f"{style.name}/ct"), ContourImageSequence=images)
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=uid(f"{style.name}/study"),
        RTReferencedSeriesSequence=Sequence([series]),
    )
    return _item(FrameOfReferenceUID=frame, RTReferencedStudySequence=Sequence([study]))


def _image_reference(style: SeriesStyle, number: int) -> Dataset:
    return _item(
        ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=uid(f"{style.name}/slice/{number}")
    )


def _dataset(path: Path, sop_class: UID, instance: UID, style: SeriesStyle) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("lunggtv phantom")
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = instance
    dataset.StudyInstanceUID = uid(f"{style.name}/study")
    dataset.FrameOfReferenceUID = uid(f"{style.name}/frame")
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = _DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = _TIME
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.Manufacturer = "LungGTV phantom"
    dataset.PatientName = style.patient_name
    dataset.PatientID = style.patient_name.replace("^", "-")
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.PositionReferenceIndicator = ""
    return dataset


def _save(dataset: FileDataset, path: Path) -> None:
    with whole_file(path) as partial:
        dataset.save_as(partial, enforce_file_format=True)


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _decimals(values: Iterable[float]) -> list[str]:
    """DICOM decimal strings hold at most 16 characters."""
    return [f"{float(value) + 0.0:.6f}".rstrip("0").rstrip(".") for value in values]
