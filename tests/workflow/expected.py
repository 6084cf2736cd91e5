"""The finished run of ``conftest`` in numbers: its jobs, and which rule reads what which other rule wrote."""

from collections.abc import Iterable

from lunggtv.cohort.folds import deal_folds

from tests.conftest import FOLDS, LABELLED, UNLABELLED

PATIENTS = [str(i) for i in range(1, LABELLED + 1)]
EVERYBODY = LABELLED + UNLABELLED


def folds_of(patients: list[str]) -> dict[str, int]:
    """The folds that these labelled patients are dealt to."""
    return deal_folds(patients, FOLDS, 2019)


FOLD = folds_of(PATIENTS)

# Jobs of a run from nothing.
JOBS = {
    "ingest_patient": EVERYBODY,
    "collect_verdicts": 1,
    "admit_cohort": 1,
    "cache_patient": EVERYBODY,
    "picture_crop": EVERYBODY,
    "collect_crops": 1,
    "deal_folds": 1,
    "train_fold": FOLDS,
    "validate_fold": FOLDS,
    "picture_curves": FOLDS,
    "picture_samples": FOLDS,
    "predict_patient": EVERYBODY,
    "calibrate_drafts": 1,
    "infer_patient": EVERYBODY,
    "write_rtstruct": 1,
    "picture_draft": UNLABELLED,
    "collect_reviews": 1,
    "evaluate_patient": LABELLED,
    "picture_patient": LABELLED,
    "summarise_metrics": 1,
    "describe_run": 1,
    "collect_timings": 1,
}
# Rule -> the rules that read its outputs.
READERS = {
    "ingest_patient": [
        "collect_verdicts", "cache_patient", "picture_crop", "validate_fold", "picture_draft", "evaluate_patient",
        "picture_patient",
    ],
    "collect_verdicts": ["admit_cohort", "describe_run"],
    "cache_patient": [
        "picture_crop", "collect_crops", "train_fold", "validate_fold", "predict_patient",
        "calibrate_drafts", "write_rtstruct",
    ],
    "train_fold": ["validate_fold", "picture_curves", "picture_samples", "predict_patient", "describe_run"],
    "validate_fold": ["picture_curves"],
    "predict_patient": ["calibrate_drafts", "infer_patient"],
    # The threshold is learnt from all out-of-fold predictions, so a new one draws every patient again.
    "calibrate_drafts": ["infer_patient", "describe_run"],
    "infer_patient": [
        "write_rtstruct", "picture_draft", "collect_reviews", "evaluate_patient", "picture_patient",
        "summarise_metrics",
    ],
    "collect_reviews": ["describe_run"],
    "evaluate_patient": ["picture_patient", "summarise_metrics"],
    "summarise_metrics": ["describe_run"],
    "describe_run": ["collect_timings"],
}  # fmt: skip


def with_what_follows(rules: Iterable[str]) -> set[str]:
    """The rules, and all that read what they wrote, directly or not."""
    found, waiting = set(), set(rules)
    while waiting:
        rule = waiting.pop()
        found.add(rule)
        waiting |= set(READERS.get(rule, ())) - found
    return found


def all_jobs_of(rules: Iterable[str]) -> dict[str, int]:
    """Every job of these rules, as ``Analysis.reruns`` counts them."""
    return {rule: JOBS[rule] for rule in rules}


def all_from(*rules: str) -> dict[str, int]:
    """Every job of these rules and of all that follow."""
    return all_jobs_of(with_what_follows(rules))


AFTER_EVALUATION = all_from("summarise_metrics")


def after_training(patients: list[str], trained: set[int], changed: set[str]) -> dict[str, int]:
    """What follows when the models of ``trained`` folds and the caches of ``changed`` patients are new; besides
    the labelled ``patients`` there is the unlabelled one, whom all models draft."""
    folds = folds_of(patients)
    predicted = [p for p in patients if folds[p] in trained or p in changed]
    return {
        "predict_patient": len(predicted) + 1,
        **all_from("calibrate_drafts"),
        "infer_patient": len(patients) + 1,
        "evaluate_patient": len(patients),
        "picture_patient": len(patients),
    }
