"""The gate behind ingest: who is rejected stops the run, by name."""

from pathlib import Path

from lunggtv.errors import CohortError
from lunggtv.files import write_text
from lunggtv.ingest.raw_scan import REJECTED
from lunggtv.ingest.verdict import EXCLUDED
from lunggtv.tables import read_tsv


def admit_cohort(*, table_path: str | Path, admitted_path: str | Path) -> None:
    """List the admitted patients, one a line.

    Raises:
        CohortError: patients are rejected; all of them are named, with what to do.
    """
    rows = read_tsv(table_path)
    rejected = [row for row in rows if row["verdict"] == REJECTED]
    if rejected:
        lines = [f"  {row['patient']}: {row['reasons']}" for row in rejected]
        example = f'{{"{rejected[0]["patient"]}": "wrong scan"}}'
        raise CohortError(
            f"{len(rejected)} of {len(rows)} patients are rejected:\n" + "\n".join(lines) + "\n"
            f"Mend their files and run again, or name them under data.exclude with your reason, such as "
            f"{example}. With --keep-going the others go on meanwhile."
        )
    admitted = [row["patient"] for row in rows if row["verdict"] != EXCLUDED]
    write_text(admitted_path, "".join(f"{patient}\n" for patient in admitted))
