"""The distances between the slices of a stack: one, several, or a gap where slices are missing; what else is refused.

A scan may have two distances: fine slices through the tumour and wide ones elsewhere. A lost file leaves a gap too.
The two are told apart by this: where the images' numbers (Instance Number, 0020,0013) leave some out, those are lost;
else a single wider distance among others is a gap, and wider distances that follow one another are the scan's own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lunggtv.ingest.dicom.headers import CtSlice
from lunggtv.ingest.raw_scan import Refused

SAME_PLACE_MM = 0.01  # images nearer to each other than this lie at one place
WIDEST = 10  # times the smallest distance; beyond it nearly all planes would be made up
# A distance is off by twice the tolerance at most; half the smallest more, and its multiple would be in doubt.
LEAST_TOLERANCES = 4
AXIAL = 0.9  # share of a stack's length that runs along the body, where heights mean something to a reader
RUNS_NAMED = 6
RESAMPLE = (
    "Resample CT and GTV together to one slice distance and give them as NIfTI (3D Slicer: acquisition geometry "
    "regularization when it loads the series), or leave the patient out."
)


@dataclass(frozen=True)
class Run:
    """Slices ``first`` to ``last`` of a stack, each ``mm`` from the next."""

    first: int
    last: int
    mm: float

    @property
    def steps(self) -> int:
        """How many distances there are in the run."""
        return self.last - self.first


@dataclass(frozen=True)
class Gap:
    """A run of distances that are ``times`` as wide as the ``usual_mm`` beside it."""

    run: Run
    usual_mm: float
    times: int


def planes_along(slices: Sequence[CtSlice], heights_mm: np.ndarray, tolerance_mm: float) -> np.ndarray:
    """Which plane of a regular stack each slice is: 0, 1, 2 and so on where there is one distance.

    Where all distances are whole multiples of the smallest, that one is the distance of the planes, and some planes
    have no slice.

    Args:
        slices: in order.
        heights_mm: of the slices along their normal, ascending.
        tolerance_mm: how far a slice may lie from its plane.

    Raises:
        Refused: two slices at one place, missing slices, distances that are no multiples of the smallest, or no order.
    """
    steps = np.diff(heights_mm)
    _check_places(slices, steps)
    if np.abs(heights_mm - np.linspace(heights_mm[0], heights_mm[-1], len(heights_mm))).max() <= tolerance_mm:
        return np.arange(len(heights_mm))
    left_out = _numbers_left_out(slices, steps, tolerance_mm)
    if left_out:
        raise _missing(slices, left_out)
    runs = runs_of(heights_mm, tolerance_mm)
    gaps = _gaps(runs, tolerance_mm)
    if not gaps:
        planes = _multiples(heights_mm, tolerance_mm)
        if planes is not None:
            return planes
        if len(set(_levels([run for run in runs if run.steps > 1], tolerance_mm))) > 1:
            text = distances_text(slices, heights_mm, tolerance_mm)
            raise Refused("uneven_slices", f"{text}. {_why_no_grid(steps, tolerance_mm)}. {RESAMPLE}")
    elif _is_usual_elsewhere(runs, gaps, tolerance_mm):
        raise _missing(slices, gaps)
    raise _irregular(slices, steps)


def runs_of(heights_mm: np.ndarray, tolerance_mm: float) -> list[Run]:
    """Successive distances that are one within what positions may be off (each by the tolerance)."""
    runs: list[Run] = []
    for last in range(1, len(heights_mm)):
        step = float(heights_mm[last] - heights_mm[last - 1])
        same = runs and abs(step - runs[-1].mm) <= 2 * tolerance_mm
        first = runs.pop().first if same else last - 1
        runs.append(Run(first, last, float(heights_mm[last] - heights_mm[first]) / (last - first)))
    return runs


def distances_text(slices: Sequence[CtSlice], heights_mm: np.ndarray, tolerance_mm: float) -> str:
    """The distances of a stack, and where they change, in words."""
    runs = runs_of(heights_mm, tolerance_mm)
    levels = [f"{mm:.3g}" for mm in _levels(runs, tolerance_mm)]
    parts = [
        f"{mm} mm up to {_where(slices, run.last, heights_mm)}"
        for mm, run in zip(levels[:-1], runs, strict=False)
    ]
    parts = (
        [*parts[:RUNS_NAMED], "and so on"] if len(parts) > RUNS_NAMED else [*parts, f"then {levels[-1]} mm"]
    )
    distances = sorted(set(levels), key=float)
    return f"the slices of the CT lie {' and '.join(distances)} mm apart: {', '.join(parts)}"


def _levels(runs: Sequence[Run], tolerance_mm: float) -> list[float]:
    """The distance of each run, one number for those that are one within what positions may be off."""
    means = []
    for run in runs:
        same = [other for other in runs if abs(other.mm - run.mm) <= 2 * tolerance_mm]
        means.append(sum(other.mm * other.steps for other in same) / sum(other.steps for other in same))
    return means


def _where(slices: Sequence[CtSlice], z: int, heights_mm: np.ndarray) -> str:
    z_mm = [one.place.position_mm[2] for one in (slices[0], slices[-1], slices[z]) if one.place]
    if len(z_mm) < 3 or abs(z_mm[1] - z_mm[0]) < AXIAL * (heights_mm[-1] - heights_mm[0]):
        return slices[z].name
    return f"{slices[z].name} (z {z_mm[2]:.5g} mm)"


def _check_places(slices: Sequence[CtSlice], steps: np.ndarray) -> None:
    same = np.flatnonzero(steps < SAME_PLACE_MM)
    if len(same):
        below, above = slices[same[0]], slices[same[0] + 1]
        raise Refused(
            "duplicate_slices",
            f"duplicate slices: {below.name} and {above.name} lie at one place (such pairs: {len(same)}). "
            "Keep one scan, or one phase of a 4D CT, in the folder.",
        )


def _gaps(runs: Sequence[Run], tolerance_mm: float) -> list[Gap]:
    """Single distances wider than both their neighbours by a whole number of times."""
    return [
        gap
        for i, run in enumerate(runs)
        if run.steps == 1
        for gap in _as_gap(run, [*runs[max(i - 1, 0) : i], *runs[i + 1 : i + 2]], tolerance_mm)
    ]


def _as_gap(run: Run, beside: Sequence[Run], tolerance_mm: float) -> Iterator[Gap]:
    if not all(run.mm > other.mm + 2 * tolerance_mm for other in beside):
        return
    for other in sorted(beside, key=lambda other: -other.steps):
        times = round(run.mm / other.mm)
        if times > 1 and abs(run.mm - times * other.mm) <= 2 * tolerance_mm:
            yield Gap(run, other.mm, times)
            return


def _numbers_left_out(slices: Sequence[CtSlice], steps: np.ndarray, tolerance_mm: float) -> list[Gap]:
    """Distances at which the images' numbers leave some out; none where the numbers do not go with the distances."""
    times = _number_steps(slices)
    own_mm = steps[times == 1]
    gaps = []
    for z in np.flatnonzero(times > 1):
        usual_mm = float(steps[z] / times[z])
        # Numbers may jump for another reason, as between two parts of a scan; they then make a distance of this one
        # that is no other's though its own is, or that is smaller than any.
        if not _is_among(usual_mm, own_mm, tolerance_mm) and (
            _is_among(steps[z], own_mm, tolerance_mm) or usual_mm < own_mm.min()
        ):
            return []
        gaps.append(Gap(Run(int(z), int(z) + 1, float(steps[z])), usual_mm, int(times[z])))
    return gaps


