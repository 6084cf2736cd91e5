"""Names of ROIs in any letters choose the GTV and are shown as they can be; who it was is hidden in them."""

from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from lunggtv.ingest.dicom.identity import NOBODY, identity_of
from lunggtv.ingest.dicom.read_folder import read_dicom
from lunggtv.ingest.raw_scan import RawScan, Refused
from pydicom.dataset import Dataset

from tests.unit.dicom_files import (
    DATE_MARK,
    MARKS,
    NAME_MARK,
    CtSeries,
    Reference,
    box,
    patient_files,
    settings,
    write_ct,
    write_rtstruct,
)

CT = CtSeries()
BOXES = [box(CT, z, (2.5, 5.5), (3.5, 7.5)) for z in (1, 2, 3)]  # 12 voxels each
ORGAN = [box(CT, 0, (1.5, 9.5), (1.5, 9.5))]


def write(folder: Path, name: bytes, charset: str = "ISO_IR 100", gtv: bool = False) -> None:
    """A CT and a set with a GTV, and a ROI whose name is these bytes: an organ's, or the GTV's."""
    write_ct(folder / "ct", CT)
    mark = "Q" * (len(name) + len(name) % 2)
    rois = {mark: BOXES} if gtv else {mark: ORGAN, "GTV": BOXES}
    path = folder / "rs.dcm"
    write_rtstruct(path, rois, Reference(CT))
    dataset = pydicom.dcmread(path)
    dataset.SpecificCharacterSet = charset
    dataset.save_as(path)
    content = path.read_bytes()
    assert content.count(mark.encode()) == 1
    path.write_bytes(content.replace(mark.encode(), name.ljust(len(mark), b" ")))


def read(folder: Path, *patterns: str) -> RawScan:
    return read_dicom(patient_files(folder), settings(*patterns))


def refusal(folder: Path, *patterns: str) -> str:
    with pytest.raises(Refused) as caught:
        read(folder, *patterns)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "charset", "shown"),
    [
        ("Ösophagus".encode(), "ISO_IR 100", "Ösophagus"),
        ("Ösophagus".encode(), "", "Ösophagus"),
        ("Ösophagus".encode("latin-1"), "ISO_IR 100", "Ösophagus"),
        ("PTV – 5mm".encode("cp1252"), "ISO_IR 100", "PTV – 5mm"),
        ("Сердце".encode(), "ISO_IR 192", "Сердце"),
        ("Сердце".encode("iso8859-5"), "ISO_IR 144", "Сердце"),
        ("颅脑".encode("gbk"), "GB18030", "颅脑"),
        ("心臓".encode("iso2022_jp"), "\\ISO 2022 IR 87", "心臓"),
        (b"Lung\xa0L", "ISO_IR 100", "Lung L"),
        (b"Heart\told", "ISO_IR 100", "Heart old"),
        (b"Heart\x01old", "ISO_IR 100", "Heart\\x01old"),
        (b"\x81\x8d", "ISO_IR 100", "\\x81\\x8d"),
    ],
)
def test_another_rois_name_never_matters_and_is_shown(tmp_path: Path, name, charset, shown) -> None:
    write(tmp_path, name, charset)
    scan = read(tmp_path)
    assert scan.label.sum() == 36 and scan.label[0].sum() == 0
    assert f"'{shown}'" in refusal(tmp_path, "nothing")


@hypothesis_settings(max_examples=40, deadline=None)
@given(name=st.binary(min_size=1, max_size=64).filter(lambda name: b"gtv" not in name.lower()))
def test_no_bytes_in_another_rois_name_matter(tmp_path_factory, name: bytes) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    write(folder, name)
    assert read(folder).label.sum() == 36
    assert refusal(folder, "nothing").isprintable()


@pytest.mark.parametrize("encoding", ["shift_jis", "gbk"])
def test_letters_of_another_set_than_declared_are_shown_somehow(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, "心脏"[: 1 if encoding == "shift_jis" else 2].encode(encoding))
    assert read(tmp_path).label.sum() == 36
    assert refusal(tmp_path, "nothing").isprintable()


