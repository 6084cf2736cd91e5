"""Folders between the data folder and the images: who lies there is told, whichever of them has a hit below it."""

from pathlib import Path

import pytest
from lunggtv.cohort.discover import discover
from lunggtv.cohort.path_search import PathSearch
from lunggtv.cohort.pattern_ways import folders_above, ways_of

from tests.unit.test_discover import touch
from tests.unit.test_foreign_folders import seen
from tests.unit.test_stray_scans import LOOSE, dicom

AMONG = "lies among the images and is not named"
FLAT_SITES = ("raw/*/{patient}.nii.gz", "lab/*/{patient}.nii.gz")
SITES = ("raw/*/{patient}/data.nii.gz", "raw/*/{patient}/label.nii.gz")
DEEP = ("**/{patient}_ct.nii.gz", "**/{patient}_gtv.nii.gz")
ONE_DOWN = ("D/imagesTr/{patient}_0000.nii.gz", "D/labelsTr/{patient}.nii.gz")
TWO_DOWN = ("set/cases/{patient}/data.nii.gz", "set/cases/{patient}/label.nii.gz")
MISPLACED = "is a folder with DICOM files where data.image asks for images"


@pytest.mark.parametrize(
    ("patterns", "there", "others", "told", "passed_over"),
    [
        (FLAT_SITES, ["raw/x/P1.nii.gz", "lab/x/P1.nii.gz"], ["raw/y/P2/IM1.dcm", "raw/y/P3.nii"],
         {"P2": MISPLACED, "P3": AMONG}, []),
        (FLAT_SITES, ["raw/x/P1.nii.gz", "lab/x/P1.nii.gz"], ["raw/y/IM1.dcm", "raw/a.nii.gz", "raw/z.zip"],
         {"a.nii.gz": LOOSE, "IM1": AMONG}, ["raw/z.zip"]),
        (FLAT_SITES, ["raw/x/P1.nii.gz", "lab/x/P1.nii.gz"], ["raw/notes/a.txt", "raw/notes/sub/b.txt", "raw/code/a"],
         {}, ["raw/code", "raw/notes/sub"]),
        (FLAT_SITES, ["raw/x/P1.nii.gz", "lab/x/P1.nii.gz"], ["raw/notes/a.txt"], {}, ["raw/notes"]),
        (SITES, ["raw/x/P1/data.nii.gz", "raw/x/P1/label.nii.gz"], ["raw/y/P2.nii.gz", "raw/IM1.dcm", "raw/z/P3/x.dcm"],
         {"IM1.dcm": LOOSE, "P2.nii.gz": LOOSE, "P3": None}, []),
        (DEEP, ["a/x/P1_ct.nii.gz", "a/x/P1_gtv.nii.gz"], ["a/y/P2_ct.nii", "a/z/IM1.dcm", "a/P3_ct.nii"],
         {"P2": AMONG, "P3": AMONG, "z": MISPLACED}, []),
        (("raw/" + DEEP[0], DEEP[1]), ["raw/x/P1_ct.nii.gz", "raw/x/P1_gtv.nii.gz"], ["raw/P3_ct.nii"],
         {"P3": AMONG}, []),
        (ONE_DOWN, ["D/imagesTr/P1_0000.nii.gz", "D/labelsTr/P1.nii.gz"],
         ["D/P9/IM1.dcm", "D/P7.nii.gz", "D/IM1.dcm", "D/imagesTs/b_0000.nii.gz", "D/dataset.json", "D/plots/a.nii.gz"],
         {"IM1.dcm": LOOSE, "P7.nii.gz": LOOSE, "P9": None}, ["D/imagesTs", "D/plots"]),
        (TWO_DOWN, ["set/cases/P1/data.nii.gz", "set/cases/P1/label.nii.gz"], ["set/2.nii.gz", "set/5/IM1.dcm"],
         {"2.nii.gz": LOOSE, "5": None}, []),
        (("*/{patient}/ct.nrrd", "*/{patient}/gtv.nrrd"), ["x/P1/ct.nrrd", "x/P1/gtv.nrrd"],
         ["y/P2.nii.gz", "z/notes.txt"], {"P2.nii.gz": LOOSE}, ["z"]),
    ],
)  # fmt: skip
def test_what_lies_on_the_way_is_told(tmp_path, patterns, there, others, told, passed_over):
    touch(tmp_path, *there)
    dicom(tmp_path, *(name for name in others if name.endswith(".dcm")))
    touch(tmp_path, *others)
    patients, _ = seen(tmp_path, *patterns)
    assert sorted(patients) == sorted(["P1", *told]) and patients["P1"] is None
    for patient, words in told.items():
        assert (words or "") in (patients[patient] or "") and (words is None) == (patients[patient] is None)
    assert list(discover(tmp_path, True, *patterns).ignored) == [str(tmp_path / name) for name in passed_over]


