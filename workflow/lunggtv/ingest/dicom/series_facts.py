"""What tells one CT series from another: for a reader of a refusal, and for the settings that prefer some."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pydicom

from lunggtv.ingest.dicom.dicom_settings import PreferredSeries
from lunggtv.ingest.dicom.grid import planes_of, stack
from lunggtv.ingest.dicom.identity import ALL_TAGS, Identity, identity_of
from lunggtv.ingest.dicom.series import Series
from lunggtv.ingest.dicom.values import READ_ERRORS, numbers_of, typed_text_of, value_of
from lunggtv.ingest.raw_scan import Refused
from lunggtv.wording import by

TAGS = ["SpecificCharacterSet", "SeriesDescription", "ConvolutionKernel", "SliceThickness", *ALL_TAGS]
PLANES = ("sagittal", "coronal", "axial")  # by the axis of the patient that the slices follow
STRAIGHT = 0.9  # cosine from which on slices follow an axis
SAME_MM = 0.01


@dataclass(frozen=True)
class SeriesFacts:
    """What the first image of a series says of it; texts as they stand there, empty where there are none."""

    description: str
    kernel: str
    thickness_mm: float | None
    identity: Identity


def facts_of(series: Series) -> SeriesFacts:
    """The facts of a series, read from its first image by name."""
    first = min(series.slices, key=lambda one: one.name)
    header = pydicom.Dataset()
    with suppress(*READ_ERRORS):
        header = pydicom.dcmread(first.path, specific_tags=TAGS, stop_before_pixels=True, force=True)
    kernel = value_of(header, "ConvolutionKernel")
    several = [kernel] if isinstance(kernel, str) else list(kernel or [])
    thickness_mm = numbers_of(header, "SliceThickness", 1)
    return SeriesFacts(
        description=typed_text_of(header, "SeriesDescription"),
        kernel="\\".join(map(str, several)).strip(),
        thickness_mm=thickness_mm[0] if thickness_mm else None,
        identity=identity_of(header),
    )


def describe(series: Series, tolerance_mm: float) -> str:
    """A series in words, without anything that identifies a person."""
    first = min(series.slices, key=lambda one: one.name)
    facts = facts_of(series)
    words = [f"{len(series.slices)} slices of {first.rows} x {first.columns}"]
    try:
        slices, grid = stack(series.slices, tolerance_mm)
        words.append(f"spacing {by(grid.spacing_mm, '.4g')} mm")
        if len(slices) < grid.shape[0]:
            wide_mm = max(np.diff(planes_of(slices, grid))) * grid.spacing_mm[0]
            words.append(f"some slices up to {wide_mm:.4g} mm apart")
        words.append(_plane(grid.matrix[:, 2]))
    except Refused as refused:
        words.append(f"unusable ({refused.reason.code.replace('_', ' ')})")
    if facts.thickness_mm is not None:
        words.append(f"thickness {facts.thickness_mm:.4g} mm")
    if facts.kernel:
        words.append(f"kernel '{facts.identity.shown(facts.kernel)}'")
    if facts.description:
        words.append(f"described as '{facts.identity.shown(facts.description)}'")
    return f"{series.key}: {', '.join(words)}, from {first.name} on"


def is_usable(series: Series, tolerance_mm: float) -> bool:
    """Whether the images of a series form a stack."""
    try:
        stack(series.slices, tolerance_mm)
    except Refused:
        return False
    return True


def preferred(series: Sequence[Series], rules: Sequence[PreferredSeries]) -> Series | None:
    """The one series that the rules leave; each in turn keeps those that fit it, where any does."""
    left = list(series)
    facts = {one.key: facts_of(one) for one in left} if rules else {}
    for rule in rules:
        left = [one for one in left if _fits(facts[one.key], rule)] or left
    return left[0] if len(left) == 1 else None


def _fits(facts: SeriesFacts, rule: PreferredSeries) -> bool:
    texts = ((rule.description, facts.description), (rule.kernel, facts.kernel))
    if any(pattern is not None and not re.search(pattern, text, re.IGNORECASE) for pattern, text in texts):
        return False
    if rule.thickness_mm is None:
        return True
    return facts.thickness_mm is not None and abs(facts.thickness_mm - rule.thickness_mm) <= SAME_MM


def _plane(normal: np.ndarray) -> str:
    axis = int(np.argmax(np.abs(normal)))
    return PLANES[axis] if abs(normal[axis]) > STRAIGHT else "oblique"
