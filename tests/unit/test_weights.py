"""Models on disk: whole, checked, byte-identical, and no pickle."""

import json

import pytest
import torch
from lunggtv.errors import DamagedFile
from lunggtv.model.architecture import plan_architecture
from lunggtv.model.network import build_network
from lunggtv.model.normalisation import Normalisation
from lunggtv.model.weights import load_model, load_tensors, refresh_card, save_model, save_tensors

PLAN = plan_architecture("residual_encoder", (6.0, 3.0, 3.0), (8, 16, 16), 4, 8, (1,))
CARD = {
    "architecture": PLAN.to_dict(), "cache_digests": {"1": "ab"}, "code": {}, "config": {"steps": 3},
    "normalisation": Normalisation(-1000.0, 150.0, 20.0, 90.0).to_dict(),
    "seed": 1, "spacing_mm": [6.0, 3.0, 3.0], "steps": 3, "train_patients": ["1"], "versions": {},
}  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    network = build_network(PLAN)
    paths = tmp_path / "weights.safetensors", tmp_path / "model.json"
    save_model(*paths, dict(network.named_parameters()), CARD)
    return network, *paths


def test_round_trip_predicts_the_same(saved):
    network, weights, model = saved
    loaded = load_model(weights, model)
    x = torch.randn(1, 1, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(loaded.network(x), network.eval()(x))
    assert loaded.architecture == PLAN
    assert loaded.normalisation.mean_hu == 20.0
    assert not any(p.requires_grad for p in loaded.network.parameters())
    assert set(CARD) <= set(loaded.card)


def test_a_model_goes_to_the_device_that_was_asked_for(saved):
    _, weights, model = saved
    loaded = load_model(weights, model, "meta")
    assert {parameter.device.type for parameter in loaded.network.parameters()} == {"meta"}


def test_same_weights_same_bytes(saved, tmp_path):
    network, weights, model = saved
    again = tmp_path / "again.safetensors", tmp_path / "again.json"
    save_model(*again, dict(network.named_parameters()), CARD)
    assert again[0].read_bytes() == weights.read_bytes()
    assert again[1].read_bytes() == model.read_bytes()


def test_altered_weights_are_noticed(saved):
    _, weights, model = saved
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(DamagedFile, match=r"weights\.safetensors.*model\.json"):
        load_model(weights, model)


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 99}', '{"schema": 1}'])
def test_bad_card_is_named(saved, content):
    _, weights, model = saved
    model.write_text(content, encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"model\.json"):
        load_model(weights, model)


def test_missing_weights_are_named(saved):
    _, weights, model = saved
    weights.unlink()
    with pytest.raises(DamagedFile, match=r"weights\.safetensors: cannot be read"):
        load_model(weights, model)


def test_truncated_or_missing_tensors_are_named(tmp_path):
    path = tmp_path / "t.safetensors"
    save_tensors(path, {"a": torch.zeros(9)})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DamagedFile, match=r"t\.safetensors"):
        load_tensors(path)
    path.unlink()
    with pytest.raises(DamagedFile, match=r"t\.safetensors: cannot be read"):
        load_tensors(path)


def test_weights_of_another_network_are_refused(saved, tmp_path):
    _, weights, model = saved
    wider = plan_architecture("residual_encoder", (6.0, 3.0, 3.0), (8, 16, 16), 6, 12, (1,))
    save_model(weights, model, dict(build_network(wider).named_parameters()), CARD)
    with pytest.raises(DamagedFile, match="does not fit"):
        load_model(weights, model)


@pytest.mark.parametrize("key", sorted(CARD))
def test_card_without_a_key_of_the_contract_is_neither_written_nor_read(saved, tmp_path, key):
    card = {name: value for name, value in CARD.items() if name != key}
    with pytest.raises(ValueError, match=f"model card lacks {key}"):
        save_model(tmp_path / "w", tmp_path / "m", {}, card)
    _, weights, model = saved
    written = json.loads(model.read_text(encoding="utf-8"))
    del written[key]
    model.write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(DamagedFile, match=rf"model\.json: lacks {key}"):
        load_model(weights, model)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"schema": 2}, "is not a model card of schema 1"), ({"weights_sha256": None}, "lacks weights_sha256")],
)
def test_whole_card_of_another_kind_is_refused(saved, change, message):
    _, weights, model = saved
    written = json.loads(model.read_text(encoding="utf-8")) | change
    model.write_text(json.dumps({k: v for k, v in written.items() if v is not None}), encoding="utf-8")
    with pytest.raises(DamagedFile, match=message):
        load_model(weights, model)


@pytest.mark.parametrize(
    "change",
    [{"normalisation": []}, {"normalisation": {}}, {"architecture": {}}, {"architecture": {"blocks": 1}}],
)
def test_card_that_describes_no_network_is_refused(saved, change):
    _, weights, model = saved
    written = json.loads(model.read_text(encoding="utf-8")) | change
    model.write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"model\.json: describes no network"):
        load_model(weights, model)


def test_weights_that_lack_a_tensor_are_refused(saved):
    network, weights, model = saved
    fewer = dict(network.named_parameters())
    fewer.pop("stem.norm.bias")
    save_model(weights, model, fewer, CARD)
    with pytest.raises(DamagedFile, match="does not fit"):
        load_model(weights, model)


def test_tensors_of_any_layout_are_written_alike(tmp_path):
    tensor = torch.randn(4, 3, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    save_tensors(tmp_path / "plain", {"a": tensor})
    save_tensors(tmp_path / "last", {"a": tensor.to(memory_format=torch.channels_last_3d)})
    assert (tmp_path / "last").read_bytes() == (tmp_path / "plain").read_bytes()
    assert torch.equal(load_tensors(tmp_path / "last")["a"], tensor)


def test_refreshed_card_keeps_the_rest(saved):
    _, _, model = saved
    before = json.loads(model.read_text(encoding="utf-8"))
    refresh_card(model, {"code": {"train": "cd"}})
    assert json.loads(model.read_text(encoding="utf-8")) == {**before, "code": {"train": "cd"}}
