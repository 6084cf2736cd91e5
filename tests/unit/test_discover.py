"""Who is a patient, by names alone: layouts, links, ids, and nobody lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lunggtv.cohort.discover import find_patients
from lunggtv.errors import CohortError
from lunggtv.patient_files import PatientFiles

IMAGE, LABEL = "{patient}/data.nii.gz", "{patient}/label.nii.gz"


def touch(root: Path, *names: str) -> None:
    """Make empty files, with the folders above them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def find(root: Path, image: str = IMAGE, label: str = LABEL, **options) -> dict[str, PatientFiles]:
    """Labelled patients by id, in the order found."""
    found = find_patients(root, options.pop("labelled", True), image, label, **options)
    return {files.patient: files for files in found}


def test_folders_with_image_and_label_in_natural_order(tmp_path):
    touch(tmp_path, *(f"{n}/{name}.nii.gz" for n in (10, 2, 1) for name in ("data", "label")), "2/notes.txt")
    found = find(tmp_path)
    assert list(found) == ["1", "2", "10"]
    assert found["2"] == PatientFiles(
        "2",
        True,
        tmp_path / "2",
        (tmp_path / "2/data.nii.gz", tmp_path / "2/label.nii.gz"),
        tmp_path / "2/data.nii.gz",
        tmp_path / "2/label.nii.gz",
    )


def test_a_missing_label_is_left_to_ingest(tmp_path):
    touch(tmp_path, "1/data.nii.gz")
    files = find(tmp_path)["1"]
    assert files.label is None and files.problem is None


def test_an_unlabelled_patient_s_label_does_not_count(tmp_path):
    touch(tmp_path, "1/data.nii.gz", "1/label.nii.gz")
    files = find(tmp_path, labelled=False)["1"]
    assert (files.label, files.labelled, files.files) == (None, False, (tmp_path / "1/data.nii.gz",))


@pytest.mark.parametrize("patient", ["Müller 7", "患者", "a.b", "x_01-B", "ß"])
def test_ids_with_blanks_and_other_alphabets(tmp_path, patient):
    touch(tmp_path, f"{patient}/data.nii.gz")
    assert list(find(tmp_path)) == [patient]


@pytest.mark.parametrize(
    ("patient", "words"),
    [
        ("a\tb", "control characters"),
        ("a\nb", r"/a\\nb' cannot be a patient's id: it holds control characters"),
        ("-rf", "dash"),
        ("summary", "names a table"),
        ("a  b", "blanks"),
        (" a", "blanks"),
        ("a{b}", "brace"),
        ("a\\b", "slash"),
        ("x" * 201, "200 bytes"),
        ("ü" * 101, "200 bytes"),
        ("7-" + "ab" * 20, "repeated 20 times"),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), r"/\\xff\\xfe' cannot be .* not UTF-8"),
    ],
)
def test_ids_that_would_break_something_are_named(tmp_path, patient, words):
    touch(tmp_path, f"{patient}/data.nii.gz")
    with pytest.raises(CohortError, match=words) as caught:
        find(tmp_path)
    str(caught.value).encode()  # can be printed


def test_one_name_written_in_two_ways(tmp_path):
    touch(tmp_path, "Zo\u00eb/data.nii.gz", "Zoe\u0308/data.nii.gz")
    with pytest.raises(CohortError, match="same name, written in two ways"):
        find(tmp_path)


def test_nested_folders(tmp_path):
    touch(tmp_path, "north/1/ct.nrrd", "north/1/gtv.nrrd", "south/2/ct.nrrd", "south/2/gtv.nrrd")
    found = find(tmp_path, "*/{patient}/ct.nrrd", "*/{patient}/gtv.nrrd")
    assert list(found) == ["1", "2"]
    assert found["2"].label == tmp_path / "south/2/gtv.nrrd"


def test_the_same_id_in_two_places_names_both(tmp_path):
    touch(tmp_path, "north/1/ct.nrrd", "south/1/ct.nrrd")
    for pattern in ("*/{patient}/ct.nrrd", "**/{patient}/ct.nrrd"):
        with pytest.raises(CohortError, match=r"Patient 1 is there twice: .*north/1.* and .*south/1"):
            find(tmp_path, pattern, "*/{patient}/gtv.nrrd")


