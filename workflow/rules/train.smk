# One model a fold, trained on the caches of the other folds.

TRAINED = [] if PACKAGE else COHORT.trained_folds
TRAIN_RESULTS = [
    *expand("results/train/fold{fold}/model.json", fold=TRAINED),
    *expand("results/train/fold{fold}/curves.svg", fold=TRAINED),
    *expand("results/train/fold{fold}/augmentation.png", fold=TRAINED),
    *(["results/folds.tsv"] if TRAINED else []),
]


rule train:
    input:
        lambda wildcards: of_patients(COHORT_TABLES, TRAIN_RESULTS, lacking=UNTRAINED),
    localrule: True


rule deal_folds:
    output:
        "results/folds.tsv",
    log:
        "logs/deal_folds.log",
    localrule: True
    conda:
        "../../envs/lunggtv.yaml"
    params:
        config={"folds": [[patient, fold] for patient, fold in COHORT.folds.items()]},
        code=code_of("deal_folds"),
    script:
        "../scripts/deal_folds.py"


rule train_fold:
    input:
        caches=training_caches,
        plan=PATCH_PLAN,
        start=start_model,
    output:
        weights="results/train/fold{fold}/weights.safetensors",
        card="results/train/fold{fold}/card.json",
        history="results/train/fold{fold}/history.tsv",
        snapshots="results/train/fold{fold}/snapshots.safetensors",
        samples="results/train/fold{fold}/samples.safetensors",
    log:
        "logs/train_fold/{fold}.log",
    benchmark:
        "benchmarks/train_fold/{fold}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    threads: 1
    resources:
        gpu=gpu,
        mem_mb=grows(8000),
        runtime=720,
        # A training that would take longer on a CPU is not begun.
        cpu_hours=24,
    params:
        config=section("train", *TRAINING),
        state="train_state",
        verdicts="results/ingest",
        # What decides what is delivered, apart from what tells: only this trains anew.
        identity=code_of_modules("lunggtv.train.fit", "lunggtv.train.deliver"),
        code=code_of("train_fold"),
    script:
        "../scripts/train_fold.py"


rule validate_fold:
    input:
        weights="results/train/fold{fold}/weights.safetensors",
        card="results/train/fold{fold}/card.json",
        snapshots="results/train/fold{fold}/snapshots.safetensors",
        held_out_caches=held_out("cache"),
        held_out_volumes=held_out("ingest"),
    output:
        model="results/train/fold{fold}/model.json",
        validation="results/train/fold{fold}/validation.tsv",
    log:
        "logs/validate_fold/{fold}.log",
    benchmark:
        "benchmarks/validate_fold/{fold}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    threads: 1
    resources:
        gpu=gpu,
        mem_mb=memory_for(8000, volume_bytes(8), held_out_patients),
        runtime=120,
    params:
        code=code_of("validate_fold"),
    script:
        "../scripts/validate_fold.py"


rule picture_curves:
    input:
        history="results/train/fold{fold}/history.tsv",
        validation="results/train/fold{fold}/validation.tsv",
    output:
        report(
            "results/train/fold{fold}/curves.svg",
            caption="../report/curves.rst",
            category="3 Training",
            labels=training_label("curves"),
        ),
    log:
        "logs/picture_curves/{fold}.log",
    localrule: True
    conda:
        "../../envs/lunggtv.yaml"
    params:
        code=code_of("picture_curves"),
    script:
        "../scripts/picture_curves.py"


rule picture_samples:
    input:
        samples="results/train/fold{fold}/samples.safetensors",
        card="results/train/fold{fold}/card.json",
    output:
        report(
            "results/train/fold{fold}/augmentation.png",
            caption="../report/augmentation.rst",
            category="3 Training",
            labels=training_label("augmented patches"),
        ),
    log:
        "logs/picture_samples/{fold}.log",
    benchmark:
        "benchmarks/picture_samples/{fold}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=20,
    params:
        code=code_of("picture_samples"),
    script:
        "../scripts/picture_samples.py"