@pytest.mark.parametrize("name", [b"GTV\xa01", b"GTV\t1", "GTV\u20091".encode(), b" GTV  1 ", b"GTV 1\0\0"])
def test_blanks_of_any_kind_are_blanks_to_a_pattern(tmp_path: Path, name: bytes) -> None:
    write(tmp_path, name, gtv=True)
    assert read(tmp_path, "GTV 1").label.sum() == 36


def test_a_pattern_may_still_ask_for_the_name_as_it_is_written(tmp_path: Path) -> None:
    write(tmp_path, b"GTV  1", gtv=True)
    assert read(tmp_path, "GTV  1").label.sum() == 36


@pytest.mark.parametrize("name", [b"GTV\x01\x02", b"iGTV\x00x", b"GTV\x1fCS"])
def test_what_may_have_been_the_name_of_the_gtv_is_no_other_rois(tmp_path: Path, name: bytes) -> None:
    """A damaged length makes a name swallow what follows it; then no pattern finds the GTV any more."""
    write(tmp_path, name)
    assert "cut short" in refusal(tmp_path, "GTV")


def test_long_names_are_shown_in_64_characters(tmp_path: Path) -> None:
    write(tmp_path, b"Organ" * 20)
    assert f"'{('Organ' * 20)[:63]}…'" in refusal(tmp_path, "nothing")


def test_who_it_was_is_hidden_in_names_but_finds_the_gtv(tmp_path: Path) -> None:
    write(tmp_path, f"GTV_{NAME_MARK}_1".encode(), gtv=True)
    assert read(tmp_path, f"GTV_{NAME_MARK}_1").label.sum() == 36
    write_rtstruct(
        tmp_path / "rs.dcm",
        {f"GTV {NAME_MARK.lower()}x": BOXES, f"CTV {DATE_MARK[:4]}-{DATE_MARK[4:6]}-{DATE_MARK[6:]}": ORGAN},
        Reference(CT),
    )
    scan = read(tmp_path, ".*")
    texts = " ".join(note.text for note in scan.notes) + refusal(tmp_path, "nothing")
    assert "'GTV …'" in texts and "'CTV …'" in texts
    assert not [mark for mark in MARKS if mark.casefold() in texts.casefold()]


# --- what is hidden -------------------------------------------------------------------------------------------


