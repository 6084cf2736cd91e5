"""Areas of the surface elements of a voxel mask, derived from marching cubes.

A surface element sits where eight voxels meet. Which of the eight are inside the mask is its code (0 to
255); its area is that of the marching-cubes surface in the small cube between the eight voxel centres
(Lorensen and Cline 1987), as Nikolov et al. (2018, arXiv:1809.04430) use it to weight surface distances.

The table is computed here, not copied, from four statements:

1. The surface cuts an edge of the cube midway where one end is inside and the other outside.
2. With more than four corners inside, inside and outside change roles: a mask and its complement have
   the same surface. On a face with two diagonal corners inside, the two are kept apart.
3. The cuts joined across the faces form closed loops of three to six points.
4. A loop is filled by a fan of triangles. Fans from different points differ where a loop is not flat;
   the fan with the largest area in the unit cube is taken (fans that tie there are equally large in
   every box, because they triangulate the same flat pieces).
"""

from functools import cache
from itertools import product

import numpy as np

from lunggtv.geometry import Triple

CODES = 256
CORNERS = tuple(product((0, 1), repeat=3))
MOST_TRIANGLES = 4

Point = tuple[float, float, float]


def element_areas_mm2(spacing_mm: Triple) -> np.ndarray:
    """Area of the surface element of every code, shape (256,), in mm2.

    Bit ``4 dz + 2 dy + dx`` of a code stands for the voxel at offset (dz, dy, dx). Codes 0 and 255 have
    no surface.
    """
    sz, sy, sx = spacing_mm
    # The normal of a triangle has along z its area projected on the y-x plane, and so on.
    normals_mm2 = _unit_normals() * (sy * sx, sz * sx, sz * sy)
    return np.linalg.norm(normals_mm2, axis=2).sum(axis=1)


@cache
def _unit_normals() -> np.ndarray:
    """Normals with the length of the area, of every code's triangles in the unit cube; (256, 4, 3)."""
    normals = np.zeros((CODES, MOST_TRIANGLES, 3))
    for code in range(CODES):
        inside = frozenset(corner for bit, corner in enumerate(CORNERS) if code >> bit & 1)
        if len(inside) > len(CORNERS) // 2:
            inside = frozenset(CORNERS) - inside
        triangles = [normal for loop in _loops(inside) for normal in _largest_fan(loop)]
        if triangles:
            normals[code, : len(triangles)] = triangles
    normals.setflags(write=False)
    return normals


def _loops(inside: frozenset[tuple[int, ...]]) -> list[list[Point]]:
    """Closed loops of cut points around the inside corners."""
    joined: dict[Point, list[Point]] = {}
    for axis, side in product(range(3), (0, 1)):
        for start, end in _face_cuts(axis, side, inside):
            joined.setdefault(start, []).append(end)
            joined.setdefault(end, []).append(start)
    loops = []
    waiting = set(joined)
    while waiting:
        loop = [min(waiting)]
        while loop:
            waiting.discard(loop[-1])
            following = [point for point in joined[loop[-1]] if point in waiting]
            if not following:
                break
            loop.append(following[0])
        loops.append(loop)
    return loops


def _face_cuts(axis: int, side: int, inside: frozenset[tuple[int, ...]]) -> list[tuple[Point, Point]]:
    """Lines in which the surface cuts one face of the cube."""
    around = ((0, 0), (0, 1), (1, 1), (1, 0))
    corners = [(*c[:axis], side, *c[axis:]) for c in around]
    edges = [(corners[i], corners[(i + 1) % 4]) for i in range(4)]
    is_cut = [(a in inside) != (b in inside) for a, b in edges]
    if sum(is_cut) == 4:
        # Diagonal corners: cut each inside corner off by the edges before and after it.
        return [(_middle(edges[i - 1]), _middle(edges[i])) for i in range(4) if corners[i] in inside]
    cuts = [_middle(edge) for edge, cut in zip(edges, is_cut, strict=True) if cut]
    return [(cuts[0], cuts[1])] if cuts else []


def _middle(edge: tuple[tuple[int, ...], tuple[int, ...]]) -> Point:
    z, y, x = ((a + b) / 2 for a, b in zip(*edge, strict=True))
    return (z, y, x)


def _largest_fan(loop: list[Point]) -> np.ndarray:
    """Triangle normals of the fan with the largest area, shape (points - 2, 3)."""
    fans = []
    for first in range(len(loop)):
        points = np.array(loop[first:] + loop[:first])
        spokes = points[1:] - points[0]
        fans.append(np.cross(spokes[:-1], spokes[1:]) / 2)
    return max(fans, key=lambda fan: round(float(np.linalg.norm(fan, axis=1).sum()), 9))
