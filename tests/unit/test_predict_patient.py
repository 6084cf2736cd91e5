"""Who may predict whom, what a prediction holds, and that it repeats byte by byte."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lunggtv.errors import CohortError, DamagedFile, RejectedPatient
from lunggtv.files import file_digest, read_json, write_json
from lunggtv.image_files import read_image
from lunggtv.infer.collect_reviews import collect_reviews
from lunggtv.infer.infer_patient import infer_patient
from lunggtv.infer.predict_patient import predict_patient
from lunggtv.infer.prediction_file import read_prediction
from lunggtv.model import prediction
from lunggtv.model.architecture import plan_architecture
from lunggtv.model.network import build_network
from lunggtv.model.normalisation import Normalisation
from lunggtv.tables import read_tsv
from lunggtv.volume import write_rejected

from tests.unit.infer_files import ORIGINAL, write_cache
from tests.unit.infer_models import write_model


def test_a_prediction_holds_each_model_and_its_mirrored_pass(tmp_path):
    volume = write_cache(tmp_path / "cache.h5", "p")
    models = [write_model(tmp_path, seed=seed) for seed in (0, 1)]
    predict_patient(tmp_path / "cache.h5", models, True, tmp_path / "a.h5")
    predict_patient(tmp_path / "cache.h5", models, False, tmp_path / "b.h5")
    with_mirror, without = read_prediction(tmp_path / "a.h5"), read_prediction(tmp_path / "b.h5")
    assert with_mirror.passes.shape == (4, *volume.ct.shape)
    assert np.array_equal(with_mirror.passes[::2], without.passes)
    assert not np.array_equal(with_mirror.passes[1], with_mirror.passes[0])
    assert without.models == [
        {"fold": k, "name": f"fold{k}", "weights_sha256": read_json(card)["weights_sha256"]}
        for k, (_, card) in enumerate(models)
    ]
    assert (without.patient, without.cache_sha256) == ("p", file_digest(tmp_path / "cache.h5"))
    assert (without.grid, without.cache) == (volume.grid, volume.metadata)
    assert with_mirror.probabilities.shape == (2, 2, *volume.ct.shape)
    assert np.allclose(with_mirror.probabilities[1, 0], with_mirror.passes[2] / 65535)
    assert np.allclose(with_mirror.mean, with_mirror.passes.mean(axis=0) / 65535, atol=1e-6)


def test_a_prediction_repeats_byte_by_byte_and_never_sees_the_label(tmp_path):
    model = write_model(tmp_path)
    write_cache(tmp_path / "a" / "cache.h5", "p", np.ones(ORIGINAL.shape, np.uint8))
    write_cache(tmp_path / "b" / "cache.h5", "p")
    for name in ("a", "b"):
        predict_patient(tmp_path / name / "cache.h5", [model], False, tmp_path / f"{name}.h5")
    first = (tmp_path / "a.h5").read_bytes()
    predict_patient(tmp_path / "a" / "cache.h5", [model], False, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == first
    labelled, unlabelled = read_prediction(tmp_path / "a.h5"), read_prediction(tmp_path / "b.h5")
    assert np.array_equal(labelled.passes, unlabelled.passes)


def test_a_model_is_refused_for_a_patient_it_learnt_from(tmp_path):
    write_cache(tmp_path / "cache.h5", "p")
    model = write_model(tmp_path, train_patients=("o", "p"))
    with pytest.raises(CohortError, match=r"Patient p: .* learnt from this patient"):
        predict_patient(tmp_path / "cache.h5", [model], False, tmp_path / "prediction.h5")
    assert not (tmp_path / "prediction.h5").exists()


def test_a_model_is_refused_for_a_cache_it_learnt_from_under_any_name(tmp_path):
    write_cache(tmp_path / "cache.h5", "p")
    model = write_model(tmp_path, cache_digests={"somebody": file_digest(tmp_path / "cache.h5")})
    with pytest.raises(CohortError, match="learnt from this patient"):
        predict_patient(tmp_path / "cache.h5", [model], False, tmp_path / "prediction.h5")


def test_a_model_is_refused_for_a_scan_it_learnt_from_under_another_name(tmp_path):
    """The caches differ, as the patients' names do; the CT is the same."""
    write_cache(tmp_path / "cache.h5", "p", ct_digest="of the scan")
    other = write_model(tmp_path / "other", ct_digests=["of another"])
    predict_patient(tmp_path / "cache.h5", [other], False, tmp_path / "prediction.h5")
    same = write_model(tmp_path / "same", ct_digests=["of another", "of the scan"])
    with pytest.raises(CohortError, match=r"Patient p: .* learnt from this patient"):
        predict_patient(tmp_path / "cache.h5", [other, same], False, tmp_path / "prediction.h5")


