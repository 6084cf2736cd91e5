"""Plans of synthetic patients: known without numpy, the same however long the cohort."""

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from lunggtv.errors import ConfigError
from lunggtv.settings import settings_from
from lungphantom.plan import (
    DEMO,
    FEATURES,
    FULL,
    ORIENTATIONS,
    SITES,
    SUPRACLAVICULAR,
    PhantomSettings,
    plan_cohort,
    planned_files,
)

from tests.unit.phantom_plans import with_spacing


def test_plans_need_no_numpy():
    code = "import sys, lungphantom.plan; sys.exit('numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert run.returncode == 0


def test_ids_and_roles():
    plans = plan_cohort(PhantomSettings(labelled=3, unlabelled=2, dicom=1))
    assert [plan.patient for plan in plans] == ["1", "2", "3", "new1", "new2"]
    assert [plan.labelled for plan in plans] == [True, True, True, False, False]
    assert [plan.dicom for plan in plans] == [True, False, False, False, False]


@pytest.mark.parametrize("size", [DEMO, FULL])
def test_appending_patients_changes_no_other(size):
    short = plan_cohort(PhantomSettings(5, 2, dicom=2, size=size, seed=9))
    long = plan_cohort(PhantomSettings(14, 3, dicom=2, size=size, seed=9))
    assert short[:5] == long[:5]
    assert short[5:] == long[14:16]


def test_another_seed_is_another_cohort():
    first, second = (plan_cohort(PhantomSettings(4, 0, seed=seed)) for seed in (1, 2))
    assert all(a.seed != b.seed and a.tumour_ml != b.tumour_ml for a, b in zip(first, second, strict=True))


def test_a_dozen_patients_hold_every_kind():
    dozen = plan_cohort(PhantomSettings(12, 0, size=FULL))
    assert {plan.site for plan in dozen} == set(SITES)
    assert {feature for plan in dozen for feature in plan.features} == set(FEATURES)
    assert {plan.orientation for plan in dozen} == set(ORIENTATIONS)
    assert {plan.padding_hu for plan in dozen} == {-1024, -2000, -3024}
    assert not any(
        SUPRACLAVICULAR in plan.features for plan in plan_cohort(PhantomSettings(12, 0, size=DEMO))
    )


def test_full_size_has_the_grids_of_the_challenge():
    plans = plan_cohort(PhantomSettings(50, 0, size=FULL, seed=1))
    thin = [plan for plan in plans if plan.spacing_mm[0] != 5.0]
    assert [(plan.patient, plan.spacing_mm[0], plan.shape[0]) for plan in thin] == [("36", 3.0, 127)]
    assert all(80 <= plan.shape[0] <= 127 and plan.shape[1:] == (512, 512) for plan in plans)
    assert all(0.976 < plan.spacing_mm[1] == plan.spacing_mm[2] < 1.368 for plan in plans)
    volumes = [plan.tumour_ml for plan in plans]
    assert min(volumes) >= 1.0 and max(volumes) <= 200.0
    assert min(volumes) < 4.0 and max(volumes) > 100.0


def test_planned_files_of_each_kind():
    first, second, new = plan_cohort(PhantomSettings(2, 1, dicom=1))
    names = [f"raw/labelled/1/ct/CT{number:04d}.dcm" for number in range(1, first.shape[0] + 1)]
    assert planned_files(first, "raw") == [*names, "raw/labelled/1/rtstruct.dcm"]
    assert planned_files(second, "raw") == [
        "raw/labelled/2/data.nii.gz",
        "raw/labelled/2/label.nii.gz",
    ]
    assert planned_files(new, "raw") == ["raw/unlabelled/new1/data.nii.gz"]


def test_another_spacing_covers_the_same_space():
    (plan,) = plan_cohort(PhantomSettings(1, 0))
    fine = with_spacing(plan, (1.0, 6.0, 6.0))
    assert fine == replace(plan, shape=fine.shape, spacing_mm=(1.0, 6.0, 6.0))
    for n, step, m, other in zip(plan.shape, plan.spacing_mm, fine.shape, fine.spacing_mm, strict=True):
        assert abs(n * step - m * other) <= other / 2


