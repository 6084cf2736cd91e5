# Models to drafts: a GTV mask on every patient's own CT grid.

# A package brings models and calibration along; otherwise both are made here.
WEIGHTS = f"results/{'model' if PACKAGE else 'train'}/fold{{fold}}/weights.safetensors"
CARDS = f"results/{'model/fold{fold}/model' if PACKAGE else 'train/fold{fold}/card'}.json"
CALIBRATION = f"results/{'model' if PACKAGE else 'infer'}/calibration.json"
PROBABILITY_MAP = (
    {"probability": "results/infer/{patient}/probability.nii.gz"}
    if config["infer"]["probability"]
    else {}
)
INFER_RESULTS = [
    *expand("results/infer/{patient}/gtv.nii.gz", patient=DRAFTED),
    *expand("results/infer/{patient}/gtv.dcm", patient=sorted(set(DRAFTED) & set(COHORT.dicom))),
    *(multiext("results/infer/review", ".tsv", ".html") if DRAFTED else []),
    # Who has a label is in the evaluation's pictures, beside it.
    *expand("results/infer/{patient}/gtv.png", patient=sorted(set(DRAFTED) - set(SCORED))),
]


rule infer:
    input:
        lambda wildcards: of_patients(
            COHORT_TABLES, TRAIN_RESULTS, INFER_RESULTS, lacking=MODELLESS
        ),
    localrule: True


rule predict_patient:
    input:
        volume="results/cache/{patient}/volume.h5",
        weights=weights_for,
        cards=cards_for,
    output:
        "results/infer/{patient}/prediction.h5",
    log:
        "logs/predict_patient/{patient}.log",
    benchmark:
        "benchmarks/predict_patient/{patient}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    threads: 1
    resources:
        gpu=gpu,
        mem_mb=grows(6000),
        runtime=30,
    params:
        config=section("infer", "mirror"),
        code=code_of("predict_patient"),
    script:
        "../scripts/predict_patient.py"


rule calibrate_drafts:
    input:
        predictions=expand("results/infer/{patient}/prediction.h5", patient=SCORED),
        volumes=expand("results/cache/{patient}/volume.h5", patient=SCORED),
    output:
        "results/infer/calibration.json",
    log:
        "logs/calibrate_drafts.log",
    benchmark:
        "benchmarks/calibrate_drafts.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=60,
    params:
        config=section("infer", "threshold", "smallest_lesion_ml"),
        folds={"folds": [[patient, COHORT.folds[patient]] for patient in SCORED]},
        code=code_of("calibrate_drafts"),
    script:
        "../scripts/calibrate_drafts.py"


rule infer_patient:
    input:
        prediction="results/infer/{patient}/prediction.h5",
        calibration=CALIBRATION,
    output:
        **PROBABILITY_MAP,
        mask="results/infer/{patient}/gtv.nii.gz",
        record="results/infer/{patient}/infer.json",
    log:
        "logs/infer_patient/{patient}.log",
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(2000, volume_bytes(5)),
        runtime=20,
    params:
        config=section("infer", "review_dice"),
        fold=fold_of,
        code=code_of("infer_patient"),
    script:
        "../scripts/infer_patient.py"


rule write_rtstruct:
    input:
        raw=raw_files,
        volume="results/cache/{patient}/volume.h5",
        mask="results/infer/{patient}/gtv.nii.gz",
        record="results/infer/{patient}/infer.json",
    output:
        "results/infer/{patient}/gtv.dcm",
    log:
        "logs/write_rtstruct/{patient}.log",
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(2000, volume_bytes(5)),
        runtime=20,
    params:
        config=section("infer", "roi_name"),
        software=f"{NAME} {VERSION}",
        code=code_of("write_rtstruct"),
    script:
        "../scripts/write_rtstruct.py"


rule picture_draft:
    input:
        volume="results/ingest/{patient}/volume.h5",
        mask="results/infer/{patient}/gtv.nii.gz",
        record="results/infer/{patient}/infer.json",
    output:
        report(
            "results/infer/{patient}/gtv.png",
            caption="../report/draft.rst",
            category="4 Patients",
            labels=draft_label,
        ),
    log:
        "logs/picture_draft/{patient}.log",
    benchmark:
        "benchmarks/picture_draft/{patient}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(2000, volume_bytes(8)),
        runtime=20,
    params:
        code=code_of("picture_draft"),
    script:
        "../scripts/picture_draft.py"


rule collect_reviews:
    input:
        expand("results/infer/{patient}/infer.json", patient=DRAFTED),
    output:
        table="results/infer/review.tsv",
        page=report(
            "results/infer/review.html",
            caption="../report/review.rst",
            category="5 Review queue",
            labels={"table": "all drafts, most urgent first"},
        ),
    log:
        "logs/collect_reviews.log",
    localrule: True
    conda:
        "../../envs/lunggtv.yaml"
    params:
        code=code_of("collect_reviews"),
    script:
        "../scripts/collect_reviews.py"


rule package:
    input:
        lambda wildcards: of_patients(["results/package.zip"], lacking=UNTRAINED),
    localrule: True


rule package_models:
    input:
        weights=lambda wildcards: of_patients(
            expand("results/train/fold{fold}/weights.safetensors", fold=COHORT.trained_folds),
            lacking=UNTRAINED,
        ),
        cards=expand("results/train/fold{fold}/card.json", fold=COHORT.trained_folds),
        calibration="results/infer/calibration.json",
        plan=SPACING_PLAN,
    output:
        "results/package.zip",
    log:
        "logs/package_models.log",
    conda:
        "../../envs/lunggtv.yaml"
    threads: 1
    resources:
        mem_mb=grows(8000),
        runtime=60,
    params:
        config={
            "settings": {
                "cache": section("cache", "spacing_mm", "keep_native_within", "margin_mm"),
                "infer": section("infer", "mirror"),
            }
        },
        software=f"{NAME} {VERSION}",
        code=code_of("package_models"),
    script:
        "../scripts/package_models.py"


# A package to draft with, or one that training begins from.
UNPACKED = expand(WEIGHTS, fold=MODELS) if PACKAGE else [weights for weights, _ in STARTS]
UNPACKED_CARDS = expand(CARDS, fold=MODELS) if PACKAGE else [card for _, card in STARTS]
UNPACKED_TO = "results/model" if PACKAGE else "results/start"
if UNPACKED and UNPACKED[0].startswith(UNPACKED_TO):

    rule unpack_models:
        input:
            config["model"] or config["train"]["start_from"],
        output:
            weights=UNPACKED,
            cards=UNPACKED_CARDS,
            calibration=f"{UNPACKED_TO}/calibration.json",
            selftest=f"{UNPACKED_TO}/selftest.json",
        log:
            "logs/unpack_models.log",
        conda:
            "../../envs/lunggtv.yaml"
        threads: 1
        resources:
            gpu=gpu,
            mem_mb=grows(8000),
            runtime=60,
        params:
            code=code_of("unpack_models"),
        script:
            "../scripts/unpack_models.py"
