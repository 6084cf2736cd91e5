# Input functions: which files a job reads, from the cohort.


def files_of(wildcards):
    """The files of the patient that a target names."""
    if NOBODY:
        nobody(wildcards)
    try:
        return COHORT.patients[wildcards.patient]
    except KeyError:
        raise WorkflowError(f"There is no patient {wildcards.patient} in this cohort.") from None


def raw_files(wildcards):
    """Every raw file of a patient: an edit in any of them makes its ingest run again."""
    return [str(file) for file in files_of(wildcards).files]


def raw_sizes(files):
    """Bytes of each raw file. Snakemake looks into a file only if it is newer than the results; another file with
    an older time (a restored copy, a clock set back) would be missed. Phantoms are made here: they have none.
    """
    if COHORT.phantom_files:
        return []
    return [file.stat().st_size if file.is_file() else None for file in files.files]


def ingest_config(wildcards):
    """The ingest settings, with what concerns this patient alone."""
    files = files_of(wildcards)
    several = {"prefer_series": plain(config["data"]["prefer_series"])} if files.image is None else {}
    return (section("ingest") | several) | {
        "source": {
            "folder": str(files.folder),
            "image": str(files.image) if files.image else None,
            "label": str(files.label) if files.label else None,
            "labelled": files.labelled,
            "problem": files.problem,
            "sizes": raw_sizes(files),
        },
        "series": config["data"]["series"].get(wildcards.patient),
    }


def user_lungs(wildcards):
    """The user's own lung mask of a patient, if the settings name one; it lies beside the image."""
    pattern = config["cache"]["lungs"]
    labelled = files_of(wildcards).labelled
    root = config["data"]["labelled" if labelled else "unlabelled"]
    return Path(root) / pattern.replace("{patient}", wildcards.patient) if pattern else []


def training_caches(wildcards):
    """Caches of the patients that a fold learns from; a held-out patient is no input of its fold."""
    patients = COHORT.training_patients(int(wildcards.fold))
    return expand("results/cache/{patient}/volume.h5", patient=patients)


def held_out(stage):
    """Volumes of the patients that a fold never sees, as a stage left them."""

    def volumes(wildcards):
        patients = COHORT.held_out_patients(int(wildcards.fold))
        return expand(f"results/{stage}/{{patient}}/volume.h5", patient=patients)

    return volumes


def models_for(wildcards):
    """The fold that never saw a labelled patient; all models for everybody else."""
    fold = FOLDS.get(wildcards.patient)
    return MODELS if fold is None else [fold]


def weights_for(wildcards):
    """Weights of the models that draft a patient."""
    return expand(WEIGHTS, fold=models_for(wildcards))


def cards_for(wildcards):
    """Cards of the models that draft a patient, in the order of the weights."""
    return expand(CARDS, fold=models_for(wildcards))


def fold_of(wildcards):
    """The fold that holds a patient out, as a param; None where there is no such fold."""
    return {"fold": FOLDS.get(wildcards.patient)}


def other_mask(wildcards):
    """Another tool's mask of a patient, found by name in that tool's folder."""
    try:
        return str(mask_file(config["evaluate"]["compare"][wildcards.other], wildcards.patient))
    except LungGtvError as error:
        raise WorkflowError(str(error)) from None
