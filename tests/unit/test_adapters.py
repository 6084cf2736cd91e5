"""What the adapters between rules and functions hand over: a device only to jobs that were given one."""

import runpy
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
# The adapters that use a GPU, and the function that each calls.
CALLS = {
    "predict_patient": "lunggtv.infer.predict_patient.predict_patient",
    "train_fold": "lunggtv.train.train_fold.train_fold",
    "unpack_models": "lunggtv.package.unpack_models.unpack_models",
    "validate_fold": "lunggtv.train.validate_fold.validate_fold",
}


class Names(list):
    """Files or settings by position and by any name."""

    def __getattr__(self, name):
        return (
            self
            if name in ("weights", "cards", "caches", "held_out_caches", "held_out_volumes")
            else f"7/{name}"
        )


@pytest.mark.parametrize("adapter", CALLS)
@pytest.mark.parametrize(("gpu", "device"), [(0, "cpu"), (1, "auto")])
def test_a_job_without_a_gpu_stays_on_the_processor(tmp_path, monkeypatch, adapter, gpu, device):
    calls = []
    monkeypatch.setattr(CALLS[adapter], lambda *_, **named: calls.append(named))
    monkeypatch.setattr("lunggtv.settings.settings_from", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    job = SimpleNamespace(
        input=Names(["7/a"]), output=Names(["7/b"]), log=["log"], threads=3, resources=SimpleNamespace(gpu=gpu),
        params=SimpleNamespace(config=defaultdict(bool), identity={}, state="state", verdicts="ingest"),
        wildcards=SimpleNamespace(fold="2"),
    )  # fmt: skip
    monkeypatch.setattr("lunggtv.job.forget_digest", lambda _: None)
    monkeypatch.setattr("lunggtv.job.record_digest", lambda _: None)
    runpy.run_path(str(SCRIPTS / f"{adapter}.py"), {"snakemake": job})
    (named,) = calls
    assert (named["device"], named["threads"]) == (device, 3)
    assert named.get("fold", 2) == 2


def test_every_adapter_that_asks_for_a_gpu_is_here():
    asking = {
        path.stem for path in SCRIPTS.glob("*.py") if "resources.gpu" in path.read_text(encoding="utf-8")
    }
    assert asking == set(CALLS)
