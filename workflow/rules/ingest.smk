# Raw patient folders to volumes in Hounsfield units, each with a verdict.

INGEST_RESULTS = [
    *expand("results/ingest/{patient}/volume.h5", patient=PATIENTS),
    "results/ingest/verdicts.tsv",
    "results/ingest/admitted.txt",
]


rule ingest:
    input:
        lambda wildcards: of_patients(INGEST_RESULTS),
    localrule: True


rule ingest_patient:
    input:
        raw_files,
    output:
        volume="results/ingest/{patient}/volume.h5",
        verdict="results/ingest/{patient}/verdict.json",
    log:
        "logs/ingest_patient/{patient}.log",
    benchmark:
        "benchmarks/ingest_patient/{patient}.tsv"
    # Before any training: it starts only if all labelled patients are in order.
    priority: 1
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(1500, ingest_bytes),
        runtime=20,
    params:
        config=ingest_config,
        code=code_of("ingest_patient"),
    script:
        "../scripts/ingest_patient.py"


rule collect_verdicts:
    input:
        expand("results/ingest/{patient}/verdict.json", patient=PATIENTS),
    output:
        table="results/ingest/verdicts.tsv",
        page=report(
            "results/ingest/verdicts.html",
            caption="../report/verdicts.rst",
            category="1 Data verdicts",
            labels={"table": "verdict on every patient"},
        ),
    log:
        "logs/collect_verdicts.log",
    localrule: True
    conda:
        "../../envs/lunggtv.yaml"
    params:
        config={"exclude": plain(COHORT.excluded), "ignored": plain(COHORT.ignored)},
        code=code_of("collect_verdicts"),
    script:
        "../scripts/collect_verdicts.py"


# A rejected patient stops here (and in its own cache job), never silently: the others go on.
rule admit_cohort:
    input:
        "results/ingest/verdicts.tsv",
    output:
        "results/ingest/admitted.txt",
    log:
        "logs/admit_cohort.log",
    localrule: True
    conda:
        "../../envs/lunggtv.yaml"
    params:
        code=code_of("admit_cohort"),
    script:
        "../scripts/admit_cohort.py"
