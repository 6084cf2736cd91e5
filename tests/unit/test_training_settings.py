"""Settings of training, and what follows from them alone."""

from dataclasses import replace

import pytest
from lunggtv.errors import ConfigError
from lunggtv.settings import settings_from
from lunggtv.train.fit import snapshot_steps
from lunggtv.train.train_settings import TrainSettings, spacing_of

from tests.unit.train_cases import SETTINGS


def test_snapshots_are_evenly_spread_before_the_end():
    assert snapshot_steps(replace(SETTINGS, steps=100, snapshots=4)) == [25, 50, 75]
    assert snapshot_steps(replace(SETTINGS, steps=100, snapshots=1)) == []
    assert snapshot_steps(replace(SETTINGS, steps=2, snapshots=9)) == [1]


def test_swapped_range_is_a_config_error():
    section = SETTINGS.to_dict()
    section["augmentation"] = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in section["augmentation"].items()
    }
    assert settings_from(TrainSettings, section) == SETTINGS
    section["augmentation"]["scale"] = [0.9, 0.9]
    assert settings_from(TrainSettings, section).augmentation.scale == (0.9, 0.9)
    section["augmentation"]["scale"] = [1.3, 0.8]
    with pytest.raises(ConfigError, match=r"augmentation\.scale"):
        settings_from(TrainSettings, section)


def test_median_spacing():
    assert spacing_of([(5.0, 1.0, 1.2), (3.0, 1.1, 1.0), (5.0, 1.3, 1.1)]) == (5.0, 1.1, 1.1)
    assert spacing_of([(5.0, 1.0, 1.0), (3.0, 2.0, 2.0)]) == (3.0, 1.0, 1.0)
