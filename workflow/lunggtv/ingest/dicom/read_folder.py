"""A patient's DICOM folder as one scan: CT in Hounsfield units and, for training, the GTV drawn on it."""

import math
from collections.abc import Sequence
from dataclasses import replace

from lunggtv.image_headers import detached_data
from lunggtv.ingest.dicom.belonging import check_inside
from lunggtv.ingest.dicom.choice import Choice, choose_labelled, choose_unlabelled
from lunggtv.ingest.dicom.dicom_settings import DicomSettings
from lunggtv.ingest.dicom.grid import planes_of, stack
from lunggtv.ingest.dicom.headers import DamagedSlice, Inventory, take_inventory
from lunggtv.ingest.dicom.kinds import ENHANCED, SEGMENTATION
from lunggtv.ingest.dicom.left_out_slices import slices_left_out
from lunggtv.ingest.dicom.notes import (
    folder_notes,
    frame_notes,
    pixel_notes,
)
from lunggtv.ingest.dicom.people import check_people, others_left_out
from lunggtv.ingest.dicom.pixels import read_stack
from lunggtv.ingest.dicom.references import the_one_drawn_on
from lunggtv.ingest.dicom.segment_choice import (
    choose_segments,
    left_beside_mask,
    segments_left_out,
    the_one_segmented,
    without_gtv,
)
from lunggtv.ingest.dicom.segment_mask import draw_segments, segment_notes
from lunggtv.ingest.dicom.segmentation import read_segmentation
from lunggtv.ingest.dicom.series import Series, group_series, without_copies
from lunggtv.ingest.dicom.slice_stack import SliceStack
from lunggtv.ingest.dicom.structure_label import draw_structures
from lunggtv.ingest.dicom.structure_set import read_structure_set
from lunggtv.ingest.dicom.uneven_notes import plane_notes
from lunggtv.ingest.raw_scan import RawScan, Refused
from lunggtv.patient_files import PatientFiles
from lunggtv.quiet_pydicom import quiet_pydicom
from lunggtv.wording import few


def read_dicom(patient: PatientFiles, settings: DicomSettings) -> RawScan:
    """Read the CT series of a patient's folder, and for a labelled patient the GTV of its RTSTRUCT or segmentation.

    Where a mask file is the patient's label, no other is read.

    The CT is sorted along its normal and keeps its own axes; the label is drawn on the CT's grid. Of the
    headers only geometry enters the result; messages name files, ROIs and numbers, never a header's names,
    ids, dates or UIDs.

    Raises:
        Refused: no CT, CTs of several people, no unique choice, slices that form no regular grid, damaged files, no
            GTV.
    """
    with quiet_pydicom():
        own = {patient.label, detached_data(patient.label)} if patient.label is not None else set()
        inventory = take_inventory([file for file in patient.files if file not in own], patient.folder)
        if _is_drawn_here(patient):
            _refuse_unread(inventory)
        series, unused = group_series(inventory.slices)
        if not series:
            _refuse_damaged(inventory.damaged)
            raise _no_ct(inventory)
        try:
            choice = _choose(patient, inventory, series, settings)
        except Refused:
            # That they are of several people comes first.
            check_people(patient.patient, series, settings)
            raise
        notes = check_people(patient.patient, series, settings, _drawn_on(choice, series))
        _refuse_damaged([one for one in inventory.damaged if one.series_uid in ("", choice.series.uid)])
        chosen, copies = without_copies(choice.series)
        slices, grid = stack(chosen.slices, settings.slice_tolerance_mm)
        on_grid = SliceStack(grid, planes_of(slices, grid))
        _check_size(on_grid, settings)
        pixels = read_stack(slices, on_grid.planes)
        if choice.segments is not None:
            inventory = inventory.without_one(SEGMENTATION)
        notes += [*folder_notes(inventory, unused, copies), *choice.notes, *frame_notes(chosen)]
        notes += slices_left_out(chosen, inventory.slices)
        if settings.series is None:
            notes += others_left_out(chosen, series)
        notes += [*pixel_notes(pixels), *plane_notes(slices, on_grid, settings.slice_tolerance_mm)]
        label, digests = None, {}
        if choice.structure_set is not None:
            here = frozenset(one.sop_uid for one in inventory.slices)
            ordered = replace(chosen, slices=slices)
            label, notes_on_label = draw_structures(
                replace(choice, series=ordered), here, on_grid, pixels.hu, settings
            )
            notes += notes_on_label
            digests = {"rtstruct": choice.structure_set.digest}
        if choice.segments is not None:
            # A slice may lie so far from its place, and a frame as far from its slice.
            drawn = draw_segments(
                choice.segments,
                slices,
                grid,
                2 * settings.slice_tolerance_mm,
                by_place_alone=choice.unproved is not None,
            )
            label, digests = drawn.mask, {"segmentation": choice.segments.digest}
            if choice.unproved is not None:
                check_inside(choice.segments.name, "does not name this CT", label, pixels.hu, grid)
                notes.append(choice.unproved)
            notes += segment_notes(choice.segments, drawn, slices, grid.voxel_ml)
    return RawScan(
        format="dicom",
        ct=pixels.hu,
        grid=grid,
        label=label,
        label_grid=None if label is None else grid,
        digests=digests,
        slice_digests=pixels.digests,
        notes=tuple(notes),
    )


