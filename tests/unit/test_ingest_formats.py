"""Every way to store the same voxels gives the same volume; what could mislead is refused."""

import gzip
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from lunggtv.geometry import Grid
from lunggtv.image_files import to_image
from lunggtv.image_headers import detached_data
from lunggtv.patient_files import PatientFiles
from lunggtv.volume import read_volume

from tests.unit.ingest_bodies import GRID, chest_hu, gtv_mask, ingest, write_pair


def ct_of(files: PatientFiles, out: Path) -> np.ndarray:
    """The CT that ingest stores; fails with the reasons if it stores none."""
    outcome = ingest(files, out)
    assert outcome.verdict["verdict"] != "rejected", outcome.words
    return read_volume(outcome.volume, "ingest").ct


def unlabelled(path: Path) -> PatientFiles:
    """A patient of one image file."""
    return PatientFiles("7", False, path.parent, (path,), path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_every_format_and_type_gives_the_same_volume(tmp_path, suffix, dtype):
    files = write_pair(tmp_path / "7", chest_hu().astype(dtype), suffix=suffix)
    outcome = ingest(files, tmp_path)
    volume = read_volume(outcome.volume, "ingest")
    assert np.array_equal(volume.ct, chest_hu())
    assert np.array_equal(volume.label, gtv_mask())
    expected = {".nii": "nifti", ".nii.gz": "nifti", ".nrrd": "nrrd", ".mha": "metaimage"}[suffix]
    assert outcome.verdict["format"] == volume.metadata["format"] == expected
    assert volume.grid.spacing_mm == pytest.approx(GRID.spacing_mm)
    assert volume.grid.origin_mm == pytest.approx(GRID.origin_mm)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("value", [1e300, -1e300, np.inf, np.nan])
def test_a_value_beyond_every_ct_is_refused_in_words(tmp_path, suffix, value):
    hu = chest_hu().astype(np.float64)
    hu[3, 4, 5] = value
    outcome = ingest(write_pair(tmp_path / "7", hu, suffix=suffix), tmp_path)
    assert outcome.codes == ["not_finite"], outcome.words


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.uint32, np.int64, np.uint64, np.float64])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_labels_of_every_type(tmp_path, suffix, dtype):
    files = write_pair(tmp_path / "7", label=gtv_mask().astype(dtype), suffix=suffix)
    outcome = ingest(files, tmp_path)
    assert np.array_equal(read_volume(outcome.volume, "ingest").label, gtv_mask()), outcome.words


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii"])
def test_uncompressed_files(tmp_path, suffix):
    path = tmp_path / f"data{suffix}"
    sitk.WriteImage(to_image(chest_hu(), GRID), str(path), useCompression=False)
    assert np.array_equal(ct_of(unlabelled(path), tmp_path), chest_hu())
    content = path.read_bytes()
    for changed, word in ((content[:-2], "truncated"), (content + b"\0\0", "longer than its header says")):
        path.write_bytes(changed)
        outcome = ingest(unlabelled(path), tmp_path)
        assert outcome.codes == ["damaged"] and word in outcome.words
        assert outcome.words.endswith(". Copy the file again from its source, or export it again.")


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
@pytest.mark.parametrize("compressed", [True, False])
def test_detached_headers(tmp_path, suffix, compressed):
    path = tmp_path / f"data{suffix}"
    sitk.WriteImage(to_image(chest_hu(), GRID), str(path), useCompression=compressed)
    data = detached_data(path)
    assert data is not None and data.is_file()
    outcome = ingest(unlabelled(path), tmp_path)
    assert np.array_equal(read_volume(outcome.volume, "ingest").ct, chest_hu())
    assert set(outcome.verdict["digests"]) == {"image", "image_data"}
    data.unlink()
    outcome = ingest(unlabelled(path), tmp_path)
    assert outcome.codes == ["missing_file"]
    assert outcome.words == f"data{suffix} needs the data file {data.name}, which is not beside it."


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
@pytest.mark.parametrize("place", ["../elsewhere.raw", "/etc/passwd", "sub/elsewhere.raw"])
def test_a_detached_header_cannot_reach_other_folders(tmp_path, suffix, place):
    folder = tmp_path / "7"
    folder.mkdir()
    path = folder / f"data{suffix}"
    sitk.WriteImage(to_image(chest_hu(), GRID), str(path), useCompression=False)
    for there in (tmp_path / "elsewhere.raw", folder / "sub" / "elsewhere.raw"):
        there.parent.mkdir(exist_ok=True)
        there.write_bytes(chest_hu().tobytes())
    text = path.read_bytes()
    path.write_bytes(re.sub(rb"(?m)^(data file: |ElementDataFile = ).*$", rb"\1" + place.encode(), text))
    assert detached_data(path) is None
    outcome = ingest(unlabelled(path), tmp_path)
    assert outcome.verdict["verdict"] == "rejected"
    assert f"data{suffix}" in outcome.words and "root:" not in outcome.words


