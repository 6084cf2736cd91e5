"""Pixels of one CT image in Hounsfield units, exact integers where slope and intercept allow.

Uncompressed pixels come straight from the file's bytes; compressed ones are decoded by the GDCM inside
SimpleITK, so that no codec has to be installed.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.encaps import generate_frames

from lunggtv.ingest.dicom.added_planes import fill_hounsfield
from lunggtv.ingest.dicom.headers import CtSlice
from lunggtv.ingest.dicom.limits import check_items
from lunggtv.ingest.dicom.nesting import UNDEFINED_LENGTH
from lunggtv.ingest.dicom.values import READ_ERRORS, numbers_of, text_of, value_of
from lunggtv.ingest.raw_scan import Refused
from lunggtv.utf8_paths import utf8_path

PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = [
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope",
    "RescaleIntercept", "LossyImageCompression", "PixelData",
]  # fmt: skip
JPEG_FAMILY = "1.2.840.10008.1.2.4."  # JPEG, JPEG-LS and JPEG 2000
JPEG_END = b"\xff\xd9"
PADDING_BYTES = 16  # behind the end, as even lengths and some writers' buffers ask for
INT16 = np.iinfo(np.int16)
INT32 = np.iinfo(np.int32)
LOSSY = {
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91",
}  # fmt: skip


@dataclass(frozen=True)
class PixelStack:
    """The pixels of a series and what the headers said about them.

    Attributes:
        hu: (plane, y, x), int16, int32 or float32: the narrowest that holds every value exactly (float32 where
            slope or intercept is no whole number).
        digests: SHA-256 of each plane's file; None for a plane between slices.
        lossy: slices that were compressed with loss.
        unscaled: slices whose header has no rescale slope or intercept; 1 and 0 were taken.
    """

    hu: np.ndarray
    digests: tuple[str | None, ...]
    lossy: int
    unscaled: int


def read_stack(slices: Sequence[CtSlice], planes: Sequence[int]) -> PixelStack:
    """Read the pixels of slices of one size, each onto its plane; planes between slices are interpolated.

    Args:
        planes: of the slices, ascending from 0.

    Raises:
        Refused: a file is truncated, cannot be decoded, or stores pixels in a way that is not supported.
    """
    images, digests = [], []
    lossy = unscaled = 0
    for one in slices:
        content = one.path.read_bytes()
        digests.append(hashlib.sha256(content).hexdigest())
        try:
            check_items(content)
            dataset = pydicom.dcmread(io.BytesIO(content), specific_tags=PIXEL_TAGS, force=True)
            images.append(_hounsfield(dataset, one))
        except READ_ERRORS:
            raise _damaged(one, "cannot be decoded") from None
        syntax = text_of(dataset.file_meta, "TransferSyntaxUID")
        lossy += syntax in LOSSY or text_of(dataset, "LossyImageCompression") == "01"
        unscaled += None in (value_of(dataset, "RescaleSlope"), value_of(dataset, "RescaleIntercept"))
    kinds = {image.dtype for image in images}
    dtype = np.float32 if np.dtype(np.float32) in kinds else np.result_type(*kinds)
    hu = np.empty((planes[-1] + 1, *images[0].shape), dtype)
    of_planes: list[str | None] = [None] * len(hu)
    for plane, image, digest in zip(planes, images, digests, strict=True):
        hu[plane], of_planes[plane] = image, digest
    fill_hounsfield(hu, planes)
    return PixelStack(hu, tuple(of_planes), lossy, unscaled)


def _hounsfield(dataset: pydicom.FileDataset, one: CtSlice) -> np.ndarray:
    if PIXEL_DATA not in dataset:
        raise _damaged(one, "ends before its pixels do")
    element = dataset.get_item(PIXEL_DATA)
    # Pydicom gives the raw element, which has its length; the types say otherwise.
    if element.length == UNDEFINED_LENGTH:  # type: ignore[attr-defined]
        if text_of(dataset.file_meta, "TransferSyntaxUID").startswith(JPEG_FAMILY):
            _check_end(element.value, one)
        return _narrowed(_decoded(one))
    stored = _stored(dataset, element.value or b"", one)
    slope = (numbers_of(dataset, "RescaleSlope", 1) or (1.0,))[0]
    intercept = (numbers_of(dataset, "RescaleIntercept", 1) or (0.0,))[0]
    if slope.is_integer() and intercept.is_integer():
        return _narrowed(stored.astype(np.int64) * int(slope) + int(intercept))
    return (stored * slope + intercept).astype(np.float32)


def _stored(dataset: pydicom.FileDataset, content: bytes, one: CtSlice) -> np.ndarray:
    """Stored values of uncompressed pixels, sign and byte order applied."""
    allocated = int(dataset.BitsAllocated)
    stored = int(value_of(dataset, "BitsStored") or allocated)
    high = value_of(dataset, "HighBit")
    signed = value_of(dataset, "PixelRepresentation") == 1
    if allocated not in (8, 16, 32) or not 0 < stored <= allocated or high not in (None, stored - 1):
        raise Refused(
            "unsupported_pixels",
            f"{one.name}: pixels of {stored} bits in {allocated} with high bit {high} are not supported. "
            "Convert the series to 16 bits.",
        )
    needed = one.rows * one.columns * allocated // 8
    if len(content) < needed:
        raise _damaged(one, f"has {len(content)} of {needed} bytes of pixels")
    order = "<" if dataset.original_encoding[1] else ">"
    dtype = np.dtype(f"{order}{'i' if signed else 'u'}{allocated // 8}")
    values = np.frombuffer(content, dtype, count=one.rows * one.columns).reshape(one.rows, one.columns)
    if signed and stored < allocated and values.min() >= 0 and values.max() < 1 << stored:
        # Negative numbers written without their sign in the unused upper bits. Where those bits are in use,
        # the values are taken as they stand (some writers store padding beyond the announced bits).
        values = values.astype(np.int64)
        return values - ((values >> (stored - 1)) << stored)
    return values


def _check_end(content: bytes, one: CtSlice) -> None:
    """Refuse a JPEG stream without its end marker: a decoder may fill up what an interrupted copy lost.

    No coded pixels hold the marker, but some writers pad behind it, with any bytes.
    """
    stream = b"".join(generate_frames(content, number_of_frames=1))
    if len(stream) - stream.rfind(JPEG_END) > len(JPEG_END) + PADDING_BYTES:
        raise _damaged(one, "has compressed pixels without an end")


def _decoded(one: CtSlice) -> np.ndarray:
    """Compressed pixels with slope and intercept applied, by GDCM."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    try:
        with utf8_path(one.path) as place:
            reader.SetFileName(place)
            image = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError:
        raise Refused(
            "undecodable_pixels",
            f"{one.name}: the compressed pixels are damaged or of a kind that GDCM does not know. Copy the "
            "file again, or decompress the series (gdcmconv --raw, dcmdjpeg).",
        ) from None
    if image.size != one.rows * one.columns:
        raise _damaged(one, f"decodes to {image.size} pixels where the header says {one.rows * one.columns}")
    return image.reshape(one.rows, one.columns)


def _narrowed(values: np.ndarray) -> np.ndarray:
    """int16 or int32 where whole numbers fit, else float32."""
    if values.dtype.kind in "iu":
        low, high = int(values.min()), int(values.max())
        for limits in (INT16, INT32):
            if limits.min <= low and high <= limits.max:
                return values.astype(limits.dtype)
    return values.astype(np.float32)


def _damaged(one: CtSlice, what: str) -> Refused:
    return Refused("damaged_pixels", f"{one.name} {what}: truncated or damaged. Copy the file again.")
