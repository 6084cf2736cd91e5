"""NIfTI, NRRD and MetaImage: a pair of image and label, or a label for a CT of another container."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lunggtv.files import file_digest
from lunggtv.geometry import Grid
from lunggtv.image_files import grid_of, read_header
from lunggtv.image_headers import FORMATS, BadHeader, Storage, is_plain_name, read_storage, suffix_of
from lunggtv.image_streams import BrokenStream, read_voxels
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.ingest.raw_scan import RawScan, Reason, Refused
from lunggtv.mask_grids import aligned
from lunggtv.patient_files import PatientFiles
from lunggtv.wording import by

SPACING_RANGE_MM = (0.05, 50.0)  # finer than a micro-CT, coarser than a scout: no planning CT
ORTHOGONAL = 1e-4  # what the axes' products may be off; ITK reads no NIfTI that is more
SCALAR_PIXELS = {
    sitk.sitkInt8, sitk.sitkUInt8, sitk.sitkInt16, sitk.sitkUInt16, sitk.sitkInt32, sitk.sitkUInt32,
    sitk.sitkInt64, sitk.sitkUInt64, sitk.sitkFloat32, sitk.sitkFloat64,
}  # fmt: skip
WHOLE_COPY = "Copy the file again from its source, or export it again."
NARROW = np.iinfo(np.int16)


@dataclass(frozen=True)
class StoredImage:
    """One file as read: values (z, y, x) after slope and intercept, its grid, digests by role suffix."""

    array: np.ndarray
    grid: Grid
    digests: dict[str, str]
    notes: tuple[Reason, ...]


def read_pair(files: PatientFiles, settings: IngestSettings) -> RawScan:
    """Image and, where there is one, label of a patient.

    Raises:
        Refused: a file cannot be read as one three-dimensional grey image; the text names the file.
        ValueError: the patient has no image file (a DICOM folder).
    """
    if files.image is None:
        raise ValueError(f"patient {files.patient} has no image file")
    image = read_stored(files.image, settings)
    raw = RawScan(
        format=FORMATS[suffix_of(files.image.name) or ""],
        ct=image.array,
        grid=image.grid,
        label=None,
        label_grid=None,
        digests={f"image{part}": digest for part, digest in image.digests.items()},
        notes=image.notes,
    )
    return raw if files.label is None else with_label(raw, files.label, settings)


def with_label(raw: RawScan, path: Path, settings: IngestSettings) -> RawScan:
    """A scan of any format with the label of a mask file, its axes turned to run along those of the CT.

    Raises:
        Refused: as ``read_stored``; or the file does not say how it lies, and has other axes than the CT by default, or
            another shape.
    """
    # A viewer may have cropped it to a single slice.
    stored = read_stored(path, settings, thinnest=1)
    label, grid = aligned(stored.array, stored.grid, raw.grid)
    if stored.notes and (grid != stored.grid or grid.shape != raw.grid.shape):
        raise Refused(
            "label_unplaced",
            f"{path.name} does not say how it lies in the patient, and its axes or its number of voxels are not those "
            "of the CT. Write the label with its orientation and origin.",
        )
    digests = {f"label{part}": digest for part, digest in stored.digests.items()}
    return replace(raw, label=label, label_grid=grid, digests=raw.digests | digests)


def read_stored(path: Path, settings: IngestSettings, thinnest: int = 2) -> StoredImage:
    """One image file; the header is judged before any voxel is allocated. Raises Refused.

    Args:
        thinnest: fewest voxels along an axis.
    """
    if not path.is_file():
        raise Refused("missing_file", f"{path.name} is not there. Put it back, or mend the pattern in data.")
    try:
        storage = read_storage(path)
    except BadHeader as error:
        raise Refused("unreadable", f"{path.name} {error}. {WHOLE_COPY}") from error
    data = _data_file(path, storage)
    grid = _read_grid(path, storage, settings, thinnest)
    try:
        stored = read_voxels(data, storage, grid.shape)
    except BrokenStream as error:
        raise Refused("damaged", f"{data.name} {error}. {WHOLE_COPY}") from error
    digests = {"": file_digest(path)} | ({"_data": file_digest(data)} if data != path else {})
    return StoredImage(_values(stored, storage), grid, digests, tuple(_notes(path, storage)))


def _read_grid(path: Path, storage: Storage, settings: IngestSettings, thinnest: int) -> Grid:
    try:
        header = read_header(path)
    except RuntimeError as error:
        raise _explained(path, str(error)) from error
    size, spacing = header.GetSize(), header.GetSpacing()
    if len(size) < 3 or any(n != 1 for n in size[3:]) or min(size[:3]) < thinnest:
        raise Refused(
            "not_3d",
            f"{path.name} is not one three-dimensional image: it has {by(size)} voxels. Export a single phase "
            "or a single series as one volume.",
        )
    if header.GetPixelID() not in SCALAR_PIXELS:
        raise Refused(
            "not_grey",
            f"{path.name} does not hold one number a voxel ({header.GetPixelIDValue()} is its pixel type: "
            "colour, vector or complex). Export the CT as a grey image.",
        )
    voxels = size[0] * size[1] * size[2]
    if voxels > settings.max_voxels:
        raise Refused(
            "too_large",
            f"{path.name} says that it has {by(size[:3])} voxels, above ingest.max_voxels "
            f"({settings.max_voxels}). If that is true, raise the limit; else export the file again.",
        )
    for value in (*(storage.spacing_mm or spacing[:3]), *spacing[:3]):
        if not SPACING_RANGE_MM[0] <= value <= SPACING_RANGE_MM[1]:
            raise Refused(
                "spacing_absurd",
                f"{path.name} has a voxel spacing of {value:g} mm in its header; {SPACING_RANGE_MM[0]} to "
                f"{SPACING_RANGE_MM[1]} mm is believed. Mend the header from the scanner's series.",
            )
    grid = grid_of(header)
    if not (np.isfinite(grid.matrix).all() and np.isfinite(grid.origin_mm).all()):
        raise Refused("position", f"{path.name} has no finite position in its header. {WHOLE_COPY}")
    if np.abs(grid.matrix.T @ grid.matrix - np.eye(3)).max() > ORTHOGONAL:
        raise _not_orthogonal(path)
    _check_affine(path, storage, grid, settings.position_tolerance_mm)
    return grid


def _explained(path: Path, error: str) -> Refused:
    if "orthonormal" in error or "orthogonal" in error:
        return _not_orthogonal(path)
    # The folder may name a person; it goes before the text is cut, which could leave a part of it.
    reason = error.replace(f"{path.parent}/", "").strip().splitlines()[-1].split(": ", 1)[-1][:200]
    return Refused("unreadable", f"{path.name} cannot be read ({reason}). {WHOLE_COPY}")


def _not_orthogonal(path: Path) -> Refused:
    return Refused(
        "not_orthogonal",
        f"{path.name} has axes that are not at right angles to one another (a sheared or rounded direction "
        "matrix), which no scanner makes. Mend the header or convert the series again.",
    )


def _check_affine(path: Path, storage: Storage, grid: Grid, tolerance_mm: float) -> None:
    """Refuse a NIfTI whose sform places voxels elsewhere than the spacing and direction ITK made of it."""
    if not storage.affine:
        return
    rows = np.asarray(storage.affine)
    ras = grid.corners[:, ::-1] @ rows[:, :3].T + rows[:, 3]
    off_mm = float(np.linalg.norm(ras * (-1, -1, 1) - grid.point_mm(grid.corners), axis=1).max())
    if not off_mm <= tolerance_mm:
        raise Refused(
            "contradictory_header",
            f"{path.name} has a header that contradicts itself: its sform matrix (sheared, or scaled unlike "
            f"pixdim) places a corner {off_mm:.3g} mm from where spacing and direction place it. Convert the "
            "series again, or write one consistent sform and qform.",
        )


def _data_file(path: Path, storage: Storage) -> Path:
    if storage.data_file is None:
        return path
    if not is_plain_name(storage.data_file) or path.with_name(storage.data_file).is_symlink():
        raise Refused(
            "data_elsewhere",
            f"{path.name} points to a data file outside its folder. Put header and data side by side and "
            "name the data file without a path.",
        )
    data = path.with_name(storage.data_file)
    if not data.is_file():
        raise Refused("missing_file", f"{path.name} needs the data file {data.name}, which is not beside it.")
    return data


def _values(stored: np.ndarray, storage: Storage) -> np.ndarray:
    """Values after slope and intercept as int16 where they fit, else int32 or float32.

    Works slice by slice, so that a wide type costs no second whole copy of itself.
    """
    if (storage.slope, storage.intercept) != (1.0, 0.0):
        whole = stored.dtype.kind in "iu" and storage.slope.is_integer() and storage.intercept.is_integer()
        slabs = (slab.astype(np.float64) * storage.slope + storage.intercept for slab in stored)
        return _gathered(slabs, stored.shape, np.int32 if whole else np.float32)
    if stored.dtype == np.int16:
        return stored
    if all(_is_narrow(slab) for slab in stored):
        return _gathered(iter(stored), stored.shape, np.int16)
    return _gathered(iter(stored), stored.shape, np.float32 if stored.dtype.kind == "f" else np.int32)


def _is_narrow(slab: np.ndarray) -> bool:
    """Whether int16 holds the values as they are; NaN and infinity say no."""
    if not (slab.min() >= NARROW.min and slab.max() <= NARROW.max):
        return False
    return slab.dtype.kind != "f" or bool(np.all(np.rint(slab) == slab))


def _gathered(slabs: Iterator[np.ndarray], shape: tuple[int, ...], dtype: type) -> np.ndarray:
    array: np.ndarray = np.empty(shape, dtype)
    limits = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else None
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which the checks report
        for into, slab in zip(array, slabs, strict=True):
            into[...] = slab if limits is None else np.clip(slab, limits.min, limits.max)
    return array


def _notes(path: Path, storage: Storage) -> Iterator[Reason]:
    if not storage.placed:
        yield Reason(
            "no_orientation",
            f"{path.name} does not say how it lies in the patient; its axes are taken as the format's "
            "default. Check left and right in the report's pictures.",
        )
