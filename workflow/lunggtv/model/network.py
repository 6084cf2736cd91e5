"""The networks by name."""

from torch import nn

from lunggtv.model.architecture import Architecture
from lunggtv.model.residual_encoder import ResidualEncoderUNet

MONAI_NETWORKS = ("dynunet", "segresnet")


def build_network(architecture: Architecture) -> nn.Module:
    """The network of an architecture. In training mode it returns a list of logits, finest first, each
    (B, 1, Z, Y, X) at its own resolution; in evaluation mode the finest alone.

    Raises ValueError for an unknown name.
    """
    if architecture.name == "residual_encoder":
        return ResidualEncoderUNet(architecture)
    if architecture.name not in MONAI_NETWORKS:
        raise ValueError(f"no network is called {architecture.name}")
    # MONAI takes seconds to import, so only who asks for its networks pays for it.
    from lunggtv.model.monai_networks import build_monai_network

    return build_monai_network(architecture)


def parameter_count(network: nn.Module) -> int:
    """Number of trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters())
