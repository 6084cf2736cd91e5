# What results are called in the report. Read when the report is made; a table that is not there yet ranks nobody.


def _labels(table, name_rows, patient):
    names = name_rows(read_tsv(table)) if Path(table).is_file() else {}
    return {"those to look at first": names.get(patient, f"patient {patient}")}


def crop_label(wildcards):
    """A lung crop: rank of suspicion, patient, what is odd."""
    return _labels("results/cache/crops.tsv", crop_labels, wildcards.patient)


def draft_label(wildcards):
    """A draft: beside its label the rank from the worst on, patient, Dice; without one the patient alone."""
    return _labels("results/evaluate/metrics.tsv", draft_labels, wildcards.patient)


def training_label(figure):
    """A figure of a fold; the fold with leading zeros, because the report sorts texts."""

    def label(wildcards):
        digits = len(str(max(MODELS)))
        return {"fold": wildcards.fold.zfill(digits), "figure": figure}

    return label
