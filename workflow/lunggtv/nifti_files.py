"""Masks as NIfTI on exactly the grid of the original CT.

NIfTI keeps geometry in single precision, and readers normalise the columns of its matrix in double. A grid
that was read from NIfTI and is written again by the usual writers comes back with the last digits of an
oblique direction changed. Here the single-precision column is looked for that normalises to the wanted
direction to the last bit; it exists for every grid that came from NIfTI. Other formats hold doubles that
NIfTI cannot: they come back rounded to single precision, as the CT itself would if it were converted.
"""

import gzip
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lunggtv.files import whole_file
from lunggtv.geometry import Grid
from lunggtv.image_files import to_image

# NIfTI-1 header (nifti1.h): size with extension flag, and where dim[1..3] and srow_x, srow_y, srow_z lie.
HEADER_BYTES = 352
DIM_BYTES = slice(42, 48)
SROW_BYTES = slice(280, 328)
COMPRESSION = 5
TYPES = (np.dtype("uint8"), np.dtype("<i2"))
# Scales tried for a column, relative to the spacing: converters round matrix and spacing separately. The step
# is a fraction of a single-precision digit (6e-8), so that no column between is missed.
WIDEST_SCALE = 1e-5
SCALE_STEP = 1e-8


def write_nifti(path: str | Path, array: np.ndarray, grid: Grid) -> None:
    """Write a uint8 or int16 array (z, y, x as stored) as ``.nii.gz`` on ``grid``, whole or not at all; same
    content, same bytes."""
    if array.dtype not in TYPES or array.shape != grid.shape:
        raise ValueError(f"array is {array.dtype} {array.shape}; needed is uint8 or int16 {grid.shape}")
    with whole_file(path) as partial:
        header = _header(partial, grid, array.dtype)
        with (
            open(partial, "wb") as raw,
            gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as file,
        ):
            file.write(header)
            file.write(np.ascontiguousarray(array).data)


def _header(scratch: Path, grid: Grid, dtype: np.dtype) -> bytes:
    """The header that SimpleITK writes for one voxel on this grid, with the shape and matrix made right."""
    voxel = Grid((1, 1, 1), grid.spacing_mm, grid.origin_mm, grid.direction)
    # Uncompressed under a name of its own: the suffix chooses the format.
    scratch = scratch.with_name(f"{scratch.name}.header.nii")
    try:
        sitk.WriteImage(to_image(np.zeros((1, 1, 1), dtype), voxel), str(scratch))
        header = bytearray(scratch.read_bytes()[:HEADER_BYTES])
    finally:
        scratch.unlink(missing_ok=True)
    header[DIM_BYTES] = np.asarray(grid.shape[::-1], dtype="<i2").tobytes()
    rows = np.frombuffer(header[SROW_BYTES], dtype="<f4").reshape(3, 4).copy()
    for axis, spacing_mm in enumerate(grid.spacing_mm[::-1]):
        rows[:, axis] = _column(grid.matrix[:, axis], spacing_mm)
    header[SROW_BYTES] = rows.tobytes()
    return bytes(header)


def _column(direction: np.ndarray, spacing_mm: float) -> np.ndarray:
    """The matrix column (x and y negated: NIfTI's axes are RAS) that normalises exactly to ``direction``, or
    the nearest to it if there is none."""
    scales = np.arange(-WIDEST_SCALE, WIDEST_SCALE, SCALE_STEP)
    scales = spacing_mm * (1 + scales[np.argsort(np.abs(scales), kind="stable")])
    columns = (scales[:, None] * direction).astype("<f4")
    wide = columns.astype(float)
    # The order of additions is that of ITK's reader.
    lengths = np.sqrt(wide[:, 0] ** 2 + wide[:, 1] ** 2 + wide[:, 2] ** 2)
    errors = np.abs(wide / lengths[:, None] - direction).max(axis=1)
    return columns[np.argmin(errors)] * np.array([-1, -1, 1], dtype="<f4")
