"""Patient folders that want memory, time or files that are not theirs."""

import gzip
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from tests.unit.dicom_files import CtSeries, Reference, box, write_ct, write_rtstruct
from tests.unit.ingest_bodies import write_pair
from tests.unit.segmentation_files import write_segmentation

CT = CtSeries()
BOMB_BYTES = 4 << 30  # unpacked
# An empty sequence item, and a sequence of undefined length that holds what follows up to its end.
ITEM = b"\xfe\xff\x00\xe0\0\0\0\0"
SEQUENCE = b"\x08\x00\x11\x11SQ\0\0\xff\xff\xff\xff"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
FIRST_ELEMENT = b"\x08\x00\x05\x00CS"
MANY_ITEMS = 4_000_000  # 32 MB


def zeros_packed(count: int, wbits: int) -> bytes:
    """``count`` zero bytes, deflated: repeated blocks of one stream, so that it takes no time to make."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    head = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * ((count >> 20) - 1)


def write_nifti_header(path: Path, shape: tuple[int, int, int], body: bytes) -> None:
    """A NIfTI file of int16 whose header promises ``shape`` (x, y, z) and whose packed body is given."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<4h", header, 40, 3, *shape)
    struct.pack_into("<4h", header, 48, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<4f", header, 76, 1, 1, 1, 3)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    struct.pack_into("<h", header, 254, 1)
    struct.pack_into("<12f", header, 280, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 3, 0)
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header), 1) + body)


def gzip_bomb(folder: Path) -> None:
    """A small image whose stream goes on for gigabytes."""
    write_pair(folder)
    with gzip.open(folder / "data.nii.gz") as file:
        content = file.read()
    bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + zeros_packed(BOMB_BYTES, -15)
    (folder / "data.nii.gz").write_bytes(gzip.compress(content, 1) + bomb)


def million_million_voxels(folder: Path) -> None:
    """A NIfTI header that promises 10^12 voxels."""
    write_pair(folder)
    write_nifti_header(folder / "data.nii.gz", (10000, 10000, 10000), b"")


def as_many_as_allowed(folder: Path) -> None:
    """Just below the limit of voxels in the header, and nothing behind it."""
    write_pair(folder)
    write_nifti_header(folder / "data.nii.gz", (600, 700, 700), b"")


def nrrd_of_absurd_size(folder: Path) -> None:
    """An NRRD header with sizes beyond 64 bits."""
    write_pair(folder)
    (folder / "data.nii.gz").unlink()
    sizes = f"{10**12} {10**12} {10**12}"
    text = f"NRRD0004\ntype: short\ndimension: 3\nsizes: {sizes}\nencoding: raw\nspace: left-posterior-superior\n\n"
    (folder / "data.nrrd").write_bytes(text.encode())


