"""The cache stage on files: what it writes, that the label has no say, what is measured, and the way back."""

import json
import logging
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from lunggtv.cache.cache_patient import _log, cache_patient
from lunggtv.cache.cache_settings import CacheSettings
from lunggtv.cache.collect_crops import collect_crops
from lunggtv.cache.crop_picture import draw_crop
from lunggtv.cache.lungs import find_lungs
from lunggtv.cache.picture_crop import picture_crop
from lunggtv.cache.shrinking import shrink, shrink_factors, shrunken_grid
from lunggtv.errors import ConfigError, DamagedFile, RejectedPatient
from lunggtv.files import read_json, write_json
from lunggtv.geometry import Grid, Orientation
from lunggtv.image_files import write_image
from lunggtv.masks import dice
from lunggtv.resampling import paste_box, resample_mask, resample_probability
from lunggtv.settings import settings_from
from lunggtv.tables import read_tsv
from lunggtv.volume import read_volume, write_rejected
from PIL import Image

from tests.unit.cache_cases import SECTION, demo, ingested, settings

CONTRACT = {
    "patient", "box_start", "box_shape", "fallback", "fallback_reason", "lungs_ml", "gtv_ml", "gtv_lost_ml",
    "round_trip_dice",
}  # fmt: skip
NATIVE = {"spacing_mm": [None, None, None]}


@pytest.fixture
def source(tmp_path):
    return tmp_path / "ingest" / "7" / "volume.h5"


def run(source, own=None, lungs_path=None, name="cache"):
    """Run the stage and draw its picture; return cache volume, crop record and picture path."""
    folder = source.parents[2] / name / "7"
    paths = folder / "volume.h5", folder / "crop.json", folder / "crop.png"
    cache_patient(
        source, own or settings(), cache_path=paths[0], crop_json_path=paths[1], lungs_path=lungs_path
    )
    picture_crop(volume=source, cache=paths[0], record=paths[1], picture=paths[2])
    return read_volume(paths[0], "cache"), read_json(paths[1]), paths[2]


def inside(record):
    return tuple(slice(a, a + n) for a, n in zip(record["box_start"], record["box_shape"], strict=True))


