"""Pairs of masks that find the faults of an evaluator, for hypothesis."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

KINDS = ("noise", "voxel", "sheet", "hole", "shifted", "complement", "full")


@st.composite
def mask_pairs(draw) -> tuple[np.ndarray, np.ndarray]:
    """Two masks (uint8, z y x), neither empty, that may touch every border.

    The first is noise or a block; the second noise, one voxel, a sheet one voxel thin, the first with a hole of one
    voxel, the first shifted, its complement, or everything.
    """
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 7)))
    noise = hnp.arrays(np.uint8, shape, elements=st.integers(0, 1))
    first = draw(noise) if draw(st.booleans()) else _block(draw, shape)
    kind = draw(st.sampled_from(KINDS))
    voxel = tuple(draw(st.integers(0, n - 1)) for n in shape)
    axis = draw(st.integers(0, 2))
    second = np.zeros(shape, np.uint8)
    if kind == "noise":
        second = draw(noise)
    elif kind == "voxel":
        second[voxel] = 1
    elif kind == "sheet":
        np.moveaxis(second, axis, 0)[voxel[axis]] = 1
    elif kind == "hole":
        second = first.copy()
        second[voxel] = 0
    elif kind == "shifted":
        second = np.roll(first, draw(st.integers(-2, 2)), axis=axis)
    elif kind == "complement":
        second = 1 - first
    else:
        second[...] = 1
    assume(first.any() and second.any())
    return (first, second) if draw(st.booleans()) else (second, first)


def _block(draw, shape: tuple[int, ...]) -> np.ndarray:
    block = np.zeros(shape, np.uint8)
    start = [draw(st.integers(0, n - 1)) for n in shape]
    stop = [draw(st.integers(low + 1, n)) for low, n in zip(start, shape, strict=True)]
    block[tuple(map(slice, start, stop))] = 1
    return block
