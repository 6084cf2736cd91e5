# Synthetic patients in place of raw data, when the settings ask for them.

if COHORT.phantom_files:

    rule make_phantom:
        output:
            COHORT.phantom_files,
        params:
            config=section("phantom"),
            root=PHANTOM_ROOT,
            code=code_of("make_phantom"),
        log:
            "logs/make_phantom.log",
        threads: 2
        resources:
            mem_mb=4000,
            runtime=60,
        conda:
            "../../envs/lunggtv.yaml"
        script:
            "../scripts/make_phantom.py"