class TestOutputs:
    def test_a_labelled_patient(self, source):
        phantom = demo(2)
        ingested(source, phantom)
        cached, record, picture = run(source)
        assert set(record) >= CONTRACT and record["patient"] == cached.patient == "7"
        assert not record["fallback"] and record["fallback_reason"] is None and record["warnings"] == []
        assert cached.ct.dtype == np.int16 and cached.label.dtype == cached.lungs.dtype == np.uint8
        assert cached.ct.shape == cached.label.shape == cached.lungs.shape == cached.grid.shape
        # 6.25 and 3.2 mm are within a tenth of 6 and 3 mm: native voxels, so the cache is a piece of the CT.
        assert np.array_equal(cached.ct, np.maximum(phantom.ct, -1024)[inside(record)])
        assert np.array_equal(cached.label, phantom.label[inside(record)])
        assert record["gtv_ml"] == pytest.approx(phantom.label.sum() * phantom.grid.voxel_ml, abs=1e-3)
        assert record["gtv_lost_ml"] == 0.0 and record["round_trip_dice"] == 1.0
        assert 0.1 < record["kept_share"] < 0.6
        with Image.open(picture) as image:
            assert image.format == "PNG" and image.width > 400
        assert picture.stat().st_size < 100_000

    def test_the_lungs_lie_on_the_lungs(self, source):
        phantom = demo(2)
        ingested(source, phantom)
        cached, record, _ = run(source, settings(spacing_mm=[4.0, 2.0, 2.0]))
        true = resample_mask(phantom.lungs, phantom.grid, cached.grid)
        both = np.count_nonzero(true & cached.lungs)
        assert 2 * both / (true.sum() + cached.lungs.sum()) > 0.92
        assert record["lungs_ml"] == pytest.approx(cached.lungs.sum() * cached.grid.voxel_ml, rel=0.03)

    @pytest.mark.parametrize("spacing_mm", [[None] * 3, [5.0, 2.5, 2.5], [9.0, 5.0, 5.0]])
    def test_the_picture_has_the_lungs_where_they_were_found(self, source, monkeypatch, spacing_mm):
        phantom, scenes = demo(2), []
        ingested(source, phantom)

        def drawn(scene, *words):
            scenes.append(scene)
            return draw_crop(scene, *words)

        monkeypatch.setattr("lunggtv.cache.picture_crop.draw_crop", drawn)
        _, record, _ = run(source, settings(spacing_mm=spacing_mm))
        (scene,) = scenes
        factors = shrink_factors(phantom.grid)
        small = shrunken_grid(phantom.grid, factors)
        found = find_lungs(shrink(np.maximum(phantom.ct, -1024), factors), small.spacing_mm)
        assert scene.factors == factors and scene.lungs.shape == found.mask.shape
        assert dice(scene.lungs > 0, found.mask) > (0.99 if spacing_mm[0] is None else 0.9)
        assert (scene.box_start, scene.box_shape) == (tuple(record["box_start"]), tuple(record["box_shape"]))
        for side, start, size in zip(scene.frame, record["body_start"], record["body_shape"], strict=True):
            assert side.start <= start and side.stop >= start + size

    def test_an_unlabelled_patient(self, source):
        ingested(source, demo(2), label=None)
        cached, record, _ = run(source)
        assert cached.label is None and cached.metadata["labelled"] is False
        assert (record["gtv_ml"], record["gtv_lost_ml"], record["round_trip_dice"]) == (None, None, None)

    def test_an_empty_label_has_no_ceiling(self, source):
        phantom = demo(2)
        ingested(source, phantom, label=np.zeros_like(phantom.label))
        _, record, _ = run(source)
        assert (record["gtv_ml"], record["gtv_lost_ml"], record["round_trip_dice"]) == (0.0, 0.0, None)

    def test_a_rerun_writes_the_same_bytes(self, source):
        ingested(source, demo(6))
        own = settings(spacing_mm=[5.0, 2.5, 2.5])
        run(source, own, name="first")
        run(source, own, name="second")
        for name in ("volume.h5", "crop.json", "crop.png"):
            first, second = (source.parents[2] / f / "7" / name for f in ("first", "second"))
            assert first.read_bytes() == second.read_bytes(), name

    def test_what_ingest_knew_is_passed_on(self, source):
        volume = ingested(source, demo(2))
        cached, record, _ = run(source)
        assert cached.metadata.items() >= volume.metadata.items()
        assert cached.metadata["ingested"] == volume.grid.to_dict()
        assert cached.metadata["box_start"] == record["box_start"]
        assert cached.metadata["box_shape"] == record["box_shape"]


class TestTheLabelHasNoSay:
    def test_box_ct_and_lungs_are_the_same_without_it(self, source):
        phantom = demo(8)
        ingested(source, phantom)
        with_label, record, _ = run(source)
        ingested(source, phantom, label=None)
        without, blind, _ = run(source)
        assert record["box_start"] == blind["box_start"] and record["box_shape"] == blind["box_shape"]
        assert np.array_equal(with_label.ct, without.ct) and np.array_equal(with_label.lungs, without.lungs)

    def test_a_label_far_outside_changes_no_box(self, source):
        phantom = demo(2)
        ingested(source, phantom)
        _, record, _ = run(source)
        far = np.zeros_like(phantom.label)
        far[0, 0, 0] = far[-1, -1, -1] = 1
        ingested(source, phantom, label=far)
        _, moved, _ = run(source)
        assert record["box_start"] == moved["box_start"] and record["box_shape"] == moved["box_shape"]
        assert moved["gtv_lost_ml"] == moved["gtv_ml"] and moved["round_trip_dice"] is None