def _is_among(mm: float, distances_mm: np.ndarray, tolerance_mm: float) -> bool:
    return bool(np.any(np.abs(distances_mm - mm) <= 2 * tolerance_mm))


def _number_steps(slices: Sequence[CtSlice]) -> np.ndarray:
    """How many times the usual step the images' numbers go on from slice to slice; 0 where that cannot be said."""
    steps = np.array(
        [
            0 if below.number is None or above.number is None else above.number - below.number
            for below, above in pairwise(slices)
        ]
    )
    onward = steps * np.sign(np.median(steps))  # slices may be counted from either end
    if not np.any(onward > 0):
        return np.zeros(len(steps), int)
    usual = onward[onward > 0].min()
    return np.where((onward > 0) & (onward % usual == 0), onward / usual, 0).astype(int)


def _is_usual_elsewhere(runs: Sequence[Run], gaps: Sequence[Gap], tolerance_mm: float) -> bool:
    """Whether all distances but those of the gaps are such as occur more than once."""
    wide = [gap.run for gap in gaps]
    rest = [run for run in runs if run not in wide]
    return all(
        sum(other.steps for other in rest if abs(other.mm - run.mm) <= 2 * tolerance_mm) > 1 for run in rest
    )


def _multiples(heights_mm: np.ndarray, tolerance_mm: float) -> np.ndarray | None:
    """The planes where all distances are multiples of the smallest, else None."""
    steps = np.diff(heights_mm)
    step = _smallest(steps)
    if step <= LEAST_TOLERANCES * tolerance_mm or steps.max() > (WIDEST + 0.5) * step:
        return None
    planes = np.concatenate([[0], np.cumsum(np.rint(steps / step).astype(int))])
    on_planes = heights_mm[0] + planes * (heights_mm[-1] - heights_mm[0]) / planes[-1]
    return planes if np.abs(heights_mm - on_planes).max() <= tolerance_mm else None


def _smallest(steps: np.ndarray) -> float:
    return float(steps[steps < 1.5 * steps.min()].mean())


def _why_no_grid(steps: np.ndarray, tolerance_mm: float) -> str:
    step = _smallest(steps)
    if step <= LEAST_TOLERANCES * tolerance_mm:
        return "By ingest.slice_tolerance_mm the smallest cannot be told from the rounding of positions"
    if steps.max() > (WIDEST + 0.5) * step:
        return f"The largest is more than {WIDEST} times the smallest"
    return "Not all are multiples of the smallest"


def _missing(slices: Sequence[CtSlice], gaps: Sequence[Gap]) -> Refused:
    first = gaps[0]
    below, above = slices[first.run.first], slices[first.run.first + 1]
    missing = sum(gap.run.steps * (gap.times - 1) for gap in gaps)
    return Refused(
        "missing_slices",
        f"missing slices: from {below.name} to {above.name} it is {first.run.mm:.4g} mm where slices "
        f"lie {first.usual_mm:.4g} mm apart (missing in all: {missing}). Copy the whole series again.",
    )


def _irregular(slices: Sequence[CtSlice], steps: np.ndarray) -> Refused:
    usual = float(np.median(steps))
    worst = int(np.argmax(np.abs(steps - usual)))
    return Refused(
        "irregular_slices",
        f"slice gaps: the distance between slices varies from {steps.min():.4g} to {steps.max():.4g} mm "
        f"(median {usual:.4g} mm), most between {slices[worst].name} and {slices[worst + 1].name}. Export with one "
        f"slice spacing; rounding of positions is allowed for by ingest.slice_tolerance_mm. {RESAMPLE}",
    )