def test_a_detached_header_cannot_reach_out_by_a_link(tmp_path):
    folder = tmp_path / "7"
    folder.mkdir()
    path = folder / "data.mhd"
    sitk.WriteImage(to_image(chest_hu(), GRID), str(path), useCompression=False)
    (folder / "data.raw").rename(tmp_path / "data.raw")
    (folder / "data.raw").symlink_to(tmp_path / "data.raw")
    outcome = ingest(unlabelled(path), tmp_path)
    assert outcome.codes == ["data_elsewhere"]
    assert outcome.words == (
        "data.mhd points to a data file outside its folder. Put header and data side by side and name the data file "
        "without a path."
    )


def nrrd(header: str, data: bytes) -> bytes:
    z, y, x = GRID.spacing_mm
    return (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 44 36 16\n"
        f"space directions: ({x},0,0) (0,{y},0) (0,0,{z})\nspace origin: (0,0,0)\n{header}\n\n"
    ).encode() + data


def test_big_endian_and_skipped_bytes(tmp_path):
    path = tmp_path / "data.nrrd"
    big = chest_hu().astype(">i2").tobytes()
    for content in (
        nrrd("endian: big\nencoding: raw", big),
        nrrd("endian: big\nencoding: gzip", gzip.compress(big)),
        nrrd("endian: big\nencoding: raw\nbyte skip: 5", b"12345" + big),
        nrrd("endian: big\nencoding: raw\nbyte skip: -1", b"anything" + big),
    ):
        path.write_bytes(content)
        assert np.array_equal(ct_of(unlabelled(path), tmp_path), chest_hu())
    path.write_bytes(nrrd("encoding: hex", chest_hu().tobytes().hex().encode()))
    outcome = ingest(unlabelled(path), tmp_path)
    assert outcome.codes == ["unreadable"] and "raw or gzip" in outcome.words


def test_a_big_endian_metaimage_with_letters_beyond_ascii(tmp_path):
    path = tmp_path / "data.mha"
    header = (
        "ObjectType = Image\nComment = für Thorax\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = True\n"
        "CompressedData = True\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 8 8 6\nDimSize = 44 36 16\n"
        "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(header.encode("latin-1") + zlib.compress(chest_hu().astype(">i2").tobytes()))
    assert np.array_equal(ct_of(unlabelled(path), tmp_path), chest_hu())


def test_gzip_in_several_members(tmp_path):
    """As bgzip and some archives write it."""
    files = replace(write_pair(tmp_path / "7"), labelled=False, label=None)
    content = gzip.decompress(files.image.read_bytes())
    parts = [content[i : i + 10_000] for i in range(0, len(content), 10_000)]
    files.image.write_bytes(b"".join(gzip.compress(part) for part in parts) + bytes(512))
    assert np.array_equal(ct_of(files, tmp_path), chest_hu())


@pytest.mark.parametrize("slope", [0.0, float("nan")])
def test_a_nifti_without_a_slope_holds_its_values_as_they_are(tmp_path, slope):
    path = tmp_path / "data.nii.gz"
    sitk.WriteImage(to_image(chest_hu(), GRID), str(path))
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[112:120] = np.array([slope, -1024.0], "<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(content), 1))
    assert np.array_equal(ct_of(unlabelled(path), tmp_path), chest_hu())


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (2.0, -1000.0), (0.5, 0.0)])
def test_slope_and_intercept_of_nifti_are_applied(tmp_path, slope, intercept):
    path = tmp_path / "data.nii.gz"
    stored = np.rint((chest_hu() - intercept) / slope).astype(np.int16)
    sitk.WriteImage(to_image(stored, GRID), str(path))
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[112:120] = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(content), 1))
    expected = np.rint(stored * slope + intercept)
    assert np.array_equal(ct_of(unlabelled(path), tmp_path), np.maximum(expected, -1024))
    # SimpleITK agrees on what the file holds.
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), stored * slope + intercept)