def test_the_second_pass_sees_left_for_right_and_is_turned_back(monkeypatch):
    """A network that repeats what it sees says the same twice, if it saw mirror images along x."""
    seen = []
    monkeypatch.setattr(
        prediction, "predict_probability", lambda network, image, **_: seen.append(image) or image
    )
    model = SimpleNamespace(
        network=None,
        normalisation=Normalisation(-1000, 200, -200, 300),
        architecture=SimpleNamespace(patch_shape=(8, 16, 16), divisor=(1, 2, 2)),
    )
    ct = np.random.default_rng(0).integers(-1000, 200, (5, 9, 20)).astype(np.int16)
    plain, mirrored = prediction.predict_passes(model, ct, True, "cpu")
    assert np.allclose(plain, (ct.astype(np.float32) + 200) / 300, atol=1e-6)
    assert np.array_equal(seen[1].numpy(), plain[:, :, ::-1])
    assert np.array_equal(mirrored, plain)


def small_model() -> SimpleNamespace:
    """A network with weights of its own, that draws something."""
    architecture = plan_architecture("residual_encoder", (5, 2, 2), (16, 32, 32), 8, 32, [1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build_network(architecture).eval().requires_grad_(False)
    normalisation = Normalisation(-1000, 200, -200, 300)
    return SimpleNamespace(network=network, normalisation=normalisation, architecture=architecture)


def test_half_precision_moves_a_draft_by_its_rounding_alone(monkeypatch):
    """As on a GPU: voxels change sides only where the probability is next to the threshold."""
    model = small_model()
    ct = np.random.default_rng(0).normal(-300, 400, (18, 40, 36)).clip(-1000, 900).astype(np.int16)
    exact = prediction.predict_passes(model, ct, True, "cpu")
    monkeypatch.setattr(prediction, "PREDICTED_IN", {"cpu": torch.float16})
    reduced = prediction.predict_passes(model, ct, True, "cpu")
    for one, other in zip(exact, reduced, strict=True):
        assert other.dtype == np.float32 and np.any(one != other)
        assert np.abs(one - other).max() < 0.01
        threshold = np.median(one)
        assert np.abs(one - threshold)[(one >= threshold) != (other >= threshold)].max() < 0.01


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5])
def test_what_overflows_in_half_precision_is_computed_in_full(monkeypatch, value):
    """Be it a single voxel, in one of the passes."""
    seen, normalisation = [], Normalisation(-1000, 200, -200, 300)
    plan = SimpleNamespace(patch_shape=(8, 16, 32), divisor=(2, 4, 8))
    model = SimpleNamespace(network="network", normalisation=normalisation, architecture=plan)
    wanted = {"patch_shape": (8, 16, 32), "divisor": 2, "air": normalisation.air}

    def overflowing(network, image, reduced, **given):
        assert (network, given) == ("network", wanted)
        seen.append(reduced)
        found = image.clone()
        if reduced is not None and len(seen) == 1:
            found[..., 3, 0, 8] = value
        return found

    monkeypatch.setattr(prediction, "predict_probability", overflowing)
    monkeypatch.setattr(prediction, "PREDICTED_IN", {"cpu": torch.float16})
    ct = np.random.default_rng(2).integers(-900, 100, (4, 9, 9)).astype(np.int16)
    plain, mirrored = prediction.predict_passes(model, ct, True, "cpu")
    expected = normalisation.apply(torch.from_numpy(ct)).numpy()
    np.testing.assert_array_equal(mirrored, expected)
    if value == 0.5:
        assert seen == [torch.float16, torch.float16] and plain[3, 0, 8] == 0.5
    else:
        assert seen == [torch.float16, None, torch.float16]
        np.testing.assert_array_equal(plain, expected)


