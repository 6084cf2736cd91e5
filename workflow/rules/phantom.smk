# Synthetic patients in place of raw data, when the settings ask for them.

if COHORT.phantom_files:

    rule make_phantom:
        output:
            COHORT.phantom_files,
        log:
            "logs/make_phantom.log",
        conda:
            "../../envs/lunggtv.yaml"
        threads: 2
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            config=section("phantom"),
            code=code_of("make_phantom"),
        script:
            "../scripts/make_phantom.py"