class TestLosses:
    def test_lost_volume_is_measured_warned_and_logged(self, source, caplog):
        phantom = demo(2)
        label = phantom.label.copy()
        label[-1, 50:54, 50:60] = 1  # 40 voxels in the top slice, beyond the box
        ingested(source, phantom, label=label)
        with caplog.at_level(logging.WARNING):
            _, record, _ = run(source, settings(margin_mm=dict.fromkeys(SECTION["margin_mm"], 10)))
        assert record["gtv_lost_ml"] == pytest.approx(40 * phantom.grid.voxel_ml, abs=1e-3)
        assert [warning["code"] for warning in record["warnings"]] == ["gtv_lost"]
        assert "Patient 7" in caplog.text and "ml GTV lie outside the box" in caplog.text

    def test_the_ceiling_is_that_of_the_way_there_and_back(self, source):
        phantom = demo(2)
        ingested(source, phantom)
        cached, record, _ = run(source, settings(spacing_mm=[9.0, 5.0, 5.0]))
        box = phantom.grid.cropped(tuple(record["box_start"]), tuple(record["box_shape"]))
        back = resample_probability(cached.label.astype(np.float32), cached.grid, box) >= 0.5
        label = phantom.label[inside(record)].astype(bool)
        expected = 2 * np.count_nonzero(back & label) / (back.sum() + label.sum())
        assert record["round_trip_dice"] == pytest.approx(expected, abs=1e-4)
        assert expected < 0.98

    def test_a_finer_ct_is_warned_about_with_its_ceiling(self, source, caplog):
        ingested(source, demo(2))
        with caplog.at_level(logging.WARNING):
            _, record, _ = run(source, settings(spacing_mm=[9.0, 5.0, 5.0]))
        (warning,) = record["warnings"]
        assert warning["code"] == "finer_than_cache"
        assert f"{record['round_trip_dice']:.3f}" in warning["text"] and "z 6" in warning["text"]

    @pytest.mark.parametrize(("share", "codes"), [(0.905, []), (0.895, ["finer_than_cache"])])
    def test_finer_by_a_tenth_is_not_worth_a_warning(self, source, share, codes):
        phantom = demo(2)
        ingested(source, phantom)
        z, y, x = phantom.grid.spacing_mm
        _, record, _ = run(source, settings(spacing_mm=[z / share, y, x], keep_native_within=0.0))
        assert [warning["code"] for warning in record["warnings"]] == codes

    def test_a_fallback_is_flagged_and_logged(self, source, caplog):
        ingested(source, demo(2, "lungless"))
        with caplog.at_level(logging.WARNING):
            cached, record, picture = run(source)
        assert record["fallback"] is True and record["fallback_reason"] == "no lungs were found"
        assert cached.metadata["fallback"] is True and not cached.lungs.any()
        assert "the body's box was taken" in caplog.text and picture.exists()


class TestTheWayBack:
    @pytest.mark.parametrize(
        ("permutation", "flips"),
        [
            ((0, 1, 2), (False, True, True)),
            ((2, 0, 1), (True, False, False)),
            ((1, 2, 0), (True, True, False)),
        ],
    )
    def test_a_mask_returns_to_its_stored_voxels_exactly(self, source, permutation, flips):
        """As infer does it, from the cache alone: box, paste, undo; native spacing loses nothing."""
        phantom = demo(2)
        orientation = Orientation(permutation, flips)
        stored = orientation.undo(phantom.label)
        original = Grid(stored.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), phantom.grid.direction)
        metadata = {"original": original.to_dict(), "orientation": orientation.to_dict(), "ct_digest": "x"}
        ingested(source, phantom, metadata=metadata)
        cached, _, _ = run(source, settings(**NATIVE))
        way = cached.metadata
        grid = Grid.from_dict(way["ingested"])
        start, shape = tuple(way["box_start"]), tuple(way["box_shape"])
        back = resample_probability(cached.label.astype(np.float32), cached.grid, grid.cropped(start, shape))
        full = paste_box((back >= 0.5).astype(np.uint8), start, grid.shape, 0)
        returned = Orientation.from_dict(way["orientation"]).undo(full)
        assert np.array_equal(returned, stored)

    def test_the_cache_lies_where_it_says(self, source):
        phantom = demo(2)
        ingested(source, phantom)
        cached, _, _ = run(source, settings(spacing_mm=[4.0, 2.0, 2.0]))
        # The centre of the GTV in patient space is the same in the cache and in the CT.
        centres = [
            grid.point_mm(np.argwhere(label).mean(axis=0))
            for grid, label in ((phantom.grid, phantom.label), (cached.grid, cached.label))
        ]
        assert np.allclose(centres[0], centres[1], atol=0.5)


