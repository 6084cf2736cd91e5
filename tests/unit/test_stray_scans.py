"""Scans that no pattern takes: told wherever they lie, in whatever form, each as what it is."""

from pathlib import Path

import pytest
from lunggtv.cohort.discover import discover

from tests.unit.test_discover import IMAGE, LABEL, touch
from tests.unit.test_foreign_folders import NNUNET, seen

LOOSE = "lies beside the patients' folders and is in none of them"
DICOM = bytes(128) + b"DICM"


def dicom(root: Path, *names: str) -> None:
    """Files that begin like DICOM."""
    touch(root, *names)
    for name in names:
        (root / name).write_bytes(DICOM)


@pytest.mark.parametrize("above", ["", "raw/", "raw/more/"])
def test_loose_dicom_without_suffix_is_told_wherever_it_lies(tmp_path, above):
    touch(tmp_path, f"{above}1/data.nii.gz", f"{above}1/label.nii.gz", f"{above}README", f"{above}x.json")
    dicom(tmp_path, f"{above}IM0001", f"{above}IM0002")
    patients, ignored = seen(tmp_path, above + IMAGE, above + LABEL)
    assert (list(patients), ignored, patients["1"]) == (["1", "IM0001"], [], None)
    assert patients["IM0001"].startswith(
        f"IM0001, IM0002 {LOOSE.replace('lies', 'lie').replace('is in', 'are in')}"
    )


def test_a_scan_in_the_data_folder_above_flat_images(tmp_path):
    touch(tmp_path, "imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz", "dataset.json")
    dicom(tmp_path, "IM7")
    assert seen(tmp_path, *NNUNET)[0]["IM7"].startswith(f"IM7 {LOOSE}")


def test_scans_beside_dicom_patients_at_several_sites(tmp_path):
    dicom(tmp_path, "A/sub-1/x.dcm", "A/2/x.dcm", "A/IM7", "A/notes/sub/IM8")
    touch(tmp_path, "A/3.nii.gz", "B/sub-4/ct.nii.gz", "B/sub-4/gtv.nii.gz", "A/text/a.txt")
    patients, ignored = seen(tmp_path, "*/sub-{patient}/ct.nii.gz", "*/sub-{patient}/gtv.nii.gz")
    assert list(patients) == ["1", "2", "3.nii.gz", "4", "IM7", "notes"] and ignored == ["text"]
    assert patients["3.nii.gz"].startswith(f"3.nii.gz {LOOSE}") and patients["IM7"].startswith(f"IM7 {LOOSE}")
    assert [patients[patient] for patient in ("1", "2", "4", "notes")] == [None] * 4


def test_scans_beside_patients_whose_images_lie_at_any_depth(tmp_path):
    touch(tmp_path, "raw/1/st/se/ct.nrrd", "raw/1/gtv.nrrd", "raw/2.nrrd")
    patients, _ = seen(tmp_path, "raw/{patient}/**/ct.nrrd", "raw/{patient}/gtv.nrrd")
    assert list(patients) == ["1", "2.nrrd"] and patients["2.nrrd"].startswith(f"2.nrrd {LOOSE}")


@pytest.mark.parametrize(
    "name",
    ["P2_0000.nii.bz2", "P2_0000.nii.zip", "P2_0000.nii.gz.part", "P2_0000.NII.GZ.1", "P2_0000.nii.gz~",
     "P2_0000.mgz", "P2_0000.nrrd.xz", "P2_0000.nii (1).gz"],
)  # fmt: skip
def test_other_formats_packed_and_half_copied_scans_are_told(tmp_path, name):
    touch(
        tmp_path,
        "imagesTs/P1_0000.nii.gz",
        f"imagesTs/{name}",
        f"imagesTs/{name}.md5",
        "imagesTs/P3.nii.json",
    )
    patients, ignored = seen(tmp_path, "imagesTs/{patient}_0000.nii.gz", LABEL, labelled=False)
    assert (list(patients), ignored, patients["P1"]) == (["P1", "P2"], [], None)
    assert patients["P2"].startswith(f"{name} lies among the images and is not named")
    assert "(imagesTs/P2_0000.nii.gz)" in patients["P2"]


