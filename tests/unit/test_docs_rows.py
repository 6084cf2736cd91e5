"""What the pages say is read, warned about or refused is what tests hold: every line of their tables has its tests."""

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = ("docs/images.md", "docs/labels.md")
HELD = tomllib.loads(Path(__file__).with_name("docs_rows.toml").read_text(encoding="utf-8"))


def rows_of(page: str) -> list[str]:
    """The first cell of every line of a page's tables, headings left out."""
    lines = (PROJECT / page).read_text(encoding="utf-8").splitlines()
    headings = {at - 1 for at, line in enumerate(lines) if re.fullmatch(r"\|(-+\|)+", line)}
    return [
        re.split(r" \|", line[2:])[0]
        for at, line in enumerate(lines)
        if line.startswith("| ") and at not in headings
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_line_has_its_tests(page):
    assert rows_of(page) == list(HELD[page]), "docs_rows.toml has the lines of the page, in their order"


@pytest.mark.parametrize(("page", "row"), [(page, row) for page in PAGES for row in HELD[page]])
def test_the_tests_of_a_line_are_there(page, row):
    assert HELD[page][row]
    for named in HELD[page][row]:
        file, _, name = named.partition("::")
        assert f"def {name.rpartition('::')[2]}(" in (PROJECT / "tests" / file).read_text(encoding="utf-8"), (
            named
        )
