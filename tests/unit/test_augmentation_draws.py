"""Parameters of augmentation: in their ranges, evenly, each at its share and by itself."""

from dataclasses import replace

import numpy as np
import pytest
from lunggtv.train.augmentation import Augmentation, draw_augmentation
from lunggtv.train.sampling import AUGMENTATION, stream
from lunggtv.train.train_settings import AugmentationSettings

EXTENT_MM = (96.0, 60.0, 100.0)
RANGES = AugmentationSettings(
    mirror_share=0.5, geometry_share=1.0, rotation_in_plane_deg=25.0, rotation_out_of_plane_deg=8.0,
    scale=(0.75, 1.33), elastic_share=0.5, elastic_mm=6.0, elastic_spacing_mm=30.0,
    low_resolution_share=0.5, low_resolution=(0.5, 1.0), blur_share=0.5, blur_mm=(0.5, 4.0),
    noise_share=0.5, noise_hu=60.0, brightness_share=0.5, brightness_hu=40.0, contrast_share=0.5,
    contrast=(0.8, 1.25), gamma_share=0.5, gamma=(0.8, 1.25),
)  # fmt: skip
SHARES = [name for name in vars(RANGES) if name.endswith("_share")]
CHANGES = {
    "mirror_share": {"mirror"}, "geometry_share": {"rotation_deg", "scale"}, "elastic_share": {"elastic_mm"},
    "low_resolution_share": {"low_resolution"}, "blur_share": {"blur_mm"}, "noise_share": {"noise_hu"},
    "brightness_share": {"brightness_hu"}, "contrast_share": {"contrast"}, "gamma_share": {"gamma"},
}  # fmt: skip


def drawn(count: int, **changes) -> list[Augmentation]:
    """The first samples' parameters; ``changes`` of the ranges."""
    settings = replace(RANGES, **changes)
    return [draw_augmentation(stream(1, 0, AUGMENTATION, i), settings, EXTENT_MM) for i in range(count)]


def changed(one: Augmentation) -> set[str]:
    """Names of the fields that change something."""
    return {
        name for name, value in vars(one).items()
        if name != "noise_seed" and (value is not None if name == "elastic_mm" else value != vars(Augmentation())[name])
    }  # fmt: skip


@pytest.mark.parametrize("share", SHARES)
def test_a_share_is_that_of_its_own_changes(share):
    one = drawn(600, **{**dict.fromkeys(SHARES, 0.0), share: 0.25})
    assert set().union(*map(changed, one)) == CHANGES[share]
    # 150 +- 11 of 600.
    assert 105 < sum(bool(changed(a)) for a in one) < 195


def test_changes_meet_by_chance_alone():
    one = drawn(800, **dict.fromkeys(SHARES, 0.5))
    used = np.array([[bool(changed(a) & names) for names in CHANGES.values()] for a in one], dtype=float)
    # Chance correlations of 800 samples: 0.035.
    assert np.abs(np.corrcoef(used.T) - np.eye(len(CHANGES))).max() < 0.16


def test_parameters_fill_their_ranges_evenly_and_by_themselves():
    def share_between(value, low, high, logarithmic=False):
        return np.log(value / low) / np.log(high / low) if logarithmic else (value - low) / (high - low)

    columns = np.array(
        [
            (
                share_between(a.rotation_deg[0], -25.0, 25.0),
                share_between(a.rotation_deg[1], -8.0, 8.0),
                share_between(a.rotation_deg[2], -8.0, 8.0),
                share_between(a.scale, 0.75, 1.33, True),
                share_between(a.low_resolution, 0.5, 1.0),
                share_between(a.blur_mm, 0.5, 4.0),
                share_between(a.noise_hu, 0.0, 60.0),
                share_between(a.brightness_hu, -40.0, 40.0),
                share_between(a.contrast, 0.8, 1.25, True),
                share_between(a.gamma, 0.8, 1.25, True),
                *(share_between(a.elastic_mm[axis, 0, 0, 0], -6.0, 6.0) for axis in range(3)),
                float(a.mirror),
            )
            for a in drawn(800, **{**dict.fromkeys(SHARES, 1.0), "mirror_share": 0.5})
        ]
    )
    assert np.abs(np.corrcoef(columns.T) - np.eye(columns.shape[1])).max() < 0.16
    even = columns[:, :-1]
    for quarter in (0.0, 0.25, 0.5, 0.75):
        # 200 +- 12 of 800.
        assert (np.abs(np.sum((even >= quarter) & (even < quarter + 0.25), axis=0) - 200) < 60).all()


def test_elastic_control_points_lie_at_most_about_their_spacing_apart():
    assert {a.elastic_mm.shape for a in drawn(5, elastic_share=1.0)} == {(3, 4, 3, 4)}
    # 40 mm apart: 96, 60 and 100 mm are 2.4, 1.5 and 2.5 steps; never fewer than both ends.
    assert drawn(1, elastic_share=1.0, elastic_spacing_mm=40.0)[0].elastic_mm.shape == (3, 3, 3, 3)
    assert drawn(1, elastic_share=1.0, elastic_spacing_mm=400.0)[0].elastic_mm.shape == (3, 2, 2, 2)


def test_every_sample_has_noise_of_its_own():
    assert len({a.noise_seed for a in drawn(200)}) == 200


def test_draws_repeat():
    for a, b in zip(drawn(50), drawn(50), strict=True):
        assert replace(a, elastic_mm=None) == replace(b, elastic_mm=None)
        assert a.elastic_mm is None or np.array_equal(a.elastic_mm, b.elastic_mm)


def test_one_share_does_not_alter_another_draw():
    without = drawn(30, elastic_share=0.0, mirror_share=0.0)
    for a, b in zip(drawn(30), without, strict=True):
        assert replace(a, elastic_mm=None, mirror=False) == b


def test_nothing_shared_is_identity():
    for one in drawn(20, **dict.fromkeys(SHARES, 0.0)):
        assert replace(one, noise_seed=0) == Augmentation()