@pytest.mark.parametrize("folder", ["", "imagesTr/"])
def test_dicom_without_a_suffix_among_images_is_told(tmp_path, folder):
    touch(tmp_path, f"{folder}P1_0000.nii.gz", f"{folder}README", f"{folder}P1_seg.nii.gz")
    dicom(tmp_path, f"{folder}P2", f"{folder}P2.1", f"{folder}P3_0000")
    patients, ignored = seen(tmp_path, f"{folder}{{patient}}_0000.nii.gz", f"{folder}{{patient}}_seg.nii.gz")
    assert (list(patients), ignored, patients["P1"]) == (["P1", "P2"], [], None)
    assert patients["P2"].startswith("P2, P2.1, P3_0000 lie among the images and are not named")


@pytest.mark.parametrize("name", ["P2.dcm", "P2.dcm.gz", "P2.DCM.part", "P2.ima", "P2.dicom (1)", "P2.dcm~"])
def test_dicom_among_images_is_told_by_its_id_however_it_is_packed(tmp_path, name):
    touch(tmp_path, "imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz", f"imagesTr/{name}", "imagesTr/P1.dcm.gz")
    touch(tmp_path, "imagesTr/P3.dcm.json", "imagesTr/P4.dcm.md5", "imagesTr/P5.dcmx", "imagesTr/P6.dcm.zip")
    patients, ignored = seen(tmp_path, *NNUNET)
    assert (list(patients), ignored) == (["P1", "P2"], ["P1.dcm.gz", "P6.dcm.zip"])
    assert patients["P2"].startswith(f"{name} lies among the images and is not named")
    assert "(imagesTr/P2_0000.nii.gz)" in patients["P2"]


def test_a_header_and_its_data_are_one_patient(tmp_path):
    touch(
        tmp_path,
        "imagesTr/P1_0000.nii.gz",
        "labelsTr/P1.nii.gz",
        "imagesTr/P2_0000.hdr",
        "imagesTr/P2_0000.img",
    )
    touch(tmp_path, "imagesTr/P3_0000.hdr", "imagesTr/P1_0001.hdr", "imagesTr/P1_0001.img")
    patients, ignored = seen(tmp_path, *NNUNET)
    assert list(patients) == ["P1", "P2", "P3"] and ignored == ["P1_0001.hdr", "P1_0001.img"]
    assert patients["P2"].startswith("P2_0000.hdr, P2_0000.img lie among the images")
    assert patients["P3"].startswith("P3_0000.hdr lies among the images")


def test_archives_are_named_as_ignored(tmp_path):
    touch(tmp_path, "1/data.nii.gz", "1/label.nii.gz", "2.zip", "3.tar.gz", "4.TGZ", "notes.gz")
    assert seen(tmp_path) == ({"1": None}, ["2.zip", "3.tar.gz", "4.TGZ"])
    touch(tmp_path, *(f"{n}.zip" for n in range(5, 9)))
    assert seen(tmp_path) == ({"1": None}, ["*.zip", "3.tar.gz", "4.TGZ"])


@pytest.mark.parametrize(
    "end",
    [
        "tar.xz",
        "tar.bz2",
        "tbz2",
        "tbz",
        "txz",
        "tar.zst",
        "tzst",
        "TAR.GZ",
        "7z.001",
        "zip.001",
        "zip.002",
        "rar",
    ],
)
def test_every_kind_of_archive_is_named(tmp_path, end):
    touch(
        tmp_path,
        "1/data.nii.gz",
        "1/label.nii.gz",
        f"2.{end}",
        "notes.xz",
        "star.gz",
        "a.target.txt",
        "2.0.001",
    )
    assert seen(tmp_path) == ({"1": None}, [f"2.{end}"])