def identified(**values) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("values", "text", "shown"),
    [
        ({"PatientName": "Doe^Jane"}, "GTV doe 2", "GTV … 2"),
        ({"PatientName": "Doe^Jane"}, "GTV_JaneDoe_2", "GTV_…_2"),
        ({"PatientName": "Doe^Jane"}, "Doebler", "…"),
        ({"PatientName": "Müller=ミュラー"}, "GTV MÜLLER ミュラー", "GTV … …"),
        ({"PatientID": "12-34-56"}, "GTV 12/34/56", "GTV …"),
        ({"PatientID": "12-34-56"}, "GTV 12 mm", "GTV 12 mm"),
        ({"PatientID": "12-34-56"}, "GTV 123456b", "GTV …"),
        ({"PatientID": "7"}, "GTV 7", "GTV 7"),
        ({"PatientID": "a.b+c"}, "x a.b+c", "x …"),
        ({"PatientBirthDate": "19111213"}, "GTV 13.12.1911", "GTV …"),
        ({"PatientBirthDate": "19111213"}, "GTV 12/13/1911", "GTV …"),
        ({"OtherPatientIDs": ["K1234", "L5678"]}, "l5678", "…"),
        ({"AccessionNumber": "ACC77"}, "before ACC77 after", "before … after"),
        ({"ReferringPhysicianName": "House^G"}, "GTV house", "GTV …"),
        ({"PatientName": "张伟"}, "GTV 张伟", "GTV …"),
        ({"PatientName": "Yamada^Tarou=山田^太郎"}, "GTV 山田太郎", "GTV …"),
        ({"PatientName": "MÜLLER^J"}, "GTV Mueller", "GTV …"),
        ({"PatientName": "Mueller"}, "GTV Mueller", "GTV …"),
        ({"PatientName": "Groß^E"}, "GTV GROSS", "GTV …"),
        ({"PatientName": "Müller"}, "GTV Mu\u0308ller", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7.3.1945", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 07.03.45", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 450307", "GTV …"),
        ({"PatientID": "0012345"}, "GTV 12345", "GTV …"),
        ({"PatientBirthName": "Zimmer"}, "GTV Zimmer", "GTV …"),
        ({"PatientID": "123456"}, "GTV 123-456", "GTV …"),
        ({"PatientID": "12-34-56"}, "GTV 1 2345 6", "GTV …"),
        ({"PatientID": "K1234"}, "GTV K 1234", "GTV …"),
        ({"PatientID": "1234"}, "GTV 12 mm 34", "GTV 12 mm 34"),
        ({"PatientBirthDate": "19450307"}, "GTV 7-Mar-1945", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV March 7, 1945", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7. März 45", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7mars1945", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7 May 45", "GTV 7 May 45"),
        ({"PatientBirthDate": "19450307"}, "GTV 7 Gy of 1945 cGy", "GTV … cGy"),
        ({"PatientBirthDate": "19450307"}, "GTV 17 Gy of 1945 cGy", "GTV 17 Gy of 1945 cGy"),
        ({"PatientBirthDate": "19450307"}, "GTV 7th March 1945", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7. Maerz 45", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7th of March 45", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7 de marzo de 1945", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7 марта 45", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7.III.45", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 7 Μαρτίου 1945", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 1945年3月7日", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 45年3月7日", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV １９４５０３０７", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV ½ ²", "GTV ½ ²"),
        ({"PatientBirthDate": "19450307"}, "GTV 7.3", "GTV 7.3"),
        ({"PatientName": "ＤＯＥ^J"}, "GTV doe", "GTV …"),
        ({"ReviewerName": "House^G"}, "GTV house", "GTV …"),
        ({"OtherPatientIDsSequence": [identified(PatientID="K1234")]}, "GTV k1234", "GTV …"),
        ({"RTROIObservationsSequence": [identified(ROIInterpreter="House^G")]}, "GTV house", "GTV …"),
        ({"RequestAttributesSequence": [identified(AccessionNumber="ACC77")]}, "GTV acc-77", "GTV …"),
        ({"PatientName": "ØDEGÅRD"}, "GTV Oedegaard", "GTV …"),
        ({"PatientName": "ØDEGÅRD"}, "GTV Odegard 2", "GTV … 2"),
        ({"PatientName": "Ødegård"}, "GTV Odegaard", "GTV …"),
        ({"PatientName": "Ødegård"}, "GTV ødegard", "GTV …"),
        ({"PatientName": "Ødegård"}, "GTV Udegard", "GTV Udegard"),
        ({"PatientName": "SÆTER"}, "GTV Saeter", "GTV …"),
        ({"PatientName": "WAŁĘSA"}, "GTV Walesa", "GTV …"),
        ({"PatientName": "Łukasz"}, "GTV LUKASZ", "GTV …"),
        ({"PatientName": "ĐORĐEVIĆ"}, "GTV Dordevic", "GTV …"),
        ({"PatientName": "Đorđević"}, "GTV Djordjevic", "GTV …"),
        ({"PatientName": "Yıldız"}, "GTV Yildiz", "GTV …"),
        ({"PatientName": "Þórsson"}, "GTV Thorsson", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 1945년 3월 7일", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 45. márc. 7.", "GTV …."),
        ({"PatientBirthDate": "19450307"}, "GTV 7 Μαρ 45", "GTV …"),
        ({"PatientBirthDate": "19450407"}, "GTV 7 Nisan 45", "GTV …"),
        ({"PatientBirthDate": "19450407"}, "GTV 7. huhti 45", "GTV …"),
        ({"PatientBirthDate": "19450507"}, "GTV 45. máj. 7", "GTV …"),
        ({"PatientBirthDate": "19451107"}, "GTV 7 Mar 45", "GTV 7 Mar 45"),
        ({"ContentCreatorName": "House^G"}, "GTV house", "GTV …"),
        ({"PatientBirthDate": "19451207"}, "GTV 1945 Dezember 07", "GTV …"),
        # In a language whose months are not listed.
        ({"PatientBirthDate": "19450307"}, "GTV 1945 m. kovo 7 d.", "GTV … d."),
        ({"PatientBirthDate": "19450307"}, "GTV 1945 m. kovo 17 d.", "GTV 1945 m. kovo 17 d."),
        ({"PatientBirthDate": "19450307"}, "GTV 1945 m. kovo 3 d.", "GTV 1945 m. kovo 3 d."),
        ({"PatientBirthDate": "19450307"}, "GTV 07 kovo 1945", "GTV …"),
        ({"PatientBirthDate": "19450307"}, "GTV 3 kovo 1945", "GTV 3 kovo 1945"),
        ({"PatientBirthDate": "19451307"}, "GTV 7 Dec 45", "GTV 7 Dec 45"),
        # The header has plain letters, the user's text the others, or the reverse.
        ({"PatientName": "MUELLER^HANS"}, "GTV Müller", "GTV …"),
        ({"PatientName": "MULLER^HANS"}, "GTV Müller 2", "GTV … 2"),
        ({"PatientName": "MULLER^HANS"}, "GTV Mueller", "GTV …"),
        ({"PatientName": "MUELLER^HANS"}, "GTV Muller", "GTV …"),
        ({"PatientName": "GARCIA^JOSE"}, "García-GTV José", "…-GTV …"),
        ({"PatientName": "WEISS^EVA"}, "GTV Weiß", "GTV …"),
        ({"PatientName": "OEDEGAARD^EVA"}, "GTV Ødegård", "GTV …"),
        ({"PatientName": "SAETER^EVA"}, "GTV Sæter", "GTV …"),
        ({"PatientName": "LUKASZ^J"}, "GTV ŁUKASZ", "GTV …"),
        ({"PatientName": "DJORDJEVIC^EVA"}, "GTV Đorđević", "GTV …"),
        ({"PatientName": "THORSSON^EVA"}, "GTV Þórsson", "GTV …"),
        ({"PatientName": "YILDIZ^EVA"}, "GTV YILDIZ, Yıldız, YİLDİZ", "GTV …, …, …"),
        ({"PatientName": "NGUYEN^VAN"}, "GTV Nguyễn", "GTV …"),
        ({"PatientName": "СЕМЕНОВ^А"}, "GTV Семёнов", "GTV …"),
        ({"PatientID": "MUELLER1"}, "GTV Müller 1", "GTV …"),
        ({"PatientName": "Sue^Bo"}, "tissue, sum, GTV Su", "…, sum, GTV Su"),
        ({"PatientName": "Ross^Bo"}, "across, rose, Roß", "…, rose, …"),
        ({"PatientName": "Voß^Bo"}, "GTV Voss", "GTV …"),
        ({"PatientName": "Haas^Bo"}, "phase 50, mass, haas", "phase 50, mass, …"),
        # A short one stands alone.
        (
            {"PatientName": "BAER^HANS"},
            "GTV Bär, Bär2, BAR; bare, Bari, Rebar",
            "GTV …, …, …; bare, Bari, Rebar",
        ),
        ({"PatientName": "LOEW^HANS"}, "GTV_Löw", "GTV_…"),
        ({"PatientName": "HOEG^A"}, "GTV Høg, hoge", "GTV …, hoge"),
        ({"PatientName": "AASE^E"}, "GTV Åse, phase", "GTV …, phase"),
        ({"PatientName": "VOSS^E"}, "GTV Voß, vos", "GTV …, …"),
        ({"PatientID": "BAE1"}, "GTV Bä 1, cuba 1", "GTV …, cuba 1"),
        ({"PatientName": "Hess^Bo"}, "GTV Ödem links", "GTV Ödem links"),
        ({"PatientName": "Doe^Jane"}, "Müller doe", "Müller …"),
        # Short names in another order.
        ({"PatientName": "NG^BO"}, "GTV Bo Ng", "GTV …"),
        ({"PatientName": "NG^BO"}, "GTV NgBo", "GTV …"),
        ({"PatientName": "NG^BO LI"}, "GTV bo li ng", "GTV …"),
        ({"PatientName": "LI^WEI"}, "GTV Wei Li", "GTV …"),
        ({"PatientName": "NG^BO"}, "GTV Ng", "GTV Ng"),
        ({"PatientBirthDate": "19450507"}, "GTV 7 мая 45", "GTV …"),
        ({"PatientBirthDate": "19450507"}, "GTV 7 май 45", "GTV …"),
        ({}, "GTV house", "GTV house"),
    ],
)
def test_words_with_a_value_in_them_are_hidden(values, text, shown) -> None:
    identity = identity_of(identified(**values))
    assert identity.shown(text) == shown
    assert identity.is_in(text) == (shown != text)
    assert not any(str(value) in repr(identity) for value in values.values())