def test_any_depth(tmp_path):
    touch(tmp_path, "a/b/c/7/ct.nrrd", "8/ct.nrrd", "a/b/c/7/gtv.nrrd")
    found = find(tmp_path, "**/{patient}/ct.nrrd", "**/{patient}/gtv.nrrd")
    assert list(found) == ["7", "8"]
    assert found["7"].label == tmp_path / "a/b/c/7/gtv.nrrd"


def test_flat_folders(tmp_path):
    touch(tmp_path, "imagesTr/case_2_0000.nii.gz", "imagesTr/case_10_0000.nii.gz", "labelsTr/case_2.nii.gz")
    touch(tmp_path, "dataset.json")
    found = find(tmp_path, "imagesTr/{patient}_0000.nii.gz", "labelsTr/{patient}.nii.gz")
    assert list(found) == ["case_2", "case_10"]
    assert found["case_2"].label == tmp_path / "labelsTr/case_2.nii.gz"
    assert found["case_10"].label is None


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(
    ("image", "label"),
    [("{patient}.nii.gz", "{patient}_seg.nii.gz"), ("{patient}_0000.nii.gz", "{patient}.nii.gz")],
)
def test_image_and_label_side_by_side_are_told_apart(tmp_path, image, label, labelled):
    for patient in ("1", "2"):
        touch(tmp_path, image.replace("{patient}", patient), label.replace("{patient}", patient))
    found = find(tmp_path, image, label, labelled=labelled)
    assert list(found) == ["1", "2"]
    assert all((files.label is not None) == labelled for files in found.values())


def test_a_label_without_image_is_a_patient_with_a_problem(tmp_path):
    touch(tmp_path, "imagesTr/1_0000.nii.gz", "labelsTr/1.nii.gz", "labelsTr/2.nii.gz")
    found = find(tmp_path, "imagesTr/{patient}_0000.nii.gz", "labelsTr/{patient}.nii.gz")
    assert found["1"].problem is None
    assert found["2"].problem == "there is a label, 2.nii.gz, but no image imagesTr/2_0000.nii.gz."


def test_the_id_inside_a_name_and_twice(tmp_path):
    touch(tmp_path, "lung_7/lung_7_ct.mha", "lung_8/lung_9_ct.mha")
    found = find(tmp_path, "lung_{patient}/lung_{patient}_ct.mha", "lung_{patient}/gtv.mha")
    assert found["7"].image == tmp_path / "lung_7/lung_7_ct.mha"
    assert "lung_9_ct.mha" in found["8"].problem


def test_several_files_that_fit(tmp_path):
    touch(tmp_path, "1/a.nrrd", "1/b.nrrd", "2/a.nrrd", "2/x_gtv.mha", "2/y_gtv.mha")
    touch(tmp_path, "3/a.nrrd", "gtv/A/3.mha", "gtv/B/3.mha")
    found = find(tmp_path, "{patient}/*.nrrd", "{patient}/*gtv.mha")
    remedy = "Make the pattern fit one, or remove the others."
    assert found["1"].problem == f"several files fit data.image: a.nrrd, b.nrrd. {remedy}"
    assert found["2"].problem == f"several files fit data.label: x_gtv.mha, y_gtv.mha. {remedy}"
    found = find(tmp_path, "{patient}/a.nrrd", "gtv/*/{patient}.mha")
    both = f"{tmp_path}/gtv/A/3.mha, {tmp_path}/gtv/B/3.mha"
    assert found["3"].problem == f"several files fit data.label: {both}. {remedy}"


def test_a_folder_without_image_is_dicom_with_all_that_is_below(tmp_path):
    touch(tmp_path, "1/CT/b", "1/CT/a.dcm", "1/RS.dcm", "1/notes.txt")
    files = find(tmp_path)["1"]
    assert files.image is None and files.problem is None
    assert files.files == tuple(tmp_path / "1" / name for name in ("CT/a.dcm", "CT/b", "RS.dcm", "notes.txt"))


def test_an_empty_folder_is_a_patient_with_a_problem(tmp_path):
    (tmp_path / "1/CT").mkdir(parents=True)
    files = find(tmp_path)["1"]
    assert files.problem == "the folder is empty: neither 1/data.nii.gz nor DICOM files are there."
    assert files.files == ()


def test_a_misnamed_image_is_told_with_what_is_there(tmp_path):
    touch(tmp_path, "1/image.nii.gz", "1/label.nii.gz", "1/readme.txt")
    problem = find(tmp_path)["1"].problem
    assert problem == (
        "1/data.nii.gz is not there, and no DICOM files either; there are image.nii.gz, label.nii.gz, readme.txt. "
        "Rename the image, or change data.image."
    )


