"""Both sets in one tree: a stray scan stops nobody, twins are refused, and lungs of the user's own are no patients."""

import os
from pathlib import Path

import pytest
import yaml
from lunggtv.cohort.cohort import Cohort, find_cohort
from lunggtv.errors import CohortError

from tests.unit.test_discover import touch
from tests.unit.test_foreign_folders import settings

ONE_TREE = """data: {labelled: raw, image: "imagesTr/{patient}_0000.nii.gz", label: "labelsTr/{patient}.nii.gz",
                     unlabelled: raw, unlabelled_image: "imagesTs/{patient}_0000.nii.gz"}"""
TREE = ("imagesTr/a1_0000.nii.gz", "labelsTr/a1.nii.gz", "imagesTs/b1_0000.nii.gz")


@pytest.fixture
def cohort(tmp_path, monkeypatch):
    """The cohort of some files below ``raw``; those that end in .dcm begin like DICOM."""
    monkeypatch.chdir(tmp_path)

    def find(text: str, *names: str, lungs: str | None = None) -> Cohort:
        touch(Path("raw"), *names)
        for name in names:
            if name.endswith(".dcm"):
                Path("raw", name).write_bytes(bytes(128) + b"DICM")
        config = settings(text)
        return find_cohort(config | {"cache": config["cache"] | {"lungs": lungs}})

    return find


def test_a_folder_of_dicom_in_a_tree_of_both_sets_is_a_labelled_patient(cohort):
    """Where the words on a folder of DICOM files among the images say to put it."""
    found = cohort(ONE_TREE, *TREE, "imagesTs/p7/x.dcm")
    assert "Put the folder directly below the data folder" in found.patients["p7"].problem
    Path("raw/imagesTs/p7").rename("raw/p7")
    found = cohort(ONE_TREE)
    assert (found.labelled, found.unlabelled, found.ignored) == (["a1", "p7"], ["b1"], ())
    assert found.patients["p7"].problem is None and found.patients["p7"].files == (Path("raw/p7/x.dcm"),)


@pytest.mark.parametrize(
    ("strays", "labelled", "unlabelled", "ignored"),
    [
        (["imagesTr/q.nii", "imagesTs/q.nii"], ["a1", "q"], ["b1"], ["raw/imagesTs/q.nii"]),
        (["imagesTr/b1.nii"], ["a1"], ["b1"], ["raw/imagesTr/b1.nii"]),
        (["imagesTs/a1.nii"], ["a1"], ["b1"], ["raw/imagesTs/a1.nii"]),
        (["imagesTs/a1/x.dcm"], ["a1"], ["b1"], ["raw/imagesTs/a1"]),
        (
            ["imagesTr/q.nii", "imagesTs/q.hdr", "imagesTs/q.img"],
            ["a1", "q"],
            ["b1"],
            ["raw/imagesTs/q.hdr", "raw/imagesTs/q.img"],
        ),
        (["q.nii"], ["a1", "q.nii"], ["b1"], []),
        (["imagesTs/q.nii"], ["a1"], ["b1", "q"], []),
    ],
)
def test_a_stray_scan_gives_way_and_is_told(cohort, strays, labelled, unlabelled, ignored):
    found = cohort(ONE_TREE, *TREE, *strays)
    assert (found.labelled, found.unlabelled, list(found.ignored)) == (labelled, unlabelled, ignored)
    assert [name for name, files in found.patients.items() if files.problem] == [
        name for name in found.patients if name not in ("a1", "b1")
    ]


FOLDERS_OF_SETS = """data: {labelled: raw, image: "imagesTr/{patient}/ct.nii.gz", label: "labelsTr/{patient}.nii.gz",
                            unlabelled: raw, unlabelled_image: "imagesTs/{patient}/ct.nii.gz"}"""
SETS = ("imagesTr/1/ct.nii.gz", "labelsTr/1.nii.gz", "imagesTs/4/ct.nii.gz")


@pytest.mark.parametrize(
    ("others", "shown"),
    [
        (["IM1.dcm"], ["IM1.dcm"]),
        (["IM1.dcm", "IM2.dcm", "IM3.dcm"], ["IM1.dcm", "IM2.dcm", "IM3.dcm"]),
        (["IM1.dcm", "IM2.dcm", "IM3.dcm", "IM4.dcm"], ["IM*.dcm"]),
    ],
)
def test_all_files_of_a_scan_that_gives_way_are_told(cohort, others, shown):
    found = cohort(FOLDERS_OF_SETS, *SETS, "imagesTr/IM1.dcm", *(f"imagesTs/{name}" for name in others))
    assert (found.labelled, found.unlabelled) == (["1", "IM1.dcm"], ["4"])
    assert found.ignored == tuple(f"raw/imagesTs/{name}" for name in shown)


def test_a_group_of_scans_that_both_sets_see_is_told_once(cohort):
    """In the data folder itself, where one of them is a patient's by the other set's pattern."""
    text = """data: {labelled: raw, image: "{patient}.nii.gz", label: "{patient}_gtv.nii.gz",
                     unlabelled: raw, unlabelled_image: "new/{patient}.nii.gz"}"""
    found = cohort(text, "1.nii.gz", "1_gtv.nii.gz", "new/2.nii.gz", "0.dcm", "1.dcm", "7.hdr", "7.img")
    assert (found.labelled, found.unlabelled, found.ignored) == (["0", "1", "7"], ["2"], ("raw/1.dcm",))


def test_scans_of_either_set_beside_one_another_are_no_strays_of_the_other(cohort):
    text = """data: {labelled: raw, image: "{patient}_ct.nii.gz", label: "{patient}_gtv.nii.gz",
                     unlabelled: raw, unlabelled_image: "{patient}_new.nii.gz"}"""
    names = ["1_ct.nii.gz", "1_gtv.nii.gz", "5_new.nii.gz", "6_new.mhd", "6_new.nii.gz", "7.nii.gz"]
    found = cohort(text, *names, "8_new.hdr", "8_new.img")
    assert (found.labelled, found.unlabelled) == (["1", "7", "8_new"], ["5", "6"])
    assert [name for name, files in found.patients.items() if files.problem] == ["7", "8_new"]
    assert found.ignored == ("raw/6_new.mhd",)