def test_a_part_of_a_data_set_beside_patients_is_nobody_and_named(tmp_path):
    folders = tmp_path / "folders"
    touch(folders, "raw/sub-1/ct.nii.gz", "raw/sub-1/gtv.nii.gz", "raw/imagesTs/5_0000.nii.gz")
    touch(folders, "raw/P2/ct.nii.gz")
    dicom(folders, "raw/derivatives/x.dcm", "raw/P3/x.dcm")
    patients, ignored = seen(folders, "raw/sub-{patient}/ct.nii.gz", "raw/sub-{patient}/gtv.nii.gz")
    assert (list(patients), ignored) == (["1", "P2", "P3"], ["derivatives", "imagesTs"])
    flat = tmp_path / "flat"
    touch(flat, "raw/P1.nii.gz", "raw/imagesTs/P1_0000.nii.gz", "gtv/P1.nii.gz")
    dicom(flat, "raw/labelsTs/x.dcm", "raw/P3/x.dcm")
    patients, ignored = seen(flat, "raw/{patient}.nii.gz", "gtv/{patient}.nii.gz")
    assert (list(patients), ignored) == (["P1", "P3"], ["imagesTs", "labelsTs"])


@pytest.mark.parametrize("name", ["DICOMDIR", "dicomdir", "DICOMDIR.dcm"])
def test_a_dicomdir_is_nobody(tmp_path, name):
    flat = tmp_path / "flat"
    dicom(tmp_path, f"root/{name}", "root/1/x.dcm", f"below/raw/{name}", "below/raw/2/x.dcm")
    assert seen(tmp_path / "root") == ({"1": None}, [])
    assert seen(tmp_path / "below", f"raw/{IMAGE}", f"raw/{LABEL}") == ({"2": None}, [])
    touch(flat, "imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz")
    dicom(flat, f"imagesTr/{name}", f"imagesTr/disk/{name}")
    assert seen(flat, *NNUNET) == ({"P1": None}, ["disk"])


def test_a_folder_that_is_a_link_is_told_as_the_link(tmp_path):
    root = tmp_path / "root"
    touch(root, "imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz")
    dicom(tmp_path, "outside/x.dcm")
    (tmp_path / "outside/inner").symlink_to("/")
    (root / "imagesTr/P2").symlink_to(tmp_path / "outside")
    (root / "imagesTr/P3").symlink_to(tmp_path / "nowhere")
    (root / "imagesTr/notes.txt").symlink_to(tmp_path / "nowhere")
    patients, ignored = seen(root, *NNUNET)
    assert list(patients) == ["P1", "P2", "P3"] and ignored == []
    assert patients["P2"].startswith("P2 is a symbolic link that leads out of the data folder")
    assert patients["P3"].startswith("P3 is a symbolic link to something that is not there")


def test_a_scan_whose_name_can_be_no_id_stops_nobody(tmp_path):
    touch(tmp_path, "1/data.nii.gz", "1/label.nii.gz", "-2.nii.gz")
    found = discover(tmp_path, True, IMAGE, LABEL)
    assert [files.patient for files in found.patients] == ["1"]
    assert found.ignored == (str(tmp_path / "-2.nii.gz"),)


FLAT = ("img/{patient}.nii.gz", "seg/{patient}.nii.gz")


@pytest.mark.parametrize(("suffix", "passed_over"), [(".nii", ["seg"]), (".nii.gz", [])])
def test_where_all_have_another_suffix_the_folders_of_images_and_labels_are_nobody(
    tmp_path, suffix, passed_over
):
    touch(tmp_path, "img/1.nii", "img/2.nii", f"seg/1{suffix}", f"seg/2{suffix}")
    patients, ignored = seen(tmp_path, *FLAT)
    assert (list(patients), ignored) == (["1", "2"], passed_over)
    assert patients["1"].startswith("1.nii lies among the images") and "(img/1.nii.gz)" in patients["1"]


def test_a_folder_of_folders_of_dicom_among_images_is_not_one_patient(tmp_path):
    dicom(tmp_path, "img/1/x.dcm", "img/2/x.dcm")
    patients, _ = seen(tmp_path, *FLAT)
    assert list(patients) == ["1", "2"] and None not in patients.values()


