"""What makes the patients of a varied cohort differ from one another, drawn from a patient's seed; without numpy.

Tumours at the hilum are as common as in clinics, one in four patients has a second one, and half of the scans are with
contrast; noise, consolidation, effusion, sharp kernels and arms that could not be raised hide or resemble tumours.
"""

import random
from dataclasses import dataclass

from lungphantom.patient_kinds import (
    ATELECTASIS,
    CAVITY,
    HILAR,
    MEDIASTINAL,
    NODE,
    PLEURAL,
    SITES,
    SOLITARY,
    SPICULATED,
)

SITE_WEIGHTS = {SOLITARY: 25, PLEURAL: 20, HILAR: 35, MEDIASTINAL: 20}
FEATURE_SHARES = {SPICULATED: 0.25, CAVITY: 0.1, NODE: 0.25, ATELECTASIS: 0.25}
# Diseases of the other lung's or the lower lobe's air; at most one.
DISEASES, DISEASE_WEIGHTS = ((), ("consolidation",), ("effusion",)), (60, 25, 15)
SCAN_SHARES = {"contrast": 0.5, "sharp_kernel": 0.2, "arms_down": 0.15}
SECOND_SHARE = 0.25
SECOND_ML = (3.0, 40.0)
NOISE_HU = (8.0, 40.0)


@dataclass(frozen=True)
class Variety:
    """What is drawn for one patient; see ``plan.PhantomPlan``."""

    site: str
    features: tuple[str, ...]
    noise_hu: float
    variants: tuple[str, ...]
    second: tuple[str, float] | None


def draw_variety(seed: str) -> Variety:
    """What a patient has, the same for the same seed."""
    draw = random.Random(f"variety/{seed}")
    site = draw.choices(list(SITE_WEIGHTS), list(SITE_WEIGHTS.values()))[0]
    features = [name for name, share in FEATURE_SHARES.items() if draw.random() < share]
    noise_hu = round(draw.uniform(*NOISE_HU), 1)
    disease = draw.choices(DISEASES, DISEASE_WEIGHTS)[0]
    scan = [name for name, share in SCAN_SHARES.items() if draw.random() < share]
    another, size_ml = draw.choice(SITES), round(draw.uniform(*SECOND_ML), 2)
    second = (another, size_ml) if draw.random() < SECOND_SHARE else None
    return Variety(site, tuple(features), noise_hu, (*disease, *scan), second)
