"""Voxels of a packed image, piece by piece."""

import gzip
import zlib

import numpy as np
import pytest
from lunggtv import image_streams
from lunggtv.image_headers import Storage
from lunggtv.image_streams import BrokenStream, read_voxels

STORED = np.random.default_rng(0).integers(-1024, 3000, (5, 11, 13), dtype=np.int16)
BEFORE = b"header"
ONCE = {"gzip": gzip.compress, "zlib": zlib.compress}


@pytest.mark.parametrize(
    ("compression", "cuts"), [("gzip", ()), ("gzip", (300, 301, 1000)), ("zlib", ()), ("zlib", (700,))]
)
@pytest.mark.parametrize("chunk_bytes", [1, 100, 1 << 20])
def test_pieces_and_streams_come_one_behind_the_other(tmp_path, monkeypatch, compression, cuts, chunk_bytes):
    monkeypatch.setattr(image_streams, "CHUNK_BYTES", chunk_bytes)
    data = b"offset" + STORED.tobytes()
    streams = [ONCE[compression](data[a:b]) for a, b in zip((0, *cuts), (*cuts, None), strict=True)]
    storage = Storage("<i2", offset=len(BEFORE), compression=compression, inner_offset=len(b"offset"))
    path = tmp_path / "ct.gz"
    path.write_bytes(BEFORE + b"".join(streams) + bytes(7))
    assert np.array_equal(read_voxels(path, storage, STORED.shape), STORED)
    longer = data + b"!"
    for wrong, words in (
        (data[:-1], f"is truncated: {len(data) - 1} bytes of voxels instead of {len(data)}"),
        (longer, f"holds more than the {len(data)} bytes that its header says"),
    ):
        streams = [ONCE[compression](wrong[a:b]) for a, b in zip((0, *cuts), (*cuts, None), strict=True)]
        path.write_bytes(BEFORE + b"".join(streams))
        with pytest.raises(BrokenStream, match=words):
            read_voxels(path, storage, STORED.shape)
    streams = [ONCE[compression](data[a:b]) for a, b in zip((0, *cuts), (*cuts, None), strict=True)]
    path.write_bytes(BEFORE + b"".join(streams)[:-2])
    with pytest.raises(BrokenStream, match=f"is truncated: {len(data)} of {len(data)} bytes could be read"):
        read_voxels(path, storage, STORED.shape)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("offset", [len(BEFORE), -1])
def test_plain_voxels_fill_their_file_to_its_end(tmp_path, order, offset):
    data, path = STORED.astype(f"{order}i2").tobytes(), tmp_path / "ct.raw"
    storage = Storage(f"{order}i2", offset=offset)
    path.write_bytes(BEFORE + data)
    found = read_voxels(path, storage, STORED.shape)
    assert found.dtype == np.int16 and found.dtype.isnative and found.flags.writeable
    assert np.array_equal(found, STORED)
    for content, words in (
        (data[: -len(BEFORE) - 1], "truncated"),
        (BEFORE + data + b"!", "longer than its header says"),
    ):
        path.write_bytes(content)
        have = len(content) - max(offset, 0)
        if offset > 0 or words == "truncated":
            with pytest.raises(BrokenStream) as caught:
                read_voxels(path, storage, STORED.shape)
            assert str(caught.value) == f"is {words}: {have} bytes of voxels instead of {len(data)}"