def test_a_folder_on_the_way_that_holds_no_scan_is_told(tmp_path):
    touch(tmp_path, "img/notes.txt", "seg/1.nii.gz")
    patients, _ = seen(tmp_path, *FLAT)
    assert list(patients) == ["1", "img"] and "img/1.nii.gz" in patients["1"]


def test_dicom_patients_in_a_folder_named_like_a_part_of_a_data_set(tmp_path):
    dicom(tmp_path, "imagesTr/1/x.dcm")
    assert seen(tmp_path, f"imagesTr/{IMAGE}", f"imagesTr/{LABEL}") == ({"1": None}, [])


@pytest.mark.parametrize(
    ("patterns", "there", "label", "among"),
    [
        (NNUNET, ["imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz"], "labelsTr/P2.nii.gz", "imagesTr/P2"),
        (("{patient}_ct.nii.gz", "{patient}_gtv.nii.gz"), ["P1_ct.nii.gz", "P1_gtv.nii.gz"], "P2_gtv.nii.gz", None),
        (("images/{patient}/ct.nii.gz", "masks/{patient}.nii.gz"), ["images/P1/ct.nii.gz"], "masks/P2.nii.gz", None),
    ],
)  # fmt: skip
def test_a_mask_beside_a_folder_of_dicom_in_a_flat_tree(tmp_path, patterns, there, label, among):
    """Also where the words on a folder among the images say to put it."""
    touch(tmp_path, *there, label)
    if among:
        dicom(tmp_path, f"{among}/IM1.dcm")
        patients, ignored = seen(tmp_path, *patterns)
        assert "P2 is a folder with DICOM files" in patients["P2"] and ignored == []
        (tmp_path / among).rename(tmp_path / "P2")
    else:
        dicom(tmp_path, "P2/IM1.dcm")
    found = {files.patient: files for files in discover(tmp_path, True, *patterns).patients}
    assert found["P2"].problem is None and found["P2"].label == tmp_path / label
    assert found["P2"].files == tuple(sorted([tmp_path / "P2/IM1.dcm", tmp_path / label]))


def test_a_folder_among_images_of_somebody_whose_label_alone_is_there_and_that_is_no_scan(tmp_path):
    touch(
        tmp_path, "imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz", "labelsTr/P2.nii.gz", "imagesTr/P2/a.txt"
    )
    dicom(tmp_path, "imagesTr/P2 masks/a.dcm")
    patients, ignored = seen(tmp_path, *NNUNET)
    assert patients["P2"] == "there is a label, P2.nii.gz, but no image imagesTr/P2_0000.nii.gz."
    assert ignored == ["P2", "P2 masks"]


def test_several_scans_are_spoken_of_as_several(tmp_path):
    touch(tmp_path, "1/data.nii.gz", "1/label.nii.gz", "IM1.dcm", "IM2.dcm", "7.nii.gz")
    patients, _ = seen(tmp_path)
    assert patients["IM1.dcm"] == (
        "IM1.dcm, IM2.dcm lie beside the patients' folders and are in none of them. Put them into their patient's "
        "folder, take them away, or name IM1.dcm under data.exclude."
    )
    assert patients["7.nii.gz"] == (
        "7.nii.gz lies beside the patients' folders and is in none of them. Put it into its patient's folder, take it "
        "away, or name it under data.exclude."
    )