def _choose(
    patient: PatientFiles, inventory: Inventory, series: Sequence[Series], settings: DicomSettings
) -> Choice:
    sets = []
    for path in inventory.structure_sets:
        try:
            sets.append(read_structure_set(path, patient.folder, settings))
        except Refused:
            # A draft needs no structure set: it could only have helped to choose the series.
            if _is_drawn_here(patient):
                raise
    if not patient.labelled:
        return choose_unlabelled(patient.patient, series, sets, settings)
    segmentations = []
    for path in inventory.segmentations:
        try:
            segmentations.append(read_segmentation(path, patient.folder, settings))
        except Refused:
            if _is_drawn_here(patient) and not any(one.drawn for one in sets):
                raise
    if patient.label is not None:
        choice = choose_unlabelled(patient.patient, series, sets, settings)
        among = len(series) if settings.series is None else 1
        notes = left_beside_mask(patient.label.name, sets, segmentations, choice.series.key, among)
    elif any(one.gtv for one in segmentations) and not any(one.drawn for one in sets):
        return choose_segments(patient.patient, series, segmentations, sets, settings)
    else:
        try:
            choice = choose_labelled(patient.patient, series, sets, settings)
        except Refused as refused:
            raise without_gtv(refused, segmentations) from None
        notes = segments_left_out(segmentations, choice.structure_set.name if choice.structure_set else "")
    return replace(choice, notes=(*choice.notes, *notes))


def _drawn_on(choice: Choice, series: Sequence[Series]) -> Series | None:
    """The one series whose images the GTV names."""
    if choice.segments is not None:
        return the_one_segmented(choice.segments, series)
    return None if choice.structure_set is None else the_one_drawn_on(choice.structure_set, series)


def _is_drawn_here(patient: PatientFiles) -> bool:
    """Whether the patient's label stands in one of the DICOM files."""
    return patient.labelled and patient.label is None


def _check_size(on_grid: SliceStack, settings: DicomSettings) -> None:
    shape = on_grid.grid.shape
    if settings.max_voxels is not None and math.prod(shape) > settings.max_voxels:
        planes = f"planes ({on_grid.added} of them between slices)" if on_grid.added else "slices"
        raise Refused(
            "too_large",
            f"the CT series has {shape[0]} {planes} of {shape[1]} x {shape[2]} voxels, above ingest.max_voxels "
            f"({settings.max_voxels}). If that is true, raise the limit; else export the series again.",
        )


def _refuse_unread(inventory: Inventory) -> None:
    """Raise Refused where the right structure set may be among the files that were not read."""
    if inventory.forbidden:
        raise Refused(
            "unreadable_file",
            f"{few(inventory.forbidden)}: not allowed to read. The structure set with the right GTV, or a slice of the "
            "CT, may be among them. Mend their permissions, or take them out of the folder.",
        )
    if inventory.suspect:
        raise Refused(
            "unread_files",
            f"{few(inventory.suspect)}: empty, or perhaps DICOM but not readable. The structure set with the right "
            "GTV, or a slice of the CT, may be among them, so nothing else is taken. Copy or export these files again, "
            "or take them out of the folder.",
        )


def _refuse_damaged(damaged: Sequence[DamagedSlice]) -> None:
    """Raise Refused where there are damaged slices of the series that is read, or may be."""
    if damaged:
        raise Refused(
            "damaged_file",
            f"{few([one.name for one in damaged])}: the DICOM header of a CT image is cut short or unreadable. Copy it "
            "again from its source; if it is not part of the CT, take it out of the folder.",
        )


def _no_ct(inventory: Inventory) -> Refused:
    if inventory.skipped.get(ENHANCED):
        return Refused(
            "enhanced_ct",
            f"the CT is stored as enhanced (multi-frame) CT, which is not read; the folder holds "
            f"{inventory.skipped_text()}. Export it as CT Image Storage, one file a slice (dcm4che's emf2sf converts).",
        )
    count = len(inventory.slices)
    images = [f"CT images that form no series of three with a place in space ({count})"] if count else []
    found = inventory.skipped_text(*images)
    return Refused(
        "no_ct_series", f"no CT series in the folder; it holds {found}. Add the planning CT as DICOM files."
    )