@pytest.mark.parametrize("above", ["", "sets/"])
def test_the_folder_in_which_the_other_set_begins_is_no_patient(cohort, above):
    """Nor is anybody in it one of this set, though DICOM files beside it are."""
    text = f"""data: {{labelled: raw, image: "{above}train/{{patient}}/data.nii.gz",
                       label: "{above}train/{{patient}}/label.nii.gz",
                       unlabelled: raw, unlabelled_image: "{above}test/{{patient}}/data.nii.gz"}}"""
    names = ["train/1/x.dcm", "train/2/data.nii.gz", "train/2/label.nii.gz", "test/4/x.dcm"]
    names += ["test/5/data.nii.gz", "test/IM1.dcm"]
    found = cohort(text, *(above + name for name in names), "p7/x.dcm", "notes/a.txt")
    assert (found.labelled, found.unlabelled) == (["1", "2", "p7"], ["4", "5", "IM1.dcm"])
    assert found.ignored == ("raw/notes",)
    problems = {name: files.problem for name, files in found.patients.items() if files.problem}
    assert list(problems) == ["IM1.dcm"]
    assert found.patients["4"].files == (Path(f"raw/{above}test/4/x.dcm"),)


def test_the_other_set_may_begin_below_folders_of_patients(cohort):
    """test fits {patient}, too."""
    text = """data: {labelled: raw, image: "{patient}/data.nii.gz", label: "{patient}/label.nii.gz",
                     unlabelled: raw, unlabelled_image: "test/{patient}/data.nii.gz"}"""
    found = cohort(text, "1/data.nii.gz", "1/label.nii.gz", "2/x.dcm", "test/4/x.dcm", "test/5/data.nii.gz")
    assert (found.labelled, found.unlabelled, found.ignored) == (["1", "2"], ["4", "5"], ())


def test_both_sets_of_a_data_set_one_level_down(cohort):
    text = """data: {labelled: raw, image: "D/imagesTr/{patient}_0000.nii.gz", label: "D/labelsTr/{patient}.nii.gz",
                     unlabelled: raw, unlabelled_image: "D/imagesTs/{patient}_0000.nii.gz"}"""
    names = [*(f"D/{name}" for name in TREE), "D/p9/x.dcm", "D/q.nii.gz", "D/labelsTs/b1.nii.gz", "p8/x.dcm"]
    found = cohort(text, *names)
    assert (found.labelled, found.unlabelled) == (["a1", "p8", "p9", "q.nii.gz"], ["b1"])
    assert found.ignored == ("raw/D/labelsTs",)
    assert [name for name, files in found.patients.items() if files.problem] == ["q.nii.gz"]


@pytest.mark.parametrize(
    ("patterns", "names", "labelled", "unlabelled"),
    [
        (("imagesTr/{patient}_0000.nii.gz", "labelsTr/{patient}.nii.gz", "imagesTs/{patient}_0000.nii.gz"),
         ["B/imagesTs/c_0000.nii.gz"], ["a"], ["c"]),
        (("old/{patient}.nii.gz", "seg/{patient}.nii.gz", "new/{patient}.nii.gz"),
         ["B/new/c.nii.gz", "B/new/6/x.dcm", "A/new/7/x.dcm", "A/new/d.nii.gz"], ["a"], ["6", "7", "c", "d"]),
    ],
)  # fmt: skip
def test_a_folder_with_images_of_the_other_set_at_several_sites_is_no_patient(
    cohort, patterns, names, labelled, unlabelled
):
    image, label, new = patterns
    text = f"""data: {{labelled: raw, image: "*/{image}", label: "*/{label}", unlabelled: raw,
                       unlabelled_image: "*/{new}"}}"""
    there = [f"A/{pattern.replace('{patient}', 'a')}" for pattern in (image, label)]
    found = cohort(text, *there, *names)
    assert (found.labelled, found.unlabelled, found.ignored) == (labelled, unlabelled, ())
    problems = [name for name, files in found.patients.items() if files.problem]
    assert problems == [name for name in unlabelled if name.isdigit()]


@pytest.mark.parametrize(
    ("end", "names", "labelled", "unlabelled"),
    [
        ("/ct.nii.gz", ["B/lab/P3/x.dcm"], ["P1", "P3"], ["P2"]),
        ("/ct.nii.gz", ["B/lab/P3/x.dcm", "B/new/P4/ct.nii.gz"], ["P1", "P3"], ["P2", "P4"]),
        ("/ct.nii.gz", ["B/lab/P3/x.dcm", "B/new/P4/ct/x.dcm"], ["P1", "P3"], ["P2", "P4"]),
        ("/ct.nii.gz", ["B/new/P4/x.dcm"], ["P1"], ["P2", "P4"]),
        # Told that it lies among images, and no patient of its own in the other set either.
        (".nii.gz", ["B/lab/P3/x.dcm", "B/lab/P4/x.dcm"], ["P1", "P3", "P4"], ["P2"]),
    ],
)  # fmt: skip
def test_a_folder_of_dicom_is_in_one_set_at_several_sites(cohort, end, names, labelled, unlabelled):
    text = f"""data: {{labelled: raw, image: "*/lab/{{patient}}{end}", label: "*/lab/{{patient}}{end[:-7]}_gtv.nii.gz",
                       unlabelled: raw, unlabelled_image: "*/new/{{patient}}{end}"}}"""
    there = [f"A/lab/P1{end}", f"A/lab/P1{end[:-7]}_gtv.nii.gz", f"A/new/P2{end}"]
    found = cohort(text, *there, *names)
    assert (found.labelled, found.unlabelled, found.ignored) == (labelled, unlabelled, ())
    files = [path for one in found.patients.values() for path in one.files]
    assert len(files) == len(set(files))


@pytest.mark.parametrize(
    ("image", "label", "names", "labelled", "unlabelled"),
    [
        # Of another id by each pattern.
        ("sub-{patient}/ct.nii.gz", "sub-{patient}/gtv.nii.gz",
         ["sub-1/ct.nii.gz", "sub-1/gtv.nii.gz", "sub-2/x.dcm", "imagesTs/9_0000.nii.gz"], ["1", "2"], ["9"]),
        ("*/{patient}.nii.gz", "*/{patient}_gtv.nii.gz",
         ["A/1.nii.gz", "A/1_gtv.nii.gz", "imagesTs/9_0000.nii.gz"], ["1"], ["9"]),
        # With a label, too.
        ("*/{patient}.nii.gz", "*/{patient}_gtv.nii.gz",
         ["A/1.nii.gz", "A/1_gtv.nii.gz", "imagesTs/9_0000.nii.gz", "imagesTs/9_0000_gtv.nii.gz"], ["1"], ["9"]),
        # Of the same id as a label elsewhere.
        ("*/{patient}/ct.nii.gz", "*/{patient}/gtv.nii.gz",
         ["A/1/ct.nii.gz", "A/1/gtv.nii.gz", "3/ct/x.dcm", "A/3/gtv.nii.gz"], ["1", "3", "ct"], []),
    ],
)  # fmt: skip
def test_what_fits_both_patterns_is_in_one_set(cohort, image, label, names, labelled, unlabelled):
    found = cohort(
        f"""data: {{labelled: raw, image: "{image}", label: "{label}", unlabelled: raw,
                    unlabelled_image: "imagesTs/{{patient}}_0000.nii.gz"}}""",
        *names,
    )
    assert (found.labelled, found.unlabelled, found.ignored) == (labelled, unlabelled, ())
    assert [name for name, files in found.patients.items() if files.problem] == labelled[1:-1] * (
        "3" in labelled
    )


