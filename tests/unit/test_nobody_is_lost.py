"""In trees as people have them every scan is told: as a patient's file, in the words on a patient, or as ignored."""

import fnmatch
import random
from pathlib import Path

import pytest
from lunggtv.cohort.data_folders import look_into
from lunggtv.errors import CohortError

PATTERNS = [
    ("{patient}/data.nii.gz", "{patient}/label.nii.gz"),
    ("imagesTr/{patient}_0000.nii.gz", "labelsTr/{patient}.nii.gz"),
    ("{patient}_ct.nii.gz", "{patient}_gtv.nii.gz"),
    ("*/{patient}/data.nii.gz", "*/{patient}/label.nii.gz"),
    ("*/{patient}.nii.gz", "*/{patient}_gtv.nii.gz"),
    ("*/img/{patient}.nii.gz", "*/seg/{patient}.nii.gz"),
    ("**/{patient}/data.nii.gz", "**/{patient}/label.nii.gz"),
    ("**/{patient}_ct.nii.gz", "**/{patient}_gtv.nii.gz"),
    ("ct/{patient}.nii.gz", "masks/{patient}.nii.gz"),
    ("{patient}/ct.nii.gz", "masks/{patient}.nii.gz"),
    ("{patient}/ct.nii.gz", "seg*/{patient}.nii.gz"),
    ("sub-{patient}/ct/ct.nii.gz", "derivatives/gtv/sub-{patient}/gtv.nii.gz"),
]
LUNGS = [None, "lungs/{patient}.nii.gz", "{patient}/lungs.nii.gz", "lungs/{patient}_lungs.nii.gz"]
EXTRAS = [
    "imagesTs/T1_0000.nii.gz", "sourcedata/P9/IM0001.dcm", "backup/P1.nii.gz", "atlas.nii.gz", "lost+found/x.dcm",
    "B/old/T3.nii", "B/T4/IM0002.dcm", "C/T5.zip", "C/T6/data.nii", "lungs/P1.nii.gz", "lungs/P8.nii.gz",
    "masks/P1_lobes.nii.gz", "notes/a.txt",
    "lungs/P1_lungs.nii.gz", "lungs/P9_ct.nii.gz", "lungs/P9/ct.nii.gz",
    "masks/P9.nii", "masks/P8.zip",
]  # fmt: skip
TREES = 40  # of each pair of patterns
# A folder of images at each site, and one of those to be drafted beside it.
BESIDE = [
    ("*/img/{patient}/ct.nii.gz", "*/img/{patient}/gtv.nii.gz"),
    ("*/img/{patient}.nii.gz", "*/seg/{patient}.nii.gz"),
]


def grown(draw: random.Random, image: str, label: str) -> tuple[list[str], dict[str, str]]:
    """The files of a tree, and whose the labels are: patients whole, with a label or an image alone, misnamed, of
    DICOM, and what else lies about."""
    names, labels = draw.sample(EXTRAS, 4), {}
    for patient in ("P1", "P2", "P3", "17"):
        site = draw.choice(["A/", "B/"])
        deep = draw.choice(["", site, site])
        own = [
            part.replace("{patient}", patient).replace("**/", deep).replace("*/", site)
            for part in (image, label)
        ]
        labels[own[1]] = patient
        beside = [str(Path(one).with_name("IM1.dcm")) for one in own]
        above = draw.choice(["", "A/", "B/", own[0].rpartition("/")[0] + "/"]).lstrip("/")
        names += draw.choice(
            [own] * 4
            + [own[:1], own[1:]]
            + [[own[0].removesuffix(".gz"), own[1]], [*own, f"{own[0].removesuffix('.nii.gz')}_lobes.nii.gz"]]
            + [[f"{above}{patient}/{inner}IM1.dcm"] for inner in ("", "ct/")]
            + [[own[1], *set(beside[:1]).intersection(beside[1:])], [f"{above}{patient}/ct/IM1.dcm", own[1]]]
            + [[f"{above}{patient}.nii"]]
        )
    return list(dict.fromkeys(names)), labels


def planted(root: Path, names: list[str], draw: random.Random) -> bool:
    """Writes the files, a few of them as links that lead out; False where one is to lie in another."""
    root.mkdir(parents=True)
    (root.parent / "store.nii.gz").touch()
    for name in names:
        path = root / name
        if path.is_dir() or any(above.is_file() for above in path.parents):
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".nii.gz") and draw.random() < 0.08:
            path.symlink_to(root.parent / "store.nii.gz")
        else:
            path.write_bytes(bytes(128) + b"DICM" if name.endswith(".dcm") else b"x")
    return True


