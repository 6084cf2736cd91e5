# Volumes to caches: the lungs' box, resampled, in HDF5.

CACHE_RESULTS = [
    *expand("results/cache/{patient}/{name}", patient=PATIENTS, name=["volume.h5", "crop.png"]),
    "results/cache/crops.tsv",
]


rule cache:
    input:
        lambda wildcards: of_patients(INGEST_RESULTS, CACHE_RESULTS),
    localrule: True


rule cache_patient:
    input:
        volume="results/ingest/{patient}/volume.h5",
        lungs=user_lungs,
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
        expand("results/cache/{patient}/crop.json", patient=PATIENTS),
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
        code=code_of("collect_crops"),
    script:
        "../scripts/collect_crops.py"