@pytest.mark.parametrize(
    ("text", "names", "labelled", "unlabelled", "ignored"),
    [
        ("""labelled: raw, image: "*/{patient}/ct.nii.gz", label: "*/{patient}/gtv.nii.gz",
            unlabelled: raw/test, unlabelled_image: "{patient}/ct.nii.gz\"""",
         ["A/1/ct.nii.gz", "A/1/gtv.nii.gz", "test/5/ct.nii.gz", "test/5/gtv.nii.gz", "test/6/CT/x.dcm",
          "test/6/RS/x.dcm"],
         ["1"], ["5", "6"], ()),
        ("""labelled: raw, image: "*/{patient}/ct.nii.gz", label: "*/{patient}/gtv.nii.gz",
            unlabelled: raw, unlabelled_image: "test/{patient}/ct.nii.gz\"""",
         ["A/1/ct.nii.gz", "A/1/gtv.nii.gz", "A/2/x.dcm", "test/5/ct.nii.gz", "test/5/gtv.nii.gz", "test/6/x.dcm"],
         ["1", "2"], ["5", "6"], ()),
        ("""labelled: raw, image: "**/{patient}_ct.nii.gz", label: "**/{patient}_gtv.nii.gz", unlabelled: raw/new""",
         ["A/1_ct.nii.gz", "A/1_gtv.nii.gz", "new/B/5_ct.nii.gz", "new/6_ct.nii.gz", "new/6_gtv.nii.gz"],
         ["1"], ["5", "6"], ()),
        # Whose label is missing stays labelled: ingest rejects him.
        ("""labelled: raw/lab, image: "{patient}/ct.nii.gz", label: "{patient}/gtv.nii.gz",
            unlabelled: raw, unlabelled_image: "*/{patient}/ct.nii.gz\"""",
         ["lab/1/ct.nii.gz", "lab/1/gtv.nii.gz", "lab/3/ct.nii.gz", "B/5/ct.nii.gz"], ["1", "3"], ["5"], ()),
    ],
)  # fmt: skip
def test_what_lies_in_the_folder_of_the_other_set_is_of_that_set(
    cohort, text, names, labelled, unlabelled, ignored
):
    found = cohort(f"data: {{{text}}}", *names)
    assert (found.labelled, found.unlabelled, found.ignored) == (labelled, unlabelled, ignored)
    assert not any(files.problem for files in found.patients.values())


@pytest.mark.parametrize(
    ("image", "label", "unlabelled_image", "names", "twin"),
    [
        ("{patient}/ct.nii.gz", "{patient}/gtv.nii.gz", '"{patient}/ct*.nii.gz"',
         ["1/ct.nii.gz", "1/gtv.nii.gz", "2/ct2.nii.gz", "3/ct.nii.gz"], "1/ct.nii.gz"),
        ("{patient}_ct.nii.gz", "{patient}_gtv.nii.gz", '"{patient}.nii.gz"',
         ["1_ct.nii.gz", "1_gtv.nii.gz"], "1_ct.nii.gz"),
        ("{patient}/ct.nii.gz", "{patient}/gtv.nii.gz", "null",
         ["1/ct.nii.gz", "1/gtv.nii.gz", "2/x.dcm"], "1/ct.nii.gz"),
    ],
)  # fmt: skip
def test_an_image_that_fits_both_patterns_is_refused(cohort, image, label, unlabelled_image, names, twin):
    text = f"""data: {{labelled: raw, image: "{image}", label: "{label}", unlabelled: raw,
                      unlabelled_image: {unlabelled_image}}}"""
    words = (
        f"^raw/{twin} fits both data.image and data.unlabelled_image .which is data.image where it is not set"
    )
    with pytest.raises(CohortError, match=words):
        cohort(text, *names)


PATIENTS_AND_SITES = """data: {{labelled: raw, image: "{}/ct.nii.gz", label: "{}/gtv.nii.gz",
                        unlabelled: raw, unlabelled_image: "{}/ct.nii.gz"}}"""


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "names", "found"),
    [
        ("{patient}", "*/{patient}", ["1/ct.nii.gz", "1/gtv.nii.gz", "7/CT/x.dcm", "7/RS/x.dcm", "B/5/ct.nii.gz"], "7"),
        ("{patient}", "*/{patient}", ["1/ct.nii.gz", "1/gtv.nii.gz", "7/x.dcm", "7/RS/x.dcm"], "7"),
        ("*/{patient}", "{patient}", ["A/1/ct.nii.gz", "A/1/gtv.nii.gz", "B/4/x.dcm", "5/ct.nii.gz"], "B"),
        # An image among them, or a name in the pattern, shows that it is a site.
        ("{patient}", "*/{patient}", ["1/ct.nii.gz", "1/gtv.nii.gz", "B/5/ct.nii.gz", "B/6/CT/x.dcm"],
         (["1"], ["5", "6"])),
        ("*/{patient}", "{patient}", ["A/1/ct.nii.gz", "A/1/gtv.nii.gz", "A/3/x.dcm", "5/ct.nii.gz"],
         (["1", "3"], ["5"])),
        ("{patient}", "test*/{patient}", ["1/ct.nii.gz", "1/gtv.nii.gz", "test2/6/x.dcm"], (["1"], ["6"])),
        ("{patient}", "*/new/{patient}", ["1/ct.nii.gz", "1/gtv.nii.gz", "B/new/6/x.dcm"], (["1"], ["6"])),
        ("*/LUNG{patient}", "{patient}", ["A/LUNG1/x.dcm", "A/LUNG2/x.dcm", "5/ct.nii.gz"], (["1", "2"], ["5"])),
    ],
)  # fmt: skip
def test_whether_a_folder_of_dicom_is_a_patient_of_one_set_or_a_site_of_the_other(
    cohort, labelled, unlabelled, names, found
):
    text = PATIENTS_AND_SITES.format(labelled, labelled, unlabelled)
    if isinstance(found, str):
        with pytest.raises(
            CohortError, match=f"^raw/{found} holds folders of DICOM files: by one of data.image"
        ):
            cohort(text, *names)
    else:
        there = cohort(text, *names)
        assert (there.labelled, there.unlabelled, there.ignored) == (*found, ())


SITES = """data: {labelled: raw, image: "*/{patient}/ct.nii.gz", label: "%s"}"""


