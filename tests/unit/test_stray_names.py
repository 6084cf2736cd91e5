"""Whose a scan is, by its name: an id with words is the patient's, an id with a further number another patient's."""

import pytest
from lunggtv.cohort.stray_names import Owner, owner_of

NNUNET, LUNG, BARE, CT, GLUED = (
    "{patient}_0000.nii.gz", "lung_{patient}_0000.nii.gz", "{patient}.nii.gz", "{patient}_ct.nii.gz",
    "P{patient}_0000.nii.gz",
)  # fmt: skip


@pytest.mark.parametrize(
    ("stem", "part", "patient", "shown"),
    [
        # The pattern takes it but for suffix or capitals: the whole id, whoever else is there.
        ("P1_0000", NNUNET, "P1", "*_0000"),
        ("P1-2_0000", NNUNET, "P1-2", "*_0000"),
        ("P1_fu_0000", NNUNET, "P1_fu", "*_0000"),
        ("LUNG_P1_0000", LUNG, "P1", "LUNG_*_0000"),
        ("P1_CT", CT, "P1", "*_CT"),
        ("7_0000", GLUED, "7", "*_0000"),
        # Known ids with another channel, without the channel, with words.
        ("P1_0001", NNUNET, "P1", "*_0001"),
        ("P1", NNUNET, "P1", "*"),
        ("P1_seg", NNUNET, "P1", "*_seg"),
        ("lungs_P1", NNUNET, "P1", "lungs_*"),
        ("lungs_P1", CT, "P1", "lungs_*"),
        ("P1_ct_mask", CT, "P1", "*_ct_mask"),
        ("P1_0000_mask", NNUNET, "P1", "*_0000_mask"),
        ("P1_lungs", BARE, "P1", "*_lungs"),
        ("seg_lung_P1", LUNG, "P1", "seg_lung_*"),
        ("P7_seg", GLUED, "7", "P*_seg"),
        ("P1_a_seg", NNUNET, "P1_a", "*_seg"),
        ("xP7_seg", GLUED, "7", "xP*_seg"),
        # A further number: another id, though a known one is in it.
        ("P1-2", NNUNET, "P1-2", "*"),
        ("P1_2021", NNUNET, "P1_2021", "*"),
        ("P1_2021", BARE, "P1_2021", "*"),
        ("2_P1", BARE, "2_P1", "*"),
        ("P1_0001_2", NNUNET, "P1_0001_2", "*"),
        ("P10", BARE, "P10", "*"),
        ("P1b", BARE, "P1b", "*"),
        # nnU-Net's own word in front is a part of the name of a case.
        ("colon_0001", LUNG, "colon_0001", "*"),
        ("lung_0005_0001", LUNG, "0005_0001", "lung_*"),
        ("lung_0001_0001", LUNG, "0001", "lung_*_0001"),
        ("lung_P9", LUNG, "P9", "lung_*"),
        # What the pattern ends with is none of the id's, though the rest does not fit.
        ("P9_ct", "{patient}_*_ct.nii.gz", "P9", "*_ct"),
        ("lung_P9_CT", "lung_*_{patient}_*_ct.nii.gz", "P9", "lung_*_CT"),
        ("_ct", "{patient}_*_ct.nii.gz", "_ct", "*"),
    ],
)
def test_whose_a_scan_is_by_its_name(stem, part, patient, shown):
    owner = owner_of(stem, part, {"P1", "P1_a", "0001", "7"})
    start, end = owner.place
    assert (owner.patient, f"{stem[:start]}*{stem[end:]}") == (patient, shown)


@pytest.mark.parametrize(
    ("stem", "plain"),
    [("P1_0001", True), ("P1", True), ("P1_0000", True), ("P1_seg", False), ("x P1", False)],
)
def test_a_name_has_words_of_its_own_or_not(stem, plain):
    assert owner_of(stem, NNUNET, {"P1"}).plain is plain


def test_where_the_id_stands():
    assert owner_of("seg_lung_0001_0002", LUNG, {"0001"}) == Owner("0001", (9, 13), plain=False)
