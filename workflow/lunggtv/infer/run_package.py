"""Trained models into one file that another machine can use, and out of it again."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lunggtv.errors import DamagedFile
from lunggtv.geometry import Grid
from lunggtv.images import read_image
from lunggtv.infer.model_card import describe_models
from lunggtv.infer.nifti import write_nifti
from lunggtv.infer.package import (
    CALIBRATION,
    CARD,
    SELFTEST_CT,
    SELFTEST_EXPECTED,
    model_names,
    read_manifest,
    read_members,
    write_package,
)
from lunggtv.infer.selftest import Case, cut_case, predict_case
from lunggtv.model.device import claimed_device
from lunggtv.model.weights import load_model
from lunggtv.storage import read_json, whole_file, write_json

# Another processor, a GPU or another library rounds differently; beyond this it computes something else.
LARGEST_DIFFERENCE_PERCENT = 3


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
        models: (weights.safetensors, model.json) of each fold.
        calibration_path: what out-of-fold predictions taught.
        synthetic: CT (int16 HU), label and grid of a synthetic patient, for the self-test.
        settings: config sections that drafts by these models need; ``infer.mirror`` among them.
        package_path: the zip to write.
        threads: CPU threads of the self-test.

    Raises:
        DamagedFile: a model cannot be read.
    """
    torch.set_num_threads(threads)
    loaded = [load_model(weights, card) for weights, card in models]
    calibration = _without_patients(read_json(calibration_path))
    ct, label, grid = synthetic
    architecture = loaded[0].architecture
    case = cut_case(ct, label, grid, architecture.spacing_mm, architecture.patch_shape)
    expected = predict_case(case, loaded, settings["infer"]["mirror"], "cpu")
    members = {
        CALIBRATION: _json(calibration),
        CARD: describe_models([model.card for model in loaded], calibration).encode(),
        SELFTEST_CT: _nifti(package_path, case.ct, case.grid),
        SELFTEST_EXPECTED: _nifti(package_path, expected, case.grid),
    }
    for fold, ((weights, _), model) in enumerate(zip(models, loaded, strict=True)):
        card_name, weights_name = model_names(fold)
        members[card_name] = _json(_anonymous(model.card))
        members[weights_name] = Path(weights).read_bytes()
    write_package(package_path, members, len(models), settings)


def unpack_models(
    package_path: str | Path,
    folder: str | Path,
    selftest_path: str | Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Check a package, unpack its models and calibration into ``folder``, and run its self-test here.

    Writes ``selftest.json``: how many voxels differ, and by how much at most; equal on a like machine.

    Raises:
        DamagedFile: the package has changed, or this machine predicts something else.
    """
    torch.set_num_threads(threads)
    manifest, members = read_manifest(package_path), read_members(package_path)
    for name, content in members.items():
        with whole_file(Path(folder) / name) as partial:
            partial.write_bytes(content)
    names = [model_names(fold) for fold in range(manifest["folds"])]
    ct, grid = read_image(Path(folder) / SELFTEST_CT)
    expected, _ = read_image(Path(folder) / SELFTEST_EXPECTED)
    mirror = manifest["settings"]["infer"]["mirror"]
    with claimed_device(device) as home:
        models = [load_model(Path(folder) / w, Path(folder) / card, str(home)) for card, w in names]
        found = predict_case(Case(ct, grid), models, mirror, str(home))
    off_percent = np.abs(found.astype(int) - expected)
    result = {
        "differing_voxels": int((off_percent > 0).sum()),
        "largest_difference_percent": int(off_percent.max()),
    }
    if result["largest_difference_percent"] > LARGEST_DIFFERENCE_PERCENT:
        raise DamagedFile(
            f"{package_path}: the self-test predicts something else here than where the package was made: up to "
            f"{result['largest_difference_percent']} percent points. Install the versions of "
            "envs/requirements.txt; if that does not help, do not use the package on this machine."
        )
    logging.info("Self-test passed: %d voxels differ, by rounding.", result["differing_voxels"])
    write_json(selftest_path, result)


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


def _json(content: dict[str, Any]) -> bytes:
    return (
        json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()