@pytest.mark.parametrize(
    ("label", "lungs", "beside", "ignored"),
    [
        ("*/{patient}/gtv.nii.gz", "ts/{patient}/lungs.nii.gz", ["ts/1/lungs.nii.gz", "ts/2/lungs.nii.gz"], []),
        ("labels/{patient}/gtv.nii.gz", None, ["labels/1/gtv.nii.gz", "labels/2/gtv.nii.gz"], []),
        ("labels/*/{patient}.nii.gz", None, ["labels/A/1.nii.gz", "labels/A/2.nii.gz"], []),
    ],
)  # fmt: skip
def test_folders_of_masks_beside_sites_are_no_patients(cohort, label, lungs, beside, ignored):
    names = ["A/1/ct.nii.gz", "B/2/ct.nii.gz", *beside]
    names += ["A/1/gtv.nii.gz", "B/2/gtv.nii.gz"] if label.startswith("*") else []
    found = cohort(SITES % label, *names, lungs=lungs)
    assert (found.labelled, list(found.ignored)) == (["1", "2"], [f"raw/{name}" for name in ignored])
    assert all(files.problem is None and files.label for files in found.patients.values())


@pytest.mark.parametrize(
    ("names", "twins"),
    [
        # Another person's, with the GTV but a misspelt CT.
        (["A/1/ct.nii.gz", "B/1/CT.nii.gz", "B/1/gtv.nii.gz"], "A/1 and raw/B/1"),
        (["A/1/ct.nii.gz", "A/1/gtv.nii.gz", "B/1/ct.nii"], "A/1 and raw/B/1"),
        (["A/1/x.dcm", "drafts/1/gtv.nii.gz"], "A/1 and raw/drafts/1"),
    ],
)
def test_one_id_at_two_sites_stops_the_run(cohort, names, twins):
    with pytest.raises(CohortError, match=f"Patient 1 is there twice: raw/{twins}. Rename one"):
        cohort(SITES % "*/{patient}/gtv.nii.gz", *names)


FLAT_SITES = """data: {labelled: raw, image: "*/{patient}_ct.nii.gz", label: "*/{patient}_gtv.nii.gz"}"""


@pytest.mark.parametrize(
    ("more", "parted"),
    [
        (["B/1_CT.nii.gz"], True),
        (["B/3_ct.nii.gz"], True),
        (["B/1_seg.nii.gz"], False),
        # A folder of labels, and an image among them.
        (["B/3_ct.nii.gz", "B/4_gtv.nii.gz", "A/4_ct.nii.gz"], False),
    ],
)
def test_a_label_at_the_site_of_other_patients_is_of_another_person(cohort, more, parted):
    found = cohort(FLAT_SITES, "A/1_ct.nii.gz", "A/2_ct.nii.gz", "A/2_gtv.nii.gz", "B/1_gtv.nii.gz", *more)
    words = (
        "the image is raw/A/1_ct.nii.gz, and the label raw/B/1_gtv.nii.gz, where other patients' images lie"
    )
    assert ((found.patients["1"].problem or "").startswith(words), found.patients["2"].problem) == (
        parted,
        None,
    )


def test_an_image_that_has_its_label_in_a_folder_of_labels_at_one_of_its_sites(cohort):
    text = FLAT_SITES.replace("_gtv.nii", ".nii").replace('label: "*', 'label: "*/gtv')
    found = cohort(
        text,
        "A/1_ct.nii.gz",
        "A/gtv/1.nii.gz",
        "B/2_ct.nii.gz",
        "B/gtv/2.nii.gz",
        "B/3_ct.nii.gz",
        "A/gtv/3.nii.gz",
    )
    assert [name for name, files in found.patients.items() if files.problem] == ["3"]


@pytest.mark.parametrize("above", ["nifti", "*"])
def test_who_has_no_image_where_images_and_labels_lie_is_told(cohort, above):
    text = f"""data: {{labelled: raw, image: "{above}/{{patient}}/ct.nii.gz",
                      label: "{above}/{{patient}}/gtv.nii.gz"}}"""
    found = cohort(text, "nifti/1/ct.nii.gz", "nifti/1/gtv.nii.gz", "nifti/3/CT.nii.gz", "nifti/3/gtv.nii.gz")
    assert (found.labelled, found.ignored) == (["1", "3"], ())
    assert "3/ct.nii.gz is not there" in found.patients["3"].problem


@pytest.mark.parametrize(
    ("names", "labelled", "refused"),
    [
        (["n/1/ct.nii.gz", "n/1/gtv.nii.gz", "n/7/CT/x.dcm", "n/8/CT.nii.gz"], ["1", "7", "8"], ["8"]),
        (["n/7/CT/x.dcm", "n/7/RS/x.dcm", "n/8/x.dcm"], ["7", "8"], []),
        (["n/7/CT/x.dcm", "B/1/ct.nii.gz", "B/1/gtv.nii.gz"], ["1", "7"], []),
        # All images misnamed.
        (["n/1/CT.nii.gz", "n/1/gtv.nii.gz", "n/2/CT.nii.gz", "n/2/gtv.nii.gz"], ["1", "2"], ["1", "2"]),
    ],
)
def test_patients_among_whose_files_lungs_lie_are_seen(cohort, names, labelled, refused):
    lungs = sorted({f"n/{name.split('/')[1]}/lungs.nii.gz" for name in names if name.startswith("n/")})
    found = cohort(SITES % "*/{patient}/gtv.nii.gz", *names, *lungs, lungs="n/{patient}/lungs.nii.gz")
    assert (found.labelled, found.ignored) == (labelled, ())
    assert [name for name, files in found.patients.items() if files.problem] == refused


def test_one_id_at_two_sites_stops_the_run_though_lungs_lie_at_one(cohort):
    names = ["A/1/ct.nii.gz", "A/2/ct.nii.gz", "A/2/gtv.nii.gz"]
    names += ["B/1/CT.nii.gz", "B/1/gtv.nii.gz", "B/1/lungs.nii.gz"]
    with pytest.raises(CohortError, match="Patient 1 is there twice: raw/A/1 and raw/B/1"):
        cohort(SITES % "*/{patient}/gtv.nii.gz", *names, lungs="B/{patient}/lungs.nii.gz")


def test_lungs_alone_are_nobody_to_work_on(cohort):
    with pytest.raises(CohortError, match="The data folder raw holds no patients"):
        cohort(DATA, "lungs/1.nii.gz", "lungs/2.nii.gz", lungs="lungs/{patient}.nii.gz")


def test_a_folder_of_dicom_with_an_image_of_its_own_patient_in_the_other_set_is_there_twice(cohort):
    text = """data: {labelled: raw, image: "{patient}/data.nii.gz", label: "{patient}/label.nii.gz",
                     unlabelled: raw, unlabelled_image: "*/{patient}/new.nii.gz"}"""
    with pytest.raises(CohortError, match="Patient 1 is there twice"):
        cohort(text, "2/data.nii.gz", "1/x.dcm", "1/1/new.nii.gz")


