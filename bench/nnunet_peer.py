"""nnU-Net as a peer of the benchmarks: installed beside ours, given patients, run in its own interpreter."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lunggtv.code_identity import library_version
from lunggtv.geometry import Grid
from lunggtv.nifti_files import write_nifti

PACKAGE = "nnunetv2==2.8.1"
DATASET = 501
NAME = f"Dataset{DATASET}_Bench"


@dataclass(frozen=True)
class Peer:
    """An interpreter that has nnU-Net, and the folder of its raw, preprocessed and result files."""

    python: Path
    work: Path

    def call(self, function: str, arguments: Mapping[str, Any], workers: int, threads: int = 1) -> Any:
        """Run a function of ``nnunet_driver.py``; its words go to a log in the working folder.

        Args:
            workers: processes that nnU-Net may use for augmentation and for its own preprocessing.
            threads: of numpy and torch in each process.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        job, answer, log = (self.work / f"{function}.{end}" for end in ("job.json", "answer.json", "log"))
        job.write_text(json.dumps(dict(arguments)), encoding="utf-8")
        answer.unlink(missing_ok=True)
        folders = {f"nnUNet_{name}": str(self.work / name) for name in ("raw", "preprocessed", "results")}
        limits = {"nnUNet_n_proc_DA": str(workers), "nnUNet_def_n_proc": str(max(1, workers))}
        driver = Path(__file__).with_name("nnunet_driver.py")
        with log.open("w", encoding="utf-8") as file:
            done = subprocess.run(
                [self.python, driver, function, job, answer],
                env={**os.environ, **folders, **limits, "OMP_NUM_THREADS": str(threads)},
                stdout=file, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"nnU-Net failed in {function}; see {log}")
        return json.loads(answer.read_text(encoding="utf-8"))

    def give(self, patients: Iterable[tuple[str, np.ndarray, np.ndarray, Grid]]) -> None:
        """Write (patient, CT int16 HU, label uint8, grid) as nnU-Net's raw data set."""
        folder = self.work / "raw" / NAME
        for name in ("imagesTr", "labelsTr"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        count = 0
        for patient, ct, label, grid in patients:
            write_nifti(folder / "imagesTr" / f"{patient}_0000.nii.gz", ct, grid)
            write_nifti(folder / "labelsTr" / f"{patient}.nii.gz", label, grid)
            count += 1
        content = {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, "GTV": 1},
            "numTraining": count,
            "file_ending": ".nii.gz",
        }
        (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")


def find_peer(python: Path | None, work: Path, wheels: Path | None) -> Peer:
    """The peer of the given interpreter, or one installed into ``work`` now.

    It shares the libraries of the interpreter that runs this (above all torch, so that both tools compute with
    the same one); what nnU-Net needs besides comes from the package index, or from a folder of wheels.
    """
    if python is None:
        python = work / "venv" / "bin" / "python"
        if not python.exists():
            venv.create(work / "venv", with_pip=True)
        if subprocess.run([python, "-c", "import nnunetv2"], capture_output=True, check=False).returncode:
            ours = sysconfig.get_paths()["purelib"]
            theirs = next((work / "venv" / "lib").glob("python*/site-packages"))
            (theirs / "ours.pth").write_text(ours + "\n", encoding="utf-8")
            source = ["--no-index", "--find-links", str(wheels)] if wheels else []
            # Without this pip would take the newest torch, for the newest torchvision.
            constraint = work / "constraint.txt"
            constraint.write_text(f"torch=={library_version('torch')}\n", encoding="utf-8")
            command = [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                *source,
                "--constraint",
                constraint,
                PACKAGE,
            ]
            subprocess.run(command, check=True, stdout=sys.stderr)
    return Peer(Path(python).absolute(), work / "nnunet")