def test_the_tree_below_another_folder_with_all_images_misnamed(tmp_path):
    """The folders that the pattern names are neither patients nor ignored."""
    touch(tmp_path, "D/sub/img/1.nii", "D/sub/seg/1.nii.gz")
    patients, ignored = seen(tmp_path, "D/sub/img/{patient}.nii.gz", "D/sub/seg/{patient}.nii.gz")
    assert (list(patients), ignored) == (["1"], []) and AMONG in patients["1"]


def test_the_ways_of_a_pattern(tmp_path):
    root = str(tmp_path)
    touch(
        tmp_path, "raw/x/1/ct.nrrd", "raw/y/a.txt", "raw/gone/a.txt", "raw/code/a.py", "other/z/a", "raw/file"
    )
    paths = PathSearch(root, root, False, elsewhere={f"{root}/other/new"})
    ways = ways_of(paths, ("raw", "*", "{patient}", "ct.nrrd"), [], [f"{root}/raw/x/1"], {f"{root}/raw/gone"})
    assert ways.folders == {root, *(f"{root}/{name}" for name in ("raw", "raw/x", "raw/y", "other"))}
    assert ways.holders == {f"{root}/raw/x", f"{root}/raw/y"} and ways.named == {root, f"{root}/raw"}


def test_folders_above():
    assert folders_above(["raw/a/b", "/c/d/e"]) == {"raw/a", "raw", "/c/d", "/c"}
    assert folders_above(["./a/b", "./c", "."], ".") == {"./a", "."}


def test_beside_the_data_folder_of_the_other_set(tmp_path):
    touch(tmp_path, "1/data.nii.gz", "1/label.nii.gz", "extra/new/2/data.nii.gz", "extra/P8/data.nii.gz")
    touch(tmp_path, "extra/P7.nii.gz", "extra/P6.zip")
    dicom(tmp_path, "extra/P9/x.dcm", "extra/new/3/x.dcm", "extra/new/4.dcm")
    patterns = ("{patient}/data.nii.gz", "{patient}/label.nii.gz")
    found = discover(tmp_path, True, *patterns, elsewhere=[str(tmp_path / "extra/new")])
    problems = {files.patient: files.problem for files in found.patients}
    assert list(problems) == ["1", "P7.nii.gz", "P9"] and LOOSE in problems["P7.nii.gz"]
    assert problems["1"] is problems["P9"] is None
    assert [str(Path(path).relative_to(tmp_path)) for path in found.ignored] == ["extra/P6.zip", "extra/P8"]


STARS = ("**/{patient}/data.nii.gz", "**/{patient}/label.nii.gz")
FLAT_STAR = ("*/{patient}.nii.gz", "*/{patient}_gtv.nii.gz")
IMG = ("*/img/{patient}.nii.gz", "*/seg/{patient}.nii.gz")
SITE = ["B/P2/ct/IM1.dcm", "B/P2/RS.dcm", "B/P3/ct/IM1.dcm"]


@pytest.mark.parametrize(
    ("patterns", "there", "others", "told"),
    [
        # Of DICOM nobody can tell a site from a patient's folder; its headers are to say that they are of several.
        *(
            ((image, FLAT_STAR[1]), [f"{first}/P1.nii.gz"], [name.replace("B/", f"{other}/") for name in SITE],
             {other: None})
            for image, first, other in ((FLAT_STAR[0], "A", "B"), ("A*/{patient}.nii.gz", "A", "A2"))
        ),
        (IMG, ["A/img/P1.nii.gz", "A/seg/P1.nii.gz"], SITE, {"B": None}),
        *(
            (patterns, there, ["P7/CT/1.dcm", "P7/RS/1.dcm", "P8/2010/1.dcm", "P9/DICOM/1.dcm"],
             {"P7": None, "P8": None, "P9": None})
            for patterns, there in (
                (FLAT_STAR, ["A/P1.nii.gz"]), (IMG, ["A/img/P1.nii.gz"]), (STARS, ["A/P1/data.nii.gz"]),
                (("*/{patient}_ct.nii.gz", "*/{patient}_gtv.nii.gz"), ["A/P1_ct.nii.gz"]),
            )
        ),
        # A folder of the next name is no sign of a site where it is one of DICOM files, nor is an image.
        (("*/CT/{patient}.nii.gz", "*/GTV/{patient}.nii.gz"), ["A/CT/P1.nii.gz"],
         ["P7/CT/1.dcm", "P7/RS/1.dcm", "P8/CT/1.dcm", "P8/RS/1.dcm"], {"P7": None, "P8": None}),
        (("*/{patient}_ct.nii.gz", "*/{patient}_gtv.nii.gz"), ["A/P1_ct.nii.gz"], ["B/P3/1.dcm", "B/P5.nii.gz"],
         {"B": None}),
        # Without any DICOM they are no patients' folders.
        (FLAT_STAR, ["A/P1.nii.gz"], ["B/P2.nii", "B/x/P3.nii"], {"P2": AMONG}),
        (IMG, ["A/img/P1.nii.gz", "A/seg/P1.nii.gz"], ["B/img/P2.nii", "B/img/P3/IM1.dcm", "B/seg/P2.nii"],
         {"P2": AMONG, "P3": MISPLACED}),
        (STARS, ["A/P1/data.nii.gz", "A/P1/label.nii.gz"], SITE, {"B": None}),
        (STARS, ["A/x/P1/data.nii.gz"], ["B/y/P2/ct/IM1.dcm", "B/y/P3/IM1.dcm"], {"B": None}),
        # With a patient right in the data folder, others there may be patients too.
        (STARS, ["A/P1/data.nii.gz", "P4/data.nii.gz"], SITE, {"B": None, "P4": None}),
        # So may folders that hold some of one name.
        (STARS, ["A/P1/data.nii.gz"], ["P2/CT/1.dcm", "P2/RS/1.dcm", "P3/CT/1.dcm"], {"P2": None, "P3": None}),
        # DICOM files right in a folder are its own.
        (FLAT_STAR, ["A/P1.nii.gz"], ["P2/1.dcm", "P2/ct/1.dcm"], {"P2": None}),
        (STARS, ["A/P1/data.nii.gz"], ["P2/1.dcm", "P2/ct/1.dcm"], {"P2": None}),
    ],
)  # fmt: skip
def test_a_site_without_a_hit_is_not_one_patient(tmp_path, patterns, there, others, told):
    dicom(tmp_path, *(name for name in others if name.endswith(".dcm")))
    touch(tmp_path, *there, *(name for name in others if not name.endswith(".dcm")))
    patients, _ = seen(tmp_path, *patterns)
    assert sorted(patients) == sorted(["P1", *told])
    for patient, words in told.items():
        assert (words or "") in (patients[patient] or "") and (words is None) == (patients[patient] is None)