ONE_FOLDER = """data: {labelled: raw, image: "{patient}/ct.nii.gz", label: "{patient}/gtv.nii.gz", unlabelled: raw,
                       unlabelled_image: "{patient}/scan.nii.gz"}"""
FLAT_AND_NEW = """data: {labelled: raw, image: "{patient}_ct.nii.gz", label: "{patient}_gtv.nii.gz", unlabelled: raw,
                         unlabelled_image: "new/{patient}_ct.nii.gz"}"""


@pytest.mark.parametrize(
    ("text", "names", "labelled", "unlabelled", "ignored"),
    [
        (ONE_FOLDER, ["P1/ct.nii.gz", "P1/gtv.nii.gz", "P2/scan.nii.gz", "P3/x.dcm"], ["P1", "P3"], ["P2"], ()),
        (ONE_FOLDER, ["P1/ct.nii.gz", "P1/gtv.nii.gz", "P2/scan.nii.gz", "P2/gtv.nii.gz"],
         ["P1"], ["P2"], ("raw/P2/gtv.nii.gz",)),
        (FLAT_AND_NEW, ["P1_ct.nii.gz", "P1_gtv.nii.gz", "new/P9_ct.nii.gz", "P9_gtv.nii.gz", "new/P5_ct.nii.gz"],
         ["P1"], ["P5", "P9"], ("raw/P9_gtv.nii.gz",)),
        (ONE_FOLDER, ["P1/ct.nii.gz", "P1/gtv.nii.gz", "P2/CT.nii.gz", "P2/gtv.nii.gz", "P2/scan.nii.gz"],
         ["P1"], ["P2"], ("raw/P2/CT.nii.gz", "raw/P2/gtv.nii.gz")),
        (ONE_FOLDER.replace("}/ct", "}/planning/ct").replace("}/scan", "}/later/scan"),
         ["P1/planning/ct.nii.gz", "P1/gtv.nii.gz", "P2/planning/CT.nii.gz", "P2/gtv.nii.gz", "P2/later/scan.nii.gz"],
         ["P1"], ["P2"], ("raw/P2/gtv.nii.gz", "raw/P2/planning/CT.nii.gz")),
        (FLAT_AND_NEW.replace("unlabelled: raw", "unlabelled: raw/new").replace("new/{", "{"),
         ["P1_ct.nii.gz", "P1_gtv.nii.gz", "new/P9_ct.nii.gz", "P9_gtv.nii.gz"],
         ["P1"], ["P9"], ("raw/P9_gtv.nii.gz",)),
    ],
)  # fmt: skip
def test_whose_image_lies_where_the_other_set_has_it_is_of_that_set(
    cohort, text, names, labelled, unlabelled, ignored
):
    found = cohort(text, *names)
    assert (found.labelled, found.unlabelled, found.ignored) == (labelled, unlabelled, ignored)
    assert all(files.problem is None for files in found.patients.values())


def test_who_has_no_image_by_either_pattern_is_told_in_the_words_of_the_labelled(cohort):
    found = cohort(
        ONE_FOLDER, "P1/ct.nii.gz", "P1/gtv.nii.gz", "P4/scan.nii.gz", "P2/CT.nii.gz", "P2/gtv.nii.gz"
    )
    assert (found.labelled, found.unlabelled, found.ignored) == (["P1", "P2"], ["P4"], ())
    assert found.patients["P2"].problem.startswith("P2/ct.nii.gz is not there")


@pytest.mark.parametrize(
    ("text", "names", "places"),
    [
        (ONE_FOLDER, ["P2/ct.nii.gz", "P2/gtv.nii.gz", "P2/scan.nii.gz"], "raw/P2/ct.nii.gz and raw/P2/scan.nii.gz"),
        (ONE_FOLDER.replace("ct.nii", "ct*.nii"), ["P1/ct.nii.gz", "P2/ct1.nii.gz", "P2/ct2.nii.gz", "P2/scan.nii.gz"],
         "raw/P2 and raw/P2/scan.nii.gz"),
    ],
)  # fmt: skip
def test_images_of_one_id_by_both_patterns_are_refused_by_name(cohort, text, names, places):
    with pytest.raises(CohortError, match=f"Patient P2 is there twice: {places}. Rename one of them"):
        cohort(text, *names)


def test_sets_below_the_working_directory_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = """data: {labelled: ".", image: "train/{patient}/data.nii.gz", label: "train/{patient}/label.nii.gz",
                     unlabelled: "./", unlabelled_image: "test/{patient}/data.nii.gz"}"""
    touch(Path(), "train/1/data.nii.gz", "train/1/label.nii.gz", "test/4/x.dcm")
    found = find_cohort(settings(text))
    assert (found.labelled, found.unlabelled, found.ignored) == (["1"], ["4"], ())


def test_where_the_other_set_alone_has_patients_there_are_none_of_this(cohort):
    text = """data: {labelled: raw, image: "train/{patient}/data.nii.gz", label: "train/{patient}/label.nii.gz",
                     unlabelled: raw, unlabelled_image: "test/{patient}/data.nii.gz"}"""
    found = cohort(text, "test/4/x.dcm")
    assert (found.labelled, found.unlabelled, found.ignored) == ([], ["4"], ())


TWO_TREES = """data: {labelled: raw/old, unlabelled: raw/new}"""
FLAT_TREES = """data: {labelled: raw/old, image: "{patient}.nii.gz", label: "{patient}_gtv.nii.gz",
                        unlabelled: raw/new}"""


@pytest.mark.parametrize(
    ("text", "names", "places"),
    [
        (TWO_TREES, ["1/data.nii.gz", "new/6/data.nii.gz", "IM1.dcm", "new/IM1.dcm", "new/IM2.dcm"],
         "IM1.dcm is there twice: raw/old/IM1.dcm and raw/new/IM1.dcm"),
        (FLAT_TREES, ["1.nii.gz", "1_gtv.nii.gz", "7.nii", "new/7.nii.gz"],
         "7 is there twice: raw/old/7.nii and raw/new"),
        (FLAT_TREES, ["1.nii.gz", "1_gtv.nii.gz", "new/6.nii.gz", "new/1.nii"],
         "1 is there twice: raw/old and raw/new/1.nii"),
        (TWO_TREES.replace("raw/old", "raw"), ["1/data.nii.gz", "new/6/data.nii.gz", "IM1.dcm", "new/IM1.dcm"],
         "IM1.dcm is there twice: raw/IM1.dcm and raw/new/IM1.dcm"),
        # A label whose CT was not copied, and a CT of somebody else.
        (FLAT_TREES, ["1.nii.gz", "1_gtv.nii.gz", "new/6.nii.gz", "7_gtv.nii.gz", "new/7.nii.gz"],
         "7: raw/old/7_gtv.nii.gz is a label without an image, and raw/new/7.nii.gz an image of that id in the other"),
    ],
)  # fmt: skip
def test_stray_scans_of_one_name_in_two_folders_are_of_two_people(cohort, text, names, places):
    old = "raw/" if "labelled: raw," in text else "raw/old/"
    here = [name if name.startswith("new/") else f"{old[4:]}{name}" for name in names]
    with pytest.raises(
        CohortError,
        match=f"Patient {places}(. Rename one of them, or remove it if| data folder. Take the label away)",
    ):
        cohort(text, *here)


