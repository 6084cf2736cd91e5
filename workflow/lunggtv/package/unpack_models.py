"""A model package back into files, checked on the machine that is to use it."""

import logging
from pathlib import Path

import numpy as np

from lunggtv.errors import DamagedFile
from lunggtv.files import whole_file, write_json
from lunggtv.image_files import read_image
from lunggtv.model.device import claimed_device
from lunggtv.model.numerics import numerics
from lunggtv.model.weights import load_model
from lunggtv.package.package_file import (
    SELFTEST_CT,
    SELFTEST_EXPECTED,
    model_names,
    read_manifest,
    read_members,
)
from lunggtv.package.selftest import Case, predict_case

# Another processor, a GPU or another library rounds differently; beyond this it computes something else.
LARGEST_DIFFERENCE_PERCENT = 3


def unpack_models(
    *,
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
    manifest, members = read_manifest(package_path), read_members(package_path)
    for name, content in members.items():
        with whole_file(Path(folder) / name) as partial:
            partial.write_bytes(content)
    names = [model_names(fold) for fold in range(manifest["folds"])]
    ct, grid = read_image(Path(folder) / SELFTEST_CT)
    expected, _ = read_image(Path(folder) / SELFTEST_EXPECTED)
    mirror = manifest["settings"]["infer"]["mirror"]
    with claimed_device(device) as home, numerics(deterministic=True, threads=threads):
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