@pytest.mark.parametrize(
    "keyword", ["OtherPatientIDsSequence", "RTROIObservationsSequence", "ReferencedRequestSequence"]
)
def test_who_is_named_in_an_item_of_the_structure_set_is_hidden(tmp_path: Path, keyword: str) -> None:
    write_ct(tmp_path / "ct", CT)
    write_rtstruct(tmp_path / "rs.dcm", {"Liver": ORGAN, "Weissbrodt 2": ORGAN}, Reference(CT))
    dataset = pydicom.dcmread(tmp_path / "rs.dcm")
    name = "ROIInterpreter" if keyword.startswith("RTROI") else "AccessionNumber"
    setattr(dataset, keyword, [identified(**{name: "Weissbrodt"})])
    dataset.save_as(tmp_path / "rs.dcm")
    assert "'… 2'" in refusal(tmp_path, "nothing") and "Weissbrodt" not in refusal(tmp_path, "nothing")


def test_a_word_of_any_length_is_searched_once() -> None:
    """Steps of the search are seconds here: a search anew from each letter would take hours."""
    identity = identity_of(identified(PatientName="Doe^Jane", PatientBirthDate="19450307"))
    assert identity.shown("x" * 1_000_000) == "x" * 63 + "…"
    assert identity.shown("x" * 1_000_000 + "doe") == "…"