@pytest.mark.parametrize(
    ("text", "names", "patient"),
    [
        (ONE_TREE, [*TREE, "imagesTs/a1_0000.nii.gz"], "a1"),
        ("data: {labelled: raw/old, unlabelled: raw/new}", ["old/1/x.dcm", "new/1/x.dcm"], "1"),
        ("data: {labelled: raw, unlabelled: raw}", ["1/x.dcm", "2/x.dcm"], "1"),
        # Found beside the images of others, and a patient like them.
        ("""data: {labelled: raw/old, image: "**/{patient}/data.nii.gz", unlabelled: raw/new}""",
         ["old/A/1/data.nii.gz", "old/A/2/x.dcm", "new/2/x.dcm"], "2"),
    ],
)  # fmt: skip
def test_twins_are_refused(cohort, text, names, patient):
    with pytest.raises(CohortError, match=f"Patient {patient} is there twice: raw/"):
        cohort(text, *names)


def test_what_is_of_a_patient_of_the_other_set_is_no_patient(cohort):
    text = """data: {labelled: raw, image: "{patient}_ct.nii.gz", label: "{patient}_gtv.nii.gz",
                     unlabelled: raw, unlabelled_image: "{patient}_new.nii.gz"}"""
    found = cohort(text, "1_ct.nii.gz", "1_gtv.nii.gz", "2_new.nii.gz", "2_new_mask.nii.gz")
    assert (found.labelled, found.unlabelled, found.ignored) == (["1"], ["2"], ("raw/2_new_mask.nii.gz",))


FLAT_ROOT = """data: {labelled: raw, image: "{patient}_ct.nii.gz", label: "{patient}_gtv*.nii.gz"}"""
WITHIN = """data: {labelled: raw, image: "img/{patient}.nii.gz", label: "img/{patient}_gtv.nii.gz",
                   unlabelled: raw/img/new, unlabelled_image: "{patient}.nii.gz"}"""


@pytest.mark.parametrize(
    ("text", "names", "problem"),
    [
        (FLAT_ROOT, ["9_gtv.nii.gz"], "there is a label, 9_gtv.nii.gz, but no image 9_ct.nii.gz."),
        (FLAT_ROOT, ["9_ct.nii.gz", "9_gtv1.nii.gz", "9_gtv2.nii.gz"],
         "several files fit data.label: 9_gtv1.nii.gz, 9_gtv2.nii.gz"),
        (FLAT_ROOT.replace("{patient}_ct", "{patient}.*ct"), ["9.a_ct.nii.gz", "9.b_ct.nii.gz"],
         "several files fit data.image: 9.a_ct.nii.gz, 9.b_ct.nii.gz"),
        (WITHIN, ["img/new/5.nii.gz", "img/9_gtv.nii.gz"],
         "there is a label, 9_gtv.nii.gz, but no image img/9.nii.gz."),
    ],
)  # fmt: skip
def test_whose_files_lie_in_a_data_folder_itself_and_cannot_be_used_is_told(cohort, text, names, problem):
    """The folder of such files is that of everybody."""
    image = yaml.safe_load(text)["data"]["image"].replace("{patient}", "1").replace("*", "x")
    found = cohort(text, image, *names)
    assert (found.labelled, found.patients["1"].problem) == (["1", "9"], None)
    assert found.patients["9"].problem.startswith(problem)
    assert found.patients["9"].folder == min(Path("raw", name) for name in names if "new" not in name)


@pytest.mark.parametrize(
    "sets", ["labelled: raw", "labelled: null, unlabelled: raw", "labelled: raw, unlabelled: raw/new"]
)
@pytest.mark.parametrize("target", ["store/ct.nii.gz", "nowhere"])
def test_files_of_a_data_folder_itself_behind_links_are_told(cohort, tmp_path, sets, target):
    touch(tmp_path, "store/ct.nii.gz", "raw/new/4_ct.nii.gz")
    for name in ("1_ct.nii.gz", "2_ct.nii.gz"):
        (tmp_path / "raw" / name).symlink_to(tmp_path / target)
    found = cohort(f"data: {{{sets}, image: '{{patient}}_ct.nii.gz', label: '{{patient}}_gtv.nii.gz'}}")
    assert [files.problem.split(" that ")[0] for files in found.patients.values() if files.problem] == [
        f"{name}_ct.nii.gz is a symbolic link{' to something' if target == 'nowhere' else ''}"
        for name in "12"
    ]


@pytest.mark.parametrize("closed", ["2_ct.nii.gz", "2_gtv.nii.gz"])
def test_a_closed_file_of_a_data_folder_itself_is_told(cohort, monkeypatch, closed):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != closed)
    found = cohort(FLAT_ROOT, "1_ct.nii.gz", "1_gtv.nii.gz", "2_ct.nii.gz", "2_gtv.nii.gz")
    assert found.labelled == ["1", "2"]
    assert found.patients["2"].problem == f"{closed} may not be read (permissions). Make it readable."


def test_a_link_to_what_is_above_a_data_folder_is_nobody_and_named(cohort, tmp_path):
    touch(tmp_path, "raw/1/data.nii.gz")
    (tmp_path / "raw/up").symlink_to(tmp_path)
    (tmp_path / "raw/round").symlink_to(tmp_path / "raw")
    found = cohort("data: {labelled: raw}")
    assert (found.labelled, found.ignored) == (["1"], ("raw/round", "raw/up"))


FLAT = """data: {labelled: raw, image: "ct/{patient}_ct.nii.gz", label: "gtv/{patient}.nii.gz"}"""
BARE = """data: {labelled: raw, image: "ct/{patient}.nii.gz", label: "gtv/{patient}.nii.gz"}"""
FOLDERS = """data: {labelled: raw, image: "{patient}/ct.nii.gz", label: "{patient}/gtv.nii.gz"}"""


