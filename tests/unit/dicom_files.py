"""Small DICOM folders for tests: CT series and structure sets, with a marker in every identifying element."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
import SimpleITK as sitk
from lunggtv.geometry import Grid
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.patient_files import PatientFiles
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

# No text the reader gives out may contain any of these.
NAME_MARK = "ZZNAMEZZ"
DATE_MARK = "19111213"
TIME_MARK = "141516.77"
UID_MARK = "1.2.826.0.1.99887766"
MARKS = (NAME_MARK, DATE_MARK, TIME_MARK, "99887766")

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class CtSeries:
    """Recipe of a CT series; ``number`` makes its UIDs."""

    number: int = 1
    slices: int = 5
    rows: int = 12
    columns: int = 16
    spacing_mm: tuple[float, float, float] = (3.0, 0.9, 1.1)
    origin_mm: tuple[float, float, float] = (-50.0, -40.0, -30.0)
    orientation: tuple[float, ...] = AXIAL
    frame: int = 1
    slope: float | None = 1
    intercept: float | None = -1024
    signed: bool = False
    bits_stored: int = 16
    syntax: str = ExplicitVRLittleEndian

    @property
    def uid(self) -> str:
        return f"{UID_MARK}.1.{self.number}"

    @property
    def frame_uid(self) -> str:
        return f"{UID_MARK}.2.{self.frame}"

    def sop_uid(self, z: int) -> str:
        return f"{UID_MARK}.3.{self.number}.{z}"

    @property
    def grid(self) -> Grid:
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        axes = np.column_stack([row, column, np.cross(row, column)])
        shape = (self.slices, self.rows, self.columns)
        return Grid(shape, self.spacing_mm, self.origin_mm, tuple(axes.reshape(-1)))

    def stored(self, seed: int = 0) -> np.ndarray:
        """Random stored values that fit the bits."""
        bits = min(self.bits_stored, 12)
        low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if self.signed else (0, 1 << bits)
        values = np.random.default_rng(seed).integers(low, high, self.grid.shape)
        return values.astype(np.int16 if self.signed else np.uint16)


@dataclass
class Reference:
    """What a structure set says about the CT it was drawn on."""

    series: CtSeries | None = None
    by_contour: bool = True
    by_series: bool = True
    frame: bool = True
    slices: Sequence[int] = field(default_factory=list)


def write_ct(
    folder: Path,
    series: CtSeries,
    stored: np.ndarray | None = None,
    change: Callable[[Dataset, int], None] | None = None,
    name: Callable[[int], str] = "ct{:03d}.dcm".format,
) -> np.ndarray:
    """Write a series, one file a slice, and return its stored values. ``change`` edits slice z first."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = series.stored() if stored is None else stored
    for z in range(series.slices):
        dataset = identified(CT_CLASS, series.sop_uid(z), series.syntax)
        dataset.Modality = "CT"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.SeriesInstanceUID = series.uid
        dataset.FrameOfReferenceUID = series.frame_uid
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in series.grid.point_mm((z, 0, 0))]
        dataset.ImageOrientationPatient = [f"{v:.9g}" for v in series.orientation]
        dataset.PixelSpacing = [str(v) for v in series.spacing_mm[1:]]
        dataset.SliceThickness = "1.5"
        dataset.InstanceNumber = 1
        dataset.Rows, dataset.Columns = series.rows, series.columns
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = 16
        dataset.BitsStored = series.bits_stored
        dataset.HighBit = series.bits_stored - 1
        dataset.PixelRepresentation = int(series.signed)
        if series.slope is not None:
            dataset.RescaleSlope = str(series.slope)
        if series.intercept is not None:
            dataset.RescaleIntercept = str(series.intercept)
        _set_pixels(dataset, np.ascontiguousarray(stored[z]), series.syntax)
        if change is not None:
            change(dataset, z)
        save(dataset, folder / name(z))
    return stored


def write_rtstruct(
    path: Path, rois: Mapping[str, Sequence[np.ndarray]], reference: Reference, kind: str = "CLOSED_PLANAR"
) -> None:
    """Write a structure set; contours are arrays (n, 3) of mm."""
    dataset = identified(RTSTRUCT_CLASS, f"{UID_MARK}.4.{sum(path.name.encode())}", ExplicitVRLittleEndian)
    dataset.Modality = "RTSTRUCT"
    dataset.StructureSetLabel = NAME_MARK
    dataset.StructureSetName = NAME_MARK
    dataset.StructureSetDate = DATE_MARK
    series = reference.series
    if series is not None:
        dataset.ReferencedFrameOfReferenceSequence = [_frame_item(reference, series)]
    dataset.StructureSetROISequence = []
    dataset.ROIContourSequence = []
    for number, (roi_name, contours) in enumerate(rois.items(), start=1):
        roi = Dataset()
        roi.ROINumber = number
        roi.ROIName = roi_name
        roi.ROIDescription = NAME_MARK
        if series is not None and reference.frame:
            roi.ReferencedFrameOfReferenceUID = series.frame_uid
        dataset.StructureSetROISequence.append(roi)
        item = Dataset()
        item.ReferencedROINumber = number
        item.ContourSequence = [_contour_item(points, reference, kind) for points in contours]
        dataset.ROIContourSequence.append(item)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(dataset, path)


