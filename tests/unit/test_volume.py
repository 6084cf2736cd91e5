"""A volume on disk comes back whole, is the same bytes each time, and never lies when it is damaged."""

import h5py
import numpy as np
import pytest
from lunggtv.errors import DamagedFile, RejectedPatient
from lunggtv.geometry import Grid
from lunggtv.volume import SCHEMA, Volume, read_metadata, read_volume, write_rejected, write_volume

SHAPE = (20, 40, 66)
GRID = Grid(SHAPE, (5.0, 1.17, 1.17), (-12.5, 3.0, 700.25), (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))


def volume(**changes) -> Volume:
    rng = np.random.default_rng(0)
    fields = {
        "patient": "Müller 7",
        "ct": rng.integers(-1024, 3000, SHAPE).astype(np.int16),
        "grid": GRID,
        "label": (rng.random(SHAPE) > 0.99).astype(np.uint8),
        "lungs": (rng.random(SHAPE) > 0.5).astype(np.uint8),
        "metadata": {"ct_digest": "ab" * 32, "slice_digests": ["cd" * 32] * 3, "note": "ü"},
    }
    return Volume(**(fields | changes))


def same(a: Volume, b: Volume) -> bool:
    arrays = ((a.ct, b.ct), (a.label, b.label), (a.lungs, b.lungs))
    plain = (a.patient, a.grid, a.metadata) == (b.patient, b.grid, b.metadata)
    return plain and all(
        (x is None) == (y is None) and (x is None or np.array_equal(x, y)) for x, y in arrays
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "7" / "volume.h5"


class TestThereAndBack:
    @pytest.mark.parametrize(
        "changes", [{}, {"label": None}, {"lungs": None}, {"label": None, "lungs": None}]
    )
    @pytest.mark.parametrize("packed", [True, False])
    def test_everything_comes_back(self, path, changes, packed):
        write_volume(path, "cache", volume(**changes), packed)
        assert same(read_volume(path, "cache"), volume(**changes))

    def test_metadata_alone(self, path):
        write_volume(path, "ingest", volume())
        assert read_metadata(path, "ingest") == volume().metadata

    def test_metadata_larger_than_an_attribute_used_to_be(self, path):
        digests = {"slice_digests": ["ef" * 32] * 3000}
        write_volume(path, "cache", volume(metadata=digests))
        assert read_metadata(path, "cache") == digests

    def test_same_content_same_bytes(self, path):
        write_volume(path, "cache", volume())
        first = path.read_bytes()
        write_volume(path, "cache", volume())
        assert path.read_bytes() == first

    def test_plain_h5py_reads_it(self, path):
        write_volume(path, "cache", volume())
        with h5py.File(path, "r") as file:
            assert sorted(file) == ["ct", "label", "lungs"]
            assert file["ct"].attrs["units"] == b"HU"
            assert file.attrs["kind"] == b"cache" and file.attrs["schema"] == SCHEMA
            assert list(file.attrs["spacing_mm"]) == [5.0, 1.17, 1.17]
            assert file["ct"].fletcher32 and file["ct"].dtype == np.int16
            assert {file[name].compression for name in file} == {"gzip"}
        write_volume(path, "ingest", volume(), packed=False)
        with h5py.File(path, "r") as file:
            packing = {name: file[name].compression for name in file}
            assert packing == {"ct": None, "label": "gzip", "lungs": "gzip"}

    @pytest.mark.parametrize("changes", [{"ct": np.zeros(SHAPE)}, {"label": np.zeros((1, 2, 3), np.uint8)}])
    def test_wrong_types_and_shapes_are_refused_and_leave_nothing(self, path, changes):
        with pytest.raises(ValueError, match="needed is"):
            write_volume(path, "cache", volume(**changes))
        assert list(path.parent.parent.rglob("*.h5")) == []


class TestDamage:
    @pytest.mark.parametrize("packed", [True, False])
    def test_a_flipped_bit_anywhere_is_noticed_or_harmless(self, path, packed):
        write_volume(path, "cache", volume(), packed)
        whole = path.read_bytes()
        # All of the headers in steps of a few bytes, the chunks more sparsely.
        places = [*range(0, 4000, 37), *range(4000, len(whole), len(whole) // 150)]
        noticed = 0
        for place in places:
            damaged = bytearray(whole)
            damaged[place] ^= 1 << (place % 8)
            path.write_bytes(damaged)
            try:
                assert same(read_volume(path, "cache"), volume()), place
            except DamagedFile:
                noticed += 1
        assert noticed > 0.7 * len(places)

    @pytest.mark.parametrize("packed", [True, False])
    def test_a_flipped_byte_of_the_ct_names_patient_file_and_remedy(self, path, packed):
        write_volume(path, "cache", volume(), packed)
        damaged = bytearray(path.read_bytes())
        with h5py.File(path, "r") as file:
            chunk = file["ct"].id.get_chunk_info(0)
        damaged[chunk.byte_offset + chunk.size // 2] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(DamagedFile) as error:
            read_volume(path, "cache")
        assert "Patient 7" in str(error.value) and str(path) in str(error.value)
        assert "Delete the file and run snakemake again" in str(error.value)

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
    def test_truncated(self, path, share):
        write_volume(path, "cache", volume())
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        for read in (read_volume, read_metadata):
            with pytest.raises(DamagedFile, match="Delete the file"):
                read(path, "cache")

    def test_missing(self, path):
        with pytest.raises(DamagedFile, match="cannot be read"):
            read_volume(path, "cache")

    def test_another_schema(self, path):
        write_volume(path, "cache", volume())
        with h5py.File(path, "r+") as file:
            file.attrs["schema"] = 99
        with pytest.raises(DamagedFile, match=f"schema {SCHEMA}"):
            read_volume(path, "cache")

    def test_texts_as_the_first_schema_wrote_them(self, path):
        write_volume(path, "cache", volume())
        with h5py.File(path, "r+") as file:
            for name in ("kind", "patient", "metadata"):
                file.attrs[name] = file.attrs[name].decode("utf-8")
        for read in (read_volume, read_metadata):
            with pytest.raises(DamagedFile, match="Delete the file"):
                read(path, "cache")
        with h5py.File(path, "r+") as file:
            file.attrs["schema"] = 1
        with pytest.raises(DamagedFile, match=f"schema {SCHEMA}"):
            read_volume(path, "cache")

    def test_somebody_elses_hdf5(self, path):
        path.parent.mkdir()
        with h5py.File(path, "w") as file:
            file["ct"] = np.zeros(3)
        with pytest.raises(DamagedFile, match=f"schema {SCHEMA}"):
            read_volume(path, "cache")

    def test_a_volume_of_another_stage(self, path):
        write_volume(path, "ingest", volume())
        with pytest.raises(DamagedFile, match="stage ingest, not cache"):
            read_volume(path, "cache")


def test_a_rejected_patient_passes_on_the_reason(path):
    write_rejected(path, "7", "Patient 7: 3 slices are missing.")
    for read in (read_volume, read_metadata):
        with pytest.raises(RejectedPatient, match="3 slices are missing"):
            read(path, "ingest")
