"""What a training carries from step to step, to disk and back."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lunggtv.train.optimisation import Run
from lunggtv.train.state import load_state, save_snapshot, save_state

CARRIED = ("rate_factor", "rollbacks", "micro_batch", "history", "sums")


@dataclass(frozen=True)
class StateFolder:
    """Keeps a run in a folder; see ``state`` for its layout."""

    folder: Path

    def write(self, run: Run) -> None:
        """Write a run's state."""
        tensors: dict[str, Tensor] = {
            f"network/{name}": tensor for name, tensor in run.network.named_parameters()
        }
        tensors |= {f"average/{index}": tensor for index, tensor in enumerate(run.average)}
        for index, values in run.optimiser.state_dict()["state"].items():
            tensors |= {
                f"optimiser/{index}/{key}": value for key, value in values.items() if value is not None
            }
        content = {**{key: getattr(run, key) for key in CARRIED}, "scaler": run.scaler.state_dict()}
        save_state(self.folder, run.step, tensors, content)

    def restore(self, run: Run) -> bool:
        """Bring ``run`` to the newest state on disk; False if there is none."""
        found = load_state(self.folder)
        if found is None:
            return False
        tensors, content = found
        if not {"step", "scaler", *CARRIED} <= set(content) or not _names_of(run) <= set(tensors):
            logging.warning("%s holds a state of another layout; it is left aside", self.folder)
            return False
        groups: dict[str, dict[str, Any]] = {"network": {}, "average": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            group, _, rest = name.partition("/")
            groups[group][rest] = tensor
        with torch.no_grad():
            for name, parameter in run.network.named_parameters():
                parameter.copy_(groups["network"][name])
            for index, tensor in enumerate(run.average):
                tensor.copy_(groups["average"][str(index)])
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in groups["optimiser"].items():
            number, _, key = name.partition("/")
            index = int(number)
            # In the layout of its parameter: arithmetic on mixed layouts may round differently.
            twin = run.average[index]
            laid_out = torch.empty_like(twin).copy_(tensor) if tensor.shape == twin.shape else tensor
            state.setdefault(index, {})[key] = laid_out
        run.optimiser.load_state_dict(
            {"state": state, "param_groups": run.optimiser.state_dict()["param_groups"]}
        )
        if run.scaler.is_enabled() and content["scaler"]:
            run.scaler.load_state_dict(content["scaler"])
        run.step = content["step"]
        for key in CARRIED:
            setattr(run, key, content[key])
        return True

    def keep_snapshot(self, step: int, weights: dict[str, Tensor]) -> None:
        """Keep the averaged weights of a step for validation."""
        save_snapshot(self.folder, step, weights)


def _names_of(run: Run) -> set[str]:
    """Tensors that every state of this run has; an optimiser has none before its first step."""
    names = {f"network/{name}" for name, _ in run.network.named_parameters()}
    return names | {f"average/{index}" for index in range(len(run.average))}
