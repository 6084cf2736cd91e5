"""Folders beside the patients that are none, data sets in a known layout, and folders that may not be read."""

import os
import re
from pathlib import Path

import pytest
import yaml
from lunggtv.cohort import path_search
from lunggtv.cohort.cohort import find_cohort
from lunggtv.cohort.discover import discover
from lunggtv.errors import CohortError

from tests.unit.test_discover import IMAGE, LABEL, touch

DECATHLON = ("imagesTr/{patient}.nii.gz", "labelsTr/{patient}.nii.gz")
SYSTEM = [
    "$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER", "System Volume Information", "lost+found", "#recycle", "@Recycle",
    "FOUND.000", "#snapshot", "@Recently-Snapshot",
]  # fmt: skip


def seen(root: Path, image: str = IMAGE, label: str = LABEL, labelled: bool = True):
    """Patients, each with its problem, and the names of the folders that were ignored."""
    found = discover(root, labelled, image, label)
    return {files.patient: files.problem for files in found.patients}, [Path(p).name for p in found.ignored]


@pytest.mark.parametrize("name", SYSTEM)
def test_what_disks_bring_along_is_no_patient_and_is_named(tmp_path, name):
    pairs, dicom = tmp_path / "pairs", tmp_path / "dicom"
    touch(pairs, "a/data.nii.gz", "a/label.nii.gz", f"{name}/S-1-5/old.dcm", f"{name}/data.nii.gz")
    assert seen(pairs) == ({"a": None}, [name])
    touch(dicom, "b/ct.dcm", f"{name}/old.dcm", f"b/{name}/old.dcm")
    found = discover(dicom, True, IMAGE, LABEL)
    (files,) = found.patients
    assert files.files == (dicom / "b/ct.dcm",), "a deleted file of a patient is none of its files"
    assert sorted(found.ignored) == sorted([str(dicom / name), str(dicom / "b" / name)])


@pytest.mark.parametrize("name", ["imagesTs", "labelsTs", "code", "derivatives", "sourcedata", "stimuli"])
@pytest.mark.parametrize("file", ["x.nii.gz", "x/y.dcm", "run.py"])
def test_parts_of_a_data_set_beside_the_images_are_no_patients(tmp_path, name, file):
    touch(tmp_path, "imagesTr/1.nii.gz", "labelsTr/1.nii.gz", f"{name}/{file}")
    assert seen(tmp_path, *DECATHLON) == ({"1": None}, [name])
    touch(tmp_path / "plain", "1/data.nii.gz", "1/label.nii.gz", f"{name}/{file}")
    assert seen(tmp_path / "plain") == ({"1": None}, [name])


def test_a_part_of_a_data_set_that_holds_a_label_is_used(tmp_path):
    touch(tmp_path, "sub-1/ct/sub-1_ct.nii.gz", "derivatives/gtv/sub-1_mask.nii.gz", "code/run.py")
    patterns = "sub-{patient}/ct/sub-{patient}_ct.nii.gz", "derivatives/gtv/sub-{patient}_mask.nii.gz"
    assert seen(tmp_path, *patterns) == ({"1": None}, ["code"])


def test_copies_in_derivatives_are_not_the_patient_twice(tmp_path):
    touch(tmp_path, "north/1/ct.nrrd", "north/1/gtv.nrrd", "derivatives/1/lungs.nrrd")
    assert seen(tmp_path, "*/{patient}/ct.nrrd", "north/{patient}/gtv.nrrd") == ({"1": None}, ["derivatives"])


def test_folders_that_the_pattern_does_not_mean(tmp_path):
    """Ignored if nothing in them begins like DICOM; a name that differs in its capitals is rather a mistake."""
    touch(tmp_path, "case_1/ct.nrrd", "case_1/gtv.nrrd", "Case_2/CT.nrrd", "plots/dice.png", "notes/README")
    for name, start in (
        ("old", bytes(128) + b"DICM"),
        ("bare", b"\x08\x00\x05\x00"),
        ("text", b"I am a text"),
    ):
        touch(tmp_path, f"{name}/1/IM1")
        (tmp_path / name / "1/IM1").write_bytes(start)
    patients, ignored = seen(tmp_path, "case_{patient}/ct.nrrd", "case_{patient}/gtv.nrrd")
    assert ignored == ["notes", "plots", "text"]
    assert list(patients) == ["1", "bare", "Case_2", "old"]
    assert "CT.nrrd" in patients["Case_2"] and patients["old"] is patients["bare"] is None


