"""The lungs are found, or nothing is claimed: every failure listed for the crop has a phantom here."""

from dataclasses import replace

import numpy as np
import pytest
from lunggtv.cache.lungs import Lungs, _airway, _choose_seeds, _close_sides, _regrow, find_lungs
from lunggtv.cache.shrinking import shrink, shrink_factors, shrunken_grid
from lunggtv.geometry import Grid, Orientation

from tests.unit.cache_cases import beyond_mm, demo, search

STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
# One voxel of the shrunken copy in plane, one slice along z: what a box with margins of 20 mm can bear.
CLOSE_MM = 7.0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def assert_found(ct: np.ndarray, lungs: np.ndarray, grid: Grid) -> None:
    """The box without margins is that of the true lungs."""
    _, crop = search(ct, grid)
    assert crop.fallback_reason is None
    reach_mm = beyond_mm(lungs, crop, grid)
    assert max(reach_mm) <= CLOSE_MM, reach_mm
    assert min(reach_mm) >= -2 * CLOSE_MM, reach_mm


class TestShrink:
    def test_means_of_whole_blocks(self):
        ct = np.arange(2 * 2 * 5, dtype=np.int16).reshape(2, 2, 5)
        # Blocks of 2 x 2 voxels of one slice; the fifth column is left out.
        assert shrink(ct, (1, 2, 2)).tolist() == [[[3.0, 5.0]], [[13.0, 15.0]]]

    def test_padding_counts_as_air(self):
        ct = np.array([[[-3024, -2000, -1024, -1024]]], dtype=np.int16)
        assert shrink(ct, (1, 1, 2)).tolist() == [[[-1024.0, -1024.0]]]

    @pytest.mark.parametrize("hu", [-1024, 1500])
    def test_sums_of_large_blocks_do_not_overflow(self, hu):
        assert shrink(np.full((9, 4, 4), hu, np.int16), (9, 4, 4)).tolist() == [[[float(hu)]]]

    def test_grid_has_the_centres_of_the_blocks(self):
        grid = Grid((4, 9, 10), (5.0, 1.0, 1.2), (0.0, 0.0, 0.0), STRAIGHT)
        factors = shrink_factors(grid)
        assert factors == (1, 4, 3)
        small = shrunken_grid(grid, factors)
        assert small.shape == (4, 2, 3) and small.spacing_mm == pytest.approx((5.0, 4.0, 3.6))
        assert small.origin_mm == pytest.approx((1.2, 1.5, 0.0))

    def test_a_single_slice_survives(self):
        grid = Grid((1, 8, 8), (0.5, 1.0, 1.0), (0.0, 0.0, 0.0), STRAIGHT)
        assert shrink(np.zeros(grid.shape, np.int16), shrink_factors(grid)).shape == (1, 2, 2)


class TestPlainPatients:
    @pytest.mark.parametrize("number", [1, 2, 4, 6, 9, 12])
    def test_found_whatever_tumour_sits_where(self, number):
        # Solitary, pleural, hilar, with atelectasis and nodes; padding -1024, -2000 and -3024.
        phantom = demo(number)
        assert_found(phantom.ct, phantom.lungs, phantom.grid)

    def test_mask_is_the_lungs(self):
        phantom = demo(2)
        lungs, _ = search(phantom.ct, phantom.grid)
        assert lungs.mask.shape == phantom.lungs.shape
        assert dice(lungs.mask, phantom.lungs.astype(bool)) > 0.93
        right_ml, left_ml = lungs.sides_ml
        true_ml = phantom.lungs.sum() * phantom.grid.voxel_ml
        assert right_ml + left_ml == pytest.approx(true_ml, rel=0.1)

    def test_midline_is_that_of_the_body(self):
        phantom = demo(2)
        lungs, _ = search(phantom.ct, phantom.grid)
        heart_is_left = lungs.mask[:, :, : round(lungs.midline_vox)].sum() > lungs.mask.sum() / 2
        assert heart_is_left
        middle_mm = phantom.grid.point_mm((0, 0, lungs.midline_vox))[0]
        assert middle_mm == pytest.approx(
            phantom.grid.point_mm((0, 0, (phantom.grid.shape[2] - 1) / 2))[0], abs=6
        )


