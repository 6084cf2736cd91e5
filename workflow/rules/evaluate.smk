# Drafts against the original label, in mm and ml; then the cohort.

EVALUATE_RESULTS = [
    *expand("results/evaluate/{patient}.json", patient=SCORED),
    *(["results/evaluate/summary.json"] if SCORED else []),
    *(["results/landing.rst", "results/timings.tsv"] if DRAFTED else []),
    *expand(
        "results/compare/{other}/comparison.json",
        other=config["evaluate"]["compare"] if SCORED else [],
    ),
]


rule evaluate:
    input:
        COHORT_TABLES,
        TRAIN_RESULTS,
        INFER_RESULTS,
        EVALUATE_RESULTS,
    localrule: True


rule evaluate_patient:
    input:
        volume="results/ingest/{patient}/volume.h5",
        prediction="results/infer/{patient}/gtv.nii.gz",
    output:
        scores="results/evaluate/{patient}.json",
        picture=report(
            "results/evaluate/{patient}.png",
            caption="../report/patient.rst",
            category="4 Patients",
            labels={"patient": "{patient}"},
        ),
    log:
        "logs/evaluate_patient/{patient}.log",
    benchmark:
        "benchmarks/evaluate_patient/{patient}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=20,
    params:
        config=section("evaluate", "tolerances_mm", "lesion_overlap"),
        fold=fold_of,
        code=code_of("evaluate_patient"),
    script:
        "../scripts/evaluate_patient.py"


rule summarise_metrics:
    input:
        scores=expand("results/evaluate/{patient}.json", patient=SCORED),
        drafts=expand("results/infer/{patient}/infer.json", patient=SCORED),
    output:
        metrics=report(
            "results/evaluate/metrics.tsv",
            caption="../report/metrics.rst",
            category="6 Statistics",
            labels={"what": "metrics of every patient"},
        ),
        summary="results/evaluate/summary.json",
        volume=report(
            "results/evaluate/dice_by_volume.svg",
            caption="../report/dice_by_volume.rst",
            category="6 Statistics",
            labels={"what": "Dice by volume"},
        ),
        distributions=report(
            "results/evaluate/distributions.svg",
            caption="../report/distributions.rst",
            category="6 Statistics",
            labels={"what": "distributions"},
        ),
        calibration=report(
            "results/evaluate/calibration.svg",
            caption="../report/calibration.rst",
            category="6 Statistics",
            labels={"what": "calibration"},
        ),
    log:
        "logs/summarise_metrics.log",
    conda:
        "../../envs/lunggtv.yaml"
    params:
        config=section("evaluate", "volume_edges_ml", "resamples", "seed"),
        code=code_of("summarise_metrics"),
    script:
        "../scripts/summarise_metrics.py"


rule describe_run:
    input:
        verdicts="results/ingest/verdicts.tsv",
        reviews="results/infer/review.tsv",
        summary=["results/evaluate/summary.json"] if SCORED else [],
        cards=expand(CARDS, fold=MODELS),
        calibration=CALIBRATION,
    output:
        "results/landing.rst",
    log:
        "logs/describe_run.log",
    conda:
        "../../envs/lunggtv.yaml"
    params:
        code=code_of("describe_run"),
    script:
        "../scripts/describe_run.py"


# The one table that differs from run to run. It is made last, from the benchmark files that lie there then.
rule collect_timings:
    input:
        "results/landing.rst",
    output:
        report(
            "results/timings.tsv",
            caption="../report/timings.rst",
            category="8 Timings and memory",
        ),
    log:
        "logs/collect_timings.log",
    conda:
        "../../envs/lunggtv.yaml"
    params:
        folder="benchmarks",
        code=code_of("collect_timings"),
    script:
        "../scripts/collect_timings.py"


rule evaluate_other:
    input:
        volume="results/ingest/{patient}/volume.h5",
        prediction=other_mask,
    output:
        scores="results/compare/{other}/{patient}.json",
        picture="results/compare/{other}/{patient}.png",
    log:
        "logs/evaluate_other/{other}/{patient}.log",
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=20,
    params:
        config=section("evaluate", "tolerances_mm", "lesion_overlap"),
        fold={"fold": None},
        code=code_of("evaluate_patient"),
    script:
        "../scripts/evaluate_patient.py"


rule compare_scores:
    input:
        ours=expand("results/evaluate/{patient}.json", patient=SCORED),
        theirs=expand("results/compare/{{other}}/{patient}.json", patient=SCORED),
    output:
        table=report(
            "results/compare/{other}/comparison.tsv",
            caption="../report/comparison.rst",
            category="7 Comparisons",
            labels={"with": "{other}", "what": "patient by patient"},
        ),
        record="results/compare/{other}/comparison.json",
        figure=report(
            "results/compare/{other}/comparison.svg",
            caption="../report/comparison.rst",
            category="7 Comparisons",
            labels={"with": "{other}", "what": "figure"},
        ),
    log:
        "logs/compare_scores/{other}.log",
    conda:
        "../../envs/lunggtv.yaml"
    params:
        config=section("evaluate", "volume_edges_ml", "resamples", "seed"),
        code=code_of("compare_scores"),
    script:
        "../scripts/compare_scores.py"
