"""The rows that were measured, as one page of Markdown."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

TRAINING = {
    "step": "as config.yaml has it",
    "nondeterministic": "`deterministic: false`",
    "compiled": "`compile: true`",
    "compiled_nondeterministic": "`compile: true`, `deterministic: false`",
    "float32": "`mixed_precision: false`",
}
COMMAND = "`python bench/gpu`; a JSON file a row beside this page has all that was measured."


def table(folder: Path, rows: Sequence[str], reasons: Mapping[str, str]) -> str:
    """The page for the JSON files of ``folder``; a row without one says why, where ``reasons`` has it."""
    found = {
        row: json.loads((folder / f"{row}.json").read_text(encoding="utf-8"))
        for row in rows
        if (folder / f"{row}.json").exists()
    }
    parts = ["# Training, prediction and saving on one device", COMMAND]
    parts += sorted({f"{row['machine']}; {row['versions']}." for row in found.values()})
    if any(row in found for row in TRAINING):
        parts.append(_training(found))
    parts += [_nnunet(found["nnunet"])] if "nnunet" in found else []
    parts += [_prediction(found["prediction"])] if "prediction" in found else []
    parts += [_saving(found["saving"])] if "saving" in found else []
    for row in rows:
        if row not in found:
            parts.append(f"Not measured: {row}" + (f" ({reasons[row]})." if row in reasons else "."))
    return "\n\n".join(parts) + "\n"


def _training(found: Mapping[str, Mapping]) -> str:
    lines = [
        "|training|precision|step with data path, ms|on a fixed batch, ms|ratio|data path alone, ms|patches/s|"
        "peak memory, GB|a fold, h|",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, words in TRAINING.items():
        if row in found:
            one = found[row]
            lines.append(
                f"|{words}|{one['precision']}|{one['real_ms']:.1f}|{one['fixed_ms']:.1f}|"
                f"{one['real_ms'] / one['fixed_ms']:.3f}|{one['data_ms']:.1f}|{one['patches_per_s']:.2f}|"
                f"{one['peak_gb']:.2f}|{one['fold_h']:.2f}|"
            )
    first = next(found[row] for row in TRAINING if row in found)
    note = f"{first['what']} A fold is its steps, with the data path; starting, saving and validation come on top."
    return "\n".join(lines) + "\n\n" + note


def _nnunet(one: Mapping) -> str:
    return "\n".join(
        [
            "|same network, patch, batch|patches/s with the data path|patches/s on a fixed batch|",
            "|---|---|---|",
            f"|LungGTV, `compile: {str(one['our_compile']).lower()}`|{one['ours']:.2f}|{one['ours_fixed']:.2f}|",
            f"|nnU-Net, {one['workers']} workers{', torch.compile' if one['compiled'] else ''}|"
            f"{one['theirs']:.2f}|{one['theirs_fixed']:.2f}|",
        ]
    )


def _prediction(one: Mapping) -> str:
    lines = ["|prediction of one box, one model|s|windows|peak memory, GB|", "|---|---|---|---|"]
    for name in ("plain", "mirrored"):
        lines.append(f"|{name}|{one[name]['s']:.2f}|{one[name]['windows']}|{one[name]['peak_gb']:.2f}|")
    return "\n".join(lines) + f"\n\nA box of {one['box']} voxels; the network in {one['precision']}."


def _saving(one: Mapping) -> str:
    return (
        f"A state of {one['megabytes']:.0f} MB is written in {one['s']:.2f} s; training waits for it every "
        f"{one['every_s']:.0f} s, which is {one['share']:.2%} of the time."
    )