@pytest.mark.parametrize(
    ("patterns", "there"),
    [
        (("{patient}/ct.nii.gz", "masks/{patient}.nii.gz"), ["P1/ct.nii.gz", "masks/P1.nii.gz"]),
        (("{patient}/ct.nii.gz", "masks/{patient}/gtv.nii.gz"), ["P1/ct.nii.gz", "masks/P1/gtv.nii.gz"]),
        (("raw/{patient}/ct.nii.gz", "raw/masks/{patient}.nii.gz"), ["raw/P1/ct.nii.gz", "raw/masks/P1.nii.gz"]),
        (("*/{patient}/ct.nii.gz", "*/masks/{patient}.nii.gz"),
         ["A/P1/ct.nii.gz", "A/masks/P1.nii.gz", "B/P3/ct.nii.gz", "B/masks/P3.nii.gz"]),
    ],
)  # fmt: skip
def test_a_folder_of_labels_is_no_patient(tmp_path, patterns, there):
    folder = Path(there[1]).parent if patterns[1].endswith("}.nii.gz") else Path("masks")
    dicom(tmp_path, f"{Path(there[0]).parent.parent}/P2/IM1.dcm")
    touch(
        tmp_path,
        *there,
        f"{folder}/notes.txt",
        f"{folder}/P1_lobes.nrrd",
        f"{folder}/P9.nii",
        f"{folder}/P8/x.nii",
    )
    found = discover(tmp_path, True, *patterns)
    patients = {files.patient: files.problem for files in found.patients}
    assert patients == dict.fromkeys(["P1", "P2", *(["P3"] if "B/P3/ct.nii.gz" in there else [])])
    assert [Path(path).relative_to(tmp_path / folder).as_posix() for path in found.ignored] == [
        "P1_lobes.nrrd", "P8", "P9.nii"
    ]  # fmt: skip


def test_folders_of_labels_by_a_wildcard_are_no_patients(tmp_path):
    image, label = "{patient}/ct.nii.gz", "seg*/{patient}.nii.gz"
    touch(
        tmp_path,
        "P1/ct.nii.gz",
        "P2/ct.nii.gz",
        "segA/P1.nii.gz",
        "seg B/P2.nii.gz",
        "seg B/P9.nii",
        "segC/a.txt",
    )
    found = {files.patient: files for files in discover(tmp_path, True, image, label).patients}
    assert list(found) == ["P1", "P2", "segC"] and "ct.nii.gz is not there" in found["segC"].problem
    assert [found[patient].label.parent.name for patient in ("P1", "P2")] == ["segA", "seg B"]
    assert seen(tmp_path, image, label)[1] == ["P9.nii"]


def test_a_patient_whose_label_lies_with_an_image_of_another_name_is_told_of_the_image(tmp_path):
    touch(tmp_path, "P1/ct.nii.gz", "P1/P1_gtv.nii.gz", "P2/CT.nii.gz", "P2/P2_gtv.nii.gz")
    patients, _ = seen(tmp_path, "{patient}/ct.nii.gz", "*/{patient}_gtv.nii.gz")
    assert patients["P2"].startswith("P2/ct.nii.gz is not there") and "CT.nii.gz" in patients["P2"]


def test_a_folder_of_labels_none_of_which_fits_is_no_patient_and_all_in_it_is_named(tmp_path):
    touch(tmp_path, "P1/ct.nii.gz", "masks/P1.nii", "masks/all.zip", "masks/a.txt", "masks/old/P1.nii.gz")
    patients, ignored = seen(tmp_path, "{patient}/ct.nii.gz", "masks/{patient}.nii.gz")
    assert (patients, ignored) == ({"P1": None}, ["P1.nii", "all.zip", "old"])


def test_dicom_in_a_folder_of_labels_is_somebody_s(tmp_path):
    touch(tmp_path, "P1/ct.nii.gz", "masks/P1.nii.gz")
    dicom(tmp_path, "masks/P9/IM1.dcm")
    patients, ignored = seen(tmp_path, "{patient}/ct.nii.gz", "masks/{patient}.nii.gz")
    assert (patients, ignored) == ({"masks": None, "P1": None}, [])


@pytest.mark.parametrize("name", ["labelsTr/P9.nii", "labelsTr/P1_old.nrrd", "labelsTr/P9/IM1.dcm"])
def test_what_lies_among_labels_and_is_none_is_named(tmp_path, name):
    touch(tmp_path, "imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz", "labelsTr/notes/a.txt", name)
    patients, _ = seen(tmp_path, *NNUNET)
    told = [str(Path(path).relative_to(tmp_path)) for path in discover(tmp_path, True, *NNUNET).ignored]
    assert (patients, told) == ({"P1": None}, [name.removesuffix("/IM1.dcm")])
