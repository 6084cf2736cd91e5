# Drafts against the original label, in mm and ml; then the cohort.

COMPARED = list(config["evaluate"]["compare"]) if SCORED else []
STATISTICS = [
    "summary.json",
    *multiext("metrics", ".tsv", ".html"),
    *("dice_by_volume.svg", "distributions.svg", "calibration.svg"),
]
COMPARISON = [
    *multiext("comparison", ".json", ".tsv", ".html", ".svg"),
    *multiext("patients", ".tsv", ".html"),
]
EVALUATE_RESULTS = [
    *expand("results/evaluate/{patient}.{kind}", patient=SCORED, kind=["json", "png"]),
    *(expand("results/evaluate/{name}", name=STATISTICS) if SCORED else []),
    *expand("results/compare/{other}/{name}", other=COMPARED, name=COMPARISON),
    *expand("results/compare/{other}/{patient}.png", other=COMPARED, patient=SCORED),
    *(multiext("results/compare/sets", ".tsv", ".html") if COMPARED else []),
    *(["results/landing.rst", *multiext("results/timings", ".tsv", ".html")] if DRAFTED else []),
]


rule evaluate:
    input:
        lambda wildcards: of_patients(
            COHORT_TABLES, TRAIN_RESULTS, INFER_RESULTS, EVALUATE_RESULTS, lacking=MODELLESS
        ),
    localrule: True


rule evaluate_patient:
    input:
        volume="results/ingest/{patient}/volume.h5",
        prediction="results/infer/{patient}/gtv.nii.gz",
    output:
        "results/evaluate/{patient}.json",
    log:
        "logs/evaluate_patient/{patient}.log",
    benchmark:
        "benchmarks/evaluate_patient/{patient}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(2000, volume_bytes(8)),
        runtime=20,
    params:
        config=section("evaluate", "tolerances_mm", "lesion_overlap"),
        fold=fold_of,
        code=code_of("evaluate_patient"),
    script:
        "../scripts/evaluate_patient.py"


rule picture_patient:
    input:
        volume="results/ingest/{patient}/volume.h5",
        mask="results/infer/{patient}/gtv.nii.gz",
        scores="results/evaluate/{patient}.json",
    output:
        report(
            "results/evaluate/{patient}.png",
            caption="../report/patient.rst",
            category="4 Patients",
            labels=draft_label,
        ),
    log:
        "logs/picture_patient/{patient}.log",
    benchmark:
        "benchmarks/picture_patient/{patient}.tsv"
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(2000, volume_bytes(8)),
        runtime=20,
    params:
        code=code_of("picture_patient"),
    script:
        "../scripts/picture_patient.py"


rule summarise_metrics:
    input:
        scores=expand("results/evaluate/{patient}.json", patient=SCORED),
        drafts=expand("results/infer/{patient}/infer.json", patient=SCORED),
    output:
        metrics="results/evaluate/metrics.tsv",
        page=report(
            "results/evaluate/metrics.html",
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
        comparisons=expand("results/compare/{other}/comparison.json", other=COMPARED),
        cards=expand(CARDS, fold=MODELS),
        calibration=CALIBRATION,
        plan=SPACING_PLAN,
    output:
        "results/landing.rst",
    log:
        "logs/describe_run.log",
    localrule: True
    conda:
        "../../envs/lunggtv.yaml"
    params:
        config=section("cache", "spacing_mm"),
        code=code_of("describe_run"),
    script:
        "../scripts/describe_run.py"


# The one table that differs from run to run. It is made last, from the benchmark files that lie there then.
rule collect_timings:
    input:
        "results/landing.rst",
    output:
        table="results/timings.tsv",
        page=report(
            "results/timings.html",
            caption="../report/timings.rst",
            category="8 Timings and memory",
            labels={"table": "cost of every rule's jobs"},
        ),
    log:
        "logs/collect_timings.log",
    localrule: True
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
        "results/compare/{other}/{patient}.json",
    log:
        "logs/evaluate_other/{other}/{patient}.log",
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(2000, volume_bytes(8)),
        runtime=20,
    params:
        config=section("evaluate", "tolerances_mm", "lesion_overlap"),
        fold={"fold": None},
        code=code_of("evaluate_patient"),
    script:
        "../scripts/evaluate_patient.py"


rule picture_other:
    input:
        volume="results/ingest/{patient}/volume.h5",
        mask=other_mask,
        scores="results/compare/{other}/{patient}.json",
    output:
        "results/compare/{other}/{patient}.png",
    log:
        "logs/picture_other/{other}/{patient}.log",
    conda:
        "../../envs/lunggtv.yaml"
    resources:
        mem_mb=memory_for(2000, volume_bytes(8)),
        runtime=20,
    params:
        code=code_of("picture_patient"),
    script:
        "../scripts/picture_patient.py"


rule compare_scores:
    input:
        ours=expand("results/evaluate/{patient}.json", patient=SCORED),
        theirs=expand("results/compare/{{other}}/{patient}.json", patient=SCORED),
    output:
        table="results/compare/{other}/comparison.tsv",
        page=report(
            "results/compare/{other}/comparison.html",
            caption="../report/comparison.rst",
            category="7 Comparisons",
            labels={"with": "{other}", "what": "every metric"},
        ),
        patients="results/compare/{other}/patients.tsv",
        patients_page=report(
            "results/compare/{other}/patients.html",
            caption="../report/comparison.rst",
            category="7 Comparisons",
            labels={"with": "{other}", "what": "every patient"},
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


rule gather_sets:
    input:
        ours=expand("results/evaluate/{patient}.json", patient=SCORED),
        theirs=expand("results/compare/{other}/{patient}.json", other=COMPARED, patient=SCORED),
    output:
        table="results/compare/sets.tsv",
        page=report(
            "results/compare/sets.html",
            caption="../report/sets.rst",
            category="7 Comparisons",
            labels={"with": "all sets", "what": "means and spread"},
        ),
    log:
        "logs/gather_sets.log",
    conda:
        "../../envs/lunggtv.yaml"
    params:
        names=COMPARED,
        code=code_of("gather_sets"),
    script:
        "../scripts/gather_sets.py"