class TestPlantedFailures:
    @pytest.mark.parametrize(
        "variant", ["arms_down", "closed_airway", "contrast", "joined_lungs", "sharp_kernel"]
    )
    def test_peculiarities_change_nothing(self, variant):
        phantom = demo(2, variant)
        assert_found(phantom.ct, phantom.lungs, phantom.grid)

    @pytest.mark.parametrize("variant", ["collapsed_lung", "missing_lung", "effusion", "consolidation"])
    def test_one_small_lung_makes_the_box_symmetric(self, variant):
        phantom = demo(2, variant)
        _, crop = search(phantom.ct, phantom.grid)
        assert crop.symmetric and crop.fallback_reason is None
        assert [warning.code for warning in crop.warnings] == ["one_lung_small"]
        # Both sides of the chest are inside, the airless one too.
        assert max(beyond_mm(demo(2).lungs, crop, phantom.grid)) <= CLOSE_MM

    @pytest.mark.parametrize("variant", ["no_apices", "no_bases"])
    def test_lungs_cut_by_the_scan_fall_back(self, variant):
        phantom = demo(2, variant)
        _, crop = search(phantom.ct, phantom.grid)
        assert "along z" in crop.fallback_reason
        assert crop.shape[0] == phantom.grid.shape[0]

    def test_a_scan_without_lungs_falls_back_in_spite_of_bowel_gas(self):
        phantom = demo(2, "lungless")
        gassy = phantom.ct.copy()
        z, y, x = (n // 2 for n in gassy.shape)
        gassy[z - 4 : z + 4, y - 12 : y + 2, x - 20 : x + 20] = -990
        _, crop = search(gassy, phantom.grid)
        assert crop.fallback_reason == "no lungs were found"


class TestPlantedByHand:
    def test_stomach_full_of_gas_is_no_lung(self):
        phantom = demo(2, "missing_lung")
        lungs, _ = search(phantom.ct, phantom.grid)
        floor = int(np.flatnonzero(phantom.lungs.any(axis=(1, 2)))[0])
        gassy = phantom.ct.copy()
        # 13 x 10 x 11 cm of gas that reach up to the lower border of the lung.
        gassy[floor - 12 : floor + 8, 40:71, 60:94] = -980
        found, crop = search(gassy, phantom.grid)
        assert crop.fallback_reason is None
        assert abs(sum(found.sides_ml) - sum(lungs.sides_ml)) < 60.0

    def test_padding_ring_and_noise_outside_the_field_of_view(self):
        phantom = demo(2)
        ringed = phantom.ct.copy()
        y, x = np.indices(ringed.shape[1:])
        middle = (ringed.shape[1] - 1) / 2
        outside = np.hypot(y - middle, x - middle) > 0.49 * ringed.shape[1]
        ringed[:, outside] = (
            np.random.default_rng(0).choice([-3024, -2000, -1024], outside.sum()).astype(np.int16)
        )
        assert_found(ringed, phantom.lungs, phantom.grid)

    def test_a_body_cut_by_the_field_of_view(self):
        phantom = demo(2)
        columns = np.flatnonzero(phantom.lungs.any(axis=(0, 1)))
        # Both side walls are gone, the lungs themselves begin at the border.
        cut = slice(columns[0], columns[-1] + 1)
        grid = phantom.grid.cropped(
            (0, 0, int(columns[0])), (*phantom.grid.shape[:2], int(columns[-1] + 1 - columns[0]))
        )
        assert_found(phantom.ct[:, :, cut], phantom.lungs[:, :, cut], grid)

    def test_a_mask_that_touches_face_and_couch(self):
        phantom = demo(2)
        masked = phantom.ct.copy()
        body = np.flatnonzero((phantom.ct[22] > -300).any(axis=1))
        # A shell of one voxel over the chest, closed with the couch: 8 mm of air over the skin.
        front = body[0] - 3
        masked[10:36, front, 20:92] = 100
        masked[10:36, front : body[-1], 20] = 100
        masked[10:36, front : body[-1], 91] = 100
        assert_found(masked, phantom.lungs, phantom.grid)

    @pytest.mark.parametrize(("scale", "found"), [(1.2, True), (1.0, False)])
    def test_what_is_emptier_than_any_lung_is_lung_only_if_it_is_as_large(self, scale, found):
        """Air of -1000 HU between the vessels: means of -950 to -960 HU, seeds of 0.9 or of 0.4 litres."""
        phantom = demo(2)
        empty = phantom.ct.copy()
        empty[(phantom.lungs == 1) & (empty < -600)] = -1000
        grid = replace(phantom.grid, spacing_mm=tuple(scale * mm for mm in phantom.grid.spacing_mm))
        if found:
            assert_found(empty, phantom.lungs, grid)
        else:
            assert search(empty, grid)[1].fallback_reason == "no lungs were found"

    @pytest.mark.parametrize(
        ("volume_ml", "mean_hu", "is_lung"),
        [(1000, -960, True), (700, -960, False), (1000, -980, False), (700, -940, True)],
    )
    def test_seeds_are_told_from_gas_by_size_and_density(self, volume_ml, mean_hu, is_lung):
        eroded = np.zeros((20, 30, 60), bool)
        eroded[: volume_ml // 50, :10, :5] = True  # voxels of 1 ml, off the midline
        hu = np.full(eroded.shape, mean_hu, np.float32)
        seeds = _choose_seeds(eroded, hu, midline_vox=50.0, spacing_mm=(10.0, 10.0, 10.0))
        assert seeds.any() == is_lung

    @pytest.mark.parametrize(("top", "is_lung"), [(13, False), (14, False), (15, True)])
    def test_a_seed_below_the_lowest_part_of_the_lungs_is_gas(self, top, is_lung):
        """The lung's seed reaches from slice 4 to 34: a seed that ends below 4 + 0.35 * 30 lies under the diaphragm."""
        eroded = np.zeros((36, 30, 60), bool)
        eroded[4:34, 2:25, 2:20] = True
        eroded[:top, 2:12, 40:50] = True
        hu = np.full(eroded.shape, -800, np.float32)
        seeds = _choose_seeds(eroded, hu, midline_vox=29.5, spacing_mm=(8.0, 8.0, 8.0))
        assert seeds[10, 5, 10] and seeds[1, 5, 45] == is_lung

    @pytest.mark.parametrize(("first", "is_lung"), [(2, True), (20, False), (25, False), (26, True)])
    def test_small_seeds_count_off_the_midline_alone(self, first, is_lung):
        """Five columns of 10 mm: 30 ml are lung 30 mm off the middle of the body, and else gullet or windpipe."""
        eroded = np.zeros((20, 30, 60), bool)
        eroded[:6, :1, first : first + 5] = True
        hu = np.full(eroded.shape, -800, np.float32)
        assert _choose_seeds(eroded, hu, midline_vox=24.5, spacing_mm=(10.0, 10.0, 10.0)).any() == is_lung

    def test_the_body_is_denser_than_minus_500_hu(self):
        hu = np.full((3, 40, 40), -1000.0, np.float32)
        hu[:, 5:35, 5:35] = -500.0
        assert not find_lungs(hu, (5.0, 3.5, 3.5)).body.any()
        hu[:, 10:30, 10:30] = -499.0
        body = np.argwhere(find_lungs(hu, (5.0, 3.5, 3.5)).body)
        assert body.min(axis=0).tolist() == [0, 10, 10] and body.max(axis=0).tolist() == [2, 29, 29]

    @pytest.mark.parametrize(("width", "is_body"), [(4, False), (5, True)])
    def test_what_hangs_on_eight_millimetres_is_couch(self, width, is_body):
        """A plate behind the body, joined to it by a bridge; pixels of 2 mm."""
        hu = np.full((2, 80, 60), -1000.0, np.float32)
        hu[:, 5:40, 10:50] = hu[:, 60:70, 10:50] = 40.0
        hu[:, 40:60, 28 : 28 + width] = 40.0
        assert find_lungs(hu, (5.0, 2.0, 2.0)).body[:, 62:68, 15:45].any() == is_body

    def test_a_thin_fold_of_the_body_is_followed_for_twelve_millimetres(self):
        hu = np.full((2, 60, 60), -1000.0, np.float32)
        hu[:, 5:35, 10:50] = 40.0
        hu[:, 35:55, 29:31] = 40.0  # pixels of 2 mm
        rows = np.flatnonzero(find_lungs(hu, (5.0, 2.0, 2.0)).body.any(axis=(0, 2)))
        assert (rows[0], rows[-1]) == (5, 34 + 6)

    @staticmethod
    def is_lung(size: tuple[int, int, int], first_x: int = 2) -> bool:
        """Whether a block of so many voxels of 1 cm counts as a seed; the midline is column 49.5."""
        eroded = np.zeros((42, 32, 100), bool)
        eroded[: size[0], : size[1], first_x : first_x + size[2]] = True
        hu = np.full(eroded.shape, -800, np.float32)
        return bool(_choose_seeds(eroded, hu, midline_vox=49.5, spacing_mm=(10.0, 10.0, 10.0)).any())

    def test_a_seed_holds_three_millilitres_and_sixty_at_the_midline(self):
        assert self.is_lung((3, 1, 1)) and not self.is_lung((2, 1, 1))
        assert self.is_lung((6, 5, 2), first_x=49) and not self.is_lung((29, 1, 2), first_x=49)

    @pytest.mark.parametrize(
        ("largest", "too_large"),
        [
            ((38, 10, 10), (39, 10, 10)),
            ((10, 28, 10), (10, 29, 10)),
            ((10, 10, 34), (10, 10, 35)),
            ((10, 4, 18), (10, 4, 19)),  # flat and wide: the foam of a couch
            ((10, 5, 19), (10, 4, 19)),
        ],
    )
    def test_no_lung_is_larger_nor_flatter(self, largest, too_large):
        assert self.is_lung(largest) and not self.is_lung(too_large)

    @staticmethod
    def airway_above(tube: np.ndarray, hu: float = -900.0) -> np.ndarray:
        """What is cut away in slice 45 of a tube (y, x) that stands on two lungs, which end with slice 40; 2.5 mm."""
        dark = np.zeros((60, 40, 60), bool)
        dark[5:41, 5:35, 32:58] = dark[5:41, 5:35, 2:28] = True
        dark[41:55] = tube
        values = np.where(dark, -900.0, 0.0)
        values[41:55][:, tube] = hu
        return _airway(values, dark, 29.5, (5.0, 2.5, 2.5))[45]

    @pytest.mark.parametrize(
        ("rows", "columns", "found"),
        [
            (12, slice(26, 34), True),
            (13, slice(26, 34), False),
            (4, slice(40, 43), True),
            (4, slice(41, 44), False),
        ],
        ids=["6 cm2", "6.5 cm2", "28.8 mm aside", "31.3 mm aside"],
    )
    def test_the_windpipe_is_small_and_near_the_midline(self, rows, columns, found):
        tube = np.zeros((40, 60), bool)
        tube[14 : 14 + rows, columns] = True
        assert self.airway_above(tube).any() == found

    def test_the_windpipe_is_emptier_than_minus_700_hu(self):
        tube = np.zeros((40, 60), bool)
        tube[18:22, 28:32] = True
        assert self.airway_above(tube, -701).any() and not self.airway_above(tube, -700).any()

    def test_the_wall_of_the_windpipe_is_seven_millimetres(self):
        """Three pixels of 2.5 mm, of half empty ones around it."""
        spacing_mm = (5.0, 2.5, 2.5)
        dark = np.zeros((60, 40, 60), bool)
        dark[5:41, 5:35, 35:58] = dark[5:41, 5:35, 2:25] = True
        hu = np.where(dark, -900.0, 0.0)
        dark[41:55, 10:30, 20:40], hu[41:55, 10:30, 20:40] = True, -500.0
        hu[41:55, 18:22, 29:31] = -900.0
        cut = np.argwhere(_airway(hu, dark, 29.5, spacing_mm)[45])
        assert cut.min(axis=0).tolist() == [15, 26] and cut.max(axis=0).tolist() == [24, 33]

    def test_the_windpipe_is_cut_away_above_the_lungs_and_recesses_below_stay(self):
        """A tube by the midline from the lungs' bottom to above their top."""
        spacing_mm = (5.0, 2.5, 2.5)
        dark = np.zeros((60, 40, 60), bool)
        dark[5:41, 5:35, 32:58] = dark[5:41, 5:35, 2:28] = True  # the lungs' top is slice 40
        dark[5:55, 18:22, 29:31] = True
        airway = _airway(np.where(dark, -900.0, 0.0), dark, 29.5, spacing_mm)
        assert airway[45, 18:22, 29:31].all() and airway[30, 18:22, 29:31].all()
        assert not airway[:28].any(), "no deeper than 60 mm below the top"
        assert not airway[45:, 5:35, 40:].any()

    @pytest.mark.parametrize(("gap", "closed"), [(12, True), (13, False)])
    def test_vessels_and_tumours_of_24_millimetres_are_taken_in(self, gap, closed):
        mask = np.zeros((1, 60, 60), bool)
        mask[:, 10:25, 5:35] = mask[:, 25 + gap : 45, 5:35] = True  # pixels of 2 mm
        assert _close_sides(mask, 45.0, (5.0, 2.0, 2.0))[0, 25 : 25 + gap, 20].all() == closed

    def test_regrowth_reaches_fifty_millimetres_on_slices_thicker_than_pixels(self):
        dark = np.zeros((60, 5, 5), bool)
        dark[:, 2, 2] = True
        seeds = np.zeros_like(dark)
        seeds[30, 2, 2] = True
        slices = np.flatnonzero(_regrow(seeds, dark, (5.0, 2.5, 2.5)).any(axis=(1, 2)))
        assert (slices[0], slices[-1]) == (20, 40)

    @pytest.mark.parametrize(
        ("midline_vox", "sides_ml"), [(2.5, (1.0, 2.0)), (3.0, (2.0, 1.0)), (4.5, (3.0, 0.0))]
    )
    def test_sides_are_parted_at_the_midline(self, midline_vox, sides_ml):
        """Voxels of 1 ml in columns 2, 3 and 4; the one that the midline crosses counts to the right side."""
        mask = np.zeros((1, 1, 6), bool)
        mask[..., 2:5] = True
        lungs = Lungs(mask, np.ones_like(mask), (10.0, 10.0, 10.0), midline_vox)
        assert lungs.sides_ml == pytest.approx(sides_ml)

    def test_values_stored_1024_too_high_claim_nothing(self):
        phantom = demo(2)
        lungs, crop = search(phantom.ct + np.int16(1024), phantom.grid)
        assert not lungs.mask.any() and crop.fallback_reason == "no lungs were found"

    @pytest.mark.parametrize("value", [-1024, 0, 3000])
    def test_a_constant_volume_claims_nothing(self, value):
        grid = Grid((8, 30, 30), (5.0, 3.5, 3.5), (0.0, 0.0, 0.0), STRAIGHT)
        lungs, crop = search(np.full(grid.shape, value, np.int16), grid)
        assert not lungs.mask.any()
        assert (crop.start, crop.shape) == ((0, 0, 0), grid.shape)

    @pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 40), (40, 1, 3), (3, 5, 2)])
    def test_tiny_volumes_do_not_crash(self, shape):
        rng = np.random.default_rng(0)
        grid = Grid(shape, (5.0, 1.0, 1.0), (0.0, 0.0, 0.0), STRAIGHT)
        _, crop = search(rng.integers(-1024, 500, shape).astype(np.int16), grid)
        assert crop.fallback_reason is not None

    def test_upside_down_storage_gives_the_same_lungs(self):
        # Ingest turns axes; a volume that is stored flipped and turned back must give the same mask.
        phantom = demo(2)
        turn = Orientation((1, 2, 0), (True, False, True))
        stored = turn.undo(phantom.ct)
        there, _ = search(turn.apply(stored), phantom.grid)
        here, _ = search(phantom.ct, phantom.grid)
        assert np.array_equal(there.mask, here.mask)