class TestLungsOfTheUser:
    def write(self, folder, mask, grid):
        folder.mkdir(exist_ok=True)
        write_image(folder / "lungs.nii.gz", mask, grid)
        return folder / "lungs.nii.gz"

    @pytest.mark.parametrize("changes", [{}, {"label": None}])
    def test_their_box_is_taken(self, source, tmp_path, changes):
        phantom = demo(2)
        ingested(source, phantom, **changes)
        mask = np.zeros_like(phantom.lungs)
        mask[8:36, 30:80, 20:92] = 3  # any value but 0
        path = self.write(tmp_path / "own", mask, phantom.grid)
        cached, record, _ = run(source, settings(margin_mm=dict.fromkeys(SECTION["margin_mm"], 0)), path)
        assert (record["box_start"], record["box_shape"]) == ([8, 30, 20], [28, 50, 72])
        assert (cached.label is None) == (record["gtv_lost_ml"] is None) == bool(changes)

    def test_they_are_turned_as_the_ct_was(self, source, tmp_path):
        phantom = demo(2)
        orientation = Orientation((0, 1, 2), (True, True, False))
        stored = orientation.undo(phantom.lungs)
        original = orientation.apply_to_grid(phantom.grid)
        metadata = {"original": original.to_dict(), "orientation": orientation.to_dict(), "ct_digest": "x"}
        ingested(source, phantom, metadata=metadata)
        path = self.write(tmp_path / "own", stored, original)
        _, record, _ = run(source, settings(margin_mm=dict.fromkeys(SECTION["margin_mm"], 0)), path)
        z = np.flatnonzero(phantom.lungs.any(axis=(1, 2)))
        assert (record["box_start"][0], record["box_shape"][0]) == (z[0], z[-1] + 1 - z[0])

    @pytest.mark.parametrize(
        "orientation",
        [Orientation((0, 1, 2), (True, True, False)), Orientation((2, 0, 1), (False, True, True))],
    )
    def test_they_may_be_stored_in_any_axis_order(self, source, tmp_path, orientation):
        phantom = demo(2)
        ingested(source, phantom)
        plain = self.write(tmp_path / "plain", phantom.lungs, phantom.grid)
        _, expected, _ = run(source, lungs_path=plain)
        path = self.write(
            tmp_path / "own", orientation.apply(phantom.lungs), orientation.apply_to_grid(phantom.grid)
        )
        _, record, _ = run(source, lungs_path=path)
        assert record == expected and record["fallback"] is False

    def test_the_background_of_a_scaled_mask_is_no_lung(self, source, tmp_path):
        phantom = demo(2)
        ingested(source, phantom)
        _, expected, _ = run(source, lungs_path=self.write(tmp_path / "plain", phantom.lungs, phantom.grid))
        # So scaled, the background is off 0.
        values = phantom.lungs * 2.0 - (1 - phantom.lungs) * 1.5e-5
        path = self.write(tmp_path / "own", values.astype(np.float32), phantom.grid)
        _, record, _ = run(source, lungs_path=path)
        assert record == expected

    def test_probabilities_are_refused(self, source, tmp_path):
        phantom = demo(2)
        ingested(source, phantom)
        path = self.write(tmp_path / "own", phantom.lungs * np.float32(0.7), phantom.grid)
        with pytest.raises(ConfigError, match=r"Patient 7: .*lungs\.nii\.gz: holds the values 0, 0\.7"):
            run(source, lungs_path=path)

    def test_implausible_ones_fall_back_too(self, source, tmp_path):
        phantom = demo(2)
        ingested(source, phantom)
        path = self.write(tmp_path / "own", np.zeros_like(phantom.lungs), phantom.grid)
        _, record, _ = run(source, lungs_path=path)
        assert record["fallback_reason"] == "no lungs were found"

    def test_another_grid_is_refused(self, source, tmp_path):
        phantom = demo(2)
        ingested(source, phantom)
        grid, (x, y, z) = phantom.grid, phantom.grid.origin_mm
        moved = replace(grid, origin_mm=(x, y, z + 6.0), spacing_mm=(7.0, *grid.spacing_mm[1:]))
        path = tmp_path / "lungs.nrrd"  # which keeps all digits
        write_image(path, phantom.lungs, moved)
        with pytest.raises(ConfigError) as caught:
            run(source, lungs_path=path)
        # 6 mm at the first of 44 slices, and half a millimetre more at each.
        assert str(caught.value) == (
            f"Patient 7: the lung mask (cache.lungs) {path}: is not on the grid of the CT: it lies up to 27.50 mm away "
            f"(spacing (7.0, 3.16, 3.16) mm against (6.5, 3.16, 3.16) mm, origin {moved.origin_mm} against "
            f"{grid.origin_mm}). Write the mask on the original grid of the CT."
        )
        write_image(path, phantom.lungs[1:], replace(grid, shape=(43, 112, 112)))
        words = r"it has 43 x 112 x 112 voxels \(z, y, x\), the CT has 44 x 112 x 112\. Write the mask on all"
        with pytest.raises(ConfigError, match=words):
            run(source, lungs_path=path)

    @pytest.mark.parametrize(("off_mm", "refused"), [(0.08, False), (0.12, True)])
    def test_a_tenth_of_a_millimetre_along_each_axis_is_the_same_grid(
        self, source, tmp_path, off_mm, refused
    ):
        phantom = demo(2)
        ingested(source, phantom)
        x, y, z = (value + off_mm for value in phantom.grid.origin_mm)
        moved = Grid(phantom.grid.shape, phantom.grid.spacing_mm, (x, y, z), phantom.grid.direction)
        path = self.write(tmp_path / "own", phantom.lungs, moved)
        with pytest.raises(ConfigError, match="not on the grid") if refused else nullcontext():
            run(source, lungs_path=path)

    def test_a_truncated_file_is_named(self, source, tmp_path):
        phantom = demo(2)
        ingested(source, phantom)
        path = self.write(tmp_path / "own", phantom.lungs, phantom.grid)
        path.write_bytes(path.read_bytes()[:-8])
        with pytest.raises(ConfigError, match=r"Patient 7: .*lungs\.nii\.gz: is truncated"):
            run(source, lungs_path=path)