def test_where_the_pattern_finds_no_image_a_folder_is_a_patient(tmp_path):
    for name in ("code", "derivatives"):
        touch(tmp_path, f"{name}/ct.dcm")
        (tmp_path / name / "ct.dcm").write_bytes(bytes(128) + b"DICM")
    assert seen(tmp_path) == ({"code": None, "derivatives": None}, [])


@pytest.mark.parametrize(
    ("names", "kind", "lines"),
    [
        (
            ["imagesTr/lung_1_0000.nii.gz", "labelsTr/lung_1.nii.gz", "dataset.json"],
            "nnU-Net",
            ['image: "imagesTr/{patient}_0000.nii.gz"', 'label: "labelsTr/{patient}.nii.gz"'],
        ),
        (
            ["imagesTr/lung_1.nii.gz", "labelsTr/lung_1.nii.gz", "imagesTs/lung_2.nii.gz", "imagesTr/._lung_1.nii.gz"],
            "the Medical Segmentation Decathlon",
            ['image: "imagesTr/{patient}.nii.gz"', 'label: "labelsTr/{patient}.nii.gz"', "imagesTs/{patient}.nii.gz"],
        ),
        (
            ["Dataset001_Lung/imagesTr/1_0000.nrrd", "Dataset001_Lung/labelsTr/1.nrrd"],
            "nnU-Net",
            ['image: "Dataset001_Lung/imagesTr/{patient}_0000.nrrd"',
             'label: "Dataset001_Lung/labelsTr/{patient}.nrrd"'],
        ),
        (
            ["sub-01/ct/sub-01_ct.nii.gz", "sub-01/ct/sub-01_ct.json", "sub-02/ct/sub-02_ct.nii.gz", "README",
             "derivatives/gtv/sub-01/ct/sub-01_desc-gtv_mask.nii.gz", "participants.tsv"],
            "BIDS",
            ['image: "sub-{patient}/ct/sub-{patient}_ct.nii.gz"',
             'label: "derivatives/gtv/sub-{patient}/ct/sub-{patient}_desc-gtv_mask.nii.gz"'],
        ),
        (
            ["sub-01/ses-1/sub-01_ses-1_ct.nii.gz", "sub-01/ses-1/sub-01_ses-1_gtv.nii.gz", "sub-01/sub-01_scans.tsv"],
            "BIDS",
            ['image: "sub-{patient}/ses-1/sub-{patient}_ses-1_ct.nii.gz"',
             'label: "sub-{patient}/ses-1/sub-{patient}_ses-1_gtv.nii.gz"'],
        ),
        *(
            (
                [f"sub-01/ct/{name}.nii.gz" for name in ("sub-01_ct", f"sub-01_A{word}")],
                "BIDS",
                ['image: "sub-{patient}/ct/sub-{patient}_ct.nii.gz"',
                 f'label: "sub-{{patient}}/ct/sub-{{patient}}_A{word}.nii.gz"'],
            )
            for word in ("mask", "dseg", "label", "GTVp", "ROI", "tumor", "tumour")
        ),
    ],
)  # fmt: skip
def test_a_known_layout_is_told_with_the_lines_that_read_it(tmp_path, names, kind, lines):
    touch(tmp_path, *names)
    with pytest.raises(CohortError) as caught:
        seen(tmp_path)
    text = str(caught.value)
    assert f"looks like a data set of {kind}" in text and all(line in text for line in lines), text
    image, label = (line.split('"')[1] for line in lines[:2])
    patients, _ = seen(tmp_path, image, label)
    assert patients[next(iter(patients))] is None


