"""What pictures are called in the report sorts them: those to look at first come first. Tables become pages."""

import re
from html.parser import HTMLParser

import pytest
from lunggtv.report.result_names import crop_labels, draft_labels
from lunggtv.table_pages import write_table_page
from lunggtv.tables import write_tsv


def crop(patient: str, lost: str = "", fallback: str = "false", warnings: str = "") -> dict[str, str]:
    return {"patient": patient, "gtv_lost_ml": lost, "fallback": fallback, "warnings": warnings}


def test_crops_keep_their_order_and_say_what_is_odd():
    labels = crop_labels(
        [
            crop("12", "2.134", warnings="gtv_lost, lungs_unequal"),
            crop("3", "0.0", fallback="true"),
            crop("new1"),
        ]
    )
    assert labels == {
        "12": "1. patient 12: 2.1 ml GTV lost, lungs unequal",
        "3": "2. patient 3: body's box",
        "new1": "3. patient new1",
    }


def test_drafts_are_ranked_from_the_worst_on():
    rows = [
        {"patient": "1", "dice": "0.91", "outcome": "scored"},
        {"patient": "2", "dice": "0", "outcome": "missed"},
        {"patient": "10", "dice": "0.4321", "outcome": "scored"},
        {"patient": "11", "dice": "0", "outcome": "false_alarm"},
    ]
    assert list(draft_labels(rows).values()) == [
        "1. patient 2: missed",
        "2. patient 11: false alarm",
        "3. patient 10: Dice 0.43",
        "4. patient 1: Dice 0.91",
    ]


@pytest.mark.parametrize("count", [9, 10, 50, 100])
def test_labels_sort_as_texts_in_the_order_of_their_ranks(count):
    labels = list(crop_labels([crop(str(n)) for n in range(count)]).values())
    assert sorted(labels) == labels and len(set(labels)) == count
    # The table of all stands before them.
    assert labels[0] > "0. table of all patients"


class Cells(HTMLParser):
    """The texts of a page's cells."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag in ("td", "th", "caption"):
            self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data.strip()


def test_a_table_becomes_a_page(tmp_path):
    write_tsv(
        tmp_path / "t.tsv",
        ["patient", "gtv_ml", "reasons"],
        [
            ["Zoë B", 1.5, "<script>alert(1)</script> & a text that is long enough to be broken over lines"],
            ["2", None, ""],
        ],
    )
    for name in ("a.html", "b.html"):
        write_table_page(table_path=tmp_path / "t.tsv", page_path=tmp_path / name, title="Verdicts")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page == (tmp_path / "b.html").read_text(encoding="utf-8"), "the same bytes every time"
    assert "<script>" not in page and "http" not in page
    cells = Cells()
    cells.feed(page)
    assert cells.texts[:4] == ["Verdicts", "patient", "gtv ml", "reasons"]
    assert cells.texts[4:6] == ["Zoë B", "1.5"]
    assert cells.texts[6].startswith("<script>alert(1)</script> & a text")
    assert cells.texts[7:] == ["2", "", ""]
    # Names of cells: row and column. Numbers stand on the right, long texts in wide columns.
    right, wide = (re.search(rf"([^}}]*){{\s*{rule}", page)[1] for rule in ("text-align: right", "min-width"))
    assert set(re.findall(r"col\d", right)) == {"col0", "col1"} and set(re.findall(r"col\d", wide)) == {
        "col2"
    }


def test_numbers_stand_on_the_right_and_long_texts_have_room(tmp_path):
    columns = ["patient", "gtv_ml", "p", "reasons", "short"]
    rows = [["a", -1.5, 2e-05, "x" * 41, "y" * 40], ["b", None, "", "", "1 of 2"]]
    write_tsv(tmp_path / "t.tsv", columns, rows)
    write_table_page(table_path=tmp_path / "t.tsv", page_path=tmp_path / "t.html", title="A & B")
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    styles = {cell: style for cells, style in re.findall(r"((?:#T_table_row\S+ ?)+)\{\n(.*?)\}", page, re.DOTALL)
              for cell in re.findall(r"row\d_col\d", cells)}  # fmt: skip
    right = {cell for cell, style in styles.items() if "text-align: right" in style}
    wide = {cell for cell, style in styles.items() if "min-width: 30em" in style}
    assert right == {f"row{row}_col{column}" for row in (0, 1) for column in (1, 2)}
    assert wide == {"row0_col3", "row1_col3"}
    assert "<caption>A &amp; B</caption>" in page and 'charset="utf-8"' in page and "col_heading" in page
    assert "row_heading" not in page, "rows have no numbers of their own"


def test_an_empty_table_is_a_page_too(tmp_path):
    write_tsv(tmp_path / "t.tsv", ["patient", "verdict"], [])
    write_table_page(table_path=tmp_path / "t.tsv", page_path=tmp_path / "t.html", title="Verdicts")
    assert "verdict" in (tmp_path / "t.html").read_text(encoding="utf-8")
