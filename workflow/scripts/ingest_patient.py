"""Read one raw patient folder into a volume and a verdict."""

from pathlib import Path

from lunggtv.ingest.ingest_patient import ingest_patient
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.job import logged_job
from lunggtv.patient_files import PatientFiles

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    config = dict(snakemake.params.config)
    source = config.pop("source")
    ingest_patient(
        PatientFiles(
            patient=snakemake.wildcards.patient,
            labelled=source["labelled"],
            folder=Path(source["folder"]),
            files=tuple(map(Path, snakemake.input)),
            image=Path(source["image"]) if source["image"] else None,
            label=Path(source["label"]) if source["label"] else None,
            problem=source["problem"],
        ),
        IngestSettings.from_config(config),
        volume_path=snakemake.output.volume,
        verdict_path=snakemake.output.verdict,
    )