def test_settings_refuse_what_cannot_be():
    section = {"labelled": 2, "unlabelled": 0, "dicom": 1, "size": "full", "seed": 5, "variety": "plain"}
    assert settings_from(PhantomSettings, section) == PhantomSettings(2, 0, 1, FULL, 5)
    with pytest.raises(ConfigError, match=r"phantom\.dicom: is 3, more than the 2 patients"):
        PhantomSettings(2, 4, dicom=3)
    with pytest.raises(ConfigError, match=r"phantom\.size: is 'huge'; allowed: demo, full"):
        PhantomSettings(2, 0, size="huge")
    with pytest.raises(ConfigError, match="0 or more"):
        PhantomSettings(-1, 0)
    with pytest.raises(ConfigError, match="sizes"):
        settings_from(PhantomSettings, {**section, "sizes": 1})


def test_a_plan_knows_its_variants():
    (plan,) = plan_cohort(PhantomSettings(1, 0))
    with pytest.raises(ValueError, match="upside_down"):
        replace(plan, variants=("upside_down",))


@pytest.mark.parametrize(("size", "digest"), [(DEMO, "471b143b9ce5138d"), (FULL, "a0a28f3674157b91")])
def test_plain_patients_are_those_of_old(size, digest):
    """Measurements of earlier versions stand for these patients; the digest was taken before there was variety."""
    plans = plan_cohort(PhantomSettings(14, 4, dicom=2, size=size, seed=2019))
    assert not any(plan.second or plan.variants for plan in plans)
    known = [{key: value for key, value in asdict(plan).items() if key != "second"} for plan in plans]
    assert hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16] == digest


def test_varied_patients_lie_on_the_same_grids_and_differ_in_what_is_drawn():
    plain, plans = (
        plan_cohort(PhantomSettings(60, 4, dicom=2, size=FULL, seed=5, variety=variety))
        for variety in ("plain", "varied")
    )
    for one, other in zip(plain, plans, strict=True):
        same = ("patient", "labelled", "dicom", "seed", "shape", "spacing_mm", "lungs_mm", "orientation")
        assert all(getattr(one, key) == getattr(other, key) for key in same)
        assert (SUPRACLAVICULAR in one.features) == (SUPRACLAVICULAR in other.features)
    assert {plan.site for plan in plans} == set(SITES)
    assert {variant for plan in plans for variant in plan.variants} == {
        "arms_down", "consolidation", "contrast", "effusion", "sharp_kernel",
    }  # fmt: skip
    assert {feature for plan in plans for feature in plan.features} == set(FEATURES)
    assert not any({"consolidation", "effusion"} <= set(plan.variants) for plan in plans)
    shares = {
        "hilar": sum(plan.site == "hilar" for plan in plans), "second": sum(bool(plan.second) for plan in plans),
        "contrast": sum("contrast" in plan.variants for plan in plans),
    }  # fmt: skip
    # 64 patients: 35 %, 25 % and 50 %, each within two standard deviations.
    assert 15 <= shares["hilar"] <= 30 and 9 <= shares["second"] <= 23 and 24 <= shares["contrast"] <= 40
    assert all(8 <= plan.noise_hu <= 40 for plan in plans) and max(plan.noise_hu for plan in plans) > 30
    assert all(3 <= plan.second[1] <= 40 and plan.second[0] in SITES for plan in plans if plan.second)
    assert all(plan.tumour_ml >= 8 for plan in plans if plan.site in ("hilar", "mediastinal"))


def test_a_longer_varied_cohort_repeats_a_shorter_one_and_another_seed_is_another():
    short, long = (plan_cohort(PhantomSettings(n, 1, seed=5, variety="varied")) for n in (5, 14))
    assert short[:5] == long[:5] and short[5] == long[14]
    other = plan_cohort(PhantomSettings(14, 1, seed=7, variety="varied"))
    assert [plan.variants for plan in other] != [plan.variants for plan in long]
    with pytest.raises(ConfigError, match=r"phantom.variety: is 'wild'; allowed: plain, varied"):
        PhantomSettings(1, 0, variety="wild")
