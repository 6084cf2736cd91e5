# One model a fold, trained on the caches of the other folds.

TRAIN_RESULTS = [
    *expand("results/train/fold{fold}/model.json", fold=COHORT.trained_folds),
    *expand("results/train/fold{fold}/curves.svg", fold=COHORT.trained_folds),
    *(["results/folds.tsv"] if COHORT.folds else []),
]


def training_caches(wildcards):
    """Caches of the patients that a fold learns from; a held-out patient is no input of its fold."""
    patients = COHORT.training_patients(int(wildcards.fold))
    return expand("results/cache/{patient}/volume.h5", patient=patients)


def held_out(stage):
    """Volumes of the patients that a fold never sees, as a stage left them."""

    def volumes(wildcards):
        patients = COHORT.held_out_patients(int(wildcards.fold))
        return expand(f"results/{stage}/{{patient}}/volume.h5", patient=patients)

    return volumes


rule train:
    localrule: True
    input:
        COHORT_TABLES,
        TRAIN_RESULTS,


rule deal_folds:
    output:
        "results/folds.tsv",
    params:
        config={"folds": [[patient, fold] for patient, fold in COHORT.folds.items()]},
        code=code_of("deal_folds"),
    log:
        "logs/deal_folds.log",
    conda:
        "../../envs/lunggtv.yaml"
    script:
        "../scripts/deal_folds.py"


rule train_fold:
    input:
        # The gate must be passed and the folds be known, but news about somebody else trains nothing again.
        ancient("results/ingest/admitted.txt"),
        folds=ancient("results/folds.tsv"),
        caches=training_caches,
    output:
        weights="results/train/fold{fold}/weights.safetensors",
        model="results/train/fold{fold}/model.json",
        history="results/train/fold{fold}/history.tsv",
        snapshots="results/train/fold{fold}/snapshots.safetensors",
    params:
        config=section("train"),
        state="train_state",
        code=code_of("train_fold"),
    log:
        "logs/train_fold/{fold}.log",
    benchmark:
        "benchmarks/train_fold/{fold}.tsv"
    threads: 1
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=720,
    conda:
        "../../envs/lunggtv.yaml"
    script:
        "../scripts/train_fold.py"


rule validate_fold:
    input:
        weights="results/train/fold{fold}/weights.safetensors",
        model="results/train/fold{fold}/model.json",
        history="results/train/fold{fold}/history.tsv",
        snapshots="results/train/fold{fold}/snapshots.safetensors",
        caches=training_caches,
        held_out_caches=held_out("cache"),
        held_out_volumes=held_out("ingest"),
    output:
        validation="results/train/fold{fold}/validation.tsv",
        curves=report(
            "results/train/fold{fold}/curves.svg",
            caption="../report/curves.rst",
            category="3 Training",
            labels={"fold": "{fold}", "figure": "curves"},
        ),
        augmentation=report(
            "results/train/fold{fold}/augmentation.png",
            caption="../report/augmentation.rst",
            category="3 Training",
            labels={"fold": "{fold}", "figure": "augmented patches"},
        ),
    params:
        config=section("train"),
        code=code_of("validate_fold"),
    log:
        "logs/validate_fold/{fold}.log",
    benchmark:
        "benchmarks/validate_fold/{fold}.tsv"
    threads: 1
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=120,
    conda:
        "../../envs/lunggtv.yaml"
    script:
        "../scripts/validate_fold.py"
