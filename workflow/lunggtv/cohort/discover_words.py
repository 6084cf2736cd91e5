"""What discovery says of folders that hold no patient, or more than one. Standard library only, for parse time."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from lunggtv.cohort.known_trees import KnownTree
from lunggtv.cohort.patterns import PLACE
from lunggtv.image_headers import suffix_of
from lunggtv.wording import few, readable

# Files that are certainly no DICOM: with nothing else in a folder, its image is misnamed.
NOT_DICOM = (".txt", ".csv", ".json", ".xml", ".pdf", ".png", ".jpg", ".zip", ".md", ".yaml", ".raw", ".zraw")


def twice(patient: str, places: list[str]) -> str:
    """One id in several places."""
    return (
        f"Patient {patient} is there twice: {' and '.join(places)}. Rename one of them, or remove it if it "
        "is the same scan."
    )


def fits_both(image: str) -> str:
    """An image that both sets would take."""
    return (
        f"{image} fits both data.image and data.unlabelled_image (which is data.image where it is not set). Let each "
        "fit the images of its own set alone, or put the patients to be drafted into a folder of their own and name it "
        "as data.unlabelled."
    )


def patient_or_site(folder: str) -> str:
    """A folder of folders of DICOM files that one set takes for a patient and the other for the place of several."""
    return (
        f"{folder} holds folders of DICOM files: by one of data.image and data.unlabelled_image it is a patient, by "
        "the other each of them is. Put the patients to be drafted into a folder of their own and name it as "
        "data.unlabelled."
    )


def parted(image: str, label: str) -> str:
    """A label at another site than the image of that id."""
    return (
        f"the image is {image}, and the label {label}, where other patients' images lie: they may be of two people "
        "with one id. Put both into one folder, or rename one of them."
    )


def label_of_other(patient: str, label: str, image: str) -> str:
    """A label without an image in one data folder, and an image of that id in the other."""
    return (
        f"Patient {patient}: {label} is a label without an image, and {image} an image of that id in the other data "
        "folder. Take the label away if it is not needed; if they are of two people, rename one of them."
    )


def several(key: str, paths: Iterable[str]) -> str:
    """Several files where one was expected; ``key`` is the setting."""
    files = sorted(paths)
    names = sorted(map(os.path.basename, files))
    names = names if len(set(names)) == len(files) else files
    return f"several files fit {key}: {few(names)}. Make the pattern fit one, or remove the others."


def misnamed(files: list[str], folder: str, wanted: str) -> str | None:
    """What is wrong with a folder that has no image and no DICOM; None if it may have some."""
    if not files:
        return f"the folder is empty: neither {wanted} nor DICOM files are there."
    if all(suffix_of(file) or file.lower().endswith(NOT_DICOM) for file in files):
        names = [os.path.relpath(file, folder) for file in files]
        return (
            f"{wanted} is not there, and no DICOM files either; there are {few(names)}. Rename the "
            "image, or change data.image."
        )
    return None


def passed_over(folders: Sequence[str]) -> str | None:
    """Folders that are no patients, in one line; None where there are none."""
    if not folders:
        return None
    return f"Ignored, as no patient's: {', '.join(map(readable, folders))}."


def loose(names: list[str]) -> str:
    """Scans that lie in no folder of a patient; among the patients they go by the first of their names."""
    one = len(names) == 1
    lie, them, are = ("lies", "it", "is") if one else ("lie", "them", "are")
    return (
        f"{few(names)} {lie} beside the patients' folders and {are} in none of them. Put {them} into "
        f"{'its' if one else 'their'} patient's folder, take {them} away, or name {'it' if one else names[0]} under "
        "data.exclude."
    )


def unasked(names: list[str], wanted: str) -> str:
    """Scans among the images that are not named like them."""
    lie, them, are = ("lies", "it", "is") if len(names) == 1 else ("lie", "them", "are")
    return (
        f"{few(names)} {lie} among the images and {are} not named as data.image asks ({wanted}). Store {them} under "
        f"that name and in that format, take {them} away, or name the patient under data.exclude."
    )


def misplaced(name: str, wanted: str, wild: bool) -> str:
    """A folder with DICOM files among images; where the pattern begins with a wildcard, a folder of folders directly
    below the data folder is taken for one of many patients."""
    what = "all its files into one folder" if wild else "the folder"
    return (
        f"{name} is a folder with DICOM files where data.image asks for images ({wanted}). Put {what} directly "
        "below the data folder, take it away, or name the patient under data.exclude."
    )


def known_tree(root: str | Path, labelled: bool, tree: KnownTree) -> str:
    """A data folder in a layout that other patterns would read; the lines to set, as they stand in config.yaml."""
    lines = {"unlabelled_image": tree.unlabelled_image or tree.image}
    if labelled:
        lines = {
            "image": tree.image,
            "label": tree.label or f"... (a pattern with {PLACE} for the GTV masks)",
        }
    text = (
        f"{root} looks like a data set of {tree.kind}, and the patterns in data find nobody in it. Set in config.yaml "
        "below data:\n" + "\n".join(f'    {key}: "{value}"' for key, value in lines.items())
    )
    if labelled and tree.unlabelled_image not in (None, tree.image):
        text += (
            f'\nand, to have the others drafted:\n    unlabelled: "{root}"\n'
            f'    unlabelled_image: "{tree.unlabelled_image}"'
        )
    return text


def nobody(root: str | Path, labelled: bool, image_pattern: str, what: str) -> str:
    """A data folder without patients; ``what`` says how it is."""
    key = "data.labelled" if labelled else "data.unlabelled"
    example = Path(root) / image_pattern.replace(PLACE, "1")
    beside = " and its label" if labelled else ""
    return (
        f"The data folder {root} {what}. Put each patient there: an image such as {example}{beside}, or a "
        f"folder with a DICOM CT series{' and its RTSTRUCT' if labelled else ''}; or name another folder as "
        f"{key} in config.yaml. `make demo` needs no data."
    )
