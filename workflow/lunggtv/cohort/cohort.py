"""Who takes part: patients found or planned, exclusions, folds. Known at parse time, from names alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungphantom.plan import PhantomPlan, PhantomSettings, folder_of, plan_cohort, planned_files

from lunggtv.cohort.data_folders import look_into
from lunggtv.cohort.discover_words import twice
from lunggtv.cohort.folds import deal_folds
from lunggtv.cohort.pinned_folds import read_pinned
from lunggtv.errors import CohortError
from lunggtv.natural_order import natural_key
from lunggtv.patient_files import PatientFiles
from lunggtv.settings import settings_from

PHANTOM_ROOT = "phantom"


@dataclass(frozen=True)
class Cohort:
    """The patients of one analysis. ``patients`` leaves out the excluded; ``folds`` too. ``run_folds`` are the
    folds to train, None for all; ``ignored`` folders beside the patients' that are no patients."""

    patients: dict[str, PatientFiles]
    excluded: dict[str, str]
    folds: dict[str, int]
    phantom_files: tuple[str, ...]
    run_folds: tuple[int, ...] | None = None
    ignored: tuple[str, ...] = ()

    @property
    def labelled(self) -> list[str]:
        """Labelled patients in natural order."""
        return [name for name, files in self.patients.items() if files.labelled]

    @property
    def unlabelled(self) -> list[str]:
        """Patients that only get a draft, in natural order."""
        return [name for name, files in self.patients.items() if not files.labelled]

    @property
    def dicom(self) -> list[str]:
        """Patients whose CT is a DICOM series."""
        return [name for name, files in self.patients.items() if files.image is None]

    @property
    def trained_folds(self) -> list[int]:
        """Folds that hold out somebody, have somebody to train on, and are asked for."""
        possible = [fold for fold in sorted(set(self.folds.values())) if self.training_patients(fold)]
        return [fold for fold in possible if self.run_folds is None or fold in self.run_folds]

    def training_patients(self, fold: int) -> list[str]:
        """Labelled patients that the model of ``fold`` learns from."""
        return [patient for patient, own in self.folds.items() if own != fold]

    def held_out_patients(self, fold: int) -> list[str]:
        """Labelled patients that the model of ``fold`` never sees."""
        return [patient for patient, own in self.folds.items() if own == fold]


def find_cohort(config: Mapping[str, Any]) -> Cohort:
    """The cohort that the settings describe.

    Raises:
        CohortError: no patients, an id twice, an exclusion or pin of somebody who is not there, a fold to train
            that does not exist.
    """
    data, folds = config["data"], config["folds"]
    phantom = settings_from(PhantomSettings, config["phantom"])
    plans = plan_cohort(phantom)
    ignored: tuple[str, ...] = ()
    if plans:
        found = [_planned_patient(plan) for plan in plans]
    else:
        there = look_into(data, config["cache"]["lungs"], may_lack_labelled=config["model"] is not None)
        found, ignored = list(there.patients), there.ignored
    patients = _by_id(found)
    excluded = dict(data["exclude"])
    for key in ("exclude", "series"):
        if unknown := sorted(set(data[key]) - set(patients), key=natural_key):
            raise CohortError(f"data.{key} names patients that were not found: {', '.join(unknown)}.")
    if without := [patient for patient in data["series"] if patients[patient].image is not None]:
        raise CohortError(
            f"data.series pins a DICOM series for patients whose CT is an image file: {', '.join(without)}. Remove "
            "them from data.series, or the image file from their folders."
        )
    labelled = [patient for patient, files in patients.items() if files.labelled]
    pinned = read_pinned(folds["pinned"]) if folds["pinned"] else {}
    dealt = deal_folds(labelled, folds["count"], folds["seed"], pinned)
    taking_part = {patient: fold for patient, fold in dealt.items() if patient not in excluded}
    run_folds = config["train"]["run_folds"]
    if run_folds is not None and config["model"] is None:
        check_run_folds(run_folds, set(taking_part.values()))
    return Cohort(
        {patient: files for patient, files in patients.items() if patient not in excluded},
        dict(sorted(excluded.items())),
        taking_part,
        tuple(file for plan in plans for file in planned_files(plan, PHANTOM_ROOT)),
        None if run_folds is None else tuple(run_folds),
        ignored,
    )


def why_untrained(cohort: Cohort) -> str | None:
    """What is missing for models to be trained on a cohort, in words; None where nothing is."""
    if cohort.trained_folds:
        return None
    labelled = cohort.labelled
    if len(labelled) > 1:
        missing = (
            f"all {len(labelled)} labelled patients are in fold {cohort.folds[labelled[0]]}, so that its model would "
            "have nobody to learn from. Pin them to two folds at least (folds.pinned)"
        )
    else:
        there = f"there is only one, {labelled[0]}" if labelled else "there is none"
        there += f" (and {len(cohort.excluded)} excluded by data.exclude)" if cohort.excluded else ""
        missing = (
            "training needs at least two labelled patients, one to learn from and one to be held out; "
            f"{there}. Put more of them where data.labelled says"
        )
    return (
        f"No model can be trained, and nobody drafted: {missing}, or name a model package as model in config.yaml. "
        "The targets ingest and cache need no model."
    )


def check_run_folds(run_folds: Sequence[int], folds: Collection[int]) -> None:
    """Raise CohortError where a fold that is to be trained holds nobody out."""
    unknown = sorted(set(run_folds) - set(folds))
    if unknown:
        there = ", ".join(map(str, sorted(folds))) or "none, for lack of labelled patients"
        raise CohortError(
            f"train.run_folds names fold {', '.join(map(str, unknown))}, which holds no patient out. Folds that "
            f"can be trained: {there}. They are numbered from 0; folds.count sets how many there are."
        )


def _planned_patient(plan: PhantomPlan) -> PatientFiles:
    files = tuple(map(Path, planned_files(plan, PHANTOM_ROOT)))
    named = {file.name: file for file in files}
    folder = Path(PHANTOM_ROOT, folder_of(plan))
    image, label = named.get("data.nii.gz"), named.get("label.nii.gz")
    return PatientFiles(plan.patient, plan.labelled, folder, files, image, label)


def _by_id(found: list[PatientFiles]) -> dict[str, PatientFiles]:
    patients: dict[str, PatientFiles] = {}
    for files in sorted(found, key=lambda f: (not f.labelled, natural_key(f.patient))):
        twin = patients.setdefault(files.patient, files)
        if twin is not files:
            both = [twin.folder, files.folder]
            if twin.folder == files.folder:
                both = [one.image or one.folder for one in (twin, files)]
            raise CohortError(twice(files.patient, [*map(str, both)]))
    return patients
