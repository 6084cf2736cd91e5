"""How NIfTI, NRRD and MetaImage files store their voxels, read from their headers alone.

Standard library only: discovery needs the names of detached data files at parse time. Geometry is left to
SimpleITK; what stands here is what is needed to read the voxels whole and checked.
"""

import gzip
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

FORMATS = {
    ".nii.gz": "nifti", ".nii": "nifti", ".nrrd": "nrrd", ".nhdr": "nrrd", ".mha": "metaimage",
    ".mhd": "metaimage",
}  # fmt: skip
DETACHED_SUFFIXES = (".nhdr", ".mhd")
TEXT_HEADER_LIMIT = 1 << 20  # bytes; a longer text header is no header
NIFTI_BYTES = 348  # length of a NIfTI-1 header
NIFTI_2_BYTES = 540
NIFTI_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
NRRD_TYPES = {
    "i1": "signed char|int8|int8_t", "u1": "uchar|unsigned char|uint8|uint8_t",
    "i2": "short|short int|signed short|signed short int|int16|int16_t",
    "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "i4": "int|signed int|int32|int32_t", "u4": "uint|unsigned int|uint32|uint32_t",
    "i8": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
    "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
    "f4": "float", "f8": "double",
}  # fmt: skip
META_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip


class BadHeader(Exception):
    """A header is damaged, or says something that cannot be read; the text says what."""


@dataclass(frozen=True)
class Storage:
    """Where the voxels of a file lie and how they are packed.

    Attributes:
        dtype: NumPy type with byte order, such as ``<i2``.
        data_file: name of the detached data file as the header gives it; None: the header's own file.
        offset: bytes before the (compressed) data in that file; -1: the data end with the file.
        compression: ``none``, ``gzip`` or ``zlib``.
        inner_offset: bytes before the voxels inside the decompressed data.
        slope, intercept: stored value times slope plus intercept is the value.
        placed: the header says where the image lies in the patient.
        spacing_mm: x, y, z as the header spells them, where SimpleITK would mend them silently; else empty.
        affine: 3x4 rows of the voxel-to-RAS matrix of NIfTI's sform where it is set; else empty.
    """

    dtype: str
    data_file: str | None = None
    offset: int = 0
    compression: str = "none"
    inner_offset: int = 0
    slope: float = 1.0
    intercept: float = 0.0
    placed: bool = True
    spacing_mm: tuple[float, ...] = ()
    affine: tuple[tuple[float, ...], ...] = ()


def suffix_of(name: str) -> str | None:
    """The image suffix of a file name, lower case; None if it is no volume we read."""
    return next((suffix for suffix in FORMATS if name.lower().endswith(suffix)), None)


def read_storage(path: Path) -> Storage:
    """How ``path`` stores its voxels; raises BadHeader."""
    readers = {"nifti": _nifti, "nrrd": _nrrd, "metaimage": _metaimage}
    suffix = suffix_of(path.name)
    if suffix is None:
        raise BadHeader(f"is none of {', '.join(FORMATS)}")
    try:
        return readers[FORMATS[suffix]](path)
    except (ValueError, struct.error) as error:
        raise BadHeader(f"has a damaged header ({error})") from error


def detached_data(path: Path) -> Path | None:
    """The data file beside a detached header; None if there is none or it lies elsewhere."""
    if suffix_of(path.name) not in DETACHED_SUFFIXES:
        return None
    try:
        name = read_storage(path).data_file
    except (BadHeader, OSError):
        return None
    return path.with_name(name) if name is not None and is_plain_name(name) else None


def is_plain_name(name: str) -> bool:
    """Whether a data file's name stays in the header's folder."""
    return name not in ("", ".", "..") and not re.search(r"[/\\\0]", name)


def _nifti(path: Path) -> Storage:
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            header = file.read(NIFTI_BYTES)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadHeader(f"is not a whole gzip file ({error})") from error
    if len(header) < NIFTI_BYTES:
        raise BadHeader(f"ends inside its header ({len(header)} bytes)")
    order = _nifti_byte_order(header)
    datatype, qform, sform = (_unpack(order, "h", header, offset)[0] for offset in (70, 252, 254))
    spacing, rows = _unpack(order, "3f", header, 80), _unpack(order, "12f", header, 280)
    vox_offset, *scale = _unpack(order, "3f", header, 108)
    if datatype not in NIFTI_TYPES:
        raise BadHeader(f"holds NIfTI data type {datatype}, which is not one number a voxel")
    # A slope of 0 or none at all means unscaled (NIfTI-1 standard, scl_slope).
    slope, intercept = scale if scale[0] == scale[0] and scale[0] != 0 else (1.0, 0.0)
    start = int(vox_offset) if 0 <= vox_offset < 1e9 else -1
    if start < NIFTI_BYTES:
        raise BadHeader(f"says that its voxels begin at byte {vox_offset:g}, inside its header")
    return Storage(
        dtype=order + NIFTI_TYPES[datatype],
        compression="gzip" if packed else "none",
        offset=0 if packed else start,
        inner_offset=start if packed else 0,
        slope=float(slope),
        intercept=float(intercept),
        placed=sform > 0 or qform > 0,
        spacing_mm=tuple(spacing),
        affine=tuple(rows[i : i + 4] for i in (0, 4, 8)) if sform > 0 else (),
    )


