"""The model card of a package: what it is, what it learnt from, how well it does, what it is not for."""

from collections.abc import Sequence
from typing import Any

from lunggtv.failed_dice import FAILED_DICE
from lunggtv.version import NAME, VERSION
from lunggtv.wording import by, interval95


def describe_models(cards: Sequence[dict[str, Any]], calibration: dict[str, Any]) -> str:
    """Markdown text, from the models' cards and the calibration; no patient is named."""
    first, lesson, quality = cards[0], calibration["all"], calibration["quality"]
    curve = dict(zip(calibration["curve"]["thresholds"], calibration["curve"]["mean_dice"], strict=True))
    threshold = lesson["threshold"]
    nearest = min(curve, key=lambda t: abs(t - threshold))
    lines = [
        f"# {NAME} model package",
        "",
        "Draws a draft of the gross tumour volume (GTV) of lung cancer on a planning CT of the thorax.",
        "",
        "**Every draft must be reviewed and corrected by a physician before any use.** It is not a medical "
        "device. It has no knowledge of PET, biopsy or history, and cannot tell tumour from collapsed lung "
        "where CT alone cannot. Patients unlike those it learnt from (another scanner, contrast, disease or "
        "earlier surgery) may be drawn wrongly without a warning.",
        "",
        "| | |",
        "|---|---|",
        f"| Software | {NAME} {VERSION} |",
        f"| Models | {len(cards)}, averaged |",
        f"| Network | {first['architecture']['name']}, patch {by(first['architecture']['patch_shape'])} voxels |",
        f"| Voxels (z, y, x) | {by(first['spacing_mm'], 'g')} mm |",
        f"| Steps of training | {first['steps']} |",
        f"| Labelled patients | {lesson['patients']} |",
        f"| Mean Dice out of fold | {curve[nearest]:.3f} at probability {nearest:g}, on the cache's voxels |",
        f"| Drawn from probability | {threshold:g} |",
        f"| Parts dropped below | {lesson['smallest_lesion_ml']:g} ml |",
    ]
    if quality is not None:
        lines.append(
            f"| Error of the expected Dice | {quality['mean_absolute_error']:.3f} "
            f"({interval95(quality['mean_absolute_error_ci95'], '.3f')}, {quality['patients']} patients) |"
        )
        lines.append(
            f"| Tells failed drafts (Dice below {FAILED_DICE:g}) from others | {_separation(quality)} |"
        )
    if "start" in first:
        began = ", ".join(sorted({card["start"]["weights_sha256"][:12] for card in cards if "start" in card}))
        lines.append(f"| Began from weights (SHA-256) | {began} |")
    versions = ", ".join(f"{name} {version}" for name, version in sorted(first["versions"].items()))
    lines += [f"| Trained with | {versions} |", ""]
    return "\n".join(lines)


def _separation(quality: dict[str, Any]) -> str:
    """AUROC of the expected Dice, with its interval or why there is none."""
    failed = f"{quality['failed']} of {quality['patients']} failed"
    if quality["auroc"] is None:
        return f"unknown: {failed}"
    interval = "too few for an interval"
    if quality["auroc_ci95"] is not None:
        interval = interval95(quality["auroc_ci95"])
    return f"AUROC {quality['auroc']:.2f} ({interval}; {failed})"