@pytest.mark.parametrize(
    ("text", "image", "label", "lungs"),
    [
        (FLAT, "ct/{}_ct.nii.gz", "gtv/{}.nii.gz", "ct/lungs_{patient}.nii.gz"),
        (FLAT, "ct/{}_ct.nii.gz", "gtv/{}.nii.gz", "ct/{patient}_lungs2.nrrd"),
        (FLAT, "ct/{}_ct.nii.gz", "gtv/{}.nii.gz", "ct/lungs_{patient}_ct.nrrd"),
        (FLAT, "ct/{}_ct.nii.gz", "gtv/{}.nii.gz", "ct/lungs_{patient}_ct.nii.gz"),
        (BARE, "ct/{}.nii.gz", "gtv/{}.nii.gz", "ct/{patient}_lungs.nii.gz"),
        (FOLDERS, "{}/ct.nii.gz", "{}/gtv.nii.gz", "{patient}_lungs.nii.gz"),
        (FOLDERS, "{}/ct.nii.gz", "{}/gtv.nii.gz", "{patient}/lungs.nii.gz"),
    ],
)
def test_lungs_of_the_user_s_own_beside_the_images_are_no_patients(cohort, text, image, label, lungs):
    names = [pattern.format(patient) for patient in "12345" for pattern in (image, label)]
    masks = [lungs.replace("{patient}", patient) for patient in "12345"]
    found = cohort(text, *names, *masks, lungs=lungs)
    assert (found.labelled, found.ignored) == (list("12345"), ())
    assert all(files.problem is None and files.label for files in found.patients.values())


@pytest.mark.parametrize(
    ("image", "label", "mask"),
    [
        ("{}/data.nii.gz", "{}/label.nii.gz", "lungs/{}.nii.gz"),
        ("{}/data.nii.gz", "{}/label.nii.gz", "lungs/{}/lungs.nii.gz"),
        ("raw/{}/data.nii.gz", "raw/{}/label.nii.gz", "raw/lungs/{}.nii.gz"),
        ("ct/{}.nii.gz", "gtv/{}.nii.gz", "ct/lungs/{}.nii.gz"),
    ],
)
def test_a_folder_of_lungs_is_no_patient(cohort, image, label, mask):
    names = [pattern.format(patient) for patient in "123" for pattern in (image, label, mask)]
    place = "{patient}"
    text = f"""data: {{labelled: raw, image: "{image.format(place)}", label: "{label.format(place)}"}}"""
    found = cohort(text, *names, lungs=mask.format(place))
    assert (found.labelled, found.ignored) == (["1", "2", "3"], ())
    assert all(files.problem is None and files.label for files in found.patients.values())


@pytest.mark.parametrize(
    ("more", "labelled", "ignored"), [((), ["1"], ("raw/y/2.nii",)), (("y/3.nii.gz",), ["1", "2", "3"], ())]
)
def test_a_site_with_lungs_is_not_passed_over(cohort, more, labelled, ignored):
    text = """data: {labelled: raw, image: "*/{patient}.nii.gz", label: "gtv/{patient}.nii.gz"}"""
    names = ["x/1.nii.gz", "gtv/1.nii.gz", "y/2.nii", "y/1_lungs.nrrd", "y/2.json", *more]
    found = cohort(text, *names, lungs="y/{patient}_lungs.nrrd")
    assert (found.labelled, found.ignored) == (labelled, ignored)
    assert "2" not in labelled or "2.nii lies among" in found.patients["2"].problem


def test_lungs_may_lie_wherever_the_disk_has_them(cohort, tmp_path):
    text = """data: {labelled: raw, image: "{patient}/data.nii.gz", label: "{patient}/label.nii.gz"}"""
    found = cohort(text, "1/data.nii.gz", "1/label.nii.gz", lungs=f"{tmp_path}/lungs/{{patient}}.nii.gz")
    assert (found.labelled, found.ignored) == (["1"], ())


@pytest.mark.parametrize(
    ("text", "patient", "lungs", "absent", "ignored"),
    [
        (FLAT, ["ct/1_ct.nii.gz", "gtv/1.nii.gz"], "ct/lungs_{patient}.nii.gz", "9", ["ct/lungs_9.nii.gz"]),
        (
            FLAT,
            ["ct/1_ct.nii.gz", "gtv/1.nii.gz"],
            "ct/{patient}_lungs.nii.gz",
            "6789",
            ["ct/*_lungs.nii.gz"],
        ),
        (FOLDERS, ["1/ct.nii.gz", "1/gtv.nii.gz"], "{patient}_lungs.nii.gz", "9", ["9_lungs.nii.gz"]),
    ],
)
def test_lungs_of_whom_is_not_there_are_named_and_no_patient(cohort, text, patient, lungs, absent, ignored):
    masks = [lungs.replace("{patient}", one) for one in f"1{absent}"]
    found = cohort(text, *patient, *masks, lungs=lungs)
    assert (found.labelled, list(found.ignored)) == (["1"], [f"raw/{name}" for name in ignored])


def test_a_misnamed_scan_stays_a_patient_where_lungs_are_named_by_the_id_alone(cohort):
    found = cohort(FLAT, "ct/1_ct.nii.gz", "gtv/1.nii.gz", "ct/9.nii.gz", lungs="ct/{patient}.nii.gz")
    assert found.labelled == ["1", "9"] and found.patients["9"].problem.startswith(
        "9.nii.gz lies among the images"
    )


def test_a_pattern_of_lungs_that_is_that_of_the_images_takes_nobody_away(cohort):
    found = cohort(FLAT, "ct/1_ct.nii.gz", "gtv/1.nii.gz", lungs="ct/{patient}_ct.nii.gz")
    assert found.labelled == ["1"]


DATA = """data: {labelled: raw, image: "{patient}/data.nii.gz", label: "{patient}/label.nii.gz"}"""
NNUNET = (
    """data: {labelled: raw, image: "imagesTr/{patient}_0000.nii.gz", label: "labelsTr/{patient}.nii.gz"}"""
)
PATIENT = ("1/data.nii.gz", "1/label.nii.gz")
CASE = ("imagesTr/1_0000.nii.gz", "labelsTr/1.nii.gz")


@pytest.mark.parametrize(
    ("text", "names", "lungs", "ignored"),
    [
        # As config.yaml has it: {patient} fits every name, and the last part every file of that name.
        (DATA, [*PATIENT, "1/lungs.nii.gz", "7.zip", "derivatives/9/data.nii.gz", "lost+found/8/x.dcm"],
         "{patient}/lungs.nii.gz", ["7.zip", "derivatives", "lost+found"]),
        (NNUNET, [*CASE, "lungs/1.nii.gz", "imagesTr/1_0001.nii.gz", "imagesTs/4_0000.nii.gz", "lungs.zip"],
         "lungs/{patient}.nii.gz", ["imagesTr/1_0001.nii.gz", "imagesTs", "lungs.zip"]),
        (NNUNET, [*CASE, "imagesTr/1_0001.nii.gz", "imagesTr/1_0002.nii.gz"],
         "imagesTr/{patient}_0001.nii.gz", ["imagesTr/1_0002.nii.gz"]),
        # A folder in which no such mask lies is passed over like any other.
        (NNUNET, [*CASE, "imagesTr/1/other.nii.gz"], "imagesTr/{patient}/lungs.nii.gz", ["imagesTr/1"]),
        (NNUNET, [*CASE, "imagesTr/1/lungs.nii.gz"], "imagesTr/{patient}/lungs.nii.gz", []),
        (NNUNET, [*CASE, "derivatives/other/1.nii.gz"], "derivatives/lungs/{patient}.nii.gz", ["derivatives/other"]),
        (NNUNET, [*CASE, "derivatives/lungs/1.nii.gz"], "derivatives/lungs/{patient}.nii.gz", []),
    ],
)  # fmt: skip
def test_what_is_ignored_is_named_beside_lungs_of_the_user_s_own(cohort, text, names, lungs, ignored):
    found = cohort(text, *names, lungs=lungs)
    assert (found.labelled, list(found.ignored)) == (["1"], [f"raw/{name}" for name in ignored])


