"""What the long campaign did, as a table on the terminal when it ends."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def campaign() -> Iterator[list[tuple[str, str]]]:
    """Rows (fault, what came of it), printed at the end."""
    rows: list[tuple[str, str]] = []
    yield rows
    print("\n\n| fault | what came of it |\n|---|---|")
    for fault, outcome in rows:
        print(f"| {fault} | {outcome} |")
