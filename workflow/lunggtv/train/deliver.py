"""What a finished training hands over, as files.

With ``fit`` this is what identifies a training: a finished fold is restored as these files, so that whatever shapes
their bytes has to stand here, and nothing that only tells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lunggtv.geometry import Triple
from lunggtv.model.weights import save_model, save_tensors
from lunggtv.tables import write_tsv
from lunggtv.train.fit import HISTORY_COLUMNS, Trained


@dataclass(frozen=True, kw_only=True)
class FoldFiles:
    """What training a fold writes. ``snapshots`` holds earlier averaged weights (half precision), named
    ``<step>/<tensor>``; ``history`` has the columns of ``fit.HISTORY_COLUMNS``, each value the mean of the
    steps since the row before; ``samples`` holds what ``shown_samples`` keeps."""

    weights: str | Path
    card: str | Path
    history: str | Path
    snapshots: str | Path
    samples: str | Path


def deliver(
    trained: Trained,
    spacings_mm: Sequence[Triple],
    snapshots: Mapping[str, Tensor],
    card: Mapping[str, Any],
    files: FoldFiles,
) -> None:
    """Write a fold's files.

    Args:
        trained: what training came to.
        spacings_mm: of the caches of the training patients.
        snapshots: earlier averaged weights, named ``<step>/<tensor>``.
        card: what the model's card says besides.
        files: to write.
    """
    axes = list(zip(*spacings_mm, strict=True))
    described = {
        **card,
        "architecture": trained.architecture.to_dict(),
        "normalisation": trained.normalisation.to_dict(),
        "spacing_mm": list(trained.architecture.spacing_mm),
        "spacing_range_mm": [[min(axis) for axis in axes], [max(axis) for axis in axes]],
    }
    save_model(files.weights, files.card, trained.weights, described)
    save_tensors(files.snapshots, snapshots)
    save_tensors(files.samples, trained.samples)
    write_tsv(files.history, HISTORY_COLUMNS, [[f"{value:.6g}" for value in row] for row in trained.history])