def test_a_gpu_predicts_in_half_precision_and_a_cpu_does_not():
    assert prediction.PREDICTED_IN["cuda"] is torch.float16 and "cpu" not in prediction.PREDICTED_IN


def test_a_model_for_other_voxels_is_refused(tmp_path):
    write_cache(tmp_path / "cache.h5", "p")
    model = write_model(tmp_path, spacing_mm=[3.0, 2.0, 2.0])
    with pytest.raises(CohortError, match=r"voxels of 5 x 2 x 1.6 mm, .* learnt at 3 x 2 x 2 mm"):
        predict_patient(tmp_path / "cache.h5", [model], False, tmp_path / "prediction.h5")


@pytest.mark.parametrize("factor", [0.79, 1.26])
def test_voxels_much_finer_or_coarser_than_the_models_are_refused(tmp_path, factor):
    """The cache has 5 x 2 x 1.6 mm; in each axis alone."""
    write_cache(tmp_path / "cache.h5", "p")
    for axis in range(3):
        learnt = [5.0, 2.0, 1.6]
        learnt[axis] /= factor
        with pytest.raises(CohortError, match="Cache at the model's spacing"):
            predict_patient(
                tmp_path / "cache.h5",
                [write_model(tmp_path, spacing_mm=learnt)],
                False,
                tmp_path / "prediction.h5",
            )


@pytest.mark.parametrize("factor", [0.81, 1.24])
def test_voxels_within_a_quarter_of_the_models_are_taken(tmp_path, factor):
    write_cache(tmp_path / "cache.h5", "p")
    model = write_model(tmp_path, spacing_mm=[edge / factor for edge in (5.0, 2.0, 1.6)])
    predict_patient(tmp_path / "cache.h5", [model], False, tmp_path / "p.h5")


def test_a_model_that_learnt_at_several_spacings_takes_what_lies_between(tmp_path):
    write_cache(tmp_path / "cache.h5", "p")
    spacings = {"spacing_mm": [2.5, 2.0, 2.0], "spacing_range_mm": [[2.5, 2.0, 2.0], [5.0, 2.0, 2.0]]}
    predict_patient(tmp_path / "cache.h5", [write_model(tmp_path, **spacings)], False, tmp_path / "p.h5")
    assert read_prediction(tmp_path / "p.h5").patient == "p"


def test_a_model_that_predicts_no_numbers_is_named(tmp_path):
    write_cache(tmp_path / "cache.h5", "p")
    model = write_model(tmp_path, fill=float("nan"))
    with pytest.raises(
        DamagedFile, match=r"fold0/weights\.safetensors: predicts values that are not numbers"
    ):
        predict_patient(tmp_path / "cache.h5", [model], False, tmp_path / "prediction.h5")


def test_one_pass_without_numbers_is_enough_to_be_refused(tmp_path, monkeypatch):
    volume = write_cache(tmp_path / "cache.h5", "p")
    sound = np.zeros(volume.ct.shape, np.float32)
    broken = sound.copy()
    broken[0, 0, 0] = np.inf
    monkeypatch.setattr("lunggtv.infer.predict_patient.predict_passes", lambda *_: [sound, broken])
    with pytest.raises(DamagedFile, match="predicts values that are not numbers"):
        predict_patient(tmp_path / "cache.h5", [write_model(tmp_path)], True, tmp_path / "prediction.h5")


