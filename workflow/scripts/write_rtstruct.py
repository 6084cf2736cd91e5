"""Write one patient's draft as RTSTRUCT on the slices of its DICOM CT."""

from lunggtv.infer.infer_settings import checked_roi_name
from lunggtv.infer.write_rtstruct import write_rtstruct
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    write_rtstruct(
        snakemake.input.mask,
        snakemake.input.record,
        snakemake.input.volume,
        list(snakemake.input.raw),
        checked_roi_name(snakemake.params.config),
        snakemake.output[0],
    )
