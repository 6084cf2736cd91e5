"""nnU-Net v2 as a peer in prediction: a model of random weights, made and run by nnU-Net's own means."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from lunggtv.model.architecture import Architecture
from process_cost import Cost, measured

DATASET = "Dataset502_Phantom"
PLANS = "nnUNetResEncUNetMPlans"


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# Runs in nnU-Net's interpreter: makes its plan's network as large as ours, saves a model of random weights by
# nnU-Net's own trainer, and prints the plan and the number of parameters.
UNTRAINED = """
import json, sys, torch
from pathlib import Path
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
dataset, name, widths, blocks = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
folder = Path(nnUNet_preprocessed, dataset)
plans = json.loads((folder / f"{name}.json").read_text())
plan = plans["configurations"]["3d_fullres"]
network = plan["architecture"]["arch_kwargs"]
assert network["n_stages"] == len(widths), (network["n_stages"], widths)
network |= {"features_per_stage": widths, "n_blocks_per_stage": blocks}
(folder / f"{name}.json").write_text(json.dumps(plans))
plans["continue_training"] = False
trainer = nnUNetTrainer(plans, "3d_fullres", 0, json.loads((folder / "dataset.json").read_text()),
                        torch.device("cpu"))
data = Path(trainer.preprocessed_dataset_folder)
data.mkdir(exist_ok=True)
(data / "P1.b2nd").touch()  # a trainer wants to see training data
trainer.initialize()
# Training does this at its start; without it the checkpoint allows no mirrored passes.
trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
assert trainer.inference_allowed_mirroring_axes == (0, 1, 2), trainer.inference_allowed_mirroring_axes
trainer.save_checkpoint(str(Path(trainer.output_folder, "checkpoint_final.pth")))
for file in ("dataset.json", "plans.json"):
    source = folder / (f"{name}.json" if file == "plans.json" else file)
    Path(trainer.output_folder_base, file).write_text(source.read_text())
parameters = sum(p.numel() for p in trainer.network.parameters())
heads = sum(p.numel() for p in trainer.network.decoder.seg_layers.parameters())
print("RESULT", json.dumps({"patch": plan["patch_size"], "spacing": plan["spacing"], "parameters": parameters,
                            "heads": heads, "strides": network["strides"]}))
"""


class Peer:
    """nnU-Net with a model of random weights, planned on one patient."""

    def __init__(self, python: Path, patient: Path, work: Path, architecture: Architecture) -> None:
        self.python, self.work = python, work
        place = fresh(work / "nnunet")
        self.folders = {f"nnUNet_{name}": str(place / name) for name in ("raw", "preprocessed", "results")}
        raw = place / "raw" / DATASET
        self.images = place / "in"
        for folder in (
            raw / "imagesTr",
            raw / "labelsTr",
            place / "preprocessed",
            place / "results",
            self.images,
        ):
            folder.mkdir(parents=True)
        shutil.copy(patient / "data.nii.gz", raw / "imagesTr" / "P1_0000.nii.gz")
        shutil.copy(patient / "data.nii.gz", self.images / "P1_0000.nii.gz")
        shutil.copy(patient / "label.nii.gz", raw / "labelsTr" / "P1.nii.gz")
        content = {
            "channel_names": {"0": "CT"}, "labels": {"background": 0, "GTV": 1}, "numTraining": 1,
            "file_ending": ".nii.gz",
        }  # fmt: skip
        (raw / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
        plan = [self._command("nnUNetv2_plan_and_preprocess"), "-d", "502", "-pl", "nnUNetPlannerResEncM"]
        self._call([*plan, "--no_pp", "-npfp", "1"])
        lists = json.dumps(architecture.widths), json.dumps(architecture.blocks)
        said = self._call([str(python), "-c", UNTRAINED, DATASET, PLANS, *lists])
        self.plan = json.loads(said.split("RESULT ")[1].splitlines()[0])

    def predict(self, mirror: bool) -> tuple[Cost, Path]:
        """Cost of predicting the patient by nnU-Net's command, and the mask."""
        out = fresh(self.work / "nnunet" / f"out-{mirror}")
        command = [self._command("nnUNetv2_predict"), "-i", str(self.images), "-o", str(out), "-d", "502"]
        command += ["-c", "3d_fullres", "-p", PLANS, "-f", "0", "-device", "cpu"]
        command += [] if mirror else ["--disable_tta"]
        cost = measured([command], self.work / f"nnunet-{mirror}.log", **self.folders)
        return cost, out / "P1.nii.gz"

    def version(self) -> str:
        code = "from importlib.metadata import version; print(version('nnunetv2'), version('torch'))"
        return " with torch ".join(self._call([str(self.python), "-c", code]).split())

    def _command(self, name: str) -> str:
        return str(self.python.with_name(name))

    def _call(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env={**os.environ, **self.folders}, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"{command[0]} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout
