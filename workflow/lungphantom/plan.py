"""What every synthetic patient will be, drawn from the seed alone; read at parse time, so without numpy."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lunggtv.errors import ConfigError

from lungphantom.patient_kinds import (
    ATELECTASIS,
    CAVITY,
    FEATURES,
    HILAR,
    MEDIASTINAL,
    NODE,
    SITES,
    SPICULATED,
    SUPRACLAVICULAR,
    VARIANTS,
)
from lungphantom.variety import Variety, draw_variety

DEMO = "demo"
FULL = "full"

PLAIN = "plain"
VARIED = "varied"

LPS = "lps"
FLIP_XY = "flip_xy"
FLIP_Y = "flip_y"
OBLIQUE = "oblique"

# One dozen patients hold every orientation, site and feature; nine of twelve are stored plainly.
ORIENTATIONS = (LPS, LPS, FLIP_XY, LPS, LPS, OBLIQUE, LPS, FLIP_Y, LPS, LPS, LPS, LPS)
FEATURE_CYCLE: tuple[tuple[str, ...], ...] = (
    (SPICULATED,), (), (ATELECTASIS,), (NODE,), (CAVITY,), (),
    (NODE,), (), (SPICULATED,), (ATELECTASIS,), (), (NODE,),
)  # fmt: skip
# Every seventh full-size patient carries a node above the lungs, where a lung box cannot see it.
SUPRACLAVICULAR_EVERY = 7
PADDINGS_HU = (-1024, -2000, -3024)
# Height of the right lung below the left in most people, and as in the cases 7, 12, 18 and 43 of 50.
RAISED_MM = (15.0, 15.0, 10.0, 62.0, 15.0, 20.0, 15.0, 10.0, 15.0, 95.0, 20.0, 15.0)

TUMOUR_ML = {DEMO: (4.0, 150.0), FULL: (1.0, 200.0)}
# Growths at the hilum and in the mediastinum are found when they are larger.
SMALLEST_CENTRAL_ML = 8.0

# The public grids: 512 pixels over 500 to 700 mm; 5 mm slices, 3 mm in patient 36 of every 50.
FULL_PIXELS = 512
FULL_FIELDS_MM = (500.0, 520.0, 550.0, 580.0, 600.0, 600.0, 620.0, 650.0, 680.0, 700.0)
FULL_SLICES = (80, 127)
THIN_PATIENT, THIN_CYCLE = 36, 50


@dataclass(frozen=True)
class PhantomSettings:
    """The config section ``phantom``, whose meaning stands in config.yaml.

    Raises:
        ConfigError: the size is unknown, a number is negative, or there are more DICOM than labelled patients.
    """

    labelled: int
    unlabelled: int
    dicom: int = 0
    size: str = DEMO
    seed: int = 1
    variety: str = PLAIN

    def __post_init__(self) -> None:
        if self.variety not in (PLAIN, VARIED):
            raise ConfigError(f"phantom.variety: is {self.variety!r}; allowed: {PLAIN}, {VARIED}")
        if self.size not in (DEMO, FULL):
            raise ConfigError(f"phantom.size: is {self.size!r}; allowed: {DEMO}, {FULL}")
        if min(self.labelled, self.unlabelled, self.dicom) < 0:
            raise ConfigError("phantom: a number of patients is 0 or more")
        if self.dicom > self.labelled:
            raise ConfigError(
                f"phantom.dicom: is {self.dicom}, more than the {self.labelled} patients of phantom.labelled"
            )


@dataclass(frozen=True)
class PhantomPlan:
    """One synthetic patient. Triples are (z, y, x).

    ``below_mm`` is the distance from the first slice up to the lowest point of the lungs; ``lungs_mm`` their
    extent; ``right_raised_mm`` how much higher the right lung ends than the left. ``variants`` are failures
    and peculiarities that a varied cohort has, or a test plants with ``dataclasses.replace``; see ``VARIANTS``.
    ``second`` is the site and the volume (ml) of another tumour.
    """

    patient: str
    labelled: bool
    dicom: bool
    seed: int
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    below_mm: float
    lungs_mm: tuple[float, float, float]
    right_raised_mm: float
    site: str
    features: tuple[str, ...]
    tumour_ml: float
    orientation: str
    padding_hu: int
    noise_hu: float
    variants: tuple[str, ...] = ()
    second: tuple[str, float] | None = None

    def __post_init__(self) -> None:
        unknown = set(self.features) - set(FEATURES) | set(self.variants) - set(VARIANTS)
        if unknown or self.site not in SITES:
            raise ValueError(f"unknown in a plan: {sorted(unknown) or self.site}")


def plan_cohort(settings: PhantomSettings) -> tuple[PhantomPlan, ...]:
    """All patients, labelled '1', '2', ... and then unlabelled 'new1', 'new2', ...

    Each patient depends on the seed, the size and its own id only, so that a longer cohort repeats a shorter
    one. The first ``dicom`` labelled patients are the DICOM ones, for the same reason.
    """
    labelled = [
        _plan_patient(settings, str(number), number, labelled=True, dicom=number <= settings.dicom)
        for number in range(1, settings.labelled + 1)
    ]
    unlabelled = [
        _plan_patient(settings, f"new{number}", number + 4, labelled=False, dicom=False)
        for number in range(1, settings.unlabelled + 1)
    ]
    return (*labelled, *unlabelled)


def planned_files(plan: PhantomPlan, root: str) -> list[str]:
    """Paths of the files that writing ``plan`` below ``root`` makes, known without making anything."""
    return [f"{root}/{folder_of(plan)}/{name}" for name in _file_names(plan)]


def folder_of(plan: PhantomPlan) -> str:
    """The patient's folder below the cohort's root."""
    return f"{'labelled' if plan.labelled else 'unlabelled'}/{plan.patient}"


def _file_names(plan: PhantomPlan) -> Iterator[str]:
    if plan.dicom:
        yield from (f"ct/CT{number:04d}.dcm" for number in range(1, plan.shape[0] + 1))
        yield "rtstruct.dcm"
    else:
        yield "data.nii.gz"
        if plan.labelled:
            yield "label.nii.gz"


def _plan_patient(
    settings: PhantomSettings, patient: str, number: int, labelled: bool, dicom: bool
) -> PhantomPlan:
    draw = random.Random(f"{settings.seed}/{settings.size}/{patient}")
    seed = draw.getrandbits(63)
    place = (number - 1) % 12
    site = SITES[(number - 1 + (number - 1) // 12) % len(SITES)]
    features = FEATURE_CYCLE[place]
    raised_mm = RAISED_MM[place] + draw.uniform(-4.0, 4.0)
    grid = _demo_grid(draw) if settings.size == DEMO else _full_grid(draw, number)
    if settings.size == FULL and number % SUPRACLAVICULAR_EVERY == 0:
        features = (*features, SUPRACLAVICULAR)
    plan = PhantomPlan(
        patient=patient,
        labelled=labelled,
        dicom=dicom,
        seed=seed,
        **grid,
        right_raised_mm=raised_mm,
        site=site,
        features=features,
        tumour_ml=_tumour_ml(draw, settings.size, site),
        orientation=LPS if dicom else ORIENTATIONS[place],
        padding_hu=PADDINGS_HU[(number - 1) % len(PADDINGS_HU)],
        noise_hu=round(draw.uniform(8.0, 22.0), 1),
    )
    return plan if settings.variety == PLAIN else _varied(plan, draw_variety(f"{settings.seed}/{patient}"))


def _varied(plan: PhantomPlan, variety: Variety) -> PhantomPlan:
    """The patient with what a varied cohort draws for it; its grid, orientation and size stay."""
    high = [feature for feature in plan.features if feature == SUPRACLAVICULAR]
    smallest = SMALLEST_CENTRAL_ML if variety.site in (HILAR, MEDIASTINAL) else 0.0
    return replace(
        plan,
        site=variety.site,
        features=(*variety.features, *high),
        tumour_ml=max(plan.tumour_ml, smallest),
        noise_hu=variety.noise_hu,
        variants=variety.variants,
        second=variety.second,
    )


def _tumour_ml(draw: random.Random, size: str, site: str) -> float:
    """Log-uniform within the size's range."""
    low, high = TUMOUR_ML[size]
    low = max(low, SMALLEST_CENTRAL_ML) if site in (HILAR, MEDIASTINAL) else low
    return round(low * (high / low) ** draw.random(), 2)