def test_nobody_hides_nothing() -> None:
    assert NOBODY.shown(" GTV \t 1 ") == "GTV 1" and not NOBODY.is_in("GTV")
    assert NOBODY.shown("x" * 64) == "x" * 64 and NOBODY.shown("x" * 65) == "x" * 63 + "…"


def test_a_name_in_other_letters_than_declared_is_hidden_all_the_same(tmp_path: Path) -> None:
    """UTF-8 under Latin-1, in the person's name as in the ROI's."""
    write(tmp_path, "GTV Müller".encode(), gtv=True)
    dataset = pydicom.dcmread(tmp_path / "rs.dcm")
    dataset.PatientName = "QQQQQQQ"
    dataset.save_as(tmp_path / "rs.dcm")
    content = (tmp_path / "rs.dcm").read_bytes()
    (tmp_path / "rs.dcm").write_bytes(content.replace(b"QQQQQQQ", "Müller".encode()))
    text = refusal(tmp_path, "nothing")
    assert "'GTV …'" in text and "ller" not in text


def test_a_name_like_a_gtv_is_told_though_who_it_was_is_hidden_in_it(tmp_path: Path) -> None:
    write(tmp_path, f"old{NAME_MARK}gtv".encode())
    (note,) = (note for note in read(tmp_path).notes if note.code == "rois_not_taken")
    assert "not in the label: '…'" in note.text
