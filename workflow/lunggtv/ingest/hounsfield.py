"""Are the values Hounsfield units? Air and soft tissue say so; a lost offset is mended by rule.

Scanners store HU plus 1024 (or 1000) as unsigned numbers and a rescale intercept that takes it away again; a
converter that loses the intercept leaves the offset in. Air then lies near 24 (or 0) and soft tissue near
1064, which nothing in a thorax can imitate. Everything else that is not HU is refused.

Padding outside the field of view (-2000, -3024, or a constant ring of any value) becomes -1024 HU, like all
that is thinner than air, and its value is recorded: later stages meet nothing below -1024.
"""

from dataclasses import dataclass

import numpy as np

from lunggtv.ingest.raw_scan import NOTED, Reason, Refused
from lunggtv.mask_parts import border_parts, label_parts

AS_STORED = "as stored"
OFFSETS = (0, -1024, -1000)  # added to the stored values, tried in this order
FLOOR_HU = -1024  # nothing is thinner than air; scanners write padding from here down
AIR_HU = (-1100, -600)  # air and lungs; halved HU have their air at -500
OUTER_AIR_HU = -940  # air around the patient is no denser
OFFSET_AIR = (-24, 44)  # stored values where outer air peaks under either offset; thin lungs peak above
TISSUE_HU = (-200, 200)  # fat to muscle
DENSE_HU = 1500  # above bone: metal and dense contrast only
LEAST_AIR = 0.02  # shares of the voxels that are no padding
LEAST_TISSUE = 0.03
MOST_DENSE = 0.05
MOST_BELOW = 0.02  # below air and no constant: interpolation rings around padding
PADDING_SHARE = 0.001  # a constant rarer than this is no padding
RING_SHARE = 0.9  # of the corner columns that hold one value
NARROW = np.iinfo(np.int16)
SHIFT = -int(NARROW.min)  # index of value 0 in a histogram


@dataclass(frozen=True)
class Hounsfield:
    """``ct`` is int16, nothing below -1024 HU; ``padding_hu`` is the value that padding had, as HU."""

    ct: np.ndarray
    rule: str
    padding_hu: int | None
    reasons: tuple[Reason, ...] = ()


def value_counts(array: np.ndarray) -> np.ndarray:
    """Exact histogram of an int16 array: 65536 counts, the first for -32768.

    Goes slice by slice: ``bincount`` wants 8 bytes a voxel.
    """
    counts = np.zeros(1 << 16, np.int64)
    for slab in np.ascontiguousarray(array).view(np.uint16):
        counts += np.bincount(slab.reshape(-1), minlength=1 << 16)
    return np.roll(counts, SHIFT)


def to_hounsfield(ct: np.ndarray, name: str) -> Hounsfield:
    """HU of a finite volume in LPS order; works in place where ``ct`` is int16 already.

    Args:
        ct: int16, int32 or float32; wider types are rounded and clipped to int16.
        name: the file or series, for messages.

    Raises:
        Refused: constant, or not in Hounsfield units.
    """
    narrow, rounded = (ct, False) if ct.dtype == np.int16 else _narrowed(ct)
    counts = value_counts(narrow)
    if np.count_nonzero(counts) == 1:
        value = int(counts.argmax()) - SHIFT
        raise Refused("constant", f"{name} holds one value, {value}, everywhere. Export the CT again.")
    ring = _ring_value(narrow, counts)
    offset = find_offset(counts, ring)
    # Only air may lie in the corners of what is to be mended: inverted grey values have tissue there.
    if offset is None or (offset and np.median(_corners(narrow)) + offset > AIR_HU[1]):
        raise Refused("not_hu", _not_hu(name, counts))
    padding_hu, reasons = _padding(name, counts, ring, offset)
    if padding_hu is not None and padding_hu > FLOOR_HU:
        _empty_ring(narrow, padding_hu - offset, FLOOR_HU - offset)
    np.clip(narrow, FLOOR_HU - offset, NARROW.max, out=narrow)
    narrow += offset
    if offset:
        reasons.insert(
            0,
            Reason(
                "hu_offset",
                f"{name} stores HU + {-offset} (air near {-1000 - offset}, soft tissue near {40 - offset}); "
                f"{-offset} was taken away.",
            ),
        )
    if rounded:
        text = f"{name} holds fractions of HU, as resampled scans do; they were rounded."
        reasons.append(Reason("rounded", text, NOTED))
    rule = f"minus {-offset}" if offset else AS_STORED
    return Hounsfield(narrow, rule, padding_hu, tuple(reasons))


def find_offset(counts: np.ndarray, ring: int | None = None) -> int | None:
    """What must be added to the stored values to make them HU: 0, -1024 or -1000; None if nothing does.

    Args:
        counts: histogram as ``value_counts`` makes it.
        ring: stored value of padding around the field of view; it does not count.
    """
    rest = counts.copy()
    if ring is not None:
        rest[ring + SHIFT] = 0
    fitting = [offset for offset in OFFSETS if _is_hounsfield(rest, offset)]
    if not fitting or fitting[0] == 0:
        return fitting[0] if fitting else None
    # HU + 1024 and HU + 1000 both pass; where air peaks decides. Where air was cut to one value, anything
    # thinner than -1024 HU speaks against 1024, which is else what scanners use.
    air = _air_peak(rest)
    if air is None:
        return -1000 if _between(rest, (-24, -1), 0) > PADDING_SHARE * rest.sum() else -1024
    return -1000 if abs(air) < abs(air - 24) else -1024


