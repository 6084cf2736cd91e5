"""A GTV draft as DICOM RT structure set: what a treatment planning system opens beside the planning CT.

Identity, study, frame of reference and slice UIDs are copied from the CT's own headers. New UIDs are derived
from the content (2.25 and a name-based UUID, DICOM PS3.5 B.2), so that the same draft is the same object and
a changed draft is another one. The structure set's date and time are those of the CT (type 2, may be empty):
the file says which scan it belongs to, and the hour at which it was computed would make every rerun differ.
"""

import hashlib
import io
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmread, dcmwrite
from pydicom.errors import InvalidDicomError
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from lunggtv.errors import DamagedFile
from lunggtv.files import whole_file
from lunggtv.infer.outlines import outlines
from lunggtv.quiet_pydicom import quiet_pydicom
from lunggtv.version import NAME, VERSION

STRUCTURE_SET_LABEL = f"{NAME} draft"  # at most 16 characters
ROI_NUMBER = 1
ROI_COLOUR = (255, 128, 0)  # orange: told from red and green by colour-blind eyes too
MM_DECIMALS = 4  # 0.1 micrometre; a DICOM decimal string holds 16 characters
# What such sets name as the class of the referenced study (retired from the standard, expected by readers).
DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"

# Copied from the CT; empty where it has none (type 2).
COPIED_OR_EMPTY = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "PatientName", "PatientID",
    "PatientBirthDate", "PatientSex", "StudyID",
)  # fmt: skip
COPIED_IF_THERE = (
    "SpecificCharacterSet", "StudyDescription", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
)  # fmt: skip
NEEDED = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
)  # fmt: skip


@quiet_pydicom()
def write_structure_set(
    mask: np.ndarray, slices: Sequence[Path | None], path: str | Path, roi_name: str, description: str
) -> None:
    """Write a mask as RT structure set with one ROI, unapproved; byte-identical on a rerun.

    Args:
        mask: (slice, row, column) as the CT is stored, non-zero is inside; an empty mask gives an ROI without
            contours.
        slices: files of the CT's slices, in the order of the mask's first axis; None for a plane between slices, on
            which no contour is drawn.
        path: the file to write, whole or not at all.
        roi_name: TG-263 name (``infer_settings.checked_roi_name``).
        description: what drew it, plain ASCII.

    Raises:
        DamagedFile: a slice cannot be read, lacks what a structure set must name, or is of another shape.
    """
    if len(slices) != len(mask):
        raise ValueError(f"{len(slices)} slices cannot carry a mask of {len(mask)}")
    headers = {plane: _read_header(file) for plane, file in enumerate(slices) if file is not None}
    for plane, header in headers.items():
        if (header.Rows, header.Columns) != mask.shape[1:]:
            raise DamagedFile(
                f"{slices[plane]}: the slice has {header.Rows} x {header.Columns} pixels, the mask {mask.shape[1:]}."
            )
    structures = _describe(list(headers.values()), roi_name, description)
    contours = _contours(mask, headers)
    if contours:
        structures.ROIContourSequence[0].ContourSequence = contours
    _name(structures)
    with whole_file(path) as partial:
        dcmwrite(partial, structures, enforce_file_format=True)


def _read_header(file: Path) -> Dataset:
    try:
        header = dcmread(file, stop_before_pixels=True, force=True)
    except (OSError, InvalidDicomError):
        raise DamagedFile(f"{file}: the CT slice cannot be read as DICOM.") from None
    missing = [name for name in NEEDED if header.get(name) in (None, "")]
    if missing:
        raise DamagedFile(
            f"{file}: the CT slice lacks {', '.join(missing)}; no structure set can refer to it without."
        )
    return header


