"""What pictures are called in the report's lists: those that need a look come first.

The report sorts its lists as texts, so a rank with leading zeros stands in front. All is one text on purpose:
Snakemake 9.27 takes a second column that has two values, each in half of the rows, for a switch between two
versions of one result, and fails where there is only one version.
"""

from collections.abc import Mapping, Sequence

Row = Mapping[str, str]


def crop_labels(rows: Sequence[Row]) -> dict[str, str]:
    """Patient -> label of the lung crop; rows of crops.tsv, which has the suspicious ones first."""
    return _ranked({row["patient"]: _crop_remarks(row) for row in rows})


def draft_labels(rows: Sequence[Row]) -> dict[str, str]:
    """Patient -> label of the draft's picture, the lowest Dice first; rows of metrics.tsv."""
    ordered = sorted(rows, key=lambda row: float(row["dice"]))
    return _ranked({row["patient"]: _outcome(row) for row in ordered})


def _ranked(remarks: Mapping[str, str]) -> dict[str, str]:
    digits = len(str(len(remarks)))
    return {
        patient: f"{rank:0{digits}d}. patient {patient}{': ' if remark else ''}{remark}"
        for rank, (patient, remark) in enumerate(remarks.items(), start=1)
    }


def _crop_remarks(row: Row) -> str:
    lost = [f"{float(row['gtv_lost_ml']):.2g} ml GTV lost"] if float(row["gtv_lost_ml"] or 0) > 0 else []
    body = ["body's box"] if row["fallback"] == "true" else []
    others = [code.replace("_", " ") for code in row["warnings"].split(", ") if code not in ("", "gtv_lost")]
    return ", ".join(lost + body + others)


def _outcome(row: Row) -> str:
    return (
        f"Dice {float(row['dice']):.2f}" if row["outcome"] == "scored" else row["outcome"].replace("_", " ")
    )
