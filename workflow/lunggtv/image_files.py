"""The bridge to SimpleITK: the one place where arrays (z, y, x) meet images (x, y, z)."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lunggtv.errors import UnreadableImage
from lunggtv.files import whole_file
from lunggtv.geometry import Grid
from lunggtv.image_headers import BadHeader, Storage, is_plain_name, read_storage
from lunggtv.image_streams import BrokenStream, read_voxels
from lunggtv.utf8_paths import utf8_path
from lunggtv.wording import by


def read_header(path: Path) -> sitk.ImageFileReader:
    """The header of an image file as SimpleITK reads it; raises RuntimeError as it does."""
    header = sitk.ImageFileReader()
    with utf8_path(path) as place:
        header.SetFileName(place)
        try:
            header.ReadImageInformation()
        except RuntimeError as error:
            raise RuntimeError(str(error).replace(place, str(path))) from error
    return header


def grid_of(image: sitk.Image | sitk.ImageFileReader) -> Grid:
    """The grid of an image or of a header; of more than three axes that of the first three.

    Raises ValueError if there is none.
    """
    axes = image.GetDimension()
    return Grid(
        tuple(reversed(image.GetSize()[:3])),
        tuple(reversed(image.GetSpacing()[:3])),
        tuple(image.GetOrigin()[:3]),
        tuple(np.reshape(image.GetDirection(), (axes, axes))[:3, :3].reshape(-1).tolist()),
    )


def to_image(array: np.ndarray, grid: Grid) -> sitk.Image:
    """An image with the voxels of ``array`` (z, y, x) on ``grid``."""
    if array.shape != grid.shape:
        raise ValueError(f"an array of {array.shape} voxels cannot lie on a grid of {grid.shape}")
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(tuple(reversed(grid.spacing_mm)))
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    return image


def write_image(path: str | Path, array: np.ndarray, grid: Grid) -> None:
    """Write an image file (format by suffix, compressed), whole or not at all."""
    with whole_file(path) as partial:
        sitk.WriteImage(to_image(array, grid), str(partial), useCompression=True)


def read_image(path: str | Path) -> tuple[np.ndarray, Grid]:
    """Values and grid of an image file (NIfTI, NRRD, MetaImage), as stored (not turned to LPS).

    Every checksum of the file is checked: SimpleITK alone reads a truncated ``.nii.gz`` without a word and
    fills up with zeros.

    Raises:
        UnreadableImage: missing, damaged, truncated, or not one three-dimensional grey image.
    """
    path = Path(path)
    if not path.is_file():
        raise UnreadableImage(f"{path}: there is no such file.")
    try:
        storage = read_storage(path)
        grid = _stored_grid(path)
        voxels = read_voxels(_data_file(path, storage), storage, grid.shape)
    except (BadHeader, BrokenStream) as error:
        raise UnreadableImage(
            f"{path}: {error}. Write the file again, or copy it from its source."
        ) from error
    if (storage.slope, storage.intercept) != (1.0, 0.0):
        voxels = voxels * storage.slope + storage.intercept
    return voxels, grid


def _stored_grid(path: Path) -> Grid:
    try:
        header = read_header(path)
    except RuntimeError as error:
        raise BadHeader(
            str(error).strip().splitlines()[-1].removeprefix("sitk::ERROR: ").rstrip(".")
        ) from error
    size = header.GetSize()
    if len(size) < 3 or any(side != 1 for side in size[3:]) or header.GetNumberOfComponents() != 1:
        kind = sitk.GetPixelIDValueAsString(header.GetPixelID())
        raise BadHeader(f"is not one three-dimensional grey image ({by(size)} voxels, {kind})")
    try:
        return grid_of(header)
    except ValueError as error:
        raise BadHeader(f"has an unusable header ({error})") from error


def _data_file(path: Path, storage: Storage) -> Path:
    if storage.data_file is None:
        return path
    data = path.with_name(storage.data_file) if is_plain_name(storage.data_file) else None
    if data is None or not data.is_file():
        raise BadHeader(f"needs the data file {storage.data_file}, which is not beside it")
    return data
