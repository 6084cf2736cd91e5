"""Write one patient's draft as RTSTRUCT on the slices of its DICOM CT."""

from lunggtv.infer.infer_settings import checked_roi_name
from lunggtv.infer.write_rtstruct import write_rtstruct
from lunggtv.job import logged_job

with logged_job(snakemake.log[0], snakemake.input, snakemake.output):
    write_rtstruct(
        mask_path=snakemake.input.mask,
        json_path=snakemake.input.record,
        cache_path=snakemake.input.volume,
        raw_files=list(snakemake.input.raw),
        roi_name=checked_roi_name(snakemake.params.config),
        rtstruct_path=snakemake.output[0],
    )
