"""A fold that begins from the weights of another training: from these very weights, and from nobody it holds out."""

from dataclasses import replace

import pytest
import torch
from lunggtv.errors import CohortError, ConfigError
from lunggtv.files import read_json, write_json
from lunggtv.model.weights import load_model, load_tensors
from lunggtv.package.start_models import start_models
from lunggtv.tables import read_tsv
from lunggtv.train.read_start import read_start, refuse_unlike
from lunggtv.volume import read_metadata

from tests.unit.train_cases import SETTINGS, contents, train_tiny, write_cohort

STILL = {"learning_rate": 0.0, "weight_decay": 0.0, "steps": 3}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A model of two patients of another site."""
    folder = tmp_path_factory.mktemp("other")
    caches = write_cohort(folder / "data", 5)
    files = train_tiny(folder / "model", {n: caches[n] for n in ("4", "5")}, folder / "state")
    return files, caches


@pytest.fixture
def own(tmp_path):
    return write_cohort(tmp_path / "data", 3)


def pair(files):
    return files.weights, files.card


def test_without_a_step_it_is_the_model_it_began_from(other, own, tmp_path):
    """Its weights and its normalisation of HU; without a start they are random."""
    files = train_tiny(tmp_path / "model", own, tmp_path / "state", start_from=pair(other[0]), **STILL)
    before, after = load_tensors(other[0].weights), load_tensors(files.weights)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert load_model(*pair(files)).normalisation == load_model(*pair(other[0])).normalisation
    anew = load_tensors(train_tiny(tmp_path / "anew", own, tmp_path / "state", **STILL).weights)
    assert not torch.equal(*(found[next(iter(before))] for found in (before, anew)))


def test_the_start_may_have_had_another_patch(other, own, tmp_path):
    patch = (*SETTINGS.patch_shape[:2], 2 * SETTINGS.patch_shape[2])
    files = train_tiny(
        tmp_path / "model", own, tmp_path / "state", start_from=pair(other[0]), patch_shape=patch, **STILL
    )
    assert load_model(*pair(files)).architecture.patch_shape == patch
    before, after = load_tensors(other[0].weights), load_tensors(files.weights)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_card_knows_whom_its_start_has_learnt_from(other, own, tmp_path):
    files = train_tiny(tmp_path / "model", own, tmp_path / "state", start_from=pair(other[0]), **STILL)
    card, start = read_json(files.card), read_json(other[0].card)
    taught = [read_metadata(other[1][n], "cache")["ct_digest"] for n in ("1", "2", "3", "4", "5")]
    assert card["ct_digests"] == sorted(taught)
    assert card["train_patients"] == ["1", "2", "3"]
    assert card["start"] == {
        "normalisation": start["normalisation"], "weights_sha256": start["weights_sha256"],
    }  # fmt: skip
    assert "start" not in start
    again = train_tiny(tmp_path / "again", own, tmp_path / "state", start_from=pair(files), steps=1)
    assert read_json(again.card)["ct_digests"] == sorted(taught)


def test_another_start_is_another_training(other, own, tmp_path):
    """A finished fold is restored only for the same start."""
    start_from = pair(other[0])
    plain = contents(train_tiny(tmp_path / "plain", own, tmp_path / "state"))
    warm = contents(train_tiny(tmp_path / "warm", own, tmp_path / "state", start_from=start_from))
    assert plain["weights"] != warm["weights"]
    assert contents(train_tiny(tmp_path / "warm2", own, tmp_path / "state", start_from=start_from)) == warm
    assert contents(train_tiny(tmp_path / "plain2", own, tmp_path / "state")) == plain
    assert len(list((tmp_path / "state").iterdir())) == 2


def test_it_helps(other, own, tmp_path):
    """After three steps on the same kind of patients its loss is that of a trained network."""
    files = train_tiny(tmp_path / "warm", own, tmp_path / "state", start_from=pair(other[0]), steps=3)
    anew = train_tiny(tmp_path / "anew", own, tmp_path / "state", steps=3)
    losses = [float(read_tsv(trained.history)[0]["loss"]) for trained in (files, anew)]
    assert losses[0] < losses[1]


def test_a_start_that_knows_a_held_out_patient_is_refused(other, own, tmp_path):
    digest = read_metadata(other[1]["4"], "cache")["ct_digest"]
    verdicts = {
        name: {
            "verdict": "accepted",
            "reasons": [],
            "labelled": True,
            "ct_digest": known,
            "ct_slice_digests": [],
        }
        for name, known in (("9", digest), ("8", "unknown"), ("1", "own"))
    }
    arguments = {"start_from": pair(other[0]), "verdicts": verdicts}
    with pytest.raises(CohortError, match=r"have learnt from patients that this fold holds out \(9\)"):
        train_tiny(tmp_path / "model", own, tmp_path / "state", **arguments)
    assert not (tmp_path / "model").exists() and not (tmp_path / "state").exists()
    # A training patient may be among those it knows.
    verdicts["1"]["ct_digest"] = digest
    del verdicts["9"]
    train_tiny(tmp_path / "model", own, tmp_path / "state", **arguments, steps=1)


def test_another_network_is_refused_with_what_differs(other, own, tmp_path):
    wider = replace(SETTINGS.network, width=6, blocks=(2,))
    with pytest.raises(
        ConfigError, match=r"widths \[4, 8, 8\] instead of \[6, 8, 8\], blocks .*8 x 16 x 16 voxels"
    ):
        train_tiny(tmp_path / "model", own, tmp_path / "state", start_from=pair(other[0]), network=wider)
    start = read_start(*pair(other[0]))
    refuse_unlike(start, replace(start.architecture, spacing_mm=(5.5, 3.0, 3.0), patch_shape=(16, 16, 32)))
    with pytest.raises(ConfigError, match=r"strides \[\[1, 1, 1\], .* instead of "):
        refuse_unlike(start, replace(start.architecture, strides=((1, 1, 1), (2, 2, 2))))
    with pytest.raises(ConfigError, match="name residual_encoder instead of dynunet"):
        refuse_unlike(start, replace(start.architecture, name="dynunet"))


def test_a_model_that_does_not_say_whom_it_knows_is_refused(other, own, tmp_path):
    card = read_json(other[0].card)
    del card["ct_digests"]
    write_json(tmp_path / "card.json", card)
    with pytest.raises(ConfigError, match="does not say which scans its model learnt from"):
        train_tiny(
            tmp_path / "model", own, tmp_path / "state", start_from=(other[0].weights, tmp_path / "card.json")
        )


def test_models_of_another_run_are_found_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert start_models(None) == []
    for fold in (0, 2, 19):
        folder = tmp_path / f"study/results/train/fold{fold}"
        folder.mkdir(parents=True)
        (folder / "card.json").touch()
    assert start_models("study") == [
        (f"study/results/train/fold{k}/weights.safetensors", f"study/results/train/fold{k}/card.json")
        for k in (0, 2, 19)
    ]
    with pytest.raises(ConfigError, match=r"there is no gone\.zip"):
        start_models("gone.zip")
    with pytest.raises(
        ConfigError, match=r"study/results is neither a model package nor the folder of a run"
    ):
        start_models("study/results")
    monkeypatch.chdir(tmp_path / "study")
    with pytest.raises(ConfigError, match="cannot begin from its own models"):
        start_models("../study")
