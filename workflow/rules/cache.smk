# Volumes to caches: the lungs' box, resampled, in HDF5.

CACHE_RESULTS = [
    *expand("results/cache/{patient}/volume.h5", patient=PATIENTS),
    "results/cache/crops.tsv",
]


def user_lungs(wildcards):
    """The user's own lung mask of a patient, if the settings name one; it lies beside the image."""
    pattern = config["cache"]["lungs"]
    labelled = COHORT.patients[wildcards.patient].labelled
    root = config["data"]["labelled" if labelled else "unlabelled"]
    return [Path(root) / pattern.replace("{patient}", wildcards.patient)] if pattern else []


rule cache:
    localrule: True
    input:
        INGEST_RESULTS,
        CACHE_RESULTS,


rule cache_patient:
    input:
        volume="results/ingest/{patient}/volume.h5",
        lungs=user_lungs,
    output:
        volume="results/cache/{patient}/volume.h5",
        crop="results/cache/{patient}/crop.json",
        picture=report(
            "results/cache/{patient}/crop.png",
            caption="../report/crop.rst",
            category="2 Lung crops",
            labels={"patient": "{patient}"},
        ),
    params:
        config=section("cache"),
        code=code_of("cache_patient"),
    log:
        "logs/cache_patient/{patient}.log",
    benchmark:
        "benchmarks/cache_patient/{patient}.tsv"
    resources:
        mem_mb=1500,
        runtime=20,
    conda:
        "../../envs/lunggtv.yaml"
    script:
        "../scripts/cache_patient.py"


rule collect_crops:
    input:
        expand("results/cache/{patient}/crop.json", patient=PATIENTS),
    output:
        report(
            "results/cache/crops.tsv",
            caption="../report/crops.rst",
            category="2 Lung crops",
        ),
    params:
        code=code_of("collect_crops"),
    log:
        "logs/collect_crops.log",
    conda:
        "../../envs/lunggtv.yaml"
    script:
        "../scripts/collect_crops.py"
