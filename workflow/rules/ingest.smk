# Raw patient folders to volumes in Hounsfield units, each with a verdict.

INGEST_RESULTS = [
    *expand("results/ingest/{patient}/volume.h5", patient=PATIENTS),
    "results/ingest/verdicts.tsv",
    "results/ingest/admitted.txt",
]


def raw_files(wildcards):
    """Every raw file of a patient: an edit in any of them makes its ingest run again."""
    return [str(file) for file in COHORT.patients[wildcards.patient].files]


def ingest_config(wildcards):
    """The ingest settings, with what concerns this patient alone."""
    files = COHORT.patients[wildcards.patient]
    return section("ingest") | {
        "source": {
            "folder": str(files.folder),
            "image": str(files.image) if files.image else None,
            "label": str(files.label) if files.label else None,
            "labelled": files.labelled,
            "problem": files.problem,
        },
        "series": config["data"]["series"].get(wildcards.patient),
    }


rule ingest:
    localrule: True
    input:
        INGEST_RESULTS,


rule ingest_patient:
    input:
        raw_files,
    output:
        volume="results/ingest/{patient}/volume.h5",
        verdict="results/ingest/{patient}/verdict.json",
    params:
        config=ingest_config,
        code=code_of("ingest_patient"),
    log:
        "logs/ingest_patient/{patient}.log",
    benchmark:
        "benchmarks/ingest_patient/{patient}.tsv"
    resources:
        mem_mb=1500,
        runtime=20,
    conda:
        "../../envs/lunggtv.yaml"
    script:
        "../scripts/ingest_patient.py"


rule collect_verdicts:
    input:
        expand("results/ingest/{patient}/verdict.json", patient=PATIENTS),
    output:
        report(
            "results/ingest/verdicts.tsv",
            caption="../report/verdicts.rst",
            category="1 Data verdicts",
        ),
    params:
        config={"exclude": plain(COHORT.excluded)},
        code=code_of("collect_verdicts"),
    log:
        "logs/collect_verdicts.log",
    conda:
        "../../envs/lunggtv.yaml"
    script:
        "../scripts/collect_verdicts.py"


# A rejected patient stops here (and in its own cache job), never silently: the others go on.
rule admit_cohort:
    input:
        "results/ingest/verdicts.tsv",
    output:
        "results/ingest/admitted.txt",
    params:
        code=code_of("admit_cohort"),
    log:
        "logs/admit_cohort.log",
    conda:
        "../../envs/lunggtv.yaml"
    script:
        "../scripts/admit_cohort.py"
