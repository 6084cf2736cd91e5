"""Drafts lie on exactly the grid of the original CT: to the last bit, for every turn of the axes."""

import gzip
import struct
from itertools import permutations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from lunggtv.geometry import Grid
from lunggtv.image_files import grid_of, read_image
from lunggtv.nifti_files import write_nifti

SHAPE = (3, 4, 5)
SFORM_CODE, QFORM_CODE = slice(254, 256), slice(252, 254)
degrees = st.floats(-44, 44, allow_nan=False)


def rotation(angles_deg: tuple[float, float, float]) -> np.ndarray:
    """Rotation about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(angles_deg)):
        turn = np.eye(3)
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def bits(grid: Grid) -> bytes:
    """All numbers of a grid as bits, with -0.0 and 0.0 the same."""
    values = (*grid.shape, *grid.spacing_mm, *grid.origin_mm, *grid.direction)
    return struct.pack(f"{len(values)}d", *(value + 0.0 for value in values))


@st.composite
def images(draw) -> sitk.Image:
    """A CT's geometry: flipped, permuted, oblique, thin slices."""
    angles = draw(st.one_of(st.just((0.0, 0.0, 0.0)), st.tuples(degrees, degrees, degrees)))
    order = draw(st.sampled_from(list(permutations(range(3)))))
    flips = draw(st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3))
    direction = rotation(angles)[:, order] * flips
    image = sitk.GetImageFromArray(np.zeros(SHAPE, np.int16))
    in_plane = draw(st.floats(0.5, 1.5))
    image.SetSpacing((in_plane, in_plane, draw(st.sampled_from((5.0, 3.0, 1.25, 0.7)))))
    image.SetOrigin(draw(st.tuples(*[st.floats(-500, 500)] * 3)))
    image.SetDirection(direction.reshape(-1).tolist())
    return image


@settings(max_examples=60, deadline=None)
@given(image=images(), form=st.sampled_from(("both", "sform", "qform")), seed=st.integers(0, 9))
def test_grid_of_a_nifti_ct_comes_back_to_the_last_bit(tmp_path_factory, image, form, seed):
    folder = tmp_path_factory.mktemp("header")
    sitk.WriteImage(image, str(folder / "ct.nii"))
    header = bytearray((folder / "ct.nii").read_bytes())
    if form != "both":
        header[QFORM_CODE if form == "sform" else SFORM_CODE] = b"\0\0"
        (folder / "ct.nii").write_bytes(header)
    ct = sitk.ReadImage(str(folder / "ct.nii"))
    mask = np.random.default_rng(seed).integers(0, 2, SHAPE).astype(np.uint8)
    write_nifti(folder / "gtv.nii.gz", mask, grid_of(ct))
    found, grid = read_image(folder / "gtv.nii.gz")
    assert bits(grid) == bits(grid_of(ct))
    assert np.array_equal(found, mask)


@settings(max_examples=30, deadline=None)
@given(image=images())
def test_grid_of_other_formats_comes_back_in_single_precision(tmp_path_factory, image):
    path = tmp_path_factory.mktemp("header") / "gtv.nii.gz"
    wanted = grid_of(image)
    write_nifti(path, np.zeros(SHAPE, np.uint8), wanted)
    _, grid = read_image(path)
    assert grid.spacing_mm == tuple(float(np.float32(v)) for v in wanted.spacing_mm)
    assert grid.origin_mm == tuple(float(np.float32(v)) for v in wanted.origin_mm)
    # Half a unit in the last place of a number below one, in single precision.
    assert np.abs(np.subtract(grid.direction, wanted.direction)).max() <= 2.0**-25


def test_same_mask_gives_the_same_bytes_and_no_scratch_file(tmp_path):
    grid = Grid(SHAPE, (5.0, 1.17, 1.17), (-10.0, 20.0, 30.5), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    mask = np.ones(SHAPE, np.uint8)
    write_nifti(tmp_path / "a.nii.gz", mask, grid)
    write_nifti(tmp_path / "b.nii.gz", mask, grid)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_file_is_plain_nifti_with_both_transforms(tmp_path):
    grid = Grid(SHAPE, (5.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    write_nifti(tmp_path / "gtv.nii.gz", np.zeros(SHAPE, np.uint8), grid)
    content = gzip.decompress((tmp_path / "gtv.nii.gz").read_bytes())
    assert len(content) == 352 + 3 * 4 * 5
    assert struct.unpack("<8h", content[40:56])[:4] == (3, 5, 4, 3)
    assert struct.unpack("<2h", content[252:256]) == (1, 1)


@pytest.mark.parametrize("array", [np.zeros(SHAPE, np.float32), np.zeros((3, 4, 6), np.uint8)])
def test_other_types_and_shapes_are_refused(tmp_path, array):
    grid = Grid(SHAPE, (5.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    with pytest.raises(ValueError, match="needed is uint8"):
        write_nifti(tmp_path / "gtv.nii.gz", array, grid)
