"""The network: its plan for known spacings, shapes of its heads, and the published reference."""

from itertools import pairwise

import pytest
import torch
from lunggtv.model.network import (
    Architecture,
    block_mean,
    build_network,
    parameter_count,
    plan_architecture,
)

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


def test_architecture_survives_plain_types():
    assert Architecture.from_dict(TINY.to_dict()) == TINY


def test_heads_lie_at_native_resolutions_in_training_only():
    network = build_network(TINY)
    x = torch.zeros(2, 1, 16, 32, 32)
    heads = network.train()(x)
    assert [tuple(head.shape) for head in heads] == [
        (2, 1, 16, 32, 32),
        (2, 1, 16, 16, 16),
        (2, 1, 8, 8, 8),
    ]
    assert tuple(network.eval()(x).shape) == (2, 1, 16, 32, 32)


def test_finest_head_is_the_same_in_training_and_evaluation():
    network = build_network(TINY)
    x = torch.randn(1, 1, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(network.train()(x)[0], network.eval()(x))


def test_every_parameter_gets_a_gradient():
    network = build_network(TINY).train()
    x = torch.randn(1, 1, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    sum(head.square().mean() for head in network(x)).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters() if p.dim() > 1)


def test_block_mean_is_average_pooling():
    x = torch.randn(2, 3, 4, 6, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(block_mean(x, (1, 2, 2)), torch.nn.functional.avg_pool3d(x, (1, 2, 2)), atol=1e-6)
    assert block_mean(x, (1, 1, 1)) is x


def test_new_network_expects_few_voxels_of_gtv():
    with torch.no_grad():
        logits = build_network(TINY).eval()(torch.zeros(1, 1, 16, 32, 32))
    assert torch.sigmoid(logits).mean().item() == pytest.approx(0.01, rel=0.01)


def test_unknown_network_is_refused():
    plan = Architecture(**{**TINY.__dict__, "name": "transformer"})
    with pytest.raises(ValueError, match="transformer"):
        build_network(plan)


@pytest.mark.parametrize("name", ["dynunet", "segresnet"])
def test_monai_networks_have_our_interface(name):
    network = build_network(Architecture(**{**TINY.__dict__, "name": name}))
    x = torch.zeros(1, 1, 16, 32, 32)
    heads = network.train()(x)
    assert tuple(heads[0].shape) == (1, 1, 16, 32, 32)
    assert len(heads) > 1
    assert all(a.shape[-1] > b.shape[-1] for a, b in pairwise(heads))
    with torch.no_grad():
        assert tuple(network.eval()(x).shape) == (1, 1, 16, 32, 32)


def test_default_network_has_as_many_weights_as_the_reference():
    # Counted in dynamic_network_architectures 0.4.4, ResidualEncoderUNet of the same plan with one output.
    plan = plan_architecture("residual_encoder", (5.0, 1.17, 1.17), (48, 160, 192), 32, 320, (1, 3, 4, 6))
    with torch.device("meta"):
        assert parameter_count(build_network(plan)) == 101_666_885


def test_agrees_with_the_reference_implementation():
    """Same parameters as dynamic_network_architectures' residual encoder, and the same output once its
    weights are copied over by order."""
    reference = pytest.importorskip("dynamic_network_architectures.architectures.unet")
    plan = plan_architecture("residual_encoder", (5.0, 1.17, 1.17), (16, 32, 32), 4, 16, (1, 2, 2))
    theirs = reference.ResidualEncoderUNet(
        1, len(plan.strides), plan.widths, torch.nn.Conv3d, plan.kernels, plan.strides, plan.blocks, 1,
        [1] * (len(plan.strides) - 1), conv_bias=False, norm_op=torch.nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=torch.nn.LeakyReLU,
        nonlin_kwargs={"inplace": True}, deep_supervision=True,
    )  # fmt: skip
    ours = build_network(plan)
    assert parameter_count(ours) == parameter_count(theirs)
    copy_reference_weights(theirs, ours)
    x = torch.randn(1, 1, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for mine, other in zip(ours.train()(x), theirs.train()(x), strict=True):
            assert torch.allclose(mine, other, atol=1e-5)


def copy_reference_weights(theirs, ours) -> None:
    """Copy by position: stem, encoder blocks, decoder, each convolution before its norm."""

    def conv_norm(target, source):
        target.conv.load_state_dict(source.conv.state_dict())
        target.norm.load_state_dict(source.norm.state_dict())

    conv_norm(ours.stem, theirs.encoder.stem.convs[0])
    for target_stage, source_stage in zip(ours.encoder, theirs.encoder.stages, strict=True):
        for target, source in zip(target_stage, source_stage.blocks, strict=True):
            conv_norm(target.first, source.conv1)
            conv_norm(target, source.conv2)
            if target.project is not None:
                skip = source.skip[-1]
                target.project.load_state_dict(skip.conv.state_dict())
                target.project_norm.load_state_dict(skip.norm.state_dict())
    for index, up in enumerate(ours.ups):
        up.load_state_dict(theirs.decoder.transpconvs[index].state_dict())
        conv_norm(ours.decoder[index], theirs.decoder.stages[index].convs[0])
        ours.heads[index].load_state_dict(theirs.decoder.seg_layers[index].state_dict())
