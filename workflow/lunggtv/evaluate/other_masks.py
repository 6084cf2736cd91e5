"""Where the masks lie that ours are compared with: another tool's, or those of another run of LungGTV.

The module imports nothing heavy: Snakemake calls it while it reads the rules.
"""

from collections.abc import Mapping
from pathlib import Path

from lunggtv.errors import UnusableMask

MASK_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
# Below a folder: one file a patient as other tools write them (what else lies there is not looked at, such as
# nnU-Net's JSON files), or the drafts of a run of LungGTV, whose working or results folder is given.
LAYOUTS = (
    *(f"{{patient}}{suffix}" for suffix in MASK_SUFFIXES),
    "results/infer/{patient}/gtv.nii.gz",
    "infer/{patient}/gtv.nii.gz",
)


def check_places(compare: Mapping[str, str]) -> None:
    """Raise UnusableMask if a place to compare with is not there, or none can be meant; ``compare`` is the setting."""
    for name, place in compare.items():
        if "{" in place:
            _filled(place, "1")
        folder = Path(place)
        while "{" in str(folder):
            folder = folder.parent
        if not folder.is_dir():
            raise UnusableMask(f"evaluate.compare: {name}: {place}: there is no folder {folder}.")


def mask_file(place: str, patient: str) -> Path:
    """The mask of a patient.

    Args:
        place: a folder in one of LAYOUTS; or a path with ``{patient}`` in it, which stands for the id
            (``{patient:0>3}``: filled up with zeros to three signs), where files are named otherwise.

    Raises:
        UnusableMask: none, or more than one.
    """
    if "{" in place:
        return _named_file(place, patient)
    if not Path(place).is_dir():
        raise UnusableMask(f"evaluate.compare: {place}: there is no such folder.")
    found = [path for name in LAYOUTS if (path := Path(place, name.format(patient=patient))).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(map(str, found))
        raise UnusableMask(
            f"evaluate.compare: {place}: several masks of patient {patient} ({names}). Keep one."
        )
    raise UnusableMask(
        f"evaluate.compare: {place}: no mask of patient {patient}. Name files by patient, such as "
        f"{patient}.nii.gz, or give a path such as {place}/lung_{{patient}}.nii.gz; a tool that found nothing must "
        "write an empty mask, or its miss would not count."
    )


def _filled(pattern: str, patient: str) -> Path:
    try:
        return Path(pattern.format(patient=patient))
    except (AttributeError, IndexError, KeyError, ValueError) as error:
        raise UnusableMask(
            f"evaluate.compare: {pattern}: only {{patient}} may stand in braces, as in lung_{{patient}}.nii.gz or "
            "lung_{patient:0>3}.nii.gz."
        ) from error


def _named_file(pattern: str, patient: str) -> Path:
    path = _filled(pattern, patient)
    if not path.is_file():
        raise UnusableMask(
            f"evaluate.compare: {path}: no mask of patient {patient}. A tool that found nothing must write an empty "
            "mask, or its miss would not count."
        )
    return path
