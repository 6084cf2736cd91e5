"""Painting solid shapes into a CT, with the partial volume of real voxels."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

# Signed distance in mm (negative inside) at broadcastable coordinates z, y, x in mm.
Distance = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Box = tuple[slice, slice, slice]

# Slices evaluated at once: keeps the temporaries of whole-volume shapes near 20 MB at 512 x 512.
SLAB = 8


@dataclass(frozen=True)
class Canvas:
    """A float32 CT in HU and the coordinates of its voxel centres.

    Coordinates are the patient's own: x towards the left from the midline, y towards the back from the
    middle of the chest, z towards the head from the lowest point of the lungs; all in mm.
    """

    hu: np.ndarray
    z_mm: np.ndarray
    y_mm: np.ndarray
    x_mm: np.ndarray
    spacing_mm: tuple[float, float, float]

    def box(self, low_mm: tuple[float, float, float], high_mm: tuple[float, float, float]) -> Box:
        """Voxels with centres between two corners (z, y, x), and one more on each side."""
        slices = []
        for axis_mm, low, high in zip((self.z_mm, self.y_mm, self.x_mm), low_mm, high_mm, strict=True):
            start = max(0, int(np.searchsorted(axis_mm, low)) - 1)
            stop = min(axis_mm.size, int(np.searchsorted(axis_mm, high, side="right")) + 1)
            slices.append(slice(start, max(start, stop)))
        return (slices[0], slices[1], slices[2])

    def whole(self) -> Box:
        """The box of all voxels."""
        return (slice(0, self.z_mm.size), slice(0, self.y_mm.size), slice(0, self.x_mm.size))

    def coordinates(self, box: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """z, y, x in mm of a box, broadcastable against each other."""
        z, y, x = box
        return self.z_mm[z, None, None], self.y_mm[None, y, None], self.x_mm[None, None, x]

    def slabs(self, box: Box) -> Iterator[Box]:
        """A box cut into boxes of a few slices; none if it is empty."""
        if all(part.stop > part.start for part in box):
            for start in range(box[0].start, box[0].stop, SLAB):
                yield (slice(start, min(start + SLAB, box[0].stop)), box[1], box[2])

    def share(self, distance_mm: np.ndarray) -> np.ndarray:
        """The share of each voxel inside a shape, 0 to 1, where its edge is one pixel wide."""
        share = np.multiply(distance_mm, np.float32(-1.0 / self.spacing_mm[2]), dtype=np.float32)
        share += np.float32(0.5)
        return np.clip(share, 0.0, 1.0, out=share)

    def blend(self, box: Box, share: np.ndarray, hu: float | np.ndarray) -> None:
        """Mix ``hu`` into a box, as much of it as ``share`` says."""
        target = self.hu[box]
        target += share * (hu - target)

    def paint(self, box: Box, distance: Distance, hu: float | np.ndarray) -> None:
        """Put ``hu`` (a number, or an array that fits the box) where a shape is.

        Each slice is halved along z and both halves averaged, which gives the soft edges of thick slices.
        """
        quarter_mm = np.float32(self.spacing_mm[0] / 4.0)
        for slab in self.slabs(box):
            z, y, x = self.coordinates(slab)
            share = self.share(distance(z - quarter_mm, y, x))
            share += self.share(distance(z + quarter_mm, y, x))
            rows = slice(slab[0].start - box[0].start, slab[0].stop - box[0].start)
            self.blend(slab, share * np.float32(0.5), hu[rows] if isinstance(hu, np.ndarray) else hu)


def stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one part of one patient, so that changing a part leaves the others as they were."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))