def test_a_folder_beside_nested_patients_is_one_too(tmp_path):
    touch(tmp_path, "north/1/ct.nrrd", "lost/file.dcm")
    assert list(find(tmp_path, "*/{patient}/ct.nrrd", "*/{patient}/gtv.nrrd")) == ["1", "lost"]


def test_a_scan_beside_the_folders_is_a_patient_with_a_problem(tmp_path):
    touch(
        tmp_path,
        "1/data.nii.gz",
        "1/label.nii.gz",
        "2.nii.gz",
        "notes.txt",
        "b.DCM",
        "a.dcm",
        ".hidden.nii.gz",
    )
    found = find(tmp_path)
    assert list(found) == ["1", "2.nii.gz", "a.dcm"]
    assert found["1"].problem is None
    beside = (
        "beside the patients' folders and {} in none of them. Put {} into {} patient's folder, take {} away, or name "
        "{} under data.exclude."
    )
    assert found["2.nii.gz"].problem == f"2.nii.gz lies {beside.format('is', 'it', 'its', 'it', 'it')}"
    assert (
        found["a.dcm"].problem == f"a.dcm, b.DCM lie {beside.format('are', 'them', 'their', 'them', 'a.dcm')}"
    )


def test_flat_files_of_other_kinds_are_no_patients(tmp_path):
    touch(tmp_path / "flat", "7_ct.nii.gz", "7_gtv.nii.gz", "7_lungs.nii.gz")
    assert list(find(tmp_path / "flat", "{patient}_ct.nii.gz", "{patient}_gtv.nii.gz")) == ["7"]
    touch(tmp_path / "both", "8/ct.nii.gz", "8_gtv.nii.gz")
    found = find(tmp_path / "both", "{patient}/ct.nii.gz", "{patient}_gtv.nii.gz")
    assert list(found) == ["8"]
    assert found["8"].label.name == "8_gtv.nii.gz"


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", "Desktop.ini", "__MACOSX", "@eaDir", ".DS_Store", ".git"]
)
@pytest.mark.parametrize("inside", [True, False])
def test_what_systems_leave_behind_is_neither_a_patient_nor_a_file_of_one(tmp_path, name, inside):
    touch(tmp_path, "1/ct/a.dcm", "1/rs.dcm")
    touch(tmp_path, f"1/{name}/a.dcm" if inside else f"{name}/a.dcm")
    (files,) = find(tmp_path).values()
    assert sorted(path.name for path in files.files) == ["a.dcm", "rs.dcm"] and files.problem is None


def test_hidden_files_and_clutter_do_not_count(tmp_path):
    touch(tmp_path, "1/data.nii.gz", ".cache/x", "__MACOSX/1/data.nii.gz", "Thumbs.db", "2/.DS_Store", "3/a")
    touch(tmp_path, "3/Thumbs.db", "3/.hidden/b", "readme.txt")
    found = find(tmp_path)
    assert list(found) == ["1", "2", "3"]
    assert found["2"].problem.startswith("the folder is empty")
    assert found["3"].files == (tmp_path / "3/a",)


def test_detached_data_belong_to_the_inputs(tmp_path):
    touch(tmp_path, "1/image.raw", "1/other.raw")
    (tmp_path / "1/ct.mhd").write_text("NDims = 3\nElementType = MET_SHORT\nElementDataFile = image.raw\n")
    files = find(tmp_path, "{patient}/ct.mhd", "{patient}/gtv.mhd")["1"]
    assert files.files == (tmp_path / "1/ct.mhd", tmp_path / "1/image.raw")


