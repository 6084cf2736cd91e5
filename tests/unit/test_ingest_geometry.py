"""The way back is exact: a label that went through volume.h5 is the original, voxel by voxel, on its grid."""

from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lunggtv.geometry import Grid, Orientation
from lunggtv.image_files import read_image, write_image
from lunggtv.ingest.checks import check_grids
from lunggtv.volume import read_volume

from tests.unit.ingest_bodies import GRID, chest_hu, gtv_mask, ingest, write_pair

ORIENTATIONS = [
    Orientation(permutation, (bool(n & 1), bool(n & 2), bool(n & 4)))
    for permutation in permutations(range(3))
    for n in range(8)
]
angles = st.floats(-0.3, 0.3)  # radians; oblique, but not so far that another axis is nearer


def turned(grid: Grid, radians: tuple[float, float, float]) -> Grid:
    """The grid turned about its origin's x, y and z axes."""
    matrix = grid.matrix
    for axis, angle in enumerate(radians):
        one, two = [i for i in range(3) if i != axis]
        turn = np.eye(3)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return Grid(grid.shape, grid.spacing_mm, grid.origin_mm, tuple(matrix.reshape(-1)))


def stored(
    orientation: Orientation, radians: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray, Grid]:
    """Chest and label as a file would hold them that ``orientation`` turns to LPS, and the file's grid."""
    inverse_axes = tuple(int(a) for a in np.argsort(orientation.permutation))
    flips = tuple(orientation.flips[a] for a in inverse_axes)
    inverse = Orientation(inverse_axes, flips)
    return inverse.apply(chest_hu()), inverse.apply(gtv_mask()), turned(inverse.apply_to_grid(GRID), radians)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@settings(max_examples=12, deadline=None)
@given(orientation=st.sampled_from(ORIENTATIONS), radians=st.tuples(angles, angles, angles))
@example(orientation=ORIENTATIONS[0], radians=(0.0, 0.0, 0.0))
@example(orientation=ORIENTATIONS[-1], radians=(0.0, 0.0, 0.3))
def test_label_to_volume_to_file_is_the_label(suffix, orientation, radians):
    ct, label, grid = stored(orientation, radians)
    with TemporaryDirectory() as folder:
        files = write_pair(Path(folder) / "7", ct, label, grid, suffix=suffix)
        outcome = ingest(files, Path(folder))
        assert outcome.verdict["verdict"] == "accepted", outcome.words
        volume = read_volume(outcome.volume, "ingest")
        # In LPS the chest stands as it was built.
        assert np.array_equal(volume.ct, chest_hu())
        assert np.array_equal(volume.label, gtv_mask())
        back = Orientation.from_dict(volume.metadata["orientation"]).undo(volume.label)
        original = Grid.from_dict(volume.metadata["original"])
        write_image(Path(folder) / "back.nii.gz", back, original)
        returned, returned_grid = read_image(Path(folder) / "back.nii.gz")
        assert np.array_equal(returned, label)
        source, source_grid = read_image(files.label)
        assert np.array_equal(returned, source)
        corners = np.array([(0, 0, 0), np.subtract(label.shape, 1)])
        assert np.abs(returned_grid.point_mm(corners) - source_grid.point_mm(corners)).max() < 1e-3


@settings(max_examples=100, deadline=None)
@given(orientation=st.sampled_from(ORIENTATIONS), radians=st.tuples(angles, angles, angles))
def test_every_voxel_keeps_its_place_in_the_patient(orientation, radians):
    """What ``stored`` builds lies where GRID, turned alike, lies: the helper above is no tautology."""
    _, label, grid = stored(orientation, radians)
    there = np.argwhere(label)
    here = np.argwhere(gtv_mask())
    first = Grid(GRID.shape, GRID.spacing_mm, GRID.origin_mm, turned(GRID, radians).direction)
    assert grid.shape == label.shape
    # The turn is about each grid's own origin, so places agree up to one shift.
    placed = np.sort(grid.point_mm(there) - grid.point_mm(there).mean(axis=0), axis=0)
    expected = np.sort(first.point_mm(here) - first.point_mm(here).mean(axis=0), axis=0)
    assert np.allclose(placed, expected, atol=1e-6)


def test_a_turned_label_is_measured_at_the_corner_where_it_is_farthest_off():
    """A tenth of a degree about z, over a diagonal of 141.4 mm in the plane: 0.247 mm."""
    straight = Grid((5, 101, 101), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    (reason,) = check_grids(straight, turned(straight, (0.0, 0.0, np.radians(0.1))), 0.001, 0.2)
    assert reason.code == "direction_differs" and "0.247 mm apart" in reason.text
    assert not [*check_grids(straight, turned(straight, (0.0, 0.0, np.radians(0.1))), 0.001, 0.25)]
