"""Strides, kernels and widths of a network for known spacings and patches."""

from pathlib import Path

import pytest
import yaml
from lunggtv.model.architecture import MAX_BLOCKS, MAX_STAGES, Architecture, plan_architecture
from lunggtv.package.package_file import MAX_FOLDS

TINY = plan_architecture("residual_encoder", (6.0, 3.0, 3.0), (16, 32, 32), 4, 16, (1, 2))


def test_plan_at_planning_ct_spacing_is_nnunets():
    # nnU-Net's planner for this spacing and patch: kernels 1x3x3 twice, then 3x3x3; 8x in z, 32x in plane.
    plan = plan_architecture("residual_encoder", (5.0, 1.17, 1.17), (48, 160, 192), 32, 320, (1, 3, 4, 6))
    assert plan.kernels == ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
    assert plan.strides == ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    assert plan.divisor == (8, 32, 32)
    assert plan.widths == (32, 64, 128, 256, 320, 320)
    assert plan.blocks == (1, 3, 4, 6, 6, 6)
    assert plan.patch_shape == (48, 160, 192)


def test_isotropic_plan_treats_all_axes_alike():
    plan = plan_architecture("residual_encoder", (1.0, 1.0, 1.0), (32, 32, 32), 8, 64, (1,))
    assert set(plan.kernels) == {(3, 3, 3)}
    assert plan.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))


def test_patch_is_rounded_up_to_the_strides():
    plan = plan_architecture("residual_encoder", (5.0, 1.17, 1.17), (45, 150, 190), 32, 320, (1,))
    assert all(n % d == 0 for n, d in zip(plan.patch_shape, plan.divisor, strict=True))
    assert all(n >= wanted for n, wanted in zip(plan.patch_shape, (45, 150, 190), strict=True))


def test_small_patch_gives_a_single_stage_less_than_divisible():
    plan = plan_architecture("residual_encoder", (3.0, 3.0, 3.0), (8, 8, 8), 4, 16, (1,))
    assert plan.strides == ((1, 1, 1), (2, 2, 2))


def strides_and_kernels(spacing_mm, patch_shape) -> tuple[tuple, tuple]:
    plan = plan_architecture("residual_encoder", spacing_mm, patch_shape, 4, 16, (1,))
    return plan.strides, plan.kernels


def test_an_axis_of_less_than_twice_the_finest_spacing_counts_as_isotropic():
    strides, kernels = strides_and_kernels((1.9, 1.0, 1.0), (16, 16, 16))
    assert (strides[1], kernels[0]) == ((2, 2, 2), (3, 3, 3))
    strides, kernels = strides_and_kernels((2.0, 1.0, 1.0), (16, 16, 16))
    assert (strides[1], kernels[0]) == ((1, 2, 2), (1, 3, 3))


def test_a_kernel_that_has_grown_does_not_shrink():
    # Four slices of 1 mm are never halved, while pixels grow to 8 mm.
    strides, kernels = strides_and_kernels((1.0, 1.0, 1.0), (4, 32, 32))
    assert strides == ((1, 1, 1), (1, 2, 2), (1, 2, 2), (1, 2, 2))
    assert set(kernels) == {(3, 3, 3)}


def test_the_bottleneck_sees_all_axes_whatever_the_spacing():
    strides, kernels = strides_and_kernels((20.0, 1.0, 1.0), (4, 16, 16))
    assert strides == ((1, 1, 1), (1, 2, 2), (1, 2, 2))
    assert kernels == ((1, 3, 3), (1, 3, 3), (3, 3, 3))


def test_a_single_axis_is_halved_down_to_six_voxels():
    # 32 and 16 slices are halved, 8 are not, since nothing else is halved with them.
    strides, _ = strides_and_kernels((1.0, 1.0, 1.0), (32, 8, 8))
    assert strides == ((1, 1, 1), (2, 2, 2), (2, 1, 1))


def test_odd_edges_are_rounded_up_before_they_are_halved_again():
    assert strides_and_kernels((1.0, 1.0, 1.0), (15, 15, 15))[0] == ((1, 1, 1), (2, 2, 2), (2, 2, 2))


def test_stages_end_at_eight():
    assert len(strides_and_kernels((1.0, 1.0, 1.0), (1024, 1024, 1024))[0]) == 8


@pytest.mark.parametrize("blocks", [(1,) * 9, (1, 17)])
def test_plans_beyond_what_we_make_are_refused(blocks):
    with pytest.raises(ValueError, match="more than 8 stages or 16 blocks"):
        Architecture.from_dict({**TINY.to_dict(), "blocks": list(blocks)})


def test_architecture_survives_plain_types():
    assert Architecture.from_dict(TINY.to_dict()) == TINY


def test_what_the_settings_allow_can_be_read_again():
    """Limits on what a card or a package of others may ask for."""
    path = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"
    sections = yaml.safe_load(path.read_text(encoding="utf-8"))["properties"]
    blocks = sections["train"]["properties"]["network"]["properties"]["blocks"]
    assert (blocks["maxItems"], blocks["items"]["maximum"]) == (MAX_STAGES, MAX_BLOCKS)
    assert sections["folds"]["properties"]["count"]["maximum"] == MAX_FOLDS
