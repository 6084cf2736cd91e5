"""One patient from raw files to ``volume.h5`` and ``verdict.json``."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lunggtv.errors import refusal_behind
from lunggtv.files import write_json
from lunggtv.geometry import Grid, Orientation, lps_orientation
from lunggtv.ingest.anatomy import body_mask, thinned_mm, thinning
from lunggtv.ingest.checks import (
    check_crop,
    check_finite,
    check_grids,
    check_label,
    check_label_in_body,
    check_repeated_slices,
    check_whole,
    component_sizes,
    label_mask,
)
from lunggtv.ingest.hounsfield import to_hounsfield
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.ingest.posture import check_posture
from lunggtv.ingest.raw_scan import REJECTED, WARNED, RawScan, Reason, Refused
from lunggtv.ingest.verdict import judge, rejection_message, sentence, verdict_content
from lunggtv.mask_grids import crop_start, pasted
from lunggtv.patient_files import PatientFiles
from lunggtv.volume import Volume, write_rejected, write_volume
from lunggtv.wording import readable

SLICE_DIGEST_CHARACTERS = 16


def ingest_patient(
    files: PatientFiles, settings: IngestSettings, *, volume_path: str | Path, verdict_path: str | Path
) -> None:
    """Read, check and store one patient; both outputs are always written.

    A rejected patient's volume is a place-holder: whoever reads it gets ``RejectedPatient`` with the message.
    Errors that are not about the patient's data go through as they are, also where a reader took what the machine
    refused (permissions, a disk) for damage: no verdict stands after they are mended.
    """
    reasons: list[Reason] = []
    facts: dict[str, Any] = {}
    try:
        volume = _ingest(files, settings, reasons, facts)
    except Refused as refused:
        if (machine := refusal_behind(refused)) is not None:
            raise machine from None
        reasons.append(refused.reason)
        volume = None
    reasons = _without_identity(files, reasons)
    reasons = [replace(one, text=readable(one.text)) for one in reasons]
    content = verdict_content(files.patient, files.labelled, reasons, facts)
    _log(files, reasons)
    if volume is None:
        write_rejected(volume_path, files.patient, rejection_message(files.patient, reasons))
    else:
        # Packing a whole CT takes longer than all that the later stages do with it.
        write_volume(volume_path, "ingest", volume, packed=False)
    write_json(verdict_path, content)


def _without_identity(files: PatientFiles, reasons: list[Reason]) -> list[Reason]:
    """The reasons, without what names a person in the paths of DICOM files."""
    if files.image is not None or files.problem is not None or not reasons:
        return reasons
    from lunggtv.ingest.dicom.shown_paths import with_shown_paths

    return with_shown_paths(files, reasons)


def _ingest(
    files: PatientFiles, settings: IngestSettings, reasons: list[Reason], facts: dict[str, Any]
) -> Volume | None:
    """The volume, or None when ``reasons`` reject the patient; fills ``reasons`` and ``facts`` as it goes."""
    if files.problem is not None:
        raise Refused("unusable_folder", files.problem)
    if files.image is not None and files.labelled and files.label is None:
        raise Refused(
            "no_label",
            f"There is an image, {files.image.name}, but no label where data.label says. Add the label, or "
            "put the patient under data.unlabelled.",
        )
    raw = _read(files, settings)
    reasons += raw.notes
    facts |= {
        "format": raw.format,
        "shape": list(raw.grid.shape),
        "spacing_mm": list(raw.grid.spacing_mm),
        "digests": raw.digests,
    }
    image_name = files.image.name if files.image is not None else "The CT series"
    label_name = files.label.name if files.label is not None else "The GTV"
    reasons += _check_raw(raw, settings, image_name, label_name)
    if judge(reasons) == REJECTED:
        return None

    orientation = lps_orientation(raw.grid)
    grid = orientation.apply_to_grid(raw.grid)
    facts |= {"shape": list(grid.shape), "spacing_mm": list(grid.spacing_mm)}
    label = None
    if raw.label is not None:
        drawn = label_mask(raw.label, settings.gtv_values, label_name)
        start = None if drawn.shape == raw.grid.shape else crop_start(raw.label_grid or raw.grid, raw.grid)
        if start is not None:
            slices = [digest for digest in raw.slice_digests if digest is not None]
            uneven = len(slices) if len(slices) < len(raw.slice_digests) else None
            reasons += check_crop(drawn, start, raw.grid.shape, label_name, uneven)
            drawn = pasted(drawn, start, raw.grid.shape)
        drawn, notes = _between_slices(drawn, raw, label_name, settings.interpolate_gtv)
        reasons += notes
        label = orientation.apply(drawn)
        sizes = component_sizes(label)
        facts |= {"gtv_ml": float(sizes.sum() * grid.voxel_ml), "gtv_parts": int(sizes.size)}
        reasons += [*check_whole(raw.label, label_name), *check_label(sizes, label_name)]
    scan = to_hounsfield(orientation.apply(raw.ct), image_name)
    reasons += scan.reasons
    slice_digests = _slice_digests(scan.ct, _planes_between(raw, orientation))
    facts |= {
        "hu_rule": scan.rule,
        "padding_hu": scan.padding_hu,
        "ct_digest": _ct_digest(scan.ct.shape, slice_digests),
        "ct_slice_digests": sorted({digest for digest in slice_digests if digest is not None}),
    }
    reasons += check_repeated_slices(slice_digests, image_name)
    reasons += _check_anatomy(scan.ct, label, grid, image_name, label_name)
    if judge(reasons) == REJECTED:
        return None
    metadata = {
        "format": raw.format,
        "labelled": files.labelled,
        "original": raw.grid.to_dict(),
        "orientation": orientation.to_dict(),
        "hu_rule": scan.rule,
        "padding_hu": scan.padding_hu,
        "digests": raw.digests,
        "slice_digests": list(raw.slice_digests),
        "ct_digest": facts["ct_digest"],
    }
    return Volume(files.patient, scan.ct, grid, label, metadata=metadata)


def _read(files: PatientFiles, settings: IngestSettings) -> RawScan:
    # Each reader brings a library that takes a fifth of a second to load, and a job needs one of them.
    if files.image is None:
        from lunggtv.ingest.dicom.read_folder import read_dicom

        raw = read_dicom(files, settings.dicom)
        if files.label is None:
            return raw
        from lunggtv.ingest.formats import with_label

        return with_label(raw, files.label, settings)
    from lunggtv.ingest.formats import read_pair

    return read_pair(files, settings)


def _check_raw(raw: RawScan, settings: IngestSettings, image_name: str, label_name: str) -> Iterator[Reason]:
    yield from check_finite(raw.ct, image_name)
    if raw.label is not None:
        yield from check_finite(raw.label, label_name)
    if raw.label_grid is not None:
        yield from check_grids(
            raw.grid, raw.label_grid, settings.spacing_tolerance_mm, settings.position_tolerance_mm
        )


def _between_slices(
    label: np.ndarray, raw: RawScan, label_name: str, interpolate: bool
) -> tuple[np.ndarray, list[Reason]]:
    """The label on planes between slices, too, where the CT has such; raises Refused if it may not be there."""
    planes = tuple(plane for plane, digest in enumerate(raw.slice_digests) if digest is not None)
    if len(planes) == len(raw.slice_digests):
        return label, []
    from lunggtv.ingest.dicom.slice_stack import SliceStack
    from lunggtv.ingest.dicom.uneven_notes import label_on_planes

    return label_on_planes(label, SliceStack(raw.grid, planes), label_name, interpolate)


def _check_anatomy(
    ct: np.ndarray, label: np.ndarray | None, grid: Grid, image_name: str, label_name: str
) -> Iterator[Reason]:
    thin = thinning(grid.spacing_mm)
    ct = np.ascontiguousarray(ct[thin])
    body = body_mask(ct)
    yield from check_posture(ct, body, thinned_mm(grid.spacing_mm), image_name)
    if label is not None:
        yield from check_label_in_body(label[thin], ct, body, label_name)


def _slice_digests(ct: np.ndarray, between: set[int]) -> list[str | None]:
    """Short digest of each slice's HU; None for a constant one, which every scan may have, and for planes ``between``
    slices.

    They find the same CT under another format, orientation, offset or number of slices.
    """
    digests = []
    for z, plane in enumerate(ct):
        digest = hashlib.sha256(f"{plane.shape}".encode() + plane.tobytes()).hexdigest()
        none = z in between or plane.min() == plane.max()
        digests.append(None if none else digest[:SLICE_DIGEST_CHARACTERS])
    return digests


def _planes_between(raw: RawScan, orientation: Orientation) -> set[int]:
    """The planes along LPS z that no scanner made: those that were interpolated between slices."""
    if orientation.permutation[0] != 0:
        return set()  # slices stand upright: each plane along z goes through all of them
    digests = raw.slice_digests[::-1] if orientation.flips[0] else raw.slice_digests
    return {z for z, digest in enumerate(digests) if digest is None}


def _ct_digest(shape: tuple[int, ...], slice_digests: list[str | None]) -> str:
    return hashlib.sha256(f"{shape} {slice_digests}".encode()).hexdigest()


def _log(files: PatientFiles, reasons: list[Reason]) -> None:
    verdict = judge(reasons)
    if verdict == REJECTED:
        folder = readable(str(files.folder))
        logging.error("%s Folder: %s", rejection_message(files.patient, reasons), folder)
    for reason in reasons:
        if reason.severity != REJECTED:
            level = logging.WARNING if reason.severity == WARNED else logging.INFO
            logging.log(level, "Patient %s: %s", files.patient, sentence(reason.text))
    logging.info("Patient %s is %s.", files.patient, verdict)
