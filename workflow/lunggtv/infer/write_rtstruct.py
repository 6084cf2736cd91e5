"""A draft and the raw DICOM CT in, an RT structure set out."""

from collections.abc import Sequence
from pathlib import Path

from lunggtv.errors import DamagedFile
from lunggtv.files import file_digest, read_json
from lunggtv.image_files import read_image
from lunggtv.infer.rtstruct_file import write_structure_set
from lunggtv.version import NAME, VERSION
from lunggtv.volume import read_metadata

DIGEST_CHARACTERS = 12


def write_rtstruct(
    *,
    mask_path: str | Path,
    json_path: str | Path,
    cache_path: str | Path,
    raw_files: Sequence[str | Path],
    roi_name: str,
    rtstruct_path: str | Path,
) -> None:
    """Write a patient's draft as RTSTRUCT on the slices it was drawn on.

    Args:
        mask_path: ``gtv.nii.gz``.
        json_path: ``infer.json``, which names the models.
        cache_path: the patient's cache, which knows the slices by their files' digests.
        raw_files: all files of the patient's raw folder.
        roi_name: name of the structure (``infer_settings.checked_roi_name``).
        rtstruct_path: file to write.

    Raises:
        RejectedPatient, DamagedFile: a file cannot be used, or a slice of the CT is gone or has changed.
    """
    metadata = read_metadata(cache_path, "cache")
    slices = find_slices(raw_files, metadata["slice_digests"])
    mask, _ = read_image(mask_path)
    models = [model["weights_sha256"][:DIGEST_CHARACTERS] for model in read_json(json_path)["models"]]
    description = (
        f"{NAME} {VERSION}, automatic draft by model{'s' * (len(models) > 1)} {', '.join(models)}; "
        "not approved, to be reviewed by a physician before any use."
    )
    write_structure_set(mask, slices, rtstruct_path, roi_name, description)


def find_slices(raw_files: Sequence[str | Path], digests: Sequence[str]) -> list[Path]:
    """The files of the CT's slices, in the order of their SHA-256 ``digests``; other files are left aside.

    Raises:
        DamagedFile: a slice is not there as it was ingested, or the CT did not come as DICOM.
    """
    if not digests:
        raise DamagedFile(
            "This CT did not come as DICOM: it has no UIDs that a structure set could refer to."
        )
    by_digest: dict[str, Path] = {}
    for file in sorted(Path(file) for file in raw_files):
        by_digest.setdefault(file_digest(file), file)
    missing = [digest for digest in digests if digest not in by_digest]
    if missing:
        raise DamagedFile(
            f"{len(missing)} of {len(digests)} CT slices are gone or have changed since ingest. Run "
            "snakemake again; the patient is ingested anew."
        )
    return [by_digest[digest] for digest in digests]
