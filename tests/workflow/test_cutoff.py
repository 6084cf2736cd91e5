"""Early cut-off: where code of ingest or cache changes and their bytes do not, no fold is trained again."""

from tests.conftest import FOLDS
from tests.workflow.expected import all_jobs_of, with_what_follows

KEPT = ("weights.safetensors", "history.tsv", "snapshots.safetensors", "card.json")


def test_changed_code_that_leaves_the_caches_as_they_were_trains_nothing(analysis, finished):
    analysis.edit("workflow/lunggtv/ingest/raw_scan.py", "\nimport ", "\nEDITED = True\nimport ")
    analysis.edit("workflow/lunggtv/cache/lung_box.py", "\nimport ", "\nEDITED = True\nimport ")
    assert analysis.reruns() == all_jobs_of(with_what_follows(["ingest_patient"]))

    analysis.run("--until", "train_fold")
    for fold in range(FOLDS):
        log = (analysis.work / f"logs/train_fold/{fold}.log").read_text(encoding="utf-8")
        assert f"fold {fold}: finished before with the same content; restored" in log
        for name in KEPT:
            path = f"results/train/fold{fold}/{name}"
            assert (analysis.work / path).read_bytes() == (finished.work / path).read_bytes(), path
