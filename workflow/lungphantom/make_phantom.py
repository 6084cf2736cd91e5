"""A whole cohort of synthetic patients on disk."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from lungphantom.body import paint_phantom
from lungphantom.dicom_folder import write_dicom
from lungphantom.nifti_pair import write_nifti
from lungphantom.plan import PhantomPlan, PhantomSettings, folder_of, plan_cohort, planned_files

_OWN_FILES = ("data.nii.gz", "label.nii.gz", "rtstruct.dcm", "ct/CT????.dcm")


def make_phantom(settings: PhantomSettings, root: str | Path, workers: int) -> None:
    """Write every patient of a cohort below ``root``; ``workers`` changes the time it takes, no byte."""
    plans = plan_cohort(settings)
    write = partial(write_patient, root=Path(root))
    if workers <= 1:
        for plan in plans:
            write(plan)
        return
    with ProcessPoolExecutor(max_workers=workers) as pool:
        # list: the first error of a patient is raised here.
        list(pool.map(write, plans))


def write_patient(plan: PhantomPlan, root: Path) -> None:
    """Write one patient, the files that ``planned_files`` names."""
    folder = root / folder_of(plan)
    planned = {root / path for path in planned_files(plan, ".")}
    for pattern in _OWN_FILES:
        # Left by an earlier cohort of other settings; a reader that goes by content would take them too.
        for path in set(folder.glob(pattern)) - planned:
            path.unlink()
    phantom = paint_phantom(plan)
    write = write_dicom if plan.dicom else write_nifti
    write(phantom, plan, folder)