def test_where_folders_of_files_alone_are_patients_the_words_say_so(tmp_path):
    """Following them, P2 is read."""
    touch(tmp_path, "A/img/P1.nii.gz", "A/seg/P1.nii.gz")
    dicom(tmp_path, "B/img/P2/ct/1.dcm", "B/img/P3/1.dcm")
    words = "Put all its files into one folder directly below the data folder"
    assert words in seen(tmp_path, *IMG)[0]["P2"]
    (tmp_path / "P2").mkdir()
    (tmp_path / "B/img/P2/ct/1.dcm").rename(tmp_path / "P2/1.dcm")
    assert seen(tmp_path, *IMG)[0]["P2"] is None


@pytest.mark.parametrize("above", ["", "B/", "B/C/"])
@pytest.mark.parametrize("first", ["A/P1/data.nii.gz", "P1/data.nii.gz"])
def test_a_folder_of_labels_is_on_the_way(tmp_path, first, above):
    """Of a pattern that says no depth: a label in a folder without an image tells that patients lie there."""
    touch(
        tmp_path,
        first,
        f"{above}P2/label.nii.gz",
        f"{above}P4.nii.gz",
        f"{above}P5/data.nii",
        f"{above}P5/label.nii.gz",
    )
    dicom(tmp_path, f"{above}P2/IM1.dcm", f"{above}P3/IM1.dcm")
    found = {files.patient: files for files in discover(tmp_path, True, *STARS).patients}
    assert list(found) == ["P1", "P2", "P3", "P4.nii.gz", "P5"]
    assert found["P2"].problem is found["P3"].problem is None and LOOSE in found["P4.nii.gz"].problem
    assert found["P2"].label == tmp_path / above / "P2/label.nii.gz"
    assert found["P2"].files == (tmp_path / above / "P2/IM1.dcm", tmp_path / above / "P2/label.nii.gz")
    assert "there are data.nii, label.nii.gz. Rename the image" in found["P5"].problem


def test_a_site_whose_files_are_links_that_lead_out_is_on_the_way(tmp_path):
    root = tmp_path / "root"
    touch(tmp_path, "outside.nii.gz", "root/B/P2_ct.nii")
    dicom(root, "B/P3/IM1.dcm")
    for name in ("P1_ct.nii.gz", "P2_gtv.nii.gz"):
        (root / "B" / name).symlink_to(tmp_path / "outside.nii.gz")
    patients, ignored = seen(root, *DEEP)
    assert (list(patients), ignored) == (["P1", "P2", "P3"], [])
    assert MISPLACED in patients["P3"] and "P1_ct.nii.gz is a symbolic link" in patients["P1"]
    assert "P2_ct.nii lies among" in patients["P2"]


def test_labels_in_a_tree_of_their_own(tmp_path):
    touch(tmp_path, "img/A/P1/data.nii.gz", "seg/A/P1/label.nii.gz", "seg/B/P2/label.nii.gz")
    dicom(tmp_path, "img/B/P2/IM1.dcm", "img/B/P3/IM1.dcm")
    found = discover(tmp_path, True, "img/**/{patient}/data.nii.gz", "seg/**/{patient}/label.nii.gz").patients
    assert [(files.patient, files.problem) for files in found] == [("P1", None), ("P2", None), ("P3", None)]
    assert found[1].label == tmp_path / "seg/B/P2/label.nii.gz"
