"""The first patches that a fold learns from, a plane of each, kept for the eye."""

import torch
from torch import Tensor

from lunggtv.train.batches import Sampler, make_batch
from lunggtv.train.sampling import draw_case

SHOWN = 18


def shown_samples(sampler: Sampler) -> dict[str, Tensor]:
    """The plane with most GTV (else the middle one) of each of the first patches, as the network sees them.

    Returns:
        ``ct_hu`` float32 and ``label`` uint8, both (n, y, x); ``plane`` (n), its number in the patch; ``patient`` (n),
        its number among the training patients.
    """
    cts_hu, labels, planes = [], [], []
    for index in range(SHOWN):
        ct, label = (batch[0, 0] for batch in make_batch(sampler, range(index, index + 1)))
        area = label.sum(dim=(1, 2))
        plane = int(area.argmax()) if bool(area.any()) else len(area) // 2
        cts_hu.append(ct[plane] * sampler.normalisation.std_hu + sampler.normalisation.mean_hu)
        labels.append(label[plane].to(torch.uint8))
        planes.append(plane)
    patients = [draw_case(sampler.seed, sampler.fold, index, len(sampler.cases)) for index in range(SHOWN)]
    return {
        "ct_hu": torch.stack(cts_hu),
        "label": torch.stack(labels),
        "plane": torch.tensor(planes),
        "patient": torch.tensor(patients),
    }
