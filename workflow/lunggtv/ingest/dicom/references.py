"""Which series of a folder a structure set says that it was drawn on, by images or by frame of reference."""

from collections.abc import Sequence

from lunggtv.ingest.dicom.contour_planes import Contour
from lunggtv.ingest.dicom.series import Series
from lunggtv.ingest.dicom.structure_set import Roi, StructureSet

# For what is taken though its ids do not say that it belongs: ``belonging`` has looked.
PLACED = "lie on the slices of the CT and inside the body. Check that the tumour lies where it is drawn."
PROVED = f"Its contours {PLACED}"


def names_images(structure_set: StructureSet) -> bool:
    """Whether it names any image or series."""
    return bool(structure_set.images or structure_set.image_uids)


def drawn_on(structure_set: StructureSet, one: Series) -> bool:
    """Whether contours of its GTV name an image of a series; its list of images may hold more than it was drawn on."""
    return any(roi.image_uids & one.sop_uids for roi in structure_set.gtv)


def the_one_drawn_on(structure_set: StructureSet, series: Sequence[Series]) -> Series | None:
    """The series whose images contours of its GTV name, if it is one alone."""
    found = [one for one in series if drawn_on(structure_set, one)]
    return found[0] if len(found) == 1 else None


def says_where(structure_set: StructureSet) -> bool:
    """Whether it names an image, a series or a frame of reference."""
    return names_images(structure_set) or bool(structure_set.frame_uids)


def referred(structure_set: StructureSet, series: Sequence[Series]) -> list[Series]:
    """The series a structure set was drawn on.

    By the images its contours name, else by those it lists, else by the series it names, else by frame of reference. A
    structure set that names nothing at all may be drawn on any series.
    """
    for images in (structure_set.image_uids, frozenset().union(*structure_set.images.values())):
        by_image = [one for one in series if one.sop_uids & images]
        if by_image:
            return by_image
    if names_images(structure_set):
        return [one for one in series if one.uid in structure_set.images]
    if structure_set.frame_uids:
        return of_same_frame(structure_set, series)
    return list(series)


def of_same_frame(structure_set: StructureSet, series: Sequence[Series]) -> list[Series]:
    """The series of a frame of reference that it names."""
    return [one for one in series if one.frame_uids & structure_set.frame_uids]


def without_frame(structure_set: StructureSet, series: Sequence[Series]) -> list[Series]:
    """The series that name no frame of reference, for a structure set that names nothing else: it may be on them."""
    return [] if names_images(structure_set) else [one for one in series if not one.frame_uids]


def rois_of_other_images(structure_set: StructureSet, sop_uids: frozenset[str]) -> list[Roi]:
    """The GTV ROIs with a contour that names images, none of them among ``sop_uids``."""
    return [roi for roi in structure_set.drawn if contours_of_other_images(roi, sop_uids)]


def contours_of_other_images(roi: Roi, sop_uids: frozenset[str]) -> tuple[Contour, ...]:
    """The contours of a ROI that name images, none of them among ``sop_uids``."""
    return tuple(one for one in roi.contours if one.images and not one.images & sop_uids)
