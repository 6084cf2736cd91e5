"""Tables as pages, for the report: it shows HTML inside itself, a TSV only as a download."""

from collections.abc import Hashable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lunggtv.files import write_text
from lunggtv.tables import read_tsv

if TYPE_CHECKING:
    from pandas.io.formats.style_render import CSSDict

LONG_TEXT = 40  # characters; longer cells are broken over lines
NUMBER = r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?"
STYLE: "list[CSSDict]" = [
    {"selector": "", "props": "font: 13px sans-serif; border-collapse: collapse"},
    {"selector": "caption", "props": "text-align: left; font-weight: bold; padding: 6px"},
    {"selector": "th", "props": "text-align: left; padding: 4px 8px; background: #e5e5e5; position: sticky; top: 0"},
    {"selector": "td", "props": "padding: 4px 8px; border-bottom: 1px solid #ccc; vertical-align: top"},
]  # fmt: skip


def write_table_page(*, table_path: str | Path, page_path: str | Path, title: str) -> None:
    """Write the table of a TSV file as a page of its own; numbers stand on the right, texts on the left."""
    rows = read_tsv(table_path)
    header = Path(table_path).read_text(encoding="utf-8").splitlines()[0].split("\t")
    frame = pd.DataFrame(rows, columns=header, dtype=str)
    numeric: list[Hashable] = [name for name in header if frame[name].str.fullmatch(NUMBER).any()]
    long: list[Hashable] = [name for name in header if (frame[name].str.len() > LONG_TEXT).any()]
    page = (
        frame.style.format(escape="html")
        .hide(axis="index")
        .set_caption(escape(title))
        .set_table_styles(STYLE)
    )
    page = page.format_index(lambda name: str(name).replace("_", " "), escape="html", axis="columns")
    page = page.set_properties(
        subset=numeric, **{"text-align": "right", "font-variant-numeric": "tabular-nums"}
    )
    page = page.set_properties(subset=long, **{"min-width": "30em"})
    html = page.to_html(doctype_html=True, table_uuid="table", encoding="utf-8")
    write_text(page_path, html)