def is_told(path: Path, of_folders: bool, found) -> bool:
    """Whether a file is somebody's, or lies in a folder of his own, or is in the words on him, or is named among the
    ignored."""
    for one in found.patients:
        linked = of_folders and one.problem and "is a symbolic link" in one.problem
        own = (one.folder, one.folder.parent) if linked else (one.folder,)
        inside = any(folder == path or folder in path.parents for folder in own)
        if path in one.files or (inside and (one.image is None or of_folders)):
            return True
        if one.problem and (path.name in one.problem or path.name == f"{one.patient}.nii.gz"):
            return True
    above = [str(path), *map(str, path.parents)]
    return any(fnmatch.fnmatchcase(one, shown) for shown in found.ignored for one in above)


@pytest.mark.parametrize(("image", "label"), PATTERNS)
def test_every_scan_is_somebody_s_or_named(tmp_path, image, label):
    looked = 0
    for seed in range(TREES):
        draw = random.Random(f"{image} {seed}")
        names, labels = grown(draw, image, label)
        root, lungs = tmp_path / str(seed) / "raw", draw.choice(LUNGS)
        if not planted(root, names, draw):
            continue
        shared = {"unlabelled": str(root), "unlabelled_image": "imagesTs/{patient}_0000.nii.gz"}
        alone = {"unlabelled": None, "unlabelled_image": None}
        data = {"labelled": str(root), "image": image, "label": label, "follow_links": False}
        try:
            found = look_into(
                data | (shared if draw.random() < 0.3 else alone), lungs, may_lack_labelled=False
            )
        except CohortError:
            continue  # told at once, for everybody
        looked += 1
        ids = [one.patient for one in found.patients]
        hidden = [root / lungs.replace("{patient}", patient) for patient in ids] if lungs else []
        hidden += [root / name for name, patient in labels.items() if patient in ids]
        scans = [root / name for name in names if not name.endswith(".txt")]
        of_folders = "{patient}" not in Path(image).name
        lost = [path for path in scans if path not in hidden and not is_told(path, of_folders, found)]
        assert lost == [], (seed, lungs, names, ids, found.ignored)
        used = [path for one in found.patients for path in one.files]
        assert len(used) == len(set(used)), (seed, names, used)
    assert looked > TREES / 3


@pytest.mark.parametrize(("image", "label"), BESIDE)
def test_no_scan_is_in_both_sets(tmp_path, image, label):
    looked, of_dicom = 0, 0
    for seed in range(TREES):
        draw = random.Random(f"both {image} {seed}")
        names, labels = [], set()
        for patient in ("P1", "P2", "P3", "P4", "P5"):
            part = draw.choice(["img", "new"])
            own = image.replace("*", draw.choice("AB")).replace("{patient}", patient)
            own = own.replace("/img/", f"/{part}/")
            dicom = f"{own.split('.')[0].removesuffix('/ct')}/{draw.choice(['', 'ct/'])}IM1.dcm"
            gtv = label.replace("*", own[0]).replace("{patient}", patient)
            labels.add(gtv)
            names += draw.choice([[own, gtv] if part == "img" else [own], [dicom]])
        root = tmp_path / str(seed) / "raw"
        assert planted(root, names, draw)
        data = {"labelled": str(root), "image": image, "label": label, "follow_links": False}
        data |= {"unlabelled": str(root), "unlabelled_image": image.replace("/img/", "/new/")}
        try:
            found = look_into(data, None, may_lack_labelled=False)
        except CohortError:
            continue  # nobody in one of them
        looked += 1
        of_dicom += sum(one.image is None and one.problem is None for one in found.patients)
        used = [path for one in found.patients for path in one.files]
        assert len(used) == len(set(used)), (seed, names, used)
        assert {one.patient for one in found.patients} <= {"P1", "P2", "P3", "P4", "P5"}, (seed, names)
        images = [root / name for name in names if name not in labels]
        lost = [path for path in images if not is_told(path, "ct.nii" in image, found)]
        assert lost == [], (seed, names, found.ignored)
    assert looked > TREES / 3 and (of_dicom > 0) == ("ct.nii" in image)