@pytest.mark.parametrize(
    ("lungs", "beside", "ignored"),
    [
        ("lungs/{patient}_lungs.nii.gz", ["1_lobes.nii.gz", "lobes_2.nrrd", "about.txt"],
         ["1_lobes.nii.gz", "lobes_2.nrrd"]),
        ("lungs/{patient}_lungs.nii.gz", [f"{n}_lobes.nii.gz" for n in "1234"], ["*_lobes.nii.gz"]),
        ("lungs/{patient}/lungs.nii.gz", ["1/vessels.nii.gz"], ["1/vessels.nii.gz"]),
        ("lungs/{patient}/lungs.nii.gz", [f"{n}/vessels.nii.gz" for n in "1234"], ["*/vessels.nii.gz"]),
        # Masks of those who are not there.
        ("lungs/{patient}.nii.gz", ["9.nii.gz"], ["9.nii.gz"]),
        ("lungs/{patient}.nii.gz", [f"{n}.nii.gz" for n in "6789"], ["*.nii.gz"]),
    ],
)  # fmt: skip
def test_other_masks_beside_lungs_are_named(cohort, lungs, beside, ignored):
    names = [name.replace("1", patient, 1) for patient in "1234" for name in PATIENT]
    masks = [lungs.replace("{patient}", patient) for patient in "1234"]
    found = cohort(DATA, *names, *masks, *(f"lungs/{name}" for name in beside), lungs=lungs)
    assert found.labelled == list("1234") and not any(files.problem for files in found.patients.values())
    assert list(found.ignored) == [f"raw/lungs/{name}" for name in ignored]


@pytest.mark.parametrize(
    ("names", "ignored"),
    [
        (["9_ct.nrrd"], ["9_ct.nrrd"]),
        (["1/x.dcm", "9/x.dcm", "IM1.dcm"], ["1/x.dcm", "9/x.dcm", "IM1.dcm"]),
        ([f"9/{n}.dcm" for n in "1234"], ["9/*.dcm"]),
        (["9.zip"], ["9.zip"]),
        # What a tool left of somebody who was taken away.
        (["9/lungs.nii.gz", "9/heart.nii.gz"], ["9/heart.nii.gz", "9/lungs.nii.gz"]),
        (["atlas.nii.gz"], ["atlas.nii.gz"]),
    ],
)
def test_a_scan_of_another_beside_lungs_is_named(cohort, names, ignored):
    beside = [f"lungs/{name}" for name in names]
    found = cohort(DATA, *PATIENT, "lungs/1.nii.gz", *beside, lungs="lungs/{patient}.nii.gz")
    assert (found.labelled, list(found.ignored)) == (["1"], [f"raw/lungs/{name}" for name in ignored])


FLAT_HERE = """data: {labelled: raw, image: "{patient}_ct.nii.gz", label: "{patient}_gtv.nii.gz"}"""
BIDS = """data: {labelled: raw, image: "sub-{patient}/ct.nii.gz", label: "derivatives/gtv/sub-{patient}/gtv.nii.gz"}"""


@pytest.mark.parametrize(
    ("text", "names", "lungs", "ignored"),
    [
        (FLAT_HERE, ["1_ct.nii.gz", "1_gtv.nii.gz", "lungs/1_lungs.nii.gz", "lungs/9_ct.nii.gz"],
         "lungs/{patient}_lungs.nii.gz", ["lungs/9_ct.nii.gz"]),
        (FLAT_HERE, ["1_ct.nii.gz", "1_gtv.nii.gz", "lungs/1/lungs.nii.gz", "lungs/9/ct.nii.gz", "lungs/1/lobes.nrrd"],
         "lungs/{patient}/lungs.nii.gz", ["lungs/1/lobes.nrrd", "lungs/9/ct.nii.gz"]),
        (NNUNET, [*CASE, "lungsTr/1_lungs.nii.gz", "lungsTr/9_0000.nii.gz", "lungsTr/about.txt"],
         "lungsTr/{patient}_lungs.nii.gz", ["lungsTr/9_0000.nii.gz"]),
        (BIDS, ["sub-1/ct.nii.gz", "derivatives/gtv/sub-1/gtv.nii.gz", "derivatives/lungs/sub-1/l.nii.gz",
                "derivatives/lungs/sub-9/ct.nii.gz"],
         "derivatives/lungs/sub-{patient}/l.nii.gz", ["derivatives/lungs/sub-9/ct.nii.gz"]),
    ],
)  # fmt: skip
def test_a_scan_of_another_beside_lungs_that_is_no_patient_is_named(cohort, text, names, lungs, ignored):
    found = cohort(text, *names, lungs=lungs)
    assert (found.labelled, list(found.ignored)) == (["1"], [f"raw/{name}" for name in ignored])
    assert found.patients["1"].problem is None


def test_the_lungs_of_the_other_set_stay_hidden_where_somebody_lies_among_those_of_one(cohort):
    names = [*(f"old/{name}" for name in PATIENT), "old/lungs/1.nii.gz", "old/lungs/9/x.dcm"]
    text = "data: {labelled: raw/old, unlabelled: raw/new}"
    found = cohort(text, *names, "new/2/data.nii.gz", "new/lungs/2.nii.gz", lungs="lungs/{patient}.nii.gz")
    assert (found.labelled, found.unlabelled, found.ignored) == (["1"], ["2"], ("raw/old/lungs/9/x.dcm",))


def test_labels_in_the_folder_of_the_lungs_are_used(cohort):
    text = """data: {labelled: raw, image: "{patient}/data.nii.gz", label: "masks/{patient}_gtv.nii.gz"}"""
    names = ["1/data.nii.gz", "masks/1_gtv.nii.gz", "masks/1_lungs.nii.gz", "masks/1_heart.nii.gz"]
    found = cohort(text, *names, lungs="masks/{patient}_lungs.nii.gz")
    assert (found.labelled, found.ignored) == (["1"], ("raw/masks/1_heart.nii.gz",))
    assert found.patients["1"].label is not None and found.patients["1"].problem is None
