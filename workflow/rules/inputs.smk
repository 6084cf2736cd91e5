# Input functions: which files a job reads, from the cohort, and how much memory it needs for them.

import functools
import math

from lunggtv.scan_size import scan_size


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
    several = (
        {"prefer_series": plain(config["data"]["prefer_series"])} if files.image is None else {}
    )
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


def start_model(wildcards):
    """Weights and card of the model that a fold begins from; none where it begins from random weights."""
    return STARTS[int(wildcards.fold) % len(STARTS)] if STARTS else []


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


@functools.cache
def size_of(patient):
    """Size of a patient's scan by its header, which is looked into once."""
    return scan_size(COHORT.patients[patient]) if patient in COHORT.patients else None


def memory_for(mem_mb, voxel_bytes, patients=None):
    """Memory for the largest scan of a job, known from its header, and at least ``mem_mb``; doubled as by ``grows``.

    ``voxel_bytes`` are what the job takes at its peak for each voxel of the CT; of the job's own patient, or of
    the ``patients`` that a function of the wildcards names.
    """

    def memory(wildcards, attempt):
        names = patients(wildcards) if patients else [wildcards.patient]
        sizes = filter(None, map(size_of, names))
        scan_mb = max((voxel_bytes(size) * size.voxels for size in sizes), default=0) / 1e6
        return max(mem_mb, math.ceil(scan_mb / 100) * 100 + BASE_MB) * 2 ** (attempt - 1)

    return memory


# Of the interpreter and its libraries.
BASE_MB = 200


def ingest_bytes(size):
    """Bytes that ingest takes a voxel: more where the values are no int16 as they are stored."""
    return max(10, size.stored_bytes + 5) if size.scaled or size.stored_bytes > 2 else 8


def volume_bytes(number):
    """The same bytes a voxel of every volume."""
    return lambda size: number


def held_out_patients(wildcards):
    """Those whom the model of a fold is validated on."""
    return COHORT.held_out_patients(int(wildcards.fold))
