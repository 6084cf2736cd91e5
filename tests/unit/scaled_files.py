"""NIfTI masks with a scale factor, for tests."""

import gzip
import struct
from pathlib import Path

import numpy as np
from lunggtv.geometry import Grid
from lunggtv.image_files import write_image


def write_scaled(path: Path, values: np.ndarray, grid: Grid, stored: str = "<i2") -> None:
    """Write values as nibabel writes floats under the header of a CT: whole numbers over the whole range of a type."""
    limits = np.iinfo(stored)
    write_image(path, values.astype(stored), grid)
    content = bytearray(gzip.decompress(path.read_bytes()))
    slope = np.float32((values.max() - values.min()) / (int(limits.max) - int(limits.min)))
    intercept = np.float32(values.min() - int(limits.min) * float(slope))
    whole = np.clip(np.rint((values - float(intercept)) / float(slope)), limits.min, limits.max)
    struct.pack_into("<ff", content, 112, slope, intercept)
    path.write_bytes(gzip.compress(bytes(content[:352]) + whole.astype(stored).tobytes(), 1))
