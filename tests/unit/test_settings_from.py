"""Settings of every stage come from the checked configuration in one way, and agree with its schema."""

import subprocess
import sys
from copy import deepcopy
from dataclasses import FrozenInstanceError, dataclass, fields
from pathlib import Path

import pytest
import yaml
from lunggtv.cache.cache_settings import CacheSettings, Margins
from lunggtv.errors import ConfigError
from lunggtv.evaluate.__main__ import LESION_OVERLAP, TOLERANCES_MM
from lunggtv.evaluate.evaluate_settings import CohortSettings, EvaluateSettings
from lunggtv.infer.infer_settings import ROI_NAME, ROI_NAME_CHARACTERS, DrawingSettings
from lunggtv.ingest.ingest_settings import IngestSettings
from lunggtv.settings import settings_from
from lunggtv.train.train_settings import TrainSettings
from lungphantom.plan import PhantomSettings

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
# Settings of a stage have the plan's numbers where config.yaml says auto.
SHIPPED["cache"]["spacing_mm"], SHIPPED["train"]["patch_shape"] = [5.0, 1.17, 1.17], [48, 160, 192]
# The keys that rules and cohort take one by one.
SINGLE = {"infer": {"mirror", "probability", "review_dice", "roi_name"}, "evaluate": {"compare"}}
SINGLE |= {"train": {"run_folds", "start_from"}}
KINDS = {
    "cache": [CacheSettings], "train": [TrainSettings], "infer": [DrawingSettings],
    "evaluate": [EvaluateSettings, CohortSettings], "phantom": [PhantomSettings],
}  # fmt: skip


@dataclass(frozen=True)
class Inner:
    width: int
    edges: tuple[float, ...]


@dataclass(frozen=True)
class Outer:
    inner: Inner
    share: float
    name: str | None = None


SECTION = {"inner": {"width": 3, "edges": [1, 2.5]}, "share": 1, "name": None}


def test_lists_become_tuples_and_sections_dataclasses():
    made = settings_from(Outer, SECTION)
    assert made == Outer(Inner(3, (1, 2.5)), 1, None)
    assert type(made.share) is int, "a number is as it was written, so that what is printed of it is too"
    with pytest.raises(FrozenInstanceError):
        made.share = 2


def test_a_whole_number_may_have_a_point():
    made = settings_from(Inner, {"width": 3.0, "edges": []})
    assert type(made.width) is int
    assert made == Inner(3, ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shares": 1}, "Outer: shares: no such key"),
        ({"inner": {"width": 3, "edges": [], "height": 2}}, "Inner: height: no such key"),
        ({"inner": {"edges": []}}, "Inner: width: is missing"),
    ],
)
def test_a_key_too_many_or_too_few_is_named(change, words):
    with pytest.raises(ConfigError, match=words):
        settings_from(Outer, SECTION | change)


@pytest.mark.parametrize("key", ["share", "name"])
def test_a_missing_key_is_named_even_where_the_field_has_a_default(key):
    with pytest.raises(ConfigError, match=f"Outer: {key}: is missing"):
        settings_from(Outer, {name: value for name, value in SECTION.items() if name != key})


@pytest.mark.parametrize("section", KINDS)
def test_every_key_of_a_section_is_a_field_or_taken_alone(section):
    keys = set(SHIPPED[section]) - SINGLE.get(section, set())
    taken = [{field.name for field in fields(kind)} for kind in KINDS[section]]
    assert set.union(*taken) == keys
    assert sum(map(len, taken)) == len(keys), "no key is in two dataclasses"
    for kind, names in zip(KINDS[section], taken, strict=True):
        made = settings_from(kind, {name: SHIPPED[section][name] for name in names})
        assert hash(made) is not None, "nothing in it can be changed"


def test_margins_and_networks_are_dataclasses_too():
    assert settings_from(CacheSettings, SHIPPED["cache"]).margin_mm == Margins(50, 20, 20, 20, 20, 20)


def test_ingest_shares_its_section_with_the_dicom_reader():
    made = IngestSettings.from_config(SHIPPED["ingest"] | {"series": "s1a2b3c4d"})
    assert (made.gtv_values, made.dicom.roi_patterns, made.dicom.series) == ((1,), ("GTV.*",), "s1a2b3c4d")
    assert made.max_voxels == made.dicom.max_voxels == SHIPPED["ingest"]["max_voxels"]
    assert IngestSettings.from_config(SHIPPED["ingest"]).dicom.series is None
    for key in SHIPPED["ingest"]:
        with pytest.raises(ConfigError, match=f"{key}: is missing"):
            IngestSettings.from_config(
                {name: SHIPPED["ingest"][name] for name in SHIPPED["ingest"] if name != key}
            )
    with pytest.raises(ConfigError, match="max_voxel: no such key"):
        IngestSettings.from_config(SHIPPED["ingest"] | {"max_voxel": 1})


@pytest.mark.parametrize("key", ["scale", "low_resolution", "blur_mm", "contrast", "gamma"])
def test_a_swapped_range_is_named(key):
    section = deepcopy(SHIPPED["train"])
    del section["run_folds"], section["start_from"]
    section["augmentation"][key].reverse()
    with pytest.raises(ConfigError, match=rf"train\.augmentation\.{key} is \[.*\]; the smaller number comes"):
        settings_from(TrainSettings, section)


def test_defaults_outside_the_schema_are_its_defaults():
    asked = {name: SHIPPED["phantom"][name] for name in ("labelled", "unlabelled")}
    assert PhantomSettings(**asked) == settings_from(PhantomSettings, SHIPPED["phantom"])
    assert list(TOLERANCES_MM) == SHIPPED["evaluate"]["tolerances_mm"]
    assert SHIPPED["evaluate"]["lesion_overlap"] == LESION_OVERLAP


def test_the_schema_and_the_job_know_one_form_of_roi_names():
    part = SCHEMA["properties"]["infer"]["properties"]["roi_name"]
    assert part["pattern"] == f"^{ROI_NAME.pattern}$"
    assert part["maxLength"] == ROI_NAME_CHARACTERS


def test_a_job_pays_nothing_for_it():
    code = (
        "import sys, dataclasses, typing, collections.abc; before = set(sys.modules)\n"
        "sys.path.insert(0, 'workflow'); import lunggtv.settings\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['errno', 'lunggtv', 'lunggtv.errors', 'lunggtv.settings']"