def write_other(path: Path, sop_class: str, modality: str, **elements: object) -> None:
    """Write an object of another kind, without pixels."""
    dataset = identified(sop_class, f"{UID_MARK}.5.1", ExplicitVRLittleEndian)
    dataset.Modality = modality
    dataset.SeriesInstanceUID = f"{UID_MARK}.5.2"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(dataset, path)


def save(dataset: FileDataset, path: Path) -> None:
    dataset.save_as(path, enforce_file_format=True)


def leave_lengths_open(dataset: Dataset, undefined: bool = True) -> None:
    """Write all sequences of a data set, and their items, without their lengths, or with them."""
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = undefined
                leave_lengths_open(item, undefined)


def box(series: CtSeries, z: float, y: tuple[float, float], x: tuple[float, float]) -> np.ndarray:
    """A rectangular contour (4, 3) in mm, from voxel coordinates on the series' grid."""
    return series.grid.point_mm([(z, y[0], x[0]), (z, y[0], x[1]), (z, y[1], x[1]), (z, y[1], x[0])])


def patient_files(folder: Path, labelled: bool = True, patient: str = "7") -> PatientFiles:
    files = tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
    return PatientFiles(patient, labelled, folder, files)


def settings(*patterns: str, series: str | None = None, tolerance_mm: float = 0.1) -> DicomSettings:
    return DicomSettings(patterns or ("GTV.*",), tolerance_mm, series)


def identified(sop_class: str, sop_uid: str, syntax: str) -> FileDataset:
    """A data set with a mark in every identifying element."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = sop_uid
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset(
        None, {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
    )  # fmt: skip
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = sop_uid
    dataset.StudyInstanceUID = f"{UID_MARK}.9"
    for keyword in (
        "PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName",
        "PatientMotherBirthName", "IssuerOfPatientID", "ReferringPhysicianName", "OperatorsName",
        "PerformingPhysicianName", "InstitutionName", "InstitutionalDepartmentName", "StationName",
        "AccessionNumber", "StudyID", "StudyDescription", "SeriesDescription", "ProtocolName",
        "PatientAddress", "DeviceSerialNumber", "RequestedProcedureDescription", "PatientComments",
        "ImageComments", "Manufacturer", "ManufacturerModelName",
    ):  # fmt: skip
        setattr(dataset, keyword, NAME_MARK)
    for keyword in ("PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, keyword, DATE_MARK)
    for keyword in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime", "PatientBirthTime"):
        setattr(dataset, keyword, TIME_MARK)
    block = dataset.private_block(0x0013, NAME_MARK, create=True)
    block.add_new(0x10, "LO", NAME_MARK)
    return dataset


def _frame_item(reference: Reference, series: CtSeries) -> Dataset:
    frame = Dataset()
    if reference.frame:
        frame.FrameOfReferenceUID = series.frame_uid
    if reference.by_series:
        referred = Dataset()
        referred.SeriesInstanceUID = series.uid
        referred.ContourImageSequence = []
        for z in reference.slices or range(series.slices):
            image = Dataset()
            image.ReferencedSOPClassUID = CT_CLASS
            image.ReferencedSOPInstanceUID = series.sop_uid(z)
            referred.ContourImageSequence.append(image)
        study = Dataset()
        study.ReferencedSOPInstanceUID = f"{UID_MARK}.9"
        study.RTReferencedSeriesSequence = [referred]
        frame.RTReferencedStudySequence = [study]
    return frame


def _contour_item(points: np.ndarray, reference: Reference, kind: str) -> Dataset:
    item = Dataset()
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points)
    item.ContourData = [f"{v:.8g}" for v in np.asarray(points).reshape(-1)]
    if reference.by_contour and reference.series is not None:
        z = int(np.clip(round(reference.series.grid.index_zyx(points)[0, 0]), 0, reference.series.slices - 1))
        image = Dataset()
        image.ReferencedSOPClassUID = CT_CLASS
        image.ReferencedSOPInstanceUID = reference.series.sop_uid(z)
        item.ContourImageSequence = [image]
    return item


def _set_pixels(dataset: FileDataset, stored: np.ndarray, syntax: str) -> None:
    if syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    elif syntax == ExplicitVRBigEndian:
        dataset.PixelData = stored.astype(stored.dtype.newbyteorder(">")).tobytes()
    elif syntax == RLELossless:
        dataset.compress(RLELossless, stored, generate_instance_uid=False)
    else:
        dataset.PixelData = _compressed(stored, syntax)
    dataset["PixelData"].VR = "OW" if syntax != RLELossless else "OB"
    if syntax in (JPEGLosslessSV1, JPEG2000Lossless):
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True


def _compressed(stored: np.ndarray, syntax: str) -> bytes:
    """Encapsulated pixels by the codecs of GDCM, which SimpleITK brings."""
    image = sitk.GetImageFromArray(stored[None])
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor({JPEGLosslessSV1: "JPEG", JPEG2000Lossless: "JPEG2000"}[syntax])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "compressed.dcm"
        writer.SetFileName(str(path))
        writer.Execute(image)
        dataset = pydicom.dcmread(path)
    if dataset.file_meta.TransferSyntaxUID != syntax:
        raise ValueError(f"GDCM wrote {dataset.file_meta.TransferSyntaxUID.name}")
    return dataset.PixelData
