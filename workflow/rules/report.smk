# The report, made by Snakemake's own engine after every run. `report-after-run` in a profile would fail every
# dry run whose results are not there yet (seen in Snakemake 9.27), so a handler asks for it instead.

import json
import subprocess
import tempfile

LANDING = Path("results/landing.rst")
REPORT_STYLE = workflow.source_path("../report/style.css")


report: LANDING.resolve() if LANDING.is_file() else "../report/workflow.rst"


def write_report(*targets):
    """One self-contained page about the targets, with the settings of this run."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as settings:
        json.dump(workflow.config, settings)
        settings.flush()
        command = [sys.executable, "-m", "snakemake", *targets]
        command += ["--snakefile", workflow.main_snakefile, "--configfile", settings.name]
        command += [
            "--report",
            "results/report.html",
            "--report-stylesheet",
            REPORT_STYLE,
        ]
        command += ["--workflow-profile", "none", "--nolock"]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"The report could not be written:\n{done.stderr}", file=sys.stderr)


onsuccess:
    write_report(*map(str, workflow.dag_settings.targets))


# After a failure the verdicts are what the user needs; they are there unless ingest itself broke.
onerror:
    if Path("results/ingest/verdicts.html").is_file():
        write_report("results/ingest/verdicts.html")
