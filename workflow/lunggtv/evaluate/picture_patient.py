"""Files in, a file out: the picture of a draft beside its label."""

from pathlib import Path
from typing import Any

from lunggtv.errors import UnusableMask
from lunggtv.evaluate.overlay import draw_overlay
from lunggtv.evaluate.scored_mask import read_scored
from lunggtv.figures import save_png
from lunggtv.files import read_json
from lunggtv.volume import read_volume


def picture_patient(*, volume: str | Path, mask: str | Path, record: str | Path, picture: str | Path) -> None:
    """Draw label and draft where the tumour is largest and where they differ most.

    Args:
        volume: ``volume.h5`` of ingest, with label.
        mask: that was scored, 0 and 1 on the original grid.
        record: its scores.
        picture: PNG to write.

    Raises:
        UnusableMask: the volume has no label, or the mask cannot be scored.
        DamagedFile, RejectedPatient: from reading the volume.
    """
    scan = read_volume(volume, "ingest")
    if scan.label is None:
        raise UnusableMask(f"{scan.patient}: {volume} has no label to draw.")
    draft = read_scored(mask, scan)
    title = _title(read_json(record))
    save_png(draw_overlay(scan.ct, scan.label, draft, scan.grid.spacing_mm, title), picture)


def _title(record: dict[str, Any]) -> str:
    origin = "" if record["fold"] is None else f" (held out in fold {record['fold']})"
    words = {
        "scored": f"Dice {record['dice']:.2f}, HD95 {record['hd95_mm']:.1f} mm",
        "missed": "tumour MISSED, nothing drawn",
        "false_alarm": "FALSE ALARM, the label is empty",
        "both_empty": "no tumour, nothing drawn",
    }
    volumes = f"label {record['label_ml']:.1f} ml, draft {record['prediction_ml']:.1f} ml"
    return f"Patient {record['patient']}{origin}: {words[record['outcome']]}; {volumes}"
