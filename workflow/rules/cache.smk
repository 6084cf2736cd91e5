# Volumes to caches: the lungs' box, resampled, in HDF5.

CACHE_RESULTS = [
    *expand("results/cache/{patient}/{name}", patient=PATIENTS, name=["volume.h5", "crop.png"]),
    "results/cache/crops.tsv",
    *PLANS,
]


rule cache:
    input:
        lambda wildcards: of_patients(INGEST_RESULTS, CACHE_RESULTS),
    localrule: True


# While a plan stands nothing makes it anew, but the command that names it: not the next patient, and not other code.
# All output includes it.
if PLANS and (
    asked_for(PLAN, "plan_geometry", "--delete-all-output")
    or not plan_stands(PLAN, config["cache"]["spacing_mm"])
):

    rule plan_geometry:
        input:
            "results/ingest/verdicts.tsv",
        output:
            PLAN,
        log:
            "logs/plan_geometry.log",
        localrule: True
        conda:
            "../../envs/lunggtv.yaml"
        params:
            config=section("cache", "spacing_mm"),
            planned=PLANNED,
            code=code_of("plan_geometry"),
        script:
            "../scripts/plan_geometry.py"


rule cache_patient:
    input:
        volume="results/ingest/{patient}/volume.h5",
        lungs=user_lungs,
        plan=SPACING_PLAN,
    output:
        volume="results/cache/{patient}/volume.h5",
        crop="results/cache/{patient}/crop.json",
    log:
        "logs/cache_patient/{patient}.log",
    benchmark:
        "benchmarks/cache_patient/{patient}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(1500, volume_bytes(8)),
        runtime=20,
    params:
        config=section("cache"),
        code=code_of("cache_patient"),
    script:
        "../scripts/cache_patient.py"


rule picture_crop:
    input:
        volume="results/ingest/{patient}/volume.h5",
        cache="results/cache/{patient}/volume.h5",
        crop="results/cache/{patient}/crop.json",
    output:
        report(
            "results/cache/{patient}/crop.png",
            caption="../report/crop.rst",
            category="2 Lung crops",
            labels=crop_label,
        ),
    log:
        "logs/picture_crop/{patient}.log",
    benchmark:
        "benchmarks/picture_crop/{patient}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(1500, volume_bytes(6)),
        runtime=20,
    params:
        code=code_of("picture_crop"),
    script:
        "../scripts/picture_crop.py"


rule collect_crops:
    input:
        crops=expand("results/cache/{patient}/crop.json", patient=PATIENTS),
        plan=PLANS,
        verdicts=["results/ingest/verdicts.tsv"] if PLANS else [],
    output:
        table="results/cache/crops.tsv",
        page=report(
            "results/cache/crops.html",
            caption="../report/crops.rst",
            category="2 Lung crops",
            labels={"those to look at first": "0. table of all patients"},
        ),
    log:
        "logs/collect_crops.log",
    localrule: True
    conda:
        "../../envs/lunggtv.yaml"
    params:
        planned=PLANNED,
        code=code_of("collect_crops"),
    script:
        "../scripts/collect_crops.py"
