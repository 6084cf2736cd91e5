"""Where another tool's masks lie: one file a patient, named by patient, on the original grid of the CT.

That is how nnU-Net writes its predictions (``7.nii.gz``); the JSON files beside them are not looked at.
The module imports nothing heavy: Snakemake calls it while it reads the rules.
"""

from pathlib import Path

from lunggtv.errors import UnusableMask

MASK_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def mask_file(folder: str | Path, patient: str) -> Path:
    """The mask of a patient in another tool's folder.

    Raises:
        UnusableMask: none, or more than one under different suffixes.
    """
    found = [path for suffix in MASK_SUFFIXES if (path := Path(folder) / f"{patient}{suffix}").is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise UnusableMask(f"{folder}: several masks of patient {patient} ({names}). Keep one of them.")
    raise UnusableMask(
        f"{folder}: no mask of patient {patient}. Name files by patient, such as {patient}.nii.gz; a tool "
        "that found nothing must write an empty mask, or its miss would not count."
    )
