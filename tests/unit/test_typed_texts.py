"""What Snakemake hands over as texts counts as it would in a file; what says nothing of the type stays a text."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from lunggtv.cohort.config import check_config
from lunggtv.cohort.typed_texts import typed_texts
from snakemake.cli import parse_config
from snakemake.utils import update_config

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "settings",
    [
        "train={steps: 20}",
        "infer={threshold: 0.5, mirror: false, probability: yes}",
        "infer={threshold: null, smallest_lesion_ml: ~}",
        "infer={review_dice: 1}",
        "data={follow_links: True, labelled: null, unlabelled: raw/new}",
        "data={exclude: {'010': 12, 1_0: null, yes: true}, series: {7: s00000012}}",
        "train={run_folds: [0, 2], patch_shape: [8, 16, 16], network: {blocks: [1, 2], width: 3}}",
        "train={run_folds: null, learning_rate: 0.001, augmentation: {scale: [1, 1.5], noise_hu: 0}}",
        "cache={spacing_mm: [5, null, 1.17], lungs: null, margin_mm: {cranial: 30.0, left: 010}}",
        "cache={spacing_mm: auto}",
        "evaluate={tolerances_mm: [1, 2.5], volume_edges_ml: [], compare: {a: 7}}",
        "phantom={labelled: 4, size: full}",
        "model=null",
        "model=",
        "folds={count: 2, pinned: 2024}",
    ],
)
def test_settings_of_the_command_line_are_those_of_a_file(settings):
    """YAML's own reading is the measure, but that the schema's texts stay texts where YAML sees a number."""
    name, _, text = settings.partition("=")
    given, written = deepcopy(SHIPPED), deepcopy(SHIPPED)
    update_config(given, parse_config([settings]))
    update_config(written, {name: yaml.safe_load(as_text_where_text(text))})
    typed = typed_texts(given, SCHEMA)
    assert repr(typed) == repr(written)
    check_config(typed, SCHEMA)


def as_text_where_text(text: str) -> str:
    """Quotes for what must be a text, as somebody would put them who writes the same into a file."""
    for plain, quoted in (
        ("12, 1_0: null, yes: true", '"12", "1_0": "null", "yes": "true"'),
        ("{7:", '{"7":'),
        ("a: 7", 'a: "7"'),
        ("pinned: 2024", 'pinned: "2024"'),
    ):
        text = text.replace(plain, quoted)
    return text


def test_a_file_s_own_settings_are_left_as_they_are():
    assert repr(typed_texts(SHIPPED, SCHEMA)) == repr(SHIPPED)


def test_a_number_without_a_point_before_its_exponent_is_one():
    given = {"train": {"learning_rate": "1e-3", "weight_decay": "3E-5"}}
    assert typed_texts(given, SCHEMA) == {"train": {"learning_rate": 0.001, "weight_decay": 3e-05}}


@pytest.mark.parametrize(
    "settings",
    [
        {"train": {"steps": "many"}},
        {"train": {"steps": "2.5"}},
        {"train": {"steps": "true"}},
        {"train": {"steps": "null"}},
        {"train": {"learning_rate": "[1]"}},
        {"train": {"learning_rate": "{a"}},
        {"train": {"momentum": ""}},
        {"data": {"follow_links": "1"}},
        {"data": {"exclude": {"7": "null"}, "labelled": "7"}},
        {"data": {"nonsense": "7"}},
        {"train": "steps"},
        {7: "7"},
    ],
)
def test_a_text_of_another_kind_stays_for_the_check_to_name(settings):
    assert typed_texts(settings, SCHEMA) == settings


@pytest.mark.parametrize("text", ["nan", ".nan", "inf", "-.inf"])
def test_what_is_no_number_is_no_setting(text):
    assert typed_texts({"infer": {"threshold": text}}, SCHEMA) == {"infer": {"threshold": text}}
