"""What stands in the pictures of a fold: its curves, and the patches the network saw."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from lunggtv.model.weights import load_tensors
from lunggtv.report.picture_curves import LABEL_HEIGHT, draw_curves
from lunggtv.train.batches import make_batch, patients_of
from lunggtv.train.cases import load_cases
from lunggtv.train.fit import prepare
from lunggtv.train.picture_samples import picture_samples

from tests.unit.train_cases import CPU, SETTINGS, train_tiny, write_cohort, write_patient

HISTORY = [
    {"step": "10", "learning_rate": "0.01", "loss": "1.5", "dice_loss": "0.9", "cross_entropy": "0.6"},
    {"step": "20", "learning_rate": "0.005", "loss": "1.0", "dice_loss": "0.7", "cross_entropy": "0.3"},
]


def drawn_curves(monkeypatch, dice: dict[str, tuple[float, float]]):
    """The two panels and the figure, for Dice of patients at steps 10 and 20."""
    kept = []
    monkeypatch.setattr("lunggtv.report.picture_curves.save_svg", lambda figure, path: kept.append(figure))
    rows = [
        {"step": str(step), "patient": patient, "dice": str(values[index])}
        for index, step in enumerate((10, 20))
        for patient, values in dice.items()
    ]
    draw_curves(3, HISTORY, rows, "curves.svg")
    return kept[0].axes, kept[0]


def test_losses_and_rate_are_drawn_under_their_names(monkeypatch):
    (losses, _, rate), figure = drawn_curves(monkeypatch, {"1": (0.2, 0.6)})
    lines = {line.get_label(): line for line in (*losses.get_lines(), *rate.get_lines())}
    assert {name: list(line.get_ydata()) for name, line in lines.items()} == {
        "total loss": [1.5, 1.0], "1 - Dice of the batch": [0.9, 0.7], "cross-entropy": [0.6, 0.3],
        "learning rate": [0.01, 0.005],
    }  # fmt: skip
    assert all(list(line.get_xdata()) == [10, 20] for line in lines.values())
    assert [text.get_text() for text in losses.get_legend().get_texts()] == list(lines)
    assert figure.get_suptitle() == "Fold 3"


def test_every_patient_and_their_mean_are_drawn(monkeypatch):
    (_, dice, _), _ = drawn_curves(monkeypatch, {"1": (0.2, 0.6), "b": (0.4, 0.9)})
    *patients, mean = dice.get_lines()
    assert [list(line.get_ydata()) for line in patients] == [[0.2, 0.6], [0.4, 0.9]]
    assert list(mean.get_ydata()) == pytest.approx([0.3, 0.75])
    assert mean.get_label() == "mean"
    assert [(text.get_text(), text.xy) for text in dice.texts] == [("1", (20, 0.6)), ("b", (20, 0.9))]
    assert dice.get_ylim() == (0, 1)


def test_names_of_patients_stand_apart_in_the_order_of_their_dice(monkeypatch):
    last = {"a": 0.99, "b": 0.985, "c": 0.98, "d": 0.5, "e": 0.51, "f": 0.2}
    (_, dice, _), _ = drawn_curves(monkeypatch, {name: (0.1, value) for name, value in last.items()})
    heights = {text.get_text(): text.xyann[1] for text in dice.texts}
    assert sorted(heights, key=heights.get) == ["f", "d", "e", "c", "b", "a"]
    assert all(b - a >= LABEL_HEIGHT - 1e-9 for a, b in pairwise(sorted(heights.values())))
    assert LABEL_HEIGHT >= 0.04
    assert max(heights.values()) <= 1 - LABEL_HEIGHT / 2
    assert (heights["f"], heights["d"]) == (0.2, 0.5)


def test_a_fold_that_holds_nobody_out_has_its_losses(monkeypatch):
    (losses, dice, _), _ = drawn_curves(monkeypatch, {})
    assert len(losses.get_lines()) == 3 and not dice.get_lines()


def sheet_of(files, folder, monkeypatch):
    """The figure that is drawn for a fold's files."""
    kept = []
    monkeypatch.setattr(
        "lunggtv.train.picture_samples.save_png", lambda figure, path: kept.append((figure, path))
    )
    picture_samples(samples=files.samples, card=files.card, picture=folder / "sheet.png")
    ((figure, path),) = kept
    assert path == folder / "sheet.png"
    return figure


def test_the_sheet_shows_the_first_samples_of_the_training_with_their_gtv(tmp_path, monkeypatch):
    """Patches of its seed and fold, at the slice with most GTV, in HU, each under the patient it comes from."""
    caches = {name: write_patient(tmp_path, name, (16, 60, 64), (6.0, 3.0, 2.5)) for name in "12"}
    over = {"seed": 6, "steps": 18, "batch": 1, "foreground_share": 0.4}
    seen, plain = [], make_batch
    monkeypatch.setattr(
        "lunggtv.train.optimisation.make_batch",
        lambda sampler, indices: seen.append((indices, plain(sampler, indices))) or seen[-1][1],
    )
    files = train_tiny(tmp_path, caches, tmp_path / "state", fold=1, **over)
    figure = sheet_of(files, tmp_path, monkeypatch)
    assert len(figure.axes) == 18
    _, sampler = prepare(1, load_cases(caches, "host", CPU), replace(SETTINGS, **over))
    drawn = set()
    for index, axes in enumerate(figure.axes):
        indices, batch = seen[index]
        assert indices == range(index, index + 1)
        ct, label = (tensor[0, 0].numpy() for tensor in batch)
        area = label.sum(axis=(1, 2))
        z = int(area.argmax()) if area.any() else 4
        (image,) = axes.images
        shown = ct[z] * sampler.normalisation.std_hu + sampler.normalisation.mean_hu
        np.testing.assert_allclose(image.get_array(), shown, atol=0.01)
        assert image.get_clim() == (-1000, 300)
        assert axes.get_title() == f"patient {patients_of(sampler, indices)[0]}, slice {z}"
        outlines = [path for collection in axes.collections for path in collection.get_paths()]
        assert bool(outlines) == bool(area.any())
        drawn.add((bool(area.any()), z == 4))
        assert axes.get_aspect() == 3.0 / 2.5
    assert {True, False} == {with_gtv for with_gtv, _ in drawn}
    assert (True, False) in drawn


def test_the_outline_of_a_sample_is_that_of_its_own_label(tmp_path, monkeypatch):
    files = train_tiny(tmp_path, write_cohort(tmp_path / "data"), tmp_path / "state", steps=1)
    labels = load_tensors(files.samples)["label"]
    for axes, label in zip(sheet_of(files, tmp_path, monkeypatch).axes, labels.numpy(), strict=True):
        points = [path.vertices for collection in axes.collections for path in collection.get_paths()]
        if label.any():
            x, y = np.concatenate(points).T
            rows, columns = np.nonzero(label)
            assert (y.min(), x.min()) == pytest.approx((rows.min() - 0.5, columns.min() - 0.5), abs=0.51)
            assert (y.max(), x.max()) == pytest.approx((rows.max() + 0.5, columns.max() + 0.5), abs=0.51)