def nifti_bytes(order: str, extensions: int = 0) -> bytearray:
    """A NIfTI-1 file built by the standard's table of offsets: LPS chest, sform set, bytes of header extensions."""
    z, y, x = GRID.spacing_mm
    header = bytearray(352)

    def put(offset: int, kind: str, *values: float) -> None:
        packed = np.array(values, np.dtype(order + kind)).tobytes()
        header[offset : offset + len(packed)] = packed

    put(0, "i4", 348)
    put(40, "i2", 3, 44, 36, 16, 1, 1, 1, 1)
    put(70, "i2", 4, 16)
    put(76, "f4", 1, x, y, z)
    put(108, "f4", 352 + extensions, 1, 0)
    header[123] = 2  # millimetres
    put(252, "i2", 0, 1)
    put(280, "f4", -x, 0, 0, 170, 0, -y, 0, 140, 0, 0, z, -50)
    header[344:348] = b"n+1\0"
    if extensions:
        header[348] = 1
        header += np.array([extensions, 6], order + "i4").tobytes() + b"x" * (extensions - 8)
    return header + chest_hu().astype(order + "i2").tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("extensions", [0, 48])
def test_nifti_in_both_byte_orders(tmp_path, order, packed, extensions):
    content = nifti_bytes(order, extensions)
    path = tmp_path / ("data.nii.gz" if packed else "data.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    outcome = ingest(unlabelled(path), tmp_path)
    assert outcome.verdict["verdict"] == "accepted", outcome.words
    volume = read_volume(outcome.volume, "ingest")
    assert np.array_equal(volume.ct, chest_hu())
    assert volume.grid.origin_mm == pytest.approx((-170.0, -140.0, -50.0))
    assert volume.grid.spacing_mm == pytest.approx(GRID.spacing_mm)


@pytest.mark.parametrize("at", [2, 11, 400])
def test_a_packed_nifti_that_is_damaged_anywhere_is_named(tmp_path, at):
    """In the head of gzip, in the header and in the voxels."""
    path = tmp_path / "data.nii.gz"
    content = bytearray(gzip.compress(nifti_bytes("<"), mtime=0))
    content[at : at + 8] = b"\xff" * 8
    path.write_bytes(content)
    outcome = ingest(unlabelled(path), tmp_path)
    assert outcome.verdict["verdict"] == "rejected" and outcome.codes[0] in ("unreadable", "damaged")
    assert outcome.words.startswith("data.nii.gz is ")


def test_nifti_of_other_kinds_is_named(tmp_path):
    path = tmp_path / "data.nii"
    for change, words in (
        ((344, b"ni1\0"), "split NIfTI header"),
        ((0, (540).to_bytes(4, "little")), "NIfTI-2"),
        ((70, (32).to_bytes(2, "little")), "data type 32"),
        ((108, bytes(4)), "begin at byte 0"),
    ):
        content = nifti_bytes("<")
        content[change[0] : change[0] + len(change[1])] = change[1]
        path.write_bytes(content)
        outcome = ingest(unlabelled(path), tmp_path)
        assert outcome.codes == ["unreadable"] and words in outcome.words


def test_digests_tell_one_ct_in_other_clothes(tmp_path):
    """Another format, offset, padding and orientation: other bytes, one CT."""
    plain = write_pair(tmp_path / "1")
    turned = Grid(GRID.shape, GRID.spacing_mm, (170.0, -140.0, -50.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    stored = (chest_hu() + np.int16(1024))[:, :, ::-1]
    dressed = write_pair(tmp_path / "2", stored, gtv_mask()[:, :, ::-1], turned, suffix=".mha")
    one, two = ingest(plain, tmp_path).verdict, ingest(dressed, tmp_path).verdict
    assert one["ct_digest"] == two["ct_digest"]
    assert one["ct_slice_digests"] == two["ct_slice_digests"]
    # Of a hundred million slices no two have the same 64 bits by chance.
    assert {len(digest) * 4 for digest in one["ct_slice_digests"]} == {64}
    assert one["digests"]["image"] != two["digests"]["image"]
    assert ingest(write_pair(tmp_path / "3", chest_hu(1)), tmp_path).verdict["ct_digest"] != one["ct_digest"]