class TestSlices:
    @pytest.mark.parametrize("slice_mm", [0.5, 0.9, 2.5, 7.0])
    def test_thin_and_thick_slices(self, slice_mm):
        phantom = demo(2, spacing_mm=(slice_mm, 4.0, 4.0))
        assert_found(phantom.ct, phantom.lungs, phantom.grid)

    def test_fine_pixels(self):
        phantom = demo(2, spacing_mm=(6.25, 1.6, 1.6))
        assert_found(phantom.ct, phantom.lungs, phantom.grid)


def test_same_input_same_lungs():
    phantom = demo(9)
    factors = shrink_factors(phantom.grid)
    hu = shrink(phantom.ct, factors)
    spacing_mm = shrunken_grid(phantom.grid, factors).spacing_mm
    first, again = find_lungs(hu, spacing_mm), find_lungs(hu.copy(), spacing_mm)
    assert np.array_equal(first.mask, again.mask) and first.midline_vox == again.midline_vox


def test_without_a_seed_nothing_dark_is_lung():
    dark = np.ones((4, 5, 6), bool)
    seeds = np.zeros_like(dark)
    assert not _regrow(seeds, dark, (5.0, 4.0, 4.0)).any()
    seeds[1, 2, 3] = True
    assert _regrow(seeds, dark, (5.0, 4.0, 4.0)).any()