def _is_hounsfield(rest: np.ndarray, offset: int) -> bool:
    below = rest[: max(AIR_HU[0] - offset + SHIFT, 0)]
    if below.sum() - np.sort(below)[-2:].sum() > MOST_BELOW * rest.sum():
        return False
    total = rest.sum() - below.sum()
    return bool(
        total > 0
        and _between(rest, AIR_HU, offset) >= LEAST_AIR * total
        and _between(rest, TISSUE_HU, offset) >= LEAST_TISSUE * total
        and _between(rest, (DENSE_HU, NARROW.max), offset) <= MOST_DENSE * total
    )


def _between(counts: np.ndarray, range_hu: tuple[int, int], offset: int) -> int:
    low, high = (value - offset + SHIFT for value in range_hu)
    return int(counts[max(low, 0) : high + 1].sum())


def _air_peak(counts: np.ndarray) -> int | None:
    """Stored value where outer air peaks if an offset of 1000 or 1024 is in; None if no peak is seen."""
    low, high = OFFSET_AIR
    window = counts[low + SHIFT : high + SHIFT + 1].astype(float)
    # A median over five bins takes out single values (padding, clipping) but leaves the slope of noise
    # beside air that was clipped at its middle; a mean then smooths.
    smooth = np.mean(_windows(np.median(_windows(window, 5), axis=-1), 9), axis=-1)
    peak = int(smooth.argmax())
    # At the upper end it is the rise towards the lungs.
    return peak + low if smooth[peak] > 0 and peak < window.size - 9 else None


def _windows(values: np.ndarray, width: int) -> np.ndarray:
    """The ``width`` neighbours of each value, itself in their middle; beyond the ends the last one goes on."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, width // 2, mode="edge"), width)


def _ring_value(ct: np.ndarray, counts: np.ndarray) -> int | None:
    """The stored value that fills the corners of nearly every slice, if it is one."""
    corners = _corners(ct)
    values, numbers = np.unique(corners, return_counts=True)
    value = int(values[numbers.argmax()])
    constant = numbers.max() >= RING_SHARE * corners.size
    return value if constant and counts[value + SHIFT] >= PADDING_SHARE * ct.size else None


def _corners(ct: np.ndarray) -> np.ndarray:
    return ct[:, [0, 0, -1, -1], [0, -1, 0, -1]]


def _padding(name: str, counts: np.ndarray, ring: int | None, offset: int) -> tuple[int | None, list[Reason]]:
    """The padding's value as HU, and a warning if it lies where tissue does."""
    below = counts[: FLOOR_HU - offset + SHIFT]
    value = int(below.argmax()) - SHIFT
    if below.size and below.max() >= PADDING_SHARE * counts.sum():
        return value + offset, []
    if ring is None or FLOOR_HU < ring + offset <= OUTER_AIR_HU:
        return None, []  # nothing constant, or it is air
    padding_hu = ring + offset
    if padding_hu <= FLOOR_HU:
        return padding_hu, []
    text = (
        f"{name} is padded with {padding_hu} HU outside the field of view, which is no air; the padding was "
        f"set to {FLOOR_HU} HU from the borders inwards."
    )
    return padding_hu, [Reason("padding_in_range", text)]


def _empty_ring(ct: np.ndarray, value: int, floor: int) -> None:
    """Replace ``value`` where it is joined to the border of its slice, in place."""
    for plane in ct:
        parts, _ = label_parts(plane == value)
        plane[np.isin(parts, border_parts(parts))] = floor


def _narrowed(ct: np.ndarray) -> tuple[np.ndarray, bool]:
    """As int16, slice by slice, and whether anything was rounded."""
    narrow = np.empty(ct.shape, np.int16)
    rounded = False
    for into, slab in zip(narrow, ct, strict=True):
        whole = np.rint(slab)
        rounded = rounded or bool(np.any(whole != slab))
        into[...] = np.clip(whole, NARROW.min, NARROW.max)
    return narrow, rounded


def _not_hu(name: str, counts: np.ndarray) -> str:
    present = np.flatnonzero(counts)
    cumulated = np.cumsum(counts)
    middle = int(np.searchsorted(cumulated, cumulated[-1] / 2)) - SHIFT
    low, high = int(present[0]) - SHIFT, int(present[-1]) - SHIFT
    return (
        f"{name} is not in Hounsfield units: its values run from {low} to {high} with the median {middle}, "
        "and neither as stored nor less 1024 or 1000 do air and soft tissue lie where they must. It may be "
        "windowed, normalised, an MR, or no thorax. Export the CT with its rescale slope and intercept."
    )
