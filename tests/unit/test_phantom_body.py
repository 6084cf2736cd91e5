"""Synthetic patients: measures of a real chest, tumours of their planned size, planted peculiarities."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from lungphantom import abdomen, tissue_hu
from lungphantom.body import Phantom, paint_phantom
from lungphantom.plan import FULL, PhantomPlan, PhantomSettings, plan_cohort
from scipy import ndimage

from tests.unit.phantom_plans import with_spacing

COARSE_MM = (7.0, 4.5, 4.5)
PLANS = plan_cohort(PhantomSettings(12, 0, seed=1))
# A plain patient: solitary tumour, nothing else planned.
PLAIN = with_spacing(replace(PLANS[4], features=(), tumour_ml=30.0), COARSE_MM)


@cache
def phantom_of(plan: PhantomPlan) -> Phantom:
    return paint_phantom(plan)


@cache
def plain(*variants: str) -> Phantom:
    return paint_phantom(replace(PLAIN, variants=variants))


def lung_litres(phantom: Phantom) -> tuple[float, float]:
    """Right and left lung, parted at the middle column."""
    middle = phantom.lungs.shape[2] // 2
    litre = phantom.grid.voxel_ml / 1000.0
    return (
        float(phantom.lungs[..., :middle].sum() * litre),
        float(phantom.lungs[..., middle:].sum() * litre),
    )


def label_ml(phantom: Phantom) -> float:
    return float(phantom.label.sum() * phantom.grid.voxel_ml)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.patient)
def test_lungs_pass_the_gates_for_plausible_lungs(plan):
    phantom = phantom_of(with_spacing(plan, COARSE_MM))
    where = np.argwhere(phantom.lungs)
    z_mm, y_mm, x_mm = (np.ptp(where, axis=0) + 1) * phantom.grid.spacing_mm
    assert 150 <= z_mm <= 360 and 120 <= y_mm <= 260 and 170 <= x_mm <= 320
    assert min(lung_litres(phantom)) > 0.5
    assert not phantom.lungs[0].any() and not phantom.lungs[-1].any()
    assert -900 < np.median(phantom.ct[phantom.lungs > 0]) < -700


def test_arrays_have_the_promised_types_and_grid():
    phantom = phantom_of(PLAIN)
    assert phantom.ct.dtype == np.int16
    for mask in (phantom.label, phantom.lungs, phantom.node, phantom.heart):
        assert mask.dtype == np.uint8 and mask.shape == phantom.ct.shape and set(np.unique(mask)) <= {0, 1}
    assert phantom.grid.shape == PLAIN.shape == phantom.ct.shape
    assert phantom.grid.spacing_mm == COARSE_MM


def test_the_same_plan_gives_the_same_patient():
    again = paint_phantom(PLAIN)
    for name in ("ct", "label", "lungs", "node", "heart"):
        np.testing.assert_array_equal(getattr(again, name), getattr(phantom_of(PLAIN), name))


@pytest.mark.parametrize("site", ["solitary", "pleural", "hilar", "mediastinal"])
@pytest.mark.parametrize("wanted_ml", [8.0, 120.0])
def test_tumours_have_their_planned_volume(site, wanted_ml):
    phantom = phantom_of(replace(PLAIN, site=site, tumour_ml=wanted_ml))
    # 8 ml are a hundred of these voxels: the surface rounds a tenth of them in or out.
    assert label_ml(phantom) == pytest.approx(wanted_ml, rel=0.15)
    # Most voxels of so small a tumour hold its edge; the densest tell what it is made of.
    assert 10 < np.percentile(phantom.ct[phantom.label > 0], 90) < 80


def test_sites_differ_in_how_much_of_the_tumour_lies_in_the_lung():
    def inside(site: str) -> float:
        phantom = phantom_of(replace(PLAIN, site=site))
        return float((phantom.label & phantom.lungs).sum() / phantom.label.sum())

    assert inside("solitary") == 1.0
    assert 0.6 < inside("pleural") < 1.0
    assert inside("mediastinal") < 0.75


def test_a_finer_grid_shows_the_same_tumour():
    fine = phantom_of(with_spacing(PLAIN, (3.0, 3.0, 3.0)))
    assert label_ml(fine) == pytest.approx(label_ml(phantom_of(PLAIN)), rel=0.06)
    assert label_ml(fine) == pytest.approx(30.0, rel=0.03)


def test_the_label_keeps_the_cavity():
    hollow = phantom_of(replace(PLAIN, features=("cavity",)))
    np.testing.assert_array_equal(hollow.label, phantom_of(PLAIN).label)
    air = (hollow.ct < -500) & (hollow.label > 0)
    assert 2.0 < air.sum() * hollow.grid.voxel_ml < 15.0
    # The hole lies inside: none of it at the rim of the label.
    rim = (hollow.label > 0) & ~ndimage.binary_erosion(hollow.label > 0)
    assert (air & rim).sum() < 0.2 * air.sum()


def test_atelectasis_looks_alike_and_is_not_labelled():
    wedge, without = phantom_of(replace(PLAIN, features=("atelectasis",))), phantom_of(PLAIN)
    np.testing.assert_array_equal(wedge.label, without.label)
    grown = (wedge.ct > 0) & (without.ct < -500)
    assert grown.sum() * wedge.grid.voxel_ml > 10.0
    assert not (grown & (wedge.label > 0)).any()
    difference_hu = np.median(wedge.ct[grown]) - np.median(wedge.ct[wedge.label > 0])
    assert -10 < difference_hu < 30


def test_spicules_reach_beyond_the_label():
    strands, without = phantom_of(replace(PLAIN, features=("spiculated",))), phantom_of(PLAIN)
    np.testing.assert_array_equal(strands.label, without.label)
    assert ((strands.ct - without.ct > 100) & (strands.label == 0)).sum() > 5


def test_a_node_is_a_second_part_of_the_label():
    with_node = phantom_of(replace(PLAIN, features=("node",)))
    assert label_ml(with_node) > label_ml(phantom_of(PLAIN)) + 1.5
    assert ((with_node.label > 0) | (phantom_of(PLAIN).label == 0)).all()
    assert not with_node.node.any()


def test_a_second_tumour_is_part_of_the_label_and_as_dense_as_the_first():
    plan = replace(PLANS[1], site="solitary", features=(), tumour_ml=10.0)
    one, two = paint_phantom(plan), paint_phantom(replace(plan, second=("pleural", 20.0)))
    assert np.all(two.label >= one.label)
    another = (two.label > 0) & (one.label == 0)
    assert np.count_nonzero(another) * two.grid.voxel_ml == pytest.approx(20.0, rel=0.15)
    means = [float(two.ct[ndimage.binary_erosion(part)].mean()) for part in (one.label > 0, another)]
    assert means[0] == pytest.approx(means[1], abs=8.0)
    assert np.array_equal(paint_phantom(plan).ct, one.ct)


def test_a_supraclavicular_node_lies_wholly_above_the_lungs():
    (plan,) = (p for p in plan_cohort(PhantomSettings(7, 0, size=FULL)) if "supraclavicular" in p.features)
    phantom = phantom_of(with_spacing(plan, (5.0, 4.0, 4.0)))
    assert 1.5 < phantom.node.sum() * phantom.grid.voxel_ml < 7.0
    assert (phantom.label >= phantom.node).all()
    lowest = np.flatnonzero(phantom.node.any(axis=(1, 2))).min()
    assert lowest > np.flatnonzero(phantom.lungs.any(axis=(1, 2))).max()


@pytest.mark.parametrize("padding_hu", [-1024, -2000, -3024])
def test_the_ring_outside_the_field_of_view_is_padded(padding_hu):
    ct = paint_phantom(replace(PLAIN, padding_hu=padding_hu)).ct
    assert (ct[:, 0, 0] == padding_hu).all() and (ct[:, -1, -1] == padding_hu).all()
    middle = ct.shape[1] // 2
    assert ct[:, middle, :].min() >= -1024
    assert (ct >= -1024).sum() == pytest.approx(np.pi / 4 * ct.size, rel=0.02) or padding_hu == -1024


def test_noise_has_the_planned_strength():
    quiet, loud = (paint_phantom(replace(PLAIN, noise_hu=noise)).ct for noise in (0.0, 20.0))
    heart = phantom_of(PLAIN).heart > 0
    assert np.std((loud - quiet)[heart].astype(float)) == pytest.approx(20.0, rel=0.1)
    sharp = plain("sharp_kernel").ct
    assert np.std((sharp - quiet)[heart].astype(float)) == pytest.approx(70.0, rel=0.1)


def test_a_lung_can_be_missing_collapsed_or_drowned():
    whole = sum(lung_litres(plain()))
    for variant in ("missing_lung", "collapsed_lung"):
        phantom = plain(variant)
        assert min(lung_litres(phantom)) < 0.01 and max(lung_litres(phantom)) > 0.4 * whole
        gone = (plain().lungs > 0) & (phantom.lungs == 0)
        assert -30 < np.median(phantom.ct[gone]) < 80
        assert phantom.label.any()
    drowned = plain("effusion")
    assert 0.5 * whole < sum(lung_litres(drowned)) < 0.95 * whole
    fluid = (plain().lungs > 0) & (drowned.lungs == 0)
    assert -30 < np.median(drowned.ct[fluid]) < 60


def test_consolidated_lung_is_dense_lung():
    phantom = plain("consolidation")
    np.testing.assert_array_equal(phantom.lungs, plain().lungs)
    dense = (phantom.lungs > 0) & (phantom.ct > -100)
    assert dense.sum() > ((plain().lungs > 0) & (plain().ct > -100)).sum() * 2


def test_joined_lungs_touch_in_front():
    def largest_share(phantom: Phantom) -> float:
        parts, _ = ndimage.label(phantom.lungs)
        return float(np.bincount(parts.ravel())[1:].max() / phantom.lungs.sum())

    assert largest_share(plain()) < 0.65
    assert largest_share(plain("joined_lungs")) > 0.95


def test_scans_can_end_within_or_before_the_lungs():
    apices, bases, lungless = plain("no_apices"), plain("no_bases"), plain("lungless")
    assert apices.lungs[-1].any() and not apices.lungs[0].any()
    assert bases.lungs[0].any() and not bases.lungs[-1].any()
    assert not lungless.lungs.any() and not lungless.label.any()
    assert (lungless.ct[:, PLAIN.shape[1] // 2, PLAIN.shape[2] // 2] > -200).all()


def test_arms_contrast_and_larynx():
    lowest_body = {variant: (plain(*variant).ct[0] > -300).sum() for variant in ((), ("arms_down",))}
    assert lowest_body[("arms_down",)] > 1.05 * lowest_body[()]
    heart = plain().heart > 0
    assert np.mean(plain("contrast").ct[heart]) > np.mean(plain().ct[heart]) + 100
    tall = replace(PLAIN, shape=(PLAIN.shape[0] + 12, *PLAIN.shape[1:]))
    middle = slice(PLAIN.shape[1] // 2 - 6, PLAIN.shape[1] // 2 + 6)
    open_top = paint_phantom(tall).ct[-1, middle, middle]
    closed_top = paint_phantom(replace(tall, variants=("closed_airway",))).ct[-1, middle, middle]
    assert open_top.min() < -700 and closed_top.min() > -300


def test_gas_floats_in_front_of_what_the_stomach_holds(monkeypatch):
    """Each is painted in another density, and found by the difference."""
    plan = replace(PLAIN, noise_hu=0.0)
    monkeypatch.setattr(abdomen, "_BOWEL_LOOPS", 0)
    normal = paint_phantom(plan).ct.astype(int)
    places = {}
    for what in ("GAS", "STOMACH"):
        with monkeypatch.context() as other:
            other.setattr(tissue_hu, what, getattr(tissue_hu, what) + 1000.0)
            places[what] = paint_phantom(plan).ct - normal > 500
    gas, fluid = places["GAS"], places["STOMACH"]
    assert gas.sum() * phantom_of(PLAIN).grid.voxel_ml > 10 and fluid.any()
    middles_mm = [np.argwhere(place)[:, 1].mean() * plan.spacing_mm[1] for place in (gas, fluid)]
    assert middles_mm[0] < middles_mm[1] - 10, "y runs to the back"


def test_lungs_are_full_of_vessels():
    """What is denser than lung, the tumour aside; at these large voxels vessels fill more than they hold."""
    phantom = phantom_of(PLAIN)
    lung = ndimage.binary_erosion(phantom.lungs > 0, iterations=2) & (phantom.label == 0)
    assert 0.12 < ((phantom.ct > -600) & lung).sum() / lung.sum() < 0.20
