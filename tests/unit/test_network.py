"""The network: its layers, heads and initial weights, against formulas and the published reference."""

import pytest
import torch
from lunggtv.model.architecture import Architecture, plan_architecture
from lunggtv.model.network import build_network, parameter_count
from lunggtv.model.residual_encoder import block_mean
from torch.nn import functional

TINY = plan_architecture("residual_encoder", (6.0, 3.0, 3.0), (16, 32, 32), 4, 16, (1, 2))


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


def test_heads_of_dynunet_are_thinned_to_their_own_resolution():
    network = build_network(Architecture(**{**TINY.__dict__, "name": "dynunet"})).train()
    x = torch.randn(1, 1, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        heads, enlarged = network(x), network.net(x).unbind(dim=1)
    assert [tuple(head.shape[2:]) for head in heads] == [(16, 32, 32), (16, 16, 16), (8, 8, 8)]
    for head, whole in zip(heads, enlarged, strict=True):
        # MONAI shows each coarse voxel as a block of its value.
        assert torch.equal(functional.interpolate(head, whole.shape[2:], mode="nearest-exact"), whole)


@pytest.mark.parametrize(
    ("name", "kernels"),
    [
        # Widths 4, 8, 16, 16 and two convolutions a stage, as planned.
        ("dynunet", {"input_block": (4, 1, 1, 3, 3), "downsamples.0": (8, 4, 3, 3, 3)}),
        # Its own widths, doubling; single slices in the first stage, since 6 mm are twice 3 mm.
        ("segresnet", {"encoder.layers.0": (4, 4, 1, 3, 3), "encoder.layers.3.blocks.1": (32, 32, 3, 3, 3)}),
    ],
)
def test_monai_networks_have_our_interface(name, kernels):
    network = build_network(Architecture(**{**TINY.__dict__, "name": name}))
    x = torch.zeros(1, 1, 16, 32, 32)
    heads = network.train()(x)
    assert [tuple(head.shape[1:]) for head in heads] == [(1, 16, 32, 32), (1, 16, 16, 16), (1, 8, 8, 8)]
    with torch.no_grad():
        assert tuple(network.eval()(x).shape) == (1, 1, 16, 32, 32)
        # Logits like those that are trained: a network that gave probabilities would be asked for them once more.
        x = torch.randn(1, 1, 16, 32, 32, generator=torch.Generator().manual_seed(1))
        finest = network.train()(x)[0]
        assert torch.allclose(network.eval()(x), finest, atol=1e-5) and finest.min() < 0
    shapes = {key: tuple(weight.shape) for key, weight in network.net.named_parameters() if weight.dim() == 5}
    for start, shape in kernels.items():
        assert next(found for key, found in shapes.items() if key.startswith(start)) == shape
    norms = [module for module in network.modules() if isinstance(module, torch.nn.InstanceNorm3d)]
    assert norms and not any(isinstance(module, torch.nn.BatchNorm3d) for module in network.modules())


def test_default_network_has_as_many_weights_as_the_reference():
    # Counted in dynamic_network_architectures 0.4.4, ResidualEncoderUNet of the same plan with one output.
    plan = plan_architecture("residual_encoder", (5.0, 1.17, 1.17), (48, 160, 192), 32, 320, (1, 3, 4, 6))
    with torch.device("meta"):
        assert parameter_count(build_network(plan)) == 101_666_885


def instance_norm(x, scale, shift):
    mean, spread = x.mean(dim=(2, 3, 4), keepdim=True), x.std(dim=(2, 3, 4), keepdim=True, correction=0)
    scale, shift = scale.view(1, -1, 1, 1, 1), shift.view(1, -1, 1, 1, 1)
    return (x - mean) / (spread**2 + 1e-5).sqrt() * scale + shift


def leaky(x):
    return torch.where(x > 0, x, 0.01 * x)


def heads_by_hand(w: dict[str, torch.Tensor], plan: Architecture, x: torch.Tensor) -> list[torch.Tensor]:
    """The layout as nnU-Net's paper and reference have it, in plain functions on the network's weights."""

    def convolved(x, name, stride=(1, 1, 1)):
        weight = w[f"{name}.weight"]
        return functional.conv3d(x, weight, stride=stride, padding=[n // 2 for n in weight.shape[2:]])

    def normed(x, name):
        return instance_norm(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def whole(x, name, stride=(1, 1, 1)):
        return leaky(normed(convolved(x, f"{name}.conv", stride), f"{name}.norm"))

    x, skips = whole(x, "stem"), []
    for stage, stride in enumerate(plan.strides):
        for block in range(plan.blocks[stage]):
            name, step = f"encoder.{stage}.{block}", stride if block == 0 else (1, 1, 1)
            shortcut = functional.avg_pool3d(x, step)
            if f"{name}.project.weight" in w:
                shortcut = normed(convolved(shortcut, f"{name}.project"), f"{name}.project_norm")
            x = normed(convolved(whole(x, f"{name}.first", step), f"{name}.conv"), f"{name}.norm")
            x = leaky(x + shortcut)
        skips.append(x)
    heads = []
    for up, stage in enumerate(range(len(plan.strides) - 2, -1, -1)):
        x = functional.conv_transpose3d(x, w[f"ups.{up}.weight"], stride=plan.strides[stage + 1])
        x = whole(torch.cat((x, skips[stage]), dim=1), f"decoder.{up}")
        heads.append(functional.conv3d(x, w[f"heads.{up}.weight"], w[f"heads.{up}.bias"]))
    return heads[::-1]


def test_layers_and_their_gradients_are_those_of_the_published_layout():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, generator = build_network(TINY).train(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            # Norms and biases start as 1 and 0: moved, so that each of them counts.
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    x = torch.randn(2, 1, 16, 32, 32, generator=generator)
    weights = dict(network.named_parameters())
    found, expected = network(x), heads_by_hand(weights, TINY, x)
    for head, by_hand in zip(found, expected, strict=True):
        assert torch.allclose(head, by_hand, atol=1e-4)
    gradients, by_hand = (
        torch.autograd.grad(sum(head.square().mean() for head in heads), list(weights.values()))
        for heads in (found, expected)
    )
    for name, gradient, other in zip(weights, gradients, by_hand, strict=True):
        assert torch.allclose(gradient, other, rtol=1e-3, atol=1e-4), name
    with torch.no_grad():
        assert torch.allclose(network.eval()(x), found[0], atol=1e-5)


def test_convolutions_start_with_the_spread_of_he():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(
            plan_architecture("residual_encoder", (6.0, 3.0, 3.0), (16, 32, 32), 16, 32, (1, 2))
        )
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv3d) and module.weight.numel() > 1000:
            inputs = module.weight[0].numel()
            spread = (2 / (1 + 0.01**2) / inputs) ** 0.5
            assert module.weight.std().item() == pytest.approx(spread, rel=0.1), name
        if isinstance(module, torch.nn.InstanceNorm3d):
            assert (module.weight == 1).all() and (module.bias == 0).all()


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