class TestRefusals:
    def test_a_rejected_patient(self, source):
        write_rejected(source, "7", "Patient 7: no CT.")
        with pytest.raises(RejectedPatient, match="no CT"):
            run(source)

    def test_a_truncated_volume_leaves_no_outputs(self, source):
        ingested(source, demo(2))
        source.write_bytes(source.read_bytes()[:-1000])
        with pytest.raises(DamagedFile, match="Patient 7"):
            run(source)
        assert not (source.parents[2] / "cache").exists()

    def test_a_misspelt_setting(self):
        with pytest.raises(ConfigError, match="margins_mm"):
            settings_from(CacheSettings, {**SECTION, "margins_mm": {}})


class TestTable:
    def test_suspicious_crops_come_first(self, tmp_path):
        clean = {
            "patient": "1", "fallback": False, "fallback_reason": None, "symmetric": False, "gtv_ml": 4.0,
            "gtv_lost_ml": 0.0, "round_trip_dice": 1.0, "lungs_ml": 3000.0, "right_ml": 1600.0,
            "left_ml": 1400.0, "lungs_mm": [200.0, 150.0, 250.0], "kept_share": 0.1, "warnings": [],
        }  # fmt: skip
        remark = {"code": "one_lung_small", "text": "the left lung\nholds 0 ml"}
        records = [
            clean | {"patient": "10"},
            clean | {"patient": "2"},
            clean | {"patient": "3", "warnings": [remark, {"code": "gtv_lost", "text": "x"}]},
            clean | {"patient": "4", "fallback": True, "fallback_reason": "no lungs were found"},
            clean | {"patient": "5", "gtv_lost_ml": 0.5},
            clean | {"patient": "6", "gtv_lost_ml": 7.5},
            clean | {"patient": "9", "gtv_ml": None, "gtv_lost_ml": None, "round_trip_dice": None},
        ]
        paths = []
        for record in records:
            paths.append(tmp_path / record["patient"] / "crop.json")
            write_json(paths[-1], record)
        collect_crops(paths, tmp_path / "crops.tsv")
        rows = read_tsv(tmp_path / "crops.tsv")
        assert [row["patient"] for row in rows] == ["6", "5", "4", "3", "2", "9", "10"]
        assert rows[2]["fallback"] == "true" and rows[2]["fallback_reason"] == "no lungs were found"
        assert rows[3] == {
            "patient": "3", "fallback": "false", "fallback_reason": "", "gtv_ml": "4.0", "gtv_lost_ml": "0.0",
            "round_trip_dice": "1.0", "lungs_ml": "3000.0", "right_ml": "1600.0", "left_ml": "1400.0",
            "lungs_z_mm": "200.0", "lungs_y_mm": "150.0", "lungs_x_mm": "250.0", "kept_share": "0.1",
            "warnings": "one_lung_small, gtv_lost",
        }  # fmt: skip
        assert rows[5]["gtv_ml"] == ""

    def test_a_remark_on_all_crops_is_warned_of_and_marked_in_every_row(self, source, tmp_path, caplog):
        ingested(source, demo(2))
        run(source)
        crops = [source.parents[2] / "cache" / "7" / "crop.json"]
        collect_crops(crops, tmp_path / "plain.tsv")
        collect_crops(crops, tmp_path / "marked.tsv", "the plan is another")
        (plain,), (marked,) = read_tsv(tmp_path / "plain.tsv"), read_tsv(tmp_path / "marked.tsv")
        assert marked == plain | {"plan": "differs from today's proposal"}
        assert caplog.text.count("the plan is another.") == 1

    def test_reads_what_the_stage_writes(self, source, tmp_path):
        ingested(source, demo(2))
        _, record, _ = run(source)
        collect_crops([source.parents[2] / "cache" / "7" / "crop.json"], tmp_path / "crops.tsv")
        (row,) = read_tsv(tmp_path / "crops.tsv")
        assert row["patient"] == "7" and float(row["lungs_ml"]) == record["lungs_ml"]
        assert json.loads(row["fallback"]) is False


def test_every_remark_on_a_crop_is_warned_of(caplog):
    remarks = [{"code": "a", "text": "the left lung is small"}, {"code": "b", "text": "1 ml GTV is lost"}]
    record = {
        "patient": "7", "box_start": [0, 0, 0], "box_shape": [1, 1, 1], "lungs_ml": 1.0, "warnings": remarks,
        "fallback": True, "fallback_reason": "no lungs were found",
    }  # fmt: skip
    _log(record)
    told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(told) == 3 and told[0].startswith("Patient 7: ") and "no lungs were found" in told[0]
    assert told[1:] == ["Patient 7: the left lung is small.", "Patient 7: 1 ml GTV is lost."]