@pytest.fixture
def linked(tmp_path):
    """A root with links inside, out, and to nothing, at every level."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(outside, "data.nii.gz", "slice.dcm")
    touch(root, "1/data.nii.gz", "2/label.nii.gz", "3/a.dcm", "5/label.nii.gz")
    (root / "2/data.nii.gz").symlink_to(outside / "data.nii.gz")
    (root / "3/b.dcm").symlink_to(outside / "slice.dcm")
    (root / "4").symlink_to(outside)
    (root / "5/data.nii.gz").symlink_to(tmp_path / "nowhere")
    (root / "6").symlink_to(root / "1")
    return root


def test_links_that_lead_out_are_followed_only_when_allowed(linked):
    found = find(linked)
    assert list(found) == ["1", "2", "3", "4", "5", "6"]
    for patient, name in (("2", "data.nii.gz"), ("3", "b.dcm"), ("4", "4")):
        files = found[patient]
        assert files.problem == (
            f"{name} is a symbolic link that leads out of the data folder. Copy what it points to, or set "
            "data.follow_links to true."
        )
        assert (files.files, files.image) == ((), None)
    assert found["1"].problem is None
    assert found["6"].image == linked / "6/data.nii.gz", "a link within the data folder is fine"

    found = find(linked, follow_links=True)
    assert found["2"].image == linked / "2/data.nii.gz"
    assert found["3"].files == (linked / "3/a.dcm", linked / "3/b.dcm")
    assert found["4"].image == linked / "4/data.nii.gz"


def test_a_link_to_nothing_is_told_either_way(linked):
    for follow in (False, True):
        problem = find(linked, follow_links=follow)["5"].problem
        assert problem == "data.nii.gz is a symbolic link to something that is not there. Mend or remove it."


def test_a_file_behind_a_link_is_no_folder_at_any_depth(tmp_path):
    root = tmp_path / "root"
    touch(root, "A/1/ct.nrrd", "A/1/gtv.nrrd", "A/2/ct.nii")
    touch(tmp_path, "outside.nrrd")
    (root / "A/2/gtv.nrrd").symlink_to(tmp_path / "outside.nrrd")
    found = find(root, "**/{patient}/ct.nrrd", "**/{patient}/gtv.nrrd")
    assert list(found) == ["1", "2"] and found["2"].folder == root / "A/2"
    assert found["2"].problem.startswith("gtv.nrrd is a symbolic link that leads out")


def test_a_ring_of_links_ends(tmp_path):
    touch(tmp_path, "1/a.dcm")
    (tmp_path / "1/again").symlink_to(tmp_path / "1")
    assert find(tmp_path)["1"].files == (tmp_path / "1/a.dcm",)


def test_a_link_above_the_patients_stops_the_run(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(outside, "1/ct.nrrd")
    root.mkdir()
    (root / "north").symlink_to(outside)
    with pytest.raises(CohortError, match=r"north: north is a symbolic link that leads out"):
        find(root, "*/{patient}/ct.nrrd", "*/{patient}/gtv.nrrd")
    assert list(find(root, "*/{patient}/ct.nrrd", "*/{patient}/gtv.nrrd", follow_links=True)) == ["1"]


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize(("labelled", "key"), [(True, "data.labelled"), (False, "data.unlabelled")])
def test_no_data_at_all_says_what_to_put_where(tmp_path, made, labelled, key):
    root = tmp_path / "raw"
    if made:
        touch(root, "readme.txt")
    with pytest.raises(CohortError) as caught:
        find(root, labelled=labelled)
    what = "holds no patients" if made else "is not there"
    label, structures = (" and its label", " and its RTSTRUCT") if labelled else ("", "")
    assert str(caught.value) == (
        f"The data folder {root} {what}. Put each patient there: an image such as {root}/1/data.nii.gz{label}, or a "
        f"folder with a DICOM CT series{structures}; or name another folder as {key} in config.yaml. `make demo` needs "
        "no data."
    )


@pytest.mark.parametrize("pattern", ["data.nii.gz", "/abs/{patient}.nii", "../{patient}/data.nii.gz"])
def test_a_pattern_that_is_none(tmp_path, pattern):
    with pytest.raises(CohortError, match="patterns below the data folder"):
        find(tmp_path, pattern)


def test_the_root_is_listed_as_often_for_many_patients_as_for_few_and_no_file_is_opened(
    tmp_path, monkeypatch
):
    """What discovery costs is a look at each path; `bench/scale.py` has the seconds."""
    for name, count in (("few", 2), ("many", 40)):
        for file in ("data.nii.gz", "label.nii.gz"):
            touch(tmp_path, *(f"{name}/{number}/{file}" for number in range(count)))
    listed, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(Path(path)) or scandir(path))
    monkeypatch.setattr("builtins.open", lambda *_, **__: pytest.fail("a file was opened"))
    assert (len(find(tmp_path / "few")), len(find(tmp_path / "many"))) == (2, 40)
    assert listed.count(tmp_path / "few") == listed.count(tmp_path / "many") == len(listed) / 2


def test_discovery_loads_nothing_heavy():
    code = (
        "import sys; sys.path.insert(0, 'workflow'); import lunggtv.cohort.discover; "
        "print(sorted({'numpy', 'SimpleITK', 'pydicom', 'h5py', 'scipy'} & set(sys.modules)))"
    )
    project = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