def endless_image(folder: Path) -> None:
    """Gigabytes that are no image, packed."""
    write_pair(folder)
    (folder / "data.nii.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + zeros_packed(BOMB_BYTES, -15))


def dicom(folder: Path, ct: CtSeries = CT) -> None:
    """A good patient."""
    write_ct(folder, ct)
    write_rtstruct(folder / "rs.dcm", {"GTV": [box(CT, 2, (3, 8), (3, 8))]}, Reference(CT))


def inserted(path: Path, content: bytes) -> None:
    """Put bytes before the first element of a data set."""
    whole = path.read_bytes()
    at = whole.index(FIRST_ELEMENT)
    path.write_bytes(whole[:at] + content + whole[at:])


def nested_sequences(folder: Path) -> None:
    """Sequences in sequences, 100,000 deep."""
    dicom(folder)
    inserted(folder / "ct002.dcm", (SEQUENCE + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 100_000)


def millions_of_items(folder: Path) -> None:
    """A sequence of millions of empty items in a slice's header."""
    dicom(folder)
    inserted(folder / "ct002.dcm", SEQUENCE + ITEM * MANY_ITEMS + SEQUENCE_END)


def millions_of_contours(folder: Path) -> None:
    """The same in the structure set, where sequences must be read."""
    dicom(folder)
    path = folder / "rs.dcm"
    whole = path.read_bytes()
    at = whole.index(b"\x06\x30\x20\x00SQ")
    items = ITEM * MANY_ITEMS
    sequence = b"\x06\x30\x20\x00SQ\0\0" + struct.pack("<I", len(items)) + items
    path.write_bytes(whole[:at] + sequence)


def deflated_bomb(folder: Path) -> None:
    """A deflated data set that unpacks to gigabytes."""
    dicom(folder, replace(CT, syntax=DeflatedExplicitVRLittleEndian))
    path = folder / "ct002.dcm"
    whole = path.read_bytes()
    end = 132 + 12 + struct.unpack_from("<I", whole, 140)[0]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    element = FIRST_ELEMENT[:4] + b"UN\0\0" + struct.pack("<I", BOMB_BYTES - (1 << 20))
    head = packer.compress(element) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(whole[:end] + head + zeros_packed(BOMB_BYTES, -15))


def huge_rows(folder: Path) -> None:
    """Slices that say they are 65535 x 65535."""

    def change(dataset, z):
        dataset.Rows = dataset.Columns = 65535

    write_ct(folder, CT, change=change)
    write_rtstruct(folder / "rs.dcm", {"GTV": [box(CT, 2, (3, 8), (3, 8))]}, Reference(CT))


def rle_of_huge_rows(folder: Path) -> None:
    """The same below the limit of voxels, compressed to nothing."""

    def change(dataset, z):
        dataset.Rows = dataset.Columns = 7000

    write_ct(folder, replace(CT, syntax=RLELossless), change=change)
    write_rtstruct(folder / "rs.dcm", {"GTV": [box(CT, 2, (3, 8), (3, 8))]}, Reference(CT))


def jpeg_that_says_otherwise(folder: Path) -> None:
    """A JPEG stream of 65535 x 65535 behind a header of 12 x 16."""
    dicom(folder, replace(CT, syntax=JPEGLosslessSV1))
    path = folder / "ct002.dcm"
    whole = bytearray(path.read_bytes())
    at = whole.index(b"\xff\xc3")  # start of a lossless frame: length, bits, lines, samples a line
    struct.pack_into(">HH", whole, at + 5, 65535, 65535)
    path.write_bytes(bytes(whole))


def jpeg2000_that_says_otherwise(folder: Path) -> None:
    """The same in JPEG 2000."""
    dicom(folder, replace(CT, syntax=JPEG2000Lossless))
    path = folder / "ct002.dcm"
    whole = bytearray(path.read_bytes())
    at = whole.index(
        b"\xff\x51"
    )  # SIZ: length, capabilities, width, height, two offsets, tile width, tile height
    for offset in (6, 10, 22, 26):
        struct.pack_into(">I", whole, at + offset, 60000)
    path.write_bytes(bytes(whole))


def contour_of_long_edges(folder: Path) -> None:
    """A contour of 200,000 edges, each across all rows of a large slice."""
    ct = replace(CT, rows=4000, columns=8)
    write_ct(folder, ct)
    points = np.tile(box(ct, 2, (0, 3999), (1, 6)), (50_000, 1))
    write_rtstruct(folder / "rs.dcm", {"GTV": [points]}, Reference(ct))


def contour_of_vast_extent(folder: Path) -> None:
    """Contours whose corners lie 10^30 mm away."""
    write_ct(folder, CT)
    square = box(CT, 2, (-1e30, 1e30), (-1e30, 1e30))
    write_rtstruct(folder / "rs.dcm", {"GTV": [square]}, Reference(CT))


def set_of_empty_elements(folder: Path) -> None:
    """A structure set of 300,000 empty private elements, and another of zeros where elements should be."""
    dicom(folder)
    whole = (folder / "rs.dcm").read_bytes()
    at = whole.index(b"\x06\x30\x20\x00SQ")
    empty = struct.pack("<HH2sH", 0x3005, 0x1010, b"LO", 0) * 300_000
    (folder / "rs.dcm").write_bytes(whole[:at] + empty + whole[at:])
    (folder / "rs2.dcm").write_bytes(whole[:at] + bytes(4_000_000) + whole[at:])


def contours_in_one_place(folder: Path) -> None:
    """Contours of 20,000 points each that all lie within a twentieth of a pixel."""
    write_ct(folder, CT)
    places = 5 + np.random.default_rng(1).uniform(0, 0.04, (20, 20_000, 2))
    contours = [CT.grid.point_mm(np.column_stack([np.full(20_000, 2), place])) for place in places]
    write_rtstruct(folder / "rs.dcm", {"GTV": contours}, Reference(CT, by_contour=False))


def loops_through_one_point(folder: Path) -> None:
    """A contour of thousands of triangles with one corner in common, each across all others."""
    ct = replace(CT, rows=200, columns=200)
    write_ct(folder, ct)
    angle = np.repeat(np.linspace(0, np.pi / 2, 2_000), 3)
    reach, turn = np.tile([0, 90, 90], 2_000), np.tile([0, 0, 0.9], 2_000)
    index = np.column_stack(
        [np.full(6_000, 2), 100 + reach * np.cos(angle + turn), 100 + reach * np.sin(angle + turn)]
    )
    write_rtstruct(folder / "rs.dcm", {"GTV": [ct.grid.point_mm(index)]}, Reference(ct))


def segmented(folder: Path, change: Callable[[FileDataset], None]) -> Path:
    """A patient whose GTV is a segmentation."""
    write_ct(folder, CT)
    mask = np.zeros(CT.grid.shape, np.uint8)
    mask[1:4, 3:8, 3:9] = 1
    write_segmentation(folder / "seg.dcm", CT, {"GTV": mask}, change=change)
    return folder / "seg.dcm"


def frames_of_huge_rows(folder: Path) -> None:
    """A segmentation whose frames say they are 65535 x 65535."""

    def change(dataset):
        dataset.Rows = dataset.Columns = 65535

    segmented(folder, change)


def frames_of_long_streams(folder: Path) -> None:
    """Frames of a segmentation that unpack to gigabytes, 128 bytes of each two."""

    def change(dataset):
        head = struct.pack("<16I", 1, 64, *[0] * 14)
        dataset.file_meta.TransferSyntaxUID = RLELossless
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        stream = head + b"\x81\0" * (40 << 20)
        dataset.PixelData = encapsulate([stream, *[head + b"\x81\0"] * (dataset.NumberOfFrames - 1)])
        dataset["PixelData"].is_undefined_length = True

    segmented(folder, change)


def millions_of_frames(folder: Path) -> None:
    """A segmentation whose frames are millions of empty items."""
    path = segmented(folder, lambda dataset: None)
    whole = path.read_bytes()
    at = whole.index(b"\x00\x52\x30\x92SQ")
    items = ITEM * MANY_ITEMS
    path.write_bytes(whole[:at] + b"\x00\x52\x30\x92SQ\0\0" + struct.pack("<I", len(items)) + items)


# Each with the reason that must be told; None where the folder may as well be read.
ATTACKS = {
    gzip_bomb: "damaged",
    million_million_voxels: "too_large",
    as_many_as_allowed: "damaged",
    nrrd_of_absurd_size: "unreadable",
    endless_image: "unreadable",
    nested_sequences: "damaged_file",
    millions_of_items: "damaged_file",
    millions_of_contours: "damaged_rtstruct",
    deflated_bomb: "damaged_file",
    huge_rows: "too_large",
    rle_of_huge_rows: "undecodable_pixels",
    jpeg_that_says_otherwise: "undecodable_pixels",
    jpeg2000_that_says_otherwise: "undecodable_pixels",
    contour_of_long_edges: "contour_tangled",
    contour_of_vast_extent: None,
    set_of_empty_elements: None,
    contours_in_one_place: None,
    loops_through_one_point: "contour_tangled",
    frames_of_huge_rows: "segmentation_outside_ct",
    frames_of_long_streams: "damaged_segmentation",
    millions_of_frames: "damaged_segmentation",
}
