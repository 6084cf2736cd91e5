"""``python -m lunggtv.evaluate prediction.nii.gz label.nii.gz``: the metrics of two mask files."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from lunggtv.errors import LungGtvError
from lunggtv.evaluate.evaluate_patient import score_files
from lunggtv.evaluate.evaluate_settings import EvaluateSettings

TOLERANCES_MM = (1.0, 2.0, 3.0, 5.0)
LESION_OVERLAP = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the metrics; 0 if they could be computed, 1 if not (with the reason on stderr)."""
    parser = argparse.ArgumentParser(
        prog="python -m lunggtv.evaluate",
        description="Score a mask against a label on the same voxels (definitions: docs/metrics.md).",
    )
    parser.add_argument("prediction", help="mask to score, 0 and 1 (NIfTI, NRRD, MHA)")
    parser.add_argument("label", help="mask it is scored against")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--tolerances-mm", type=_number_to(50), nargs="+", default=TOLERANCES_MM, metavar="MM",
        help="tolerances of the surface Dice (default: 1 2 3 5)",
    )  # fmt: skip
    parser.add_argument(
        "--lesion-overlap", type=_number_to(1), default=LESION_OVERLAP, metavar="SHARE",
        help="share of a lesion that must be drawn for it to count as found (default: 0.1)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    settings = EvaluateSettings(tuple(sorted(set(options.tolerances_mm))), options.lesion_overlap)
    try:
        record = score_files(options.prediction, options.label, settings)
    except LungGtvError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        print(json.dumps(record, sort_keys=True, indent=2) if options.json else _table(record), flush=True)
    except BrokenPipeError:
        # Whoever read (`| head`) has seen enough; nothing may be written when Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _number_to(most: float) -> Callable[[str], float]:
    """A reader of numbers above 0 up to ``most``, the limits that config.yaml sets too."""

    def number(text: str) -> float:
        try:
            if 0 < float(text) <= most:
                return float(text)
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0, at most {most:g}")

    return number


def _table(record: dict[str, Any]) -> str:
    rows = [(key, _text(value)) for key, value in record.items() if not isinstance(value, list)]
    rows += [
        (f"lesion {number}", ", ".join(f"{key} {_text(value)}" for key, value in lesion.items()))
        for number, lesion in enumerate(record["lesions"], start=1)
    ]
    rows += [
        (f"false lesion {n}", f"volume_ml {_text(v)}") for n, v in enumerate(record["false_lesions_ml"], 1)
    ]
    width = max(len(key) for key, _ in rows)
    return "\n".join(f"{key:<{width}}  {text}" for key, text in rows)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