def _describe(headers: Sequence[Dataset], roi_name: str, description: str) -> Dataset:
    """Everything but the contours and the set's own UIDs."""
    ct = headers[0]
    structures = Dataset()
    for name in COPIED_IF_THERE:
        if name in ct:
            structures[name] = ct[name]
    for name in COPIED_OR_EMPTY:
        if name in ct:
            structures[name] = ct[name]
        else:
            setattr(structures, name, "")
    structures.StudyInstanceUID = ct.StudyInstanceUID
    structures.SOPClassUID = RTStructureSetStorage
    structures.Modality = "RTSTRUCT"
    structures.SeriesNumber = 1
    structures.SeriesDescription = f"{NAME} draft, not approved"
    structures.OperatorsName = ""
    structures.Manufacturer = NAME
    structures.ManufacturerModelName = NAME
    structures.SoftwareVersions = VERSION
    frame_uid = _frame_uid(headers)
    structures.FrameOfReferenceUID = frame_uid
    structures.PositionReferenceIndicator = ""
    structures.StructureSetLabel = STRUCTURE_SET_LABEL
    structures.StructureSetDescription = description
    structures.StructureSetDate = _first(ct, "ContentDate", "AcquisitionDate", "SeriesDate", "StudyDate")
    structures.StructureSetTime = _first(ct, "ContentTime", "AcquisitionTime", "SeriesTime", "StudyTime")
    structures.ReferencedFrameOfReferenceSequence = [_referenced_frame(headers, frame_uid)]
    structures.StructureSetROISequence = [
        _item(
            ROINumber=ROI_NUMBER,
            ReferencedFrameOfReferenceUID=frame_uid,
            ROIName=roi_name,
            ROIDescription=description,
            ROIGenerationAlgorithm="AUTOMATIC",
            ROIGenerationDescription=f"{NAME} {VERSION}",
        )
    ]
    structures.ROIContourSequence = [
        _item(ROIDisplayColor=list(ROI_COLOUR), ReferencedROINumber=ROI_NUMBER),
    ]
    structures.RTROIObservationsSequence = [
        _item(
            ObservationNumber=1,
            ReferencedROINumber=ROI_NUMBER,
            RTROIInterpretedType="GTV",
            ROIInterpreter="",
        )
    ]
    structures.ApprovalStatus = "UNAPPROVED"
    return structures


def _frame_uid(headers: Sequence[Dataset]) -> str:
    """The CT's frame of reference; one of its own where it has none, or another for every slice."""
    frames = {str(header.get("FrameOfReferenceUID") or "") for header in headers}
    return (
        frames.pop()
        if len(frames) == 1 and "" not in frames
        else _uid(f"{NAME} frame {headers[0].SeriesInstanceUID}")
    )


def _referenced_frame(headers: Sequence[Dataset], frame_uid: str) -> Dataset:
    series = _item(
        SeriesInstanceUID=headers[0].SeriesInstanceUID,
        ContourImageSequence=[_reference(header) for header in headers],
    )
    study = _item(
        ReferencedSOPClassUID=DETACHED_STUDY,
        ReferencedSOPInstanceUID=headers[0].StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(
        FrameOfReferenceUID=frame_uid,
        RTReferencedStudySequence=[study],
    )


def _contours(mask: np.ndarray, headers: Mapping[int, Dataset]) -> list[Dataset]:
    contours: list[Dataset] = []
    for plane, header in headers.items():
        for outline in outlines(mask[plane]):
            points_mm = _to_patient(outline, header)
            contours.append(
                _item(
                    ContourImageSequence=[_reference(header)],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(points_mm),
                    ContourNumber=len(contours) + 1,
                    ContourData=[_decimal(value) for value in points_mm.reshape(-1)],
                )
            )
    return contours


def _to_patient(outline: np.ndarray, header: Dataset) -> np.ndarray:
    """Rows and columns (points, 2) to patient coordinates x, y, z in mm (DICOM PS3.3 C.7.6.2.1.1)."""
    along_row = np.asarray(header.ImageOrientationPatient[:3], dtype=float)
    along_column = np.asarray(header.ImageOrientationPatient[3:], dtype=float)
    between_rows_mm, between_columns_mm = (float(value) for value in header.PixelSpacing)
    return (
        np.asarray(header.ImagePositionPatient, dtype=float)
        + outline[:, :1] * between_rows_mm * along_column
        + outline[:, 1:] * between_columns_mm * along_row
    )


def _decimal(value_mm: float) -> str:
    """Shortest decimal string; never ``-0``."""
    text = f"{value_mm:.{MM_DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _name(structures: Dataset) -> None:
    """Give the set the UIDs that its content determines."""
    content = io.BytesIO()
    dcmwrite(content, structures, implicit_vr=True, little_endian=True)
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    structures.SOPInstanceUID = _uid(f"{NAME} instance {digest}")
    structures.SeriesInstanceUID = _uid(f"{NAME} series {digest}")
    structures.file_meta = FileMetaDataset()
    structures.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    structures.file_meta.MediaStorageSOPClassUID = structures.SOPClassUID
    structures.file_meta.MediaStorageSOPInstanceUID = structures.SOPInstanceUID


def _uid(name: str) -> str:
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"


def _reference(header: Dataset) -> Dataset:
    return _item(ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)


def _item(**attributes: object) -> Dataset:
    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return item


def _first(header: Dataset, *names: str) -> str:
    """The first of these attributes that is not empty."""
    return next((str(header.get(name)) for name in names if header.get(name)), "")
