"""Files in, a file out: the picture of a draft that there is no label for."""

from pathlib import Path
from typing import Any

from lunggtv.evaluate.overlay import draw_draft
from lunggtv.figures import save_png
from lunggtv.files import read_json
from lunggtv.geometry import Orientation
from lunggtv.image_files import read_image
from lunggtv.volume import read_volume


def picture_draft(*, volume: str | Path, mask: str | Path, record: str | Path, picture: str | Path) -> None:
    """Draw the largest parts of a draft on the CT.

    Args:
        volume: ``volume.h5`` of ingest.
        mask, record: ``gtv.nii.gz`` and ``infer.json``.
        picture: PNG to write.

    Raises:
        DamagedFile, RejectedPatient: from reading the volume.
    """
    scan = read_volume(volume, "ingest")
    drawn, _ = read_image(mask)
    draft = Orientation.from_dict(scan.metadata["orientation"]).apply(drawn)
    figure = draw_draft(scan.ct, draft, scan.grid.spacing_mm, _title(read_json(record)))
    save_png(figure, picture)


def _title(record: dict[str, Any]) -> str:
    if not record["lesions"]:
        return f"Patient {record['patient']}: NO GTV FOUND"
    parts = len(record["lesions"])
    text = f"Patient {record['patient']}: draft of {record['volume_ml']:.1f} ml in {parts} part{'s' * (parts > 1)}"
    if record["expected_dice"] is not None:
        text += f", expected Dice {record['expected_dice']:.2f}"
    return f"{text}; no label to score it against"