def _nifti_byte_order(header: bytes) -> str:
    for order in "<>":
        size = _unpack(order, "i", header, 0)[0]
        if size == NIFTI_BYTES and header[344:348] == b"n+1\0":
            return order
        if size == NIFTI_BYTES:
            raise BadHeader("is an Analyze or split NIfTI header, not a single NIfTI file")
        if size == NIFTI_2_BYTES:
            raise BadHeader("is NIfTI-2, which ITK does not read; save it as NIfTI-1 (.nii.gz)")
    raise BadHeader("is not a NIfTI file")


def _unpack(order: str, layout: str, header: bytes, offset: int) -> tuple:
    return struct.unpack_from(order + layout, header, offset)


def _nrrd(path: Path) -> Storage:
    head = _head(path)
    end = re.search(rb"\r?\n\r?\n", head)
    if not head.startswith(b"NRRD000"):
        raise BadHeader("is not an NRRD file")
    text = (head[: end.start()] if end else head).decode("latin-1")
    fields = {}
    for line in text.splitlines()[1:]:
        name, found, value = line.partition(": ")
        if found and not line.startswith("#"):
            fields[name.strip().lower().replace(" ", "")] = value.strip()
    data_file = fields.get("datafile")
    if data_file is None and end is None:
        raise BadHeader("ends inside its header")
    if int(fields.get("lineskip", 0)) != 0:
        raise BadHeader("uses a line skip; save it again with raw or gzip encoding")
    skip = int(fields.get("byteskip", 0))
    encoding = fields.get("encoding", "").lower()
    compression = {"raw": "none", "gzip": "gzip", "gz": "gzip"}.get(encoding)
    if compression is None:
        raise BadHeader(f"has the encoding {encoding!r}; save it again with raw or gzip encoding")
    if skip < 0 and compression != "none":
        raise BadHeader("has a negative byte skip in compressed data")
    kind = next(
        (t for t, names in NRRD_TYPES.items() if fields.get("type", "").lower() in names.split("|")), None
    )
    if kind is None:
        raise BadHeader(f"has the type {fields.get('type')!r}, which is not one number a voxel")
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    start = 0 if data_file is not None or end is None else end.end()
    raw = compression == "none"
    return Storage(
        dtype=order + kind,
        data_file=data_file,
        offset=-1 if skip < 0 else start + (skip if raw else 0),
        compression=compression,
        inner_offset=0 if raw else max(skip, 0),
        placed="spacedirections" in fields,
    )


def _metaimage(path: Path) -> Storage:
    head = _head(path)
    end = re.search(rb"(?m)^ElementDataFile[ \t]*=[ \t]*([^\r\n]*)(\r?\n|\Z)", head)
    if end is None:
        raise BadHeader("is not a MetaImage file, or ends inside its header")
    text = head[: end.start()].decode("latin-1")
    pairs = (line.partition("=") for line in text.splitlines())
    fields = {name.strip(): value.strip() for name, found, value in pairs if found}
    if fields.get("BinaryData", "True").lower() == "false":
        raise BadHeader("holds its voxels as text; save it again as binary data")
    kind = META_TYPES.get(fields.get("ElementType", ""))
    if kind is None:
        raise BadHeader(f"has the ElementType {fields.get('ElementType')!r}, which is not one number a voxel")
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False")).lower() == "true"
    data_file = end.group(1).decode("utf-8", "replace").strip()
    local = data_file.lower() == "local"
    skip = int(fields.get("HeaderSize", 0))
    return Storage(
        dtype=(">" if big else "<") + kind,
        data_file=None if local else data_file,
        offset=end.end() if local else skip,
        compression="zlib" if fields.get("CompressedData", "False").lower() == "true" else "none",
        placed="TransformMatrix" in fields or "Rotation" in fields or "Orientation" in fields,
    )


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(TEXT_HEADER_LIMIT)
