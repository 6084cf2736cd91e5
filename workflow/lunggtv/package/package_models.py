"""Trained models into one file that another machine can use, and out of it again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lunggtv.files import json_text, read_json
from lunggtv.geometry import Grid
from lunggtv.model.numerics import numerics
from lunggtv.model.weights import load_model
from lunggtv.nifti_files import write_nifti
from lunggtv.package.model_card import describe_models
from lunggtv.package.package_file import (
    CALIBRATION,
    CARD,
    SELFTEST_CT,
    SELFTEST_EXPECTED,
    model_names,
    write_package,
)
from lunggtv.package.selftest import cut_case, predict_case


def package_models(
    models: Sequence[tuple[str | Path, str | Path]],
    calibration_path: str | Path,
    synthetic: tuple[np.ndarray, np.ndarray, Grid],
    settings: Mapping[str, Any],
    package_path: str | Path,
    threads: int = 1,
) -> None:
    """Write a model package.

    Args:
        models: (weights.safetensors, card.json) of each fold.
        calibration_path: what out-of-fold predictions taught.
        synthetic: CT (int16 HU), label and grid of a synthetic patient, for the self-test.
        settings: config sections that drafts by these models need; ``infer.mirror`` among them.
        package_path: the zip to write.
        threads: CPU threads of the self-test.

    Raises:
        DamagedFile: a model cannot be read.
    """
    loaded = [load_model(weights, card) for weights, card in models]
    calibration = _without_patients(read_json(calibration_path))
    ct, label, grid = synthetic
    architecture = loaded[0].architecture
    case = cut_case(ct, label, grid, architecture.spacing_mm, architecture.patch_shape)
    with numerics(deterministic=True, threads=threads):
        expected = predict_case(case, loaded, settings["infer"]["mirror"], "cpu")
    members = {
        CALIBRATION: json_text(calibration).encode(),
        CARD: describe_models([model.card for model in loaded], calibration).encode(),
        SELFTEST_CT: _nifti(package_path, case.ct, case.grid),
        SELFTEST_EXPECTED: _nifti(package_path, expected, case.grid),
    }
    for fold, ((weights, _), model) in enumerate(zip(models, loaded, strict=True)):
        card_name, weights_name = model_names(fold)
        members[card_name] = json_text(_anonymous(model.card)).encode()
        members[weights_name] = Path(weights).read_bytes()
    write_package(package_path, members, len(models), settings)


def _without_patients(calibration: dict[str, Any]) -> dict[str, Any]:
    """A calibration for unlabelled patients only, in which nobody is named."""
    return {key: calibration[key] for key in ("all", "curve", "quality")} | {"folds": {}}


def _anonymous(card: dict[str, Any]) -> dict[str, Any]:
    """A model's card in which caches stand by their digests alone: folder names may be people's names."""
    digests = sorted(card["cache_digests"].values())
    return card | {
        "cache_digests": {digest: digest for digest in digests},
        "held_out_patients": [],
        "train_patients": [],
    }


def _nifti(beside: str | Path, array: np.ndarray, grid: Grid) -> bytes:
    scratch = Path(beside).with_name(f".partial.{Path(beside).name}.nii.gz")
    write_nifti(scratch, array, grid)
    try:
        return scratch.read_bytes()
    finally:
        scratch.unlink()
