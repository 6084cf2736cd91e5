"""Several sets of drafts of the same patients side by side: the mean of each, and how far they lie apart.

With runs that differ in nothing but the seed, the spread is what chance alone does to a result.
"""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from lunggtv.evaluate.columns import metric_directions
from lunggtv.evaluate.summary import Record


def spread_columns(names: Sequence[str]) -> list[str]:
    """Columns of the table for sets of these names."""
    return ["metric", "better", "patients", *names, "sd_of_means", "sd_within_patient"]


def spread_rows(sets: Mapping[str, Sequence[Record]]) -> list[list[Any]]:
    """A row a metric, over the patients that have a value in all sets; at least two sets.

    ``sd_of_means``: standard deviation of the sets' means. ``sd_within_patient``: that of one patient's values
    in the sets, averaged over the patients. Signed errors are taken by size, as in the comparison.
    """
    by_patient = [{record["patient"]: record for record in records} for records in sets.values()]
    patients = [patient for patient in by_patient[0] if all(patient in found for found in by_patient)]
    rows = []
    for key, better in metric_directions([r for records in sets.values() for r in records]).items():
        drawn = [[found[patient][key] for found in by_patient] for patient in patients]
        values = [line for line in drawn if None not in line]
        if better == "zero":
            values = [[abs(value) for value in line] for line in values]
        if values:
            means = [mean(column) for column in zip(*values, strict=True)]
            rows.append([key, better, len(values), *means, stdev(means), mean(map(stdev, values))])
    return rows