def test_images_without_a_channel_in_the_pattern_find_no_labels(tmp_path):
    touch(tmp_path, "imagesTr/lung_1_0000.nii.gz", "labelsTr/lung_1.nii.gz")
    with pytest.raises(CohortError, match=re.escape("imagesTr/{patient}_0000.nii.gz")):
        seen(tmp_path, *DECATHLON)


def test_for_drafts_alone_the_images_are_told(tmp_path):
    touch(tmp_path, "imagesTs/lung_2_0000.nii.gz")
    with pytest.raises(CohortError, match=re.escape('unlabelled_image: "imagesTs/{patient}_0000.nii.gz"')):
        seen(tmp_path, labelled=False)


def test_dicom_in_folders_that_sound_like_bids_is_read(tmp_path):
    touch(tmp_path, "sub-01/ct.dcm", "sub-01/dose.nii.gz")
    (tmp_path / "sub-01/ct.dcm").write_bytes(bytes(128) + b"DICM")
    assert seen(tmp_path) == ({"sub-01": None}, [])


README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(data:\n.*?)```", README, re.DOTALL)
FILES = [
    ["imagesTr/lung_1_0000.nii.gz", "imagesTr/lung_2_0000.nii.gz", "labelsTr/lung_1.nii.gz", "labelsTr/lung_2.nii.gz",
     "imagesTs/lung_3_0000.nii.gz", "labelsTs/lung_3.nii.gz", "dataset.json"],
    ["imagesTr/lung_1.nii.gz", "labelsTr/lung_1.nii.gz", "imagesTr/lung_2.nii.gz", "labelsTr/lung_2.nii.gz",
     "imagesTr/._lung_1.nii.gz", "imagesTs/lung_3.nii.gz", "dataset.json"],
    [*(f"sub-{name}/ct/sub-{name}_ct.{kind}" for name in ("lung_1", "lung_2") for kind in ("nii.gz", "json")),
     *(f"derivatives/gtv/sub-lung_{n}/ct/sub-lung_{n}_desc-gtv_mask.nii.gz" for n in (1, 2)),
     "code/run.py", "sourcedata/1/a.dcm", "participants.tsv", "dataset_description.json", "README"],
]  # fmt: skip
WANTED = [
    (["lung_1", "lung_2"], ["lung_3"], ["labelsTs"]),
    (["lung_1", "lung_2"], [], ["imagesTs"]),
    (["lung_1", "lung_2"], [], ["code", "sourcedata"]),
]


def settings(text: str) -> dict:
    """The shipped settings with some of one's own."""
    shipped = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text(encoding="utf-8"))
    return shipped | {"data": shipped["data"] | yaml.safe_load(text)["data"]}


@pytest.mark.parametrize(("example", "files", "wanted"), [*zip(EXAMPLES, FILES, WANTED, strict=True)])
def test_the_examples_of_the_readme_read_their_data_sets(tmp_path, monkeypatch, example, files, wanted):
    monkeypatch.chdir(tmp_path)
    config = settings(example)
    touch(tmp_path / config["data"]["labelled"], *files)
    cohort = find_cohort(config)
    labelled, unlabelled, ignored = wanted
    assert (cohort.labelled, cohort.unlabelled) == (labelled, unlabelled)
    assert [Path(path).name for path in cohort.ignored] == ignored
    assert all(files.problem is None for files in cohort.patients.values())
    assert all(cohort.patients[patient].label is not None for patient in labelled)


def test_lungs_of_the_user_s_own_are_not_ignored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings(EXAMPLES[1])
    touch(tmp_path / "Task06_Lung", *FILES[1], "lungsTr/lung_1.nii.gz")
    assert [Path(path).name for path in find_cohort(config).ignored] == ["imagesTs", "lungsTr"]
    config["cache"] = config["cache"] | {"lungs": "lungsTr/{patient}.nii.gz"}
    assert [Path(path).name for path in find_cohort(config).ignored] == ["imagesTs"]


@pytest.mark.parametrize("inner", ["labelled", "unlabelled"])
def test_a_data_folder_within_the_other_is_no_patient_of_it(tmp_path, monkeypatch, inner):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "raw", "1/data.nii.gz", "1/label.nii.gz", "more/2/data.nii.gz", "more/2/label.nii.gz")
    outer = {"labelled": "unlabelled", "unlabelled": "labelled"}[inner]
    cohort = find_cohort(settings(f"data: {{{outer}: raw, {inner}: raw/more}}"))
    assert {outer: list(getattr(cohort, outer)), inner: list(getattr(cohort, inner))} == {
        outer: ["1"],
        inner: ["2"],
    }


@pytest.fixture
def closed(monkeypatch):
    """Folders that the system keeps closed: root is let in everywhere, so that modes alone would show nothing."""
    folders: set[str] = set()

    def guarded(call):
        def ask(path, *args, **options):
            inside = Path(path).parent if call is lstat else path
            if any(str(inside) == one or str(inside).startswith(one + os.sep) for one in folders):
                raise PermissionError(13, "Permission denied", path)
            return call(path, *args, **options)

        return ask

    lstat, scandir = os.lstat, os.scandir
    monkeypatch.setattr(path_search.os, "lstat", guarded(lstat))
    monkeypatch.setattr(os, "scandir", guarded(scandir))
    return folders


@pytest.mark.parametrize(
    ("image", "label"),
    [(IMAGE, LABEL), ("{patient}/*.nii.gz", "{patient}/gtv/*.nii.gz"), ("**/{patient}/data.nii.gz", LABEL)],
)
def test_a_patient_s_folder_that_may_not_be_read_is_one_patient_with_a_problem(
    tmp_path, closed, image, label
):
    touch(tmp_path, "a/data.nii.gz", "a/gtv/label.nii.gz", "9/data.nii.gz")
    closed.add(str(tmp_path / "9"))
    patients, _ = seen(tmp_path, image, label)
    assert list(patients) == ["9", "a"]
    assert "cannot be looked into (Permission denied). Make it readable" in patients["9"]
    assert patients["a"] is None


def test_a_closed_folder_above_patients_is_told_as_one(tmp_path, closed):
    touch(tmp_path, "north/1/ct.nrrd", "north/1/gtv.nrrd", "south/2/ct.nrrd", "north/deep/3/ct.nrrd")
    closed.add(str(tmp_path / "south"))
    patients, _ = seen(tmp_path, "*/{patient}/ct.nrrd", "*/{patient}/gtv.nrrd")
    assert patients["1"] is None and patients["south"].startswith("south cannot be looked into")
    closed.add(str(tmp_path / "north/deep"))
    patients, _ = seen(tmp_path, "**/{patient}/ct.nrrd", "**/{patient}/gtv.nrrd")
    assert patients["deep"].startswith("deep cannot be looked into"), "deep inside, too"


@pytest.mark.parametrize("name", ["imagesTr", "labelsTr", "."])
def test_a_closed_folder_of_everybody_stops_the_run(tmp_path, closed, name):
    """Labels that cannot be seen are not labels that are missing."""
    touch(tmp_path, "imagesTr/1.nii.gz", "labelsTr/1.nii.gz")
    closed.add(str((tmp_path / name).resolve()))
    with pytest.raises(CohortError, match=r"cannot be listed: Permission denied\. Make it readable"):
        seen(tmp_path, *DECATHLON)


@pytest.mark.parametrize("name", ["System Volume Information", "lost+found"])
def test_a_closed_folder_of_the_system_is_nobody(tmp_path, closed, name):
    touch(tmp_path, "north/1/ct.nrrd", "north/1/gtv.nrrd", f"{name}/x")
    closed.add(str(tmp_path / name))
    assert seen(tmp_path, "*/{patient}/ct.nrrd", "*/{patient}/gtv.nrrd") == ({"1": None}, [name])


@pytest.mark.parametrize(("patient", "name"), [("1", "data.nii.gz"), ("1", "label.nii.gz"), ("2", "ct2.dcm")])
def test_a_file_that_may_not_be_read_is_one_patient_with_a_problem(tmp_path, monkeypatch, patient, name):
    touch(tmp_path, "1/data.nii.gz", "1/label.nii.gz", "2/ct1.dcm", "2/ct2.dcm")
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK and Path(path).name != name)
    patients, _ = seen(tmp_path)
    assert patients[patient] == f"{name} may not be read (permissions). Make it readable."
    assert [problem for problem in patients.values() if problem is None] == [None]
    (closed,) = (one for one in discover(tmp_path, True, IMAGE, LABEL).patients if one.problem)
    assert closed.files == (), "Snakemake looks into none of its files"


def test_names_that_lead_to_nothing_one_may_look_at_are_patients_with_a_problem(tmp_path, monkeypatch):
    """A folder of mode r--: its names can be listed, and nothing more."""
    touch(tmp_path, "imagesTr/1.nii.gz", "imagesTr/2.nii.gz", "labelsTr/1.nii.gz")
    lstat = os.lstat

    def guarded(path):
        if Path(path).name == "2.nii.gz":
            raise PermissionError(13, "Permission denied", path)
        return lstat(path)

    monkeypatch.setattr(path_search.os, "lstat", guarded)
    assert seen(tmp_path, *DECATHLON)[0] == {
        "1": None,
        "2": "imagesTr cannot be looked into (Permission denied). Make it readable.",
    }


NNUNET = ("imagesTr/{patient}_0000.nii.gz", "labelsTr/{patient}.nii.gz")


def test_scans_among_the_images_that_no_pattern_takes_are_patients_with_a_problem(tmp_path):
    touch(
        tmp_path,
        "imagesTr/P1_0000.nii.gz",
        "labelsTr/P1.nii.gz",
        "labelsTr/P4.nii.gz",
        "imagesTr/P4_0000.nii",
    )
    touch(tmp_path, "imagesTr/P5_0000.nrrd", "imagesTr/P9/a.dcm", "imagesTr/P1_0001.nii.gz", "dataset.json")
    touch(tmp_path, "imagesTr/.P7_0000.nii", "imagesTr/notes.txt", "imagesTr/P1.raw", "imagesTr/P6.nii.gz")
    patients, ignored = seen(tmp_path, *NNUNET)
    assert list(patients) == ["P1", "P4", "P5", "P6", "P9"] and ignored == ["P1_0001.nii.gz"]
    assert patients["P1"] is None
    for patient, name in (("P4", "P4_0000.nii"), ("P5", "P5_0000.nrrd"), ("P6", "P6.nii.gz")):
        assert patients[patient] == (
            f"{name} lies among the images and is not named as data.image asks (imagesTr/{patient}_0000.nii.gz). Store "
            "it under that name and in that format, take it away, or name the patient under data.exclude."
        )
    assert patients["P9"] == (
        "P9 is a folder with DICOM files where data.image asks for images (imagesTr/P9_0000.nii.gz). Put the folder "
        "directly below the data folder, take it away, or name the patient under data.exclude."
    )


def test_scans_of_other_kinds_in_a_flat_data_folder(tmp_path):
    touch(tmp_path, "P1.nii.gz", "P2.nii", "P3.nrrd", "P4.NII.GZ", "P7.dcm", "P1_lungs.nrrd")
    patients, ignored = seen(tmp_path, "{patient}.nii.gz", "{patient}_seg.nii.gz")
    assert list(patients) == ["P1", "P2", "P3", "P4", "P7"] and ignored == ["P1_lungs.nrrd"]
    assert [patient for patient, problem in patients.items() if problem is None] == ["P1"]


def test_drafts_without_a_channel_or_in_capitals(tmp_path):
    touch(tmp_path, "imagesTs/P1_0000.nii.gz", "imagesTs/P6_0000.NII.GZ", "imagesTs/P5.nii.gz")
    patients, _ = seen(tmp_path, "imagesTs/{patient}_0000.nii.gz", NNUNET[1], labelled=False)
    assert list(patients) == ["P1", "P5", "P6"] and None not in (patients["P5"], patients["P6"])


def test_a_folder_of_dicom_beside_patients_at_any_depth(tmp_path):
    touch(
        tmp_path,
        "A/P1/data.nii.gz",
        "A/P1/label.nii.gz",
        "A/P3/a.dcm",
        "A/notes/x.txt",
        "A/deep/P5/data.nii.gz",
    )
    found = discover(tmp_path, True, "**/{patient}/data.nii.gz", "**/{patient}/label.nii.gz")
    assert [files.patient for files in found.patients] == ["P1", "P3", "P5"]
    assert found.patients[1].files == (tmp_path / "A/P3/a.dcm",) and found.patients[1].problem is None
    assert [Path(path).name for path in found.ignored] == ["notes"]


def test_many_files_that_end_alike_are_named_as_one(tmp_path):
    touch(tmp_path, *(f"imagesTr/P{n}_000{channel}.nii.gz" for n in range(1, 13) for channel in (0, 1)))
    patients, ignored = seen(tmp_path, *NNUNET)
    assert len(patients) == 12 and ignored == ["*_0001.nii.gz"]


def test_scans_of_another_patient_whose_id_begins_or_ends_like_a_known_one(tmp_path):
    touch(tmp_path, "imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz", "imagesTr/P1-2_0000.nii")
    touch(tmp_path, "imagesTr/P1_2/x.dcm", "imagesTr/P1_fu_0000.NII.GZ", "imagesTr/P1_2021.nii.gz")
    patients, ignored = seen(tmp_path, *NNUNET)
    assert list(patients) == ["P1", "P1-2", "P1_2", "P1_2021", "P1_fu"] and ignored == []
    assert patients["P1"] is None and "(imagesTr/P1-2_0000.nii.gz)" in patients["P1-2"]
    assert patients["P1_2"].startswith("P1_2 is a folder with DICOM files")
    assert patients["P1_2021"].startswith("P1_2021.nii.gz lies among the images")


def test_masks_that_carry_a_known_id_are_named_as_ignored(tmp_path):
    """Four and more under one name, with an asterisk where the id stands."""
    touch(tmp_path, *(f"imagesTr/P{n}_0000.nii.gz" for n in range(1, 5)), "imagesTr/P1 masks/a.dcm")
    touch(tmp_path, *(f"imagesTr/lungs_P{n}.nii.gz" for n in range(1, 5)), "imagesTr/P2_0000_seg.nrrd")
    touch(tmp_path, *(f"labelsTr/P{n}.nii.gz" for n in range(1, 5)))
    patients, ignored = seen(tmp_path, *NNUNET)
    assert list(patients) == ["P1", "P2", "P3", "P4"] and set(patients.values()) == {None}
    assert ignored == ["P1 masks", "P2_0000_seg.nrrd", "lungs_*.nii.gz"]


def test_a_mask_of_a_patient_whose_image_is_missing_is_not_taken_for_it(tmp_path):
    touch(tmp_path, "imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz", "labelsTr/P2.nii.gz")
    touch(tmp_path, "imagesTr/lungs_P2.nii.gz")
    patients, ignored = seen(tmp_path, *NNUNET)
    assert patients == {
        "P1": None,
        "P2": "there is a label, P2.nii.gz, but no image imagesTr/P2_0000.nii.gz.",
    }
    assert ignored == ["lungs_P2.nii.gz"]


def test_sets_that_share_a_folder_take_each_other_s_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "raw", "1_ct.nii.gz", "1_gtv.nii.gz", "new_2.nii.gz", "P3.nrrd")
    text = """data: {labelled: raw, image: "{patient}_ct.nii.gz", label: "{patient}_gtv.nii.gz",
               unlabelled: raw, unlabelled_image: "new_{patient}.nii.gz"}"""
    cohort = find_cohort(settings(text))
    assert (cohort.labelled, cohort.unlabelled, cohort.ignored) == (["1", "P3"], ["2"], ())
    assert "P3.nrrd" in cohort.patients["P3"].problem
