"""Other engines: every shipped profile plans the same jobs, and a plain submit command runs them."""

import os
import shutil

import pytest

SUBMIT = """#!/bin/sh
# A queue of one line: notes what it was asked for, starts the job, prints an id.
for script; do :; done
echo "$@" >> asked.txt
sh "$script" > job.log 2>&1 &
echo $!
"""


@pytest.mark.parametrize("profile", ["slurm", "generic"])
def test_a_finished_analysis_is_finished_under_every_profile(analysis, profile):
    if profile == "generic":
        pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    options = ("--workflow-profile", str(analysis.project / "profiles" / profile))
    assert analysis.reruns(*options) == {}
    shutil.rmtree(analysis.work / "results/evaluate")
    planned = analysis.reruns()
    assert planned["evaluate_patient"] > 1
    assert analysis.reruns(*options) == planned


def test_a_submit_command_gets_what_the_rule_asks_for(analysis):
    pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    submit = analysis.work / "submit.sh"
    submit.write_text(SUBMIT)
    submit.chmod(0o755)
    target = "results/infer/2/prediction.h5"
    expected = (analysis.work / target).read_bytes()
    (analysis.work / target).unlink()
    analysis.run(
        target, "--workflow-profile", str(analysis.project / "profiles/generic"), "--latency-wait", "10",
        "--cluster-generic-submit-cmd",
        f"{submit} {{rule}} {{threads}} {{resources.mem_mb}} {{resources.runtime}} {{resources.gpu}}",
        timeout=200,
    )  # fmt: skip
    assert (analysis.work / "asked.txt").read_text().startswith("predict_patient 1 6000 30 1 ")
    assert (analysis.work / target).read_bytes() == expected


def test_without_a_gpu_on_this_machine_folds_train_side_by_side(analysis):
    """No job asks for what is not there, and waits for another to give it back."""
    target = "results/train/fold0/weights.safetensors"
    (analysis.work / target).unlink()
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    told = analysis.run(target, "--dry-run", env=hidden).stdout
    assert "gpu=0" in told and "gpu=1" not in told