def test_what_cannot_be_predicted_says_why(tmp_path):
    model = write_model(tmp_path)
    with pytest.raises(DamagedFile, match=r"missing\.h5"):
        predict_patient(tmp_path / "missing.h5", [model], False, tmp_path / "prediction.h5")
    write_rejected(tmp_path / "rejected.h5", "p", "Patient p: the label is empty.")
    with pytest.raises(RejectedPatient, match="the label is empty"):
        predict_patient(tmp_path / "rejected.h5", [model], False, tmp_path / "prediction.h5")
    write_cache(tmp_path / "cache.h5", "p")
    with pytest.raises(CohortError, match="no trained model"):
        predict_patient(tmp_path / "cache.h5", [], False, tmp_path / "prediction.h5")
    model[0].write_bytes(model[0].read_bytes()[:-1] + b"\1")
    with pytest.raises(DamagedFile, match=r"weights\.safetensors"):
        predict_patient(tmp_path / "cache.h5", [model], False, tmp_path / "prediction.h5")


@pytest.mark.parametrize("file", [0, 1])
def test_an_empty_model_file_is_named_with_what_to_do(tmp_path, file):
    write_cache(tmp_path / "cache.h5", "p")
    model = write_model(tmp_path)
    model[file].write_bytes(b"")
    with pytest.raises(DamagedFile, match=rf"{model[file].name}: .* run snakemake again"):
        predict_patient(tmp_path / "cache.h5", [model], False, tmp_path / "prediction.h5")
    assert not (tmp_path / "prediction.h5").exists()


def test_a_model_that_sees_background_alone_is_the_first_of_the_queue(tmp_path, capsys):
    write_cache(tmp_path / "cache.h5", "p")
    for name, logit in (("background", -20.0), ("tumour", 20.0)):
        model = write_model(tmp_path / name, fill=logit)
        predict_patient(tmp_path / "cache.h5", [model], False, tmp_path / "p.h5")
        lesson = {"expected_dice": None, "patients": 4, "smallest_lesion_ml": 0.0, "threshold": 0.5}
        write_json(tmp_path / "calibration.json", {"all": lesson, "folds": {}, "quality": None})
        draft, record = tmp_path / name / "gtv.nii.gz", tmp_path / name / "infer.json"
        infer_patient(
            prediction_path=tmp_path / "p.h5",
            calibration_path=tmp_path / "calibration.json",
            fold=None,
            review_dice=0.7,
            mask_path=draft,
            json_path=record,
        )
        write_json(record, read_json(record) | {"patient": name})
    assert not read_image(tmp_path / "background" / "gtv.nii.gz")[0].any()
    records = [tmp_path / name / "infer.json" for name in ("tumour", "background")]
    collect_reviews(records, tmp_path / "review.tsv")
    first, second = read_tsv(tmp_path / "review.tsv")
    assert (first["patient"], first["lesions"], first["volume_ml"]) == ("background", "0", "0.0")
    assert first["review"].startswith("No GTV found (highest probability 0.00")
    assert second["patient"] == "tumour" and "No GTV" not in second["review"]
    assert "No GTV found in 1 of 2 patients: background." in capsys.readouterr().err


# Probabilities differ by rounding alone, and so masks by voxels this near to the threshold.
THREADS_ROUNDING = 1e-5
TF32_ROUNDING = 1e-2


def predicted(tmp_path, **where) -> np.ndarray:
    write_cache(tmp_path / "cache.h5", "p")
    predict_patient(tmp_path / "cache.h5", [write_model(tmp_path)], False, tmp_path / "p.h5", **where)
    return read_prediction(tmp_path / "p.h5").mean


def test_threads_change_no_mask_but_by_rounding(tmp_path):
    before = torch.get_num_threads()
    one, two = predicted(tmp_path, threads=1), predicted(tmp_path, threads=2)
    rounding = THREADS_ROUNDING + 1 / 65535
    assert np.abs(one - two).max() <= rounding
    threshold = np.median(one)
    differing = (one >= threshold) != (two >= threshold)
    assert np.abs(one[differing] - threshold).max(initial=0) <= rounding
    assert torch.get_num_threads() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_predicts_what_the_cpu_predicts(tmp_path):
    cpu, gpu = predicted(tmp_path, device="cpu"), predicted(tmp_path, device="cuda")
    assert np.abs(cpu - gpu).max() <= TF32_ROUNDING
    assert np.array_equal(gpu, predicted(tmp_path, device="auto"))
