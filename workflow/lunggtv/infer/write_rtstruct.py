"""A draft and the raw DICOM CT in, an RT structure set out."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lunggtv.errors import DamagedFile
from lunggtv.files import file_digest, read_json
from lunggtv.image_files import read_image
from lunggtv.infer.rtstruct_file import write_structure_set
from lunggtv.mask_parts import label_parts
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
    """Write a patient's draft as RTSTRUCT on the slices it was drawn on; planes of the CT's grid that lie between
    slices have no contours.

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
    unseen = parts_between(mask, slices)
    if unseen:
        logging.warning("Parts of the draft that lie between slices alone and have no contour: %d.", unseen)
        description += f" Parts between slices alone, which have no contour: {unseen}."
    write_structure_set(mask, slices, rtstruct_path, roi_name, description)


def find_slices(raw_files: Sequence[str | Path], digests: Sequence[str | None]) -> list[Path | None]:
    """The files of the CT's slices, in the order of their SHA-256 ``digests``; other files are left aside.

    None where the digest is: a plane of the CT's grid that lies between slices.

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
    of_slices = [digest for digest in digests if digest is not None]
    missing = [digest for digest in of_slices if digest not in by_digest]
    if missing:
        raise DamagedFile(
            f"{len(missing)} of {len(of_slices)} CT slices are gone or have changed since ingest. Run "
            "snakemake again; the patient is ingested anew."
        )
    return [None if digest is None else by_digest[digest] for digest in digests]


def parts_between(mask: np.ndarray, slices: Sequence[Path | None]) -> int:
    """Connected parts of a draft that no slice shows: they lie on planes between slices."""
    if None not in slices:
        return 0
    parts, count = label_parts(mask > 0, corners=True)
    shown = [plane for plane, file in enumerate(slices) if file is not None]
    return count - np.unique(parts[shown][parts[shown] > 0]).size