def _demo_grid(draw: random.Random) -> dict[str, Any]:
    """A whole, slight chest on coarse voxels: real millimetres and litres, a hundredth of the voxels."""
    in_plane_mm = round(draw.uniform(3.1, 3.3), 2)
    slice_mm = draw.choice((6.0, 6.25, 6.5))
    lungs_mm = (draw.uniform(195.0, 210.0), draw.uniform(165.0, 180.0), draw.uniform(228.0, 246.0))
    below_mm = draw.uniform(24.0, 32.0)
    return {
        "shape": (44, 112, 112),
        "spacing_mm": (slice_mm, in_plane_mm, in_plane_mm),
        "below_mm": round(below_mm, 1),
        "lungs_mm": tuple(round(mm, 1) for mm in lungs_mm),
    }


def _full_grid(draw: random.Random, number: int) -> dict[str, Any]:
    """A grid and lungs as the public headers of the challenge have them (task notes, section 3)."""
    slice_mm = 3.0 if number % THIN_CYCLE == THIN_PATIENT else 5.0
    in_plane_mm = round(draw.choice(FULL_FIELDS_MM) / FULL_PIXELS, 6)
    lungs_mm = (
        draw.triangular(185.0, 300.0, 230.0),
        draw.triangular(145.0, 225.0, 172.0),
        draw.triangular(215.0, 283.0, 250.0),
    )
    below_mm = 5.0 * draw.triangular(11.0, 29.0, 21.0)
    above_mm = 5.0 * draw.triangular(17.0, 38.0, 26.0)
    if slice_mm == 3.0:
        below_mm, above_mm = 48.0, 3.0 * FULL_SLICES[1] - lungs_mm[0] - 48.0
    slices = round((below_mm + lungs_mm[0] + above_mm) / slice_mm)
    return {
        "shape": (min(max(slices, FULL_SLICES[0]), FULL_SLICES[1]), FULL_PIXELS, FULL_PIXELS),
        "spacing_mm": (slice_mm, in_plane_mm, in_plane_mm),
        "below_mm": round(below_mm, 1),
        "lungs_mm": tuple(round(mm, 1) for mm in lungs_mm),
    }
