"""A phantom as NIfTI files in the layout of the challenge, in the axis order that the plan asks for."""

from pathlib import Path

from lunggtv.geometry import Orientation
from lunggtv.image_files import write_image

from lungphantom.body import Phantom
from lungphantom.plan import FLIP_XY, FLIP_Y, PhantomPlan

_FLIPS = {FLIP_XY: (False, True, True), FLIP_Y: (False, True, False)}


def stored_orientation(plan: PhantomPlan) -> Orientation:
    """The turn between the file's axes and LPS; being flips alone, it is its own inverse."""
    return Orientation((0, 1, 2), _FLIPS.get(plan.orientation, (False, False, False)))


def write_nifti(phantom: Phantom, plan: PhantomPlan, folder: Path) -> None:
    """Write ``data.nii.gz`` and, for a labelled patient, ``label.nii.gz``."""
    turn = stored_orientation(plan)
    grid = turn.apply_to_grid(phantom.grid)
    write_image(folder / "data.nii.gz", turn.undo(phantom.ct), grid)
    if plan.labelled:
        write_image(folder / "label.nii.gz", turn.undo(phantom.label), grid)
