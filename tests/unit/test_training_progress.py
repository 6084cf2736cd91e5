"""What a training says while it runs, and what it says it needs."""

import re
from dataclasses import replace

import pytest
from lunggtv.model.architecture import plan_architecture
from lunggtv.tables import read_tsv
from lunggtv.train.memory import training_bytes
from lunggtv.train.progress import Clock

from tests.unit.train_cases import SETTINGS, train_tiny, write_cohort


def test_memory_is_estimated_before_the_start():
    # The default network: 10.0 GB of float32 features by saved-tensor hooks, five copies of 102 million weights.
    plan = plan_architecture("residual_encoder", (5.0, 1.17, 1.17), (48, 160, 192), 32, 320, (1, 3, 4, 6))
    assert training_bytes(plan, 2, 101_666_885, False) == pytest.approx(10.0e9 + 2.0e9, rel=0.02)
    assert training_bytes(plan, 2, 10**6, False) - training_bytes(plan, 2, 0, False) == 20 * 10**6
    assert training_bytes(plan, 2, 0, True) == training_bytes(plan, 2, 0, False) // 2


def test_progress_is_told_with_what_a_user_waits_for(tmp_path, caplog, capsys):
    caplog.set_level("INFO")
    caches = write_cohort(tmp_path / "data")
    files = train_tiny(tmp_path, caches, tmp_path / "state", steps=6)
    start, *lines = [record.message for record in caplog.records if record.message.startswith("fold 0: ")]
    assert re.search(
        r"3 patients \(kept in host memory\), training on cpu in float32; patches of 8 x 16 x 16 voxels",
        start,
    )
    assert re.search(r"0\.0 million weights, about \d+\.\d GB of memory$", start)
    pattern = (
        r"fold 0: step (\d)/6, loss (\d\.\d{4}), batch Dice (0\.\d{3}), [\d.]+ patches/s, 0 min (\d+) s left"
    )
    assert [re.fullmatch(pattern, line)[1] for line in lines] == list("123456")
    assert re.fullmatch(pattern, lines[-1])[4] == "0"
    # The terminal gets the start, the first line, and then one every half minute.
    assert capsys.readouterr().err.splitlines() == [start, lines[0]]
    for line, row in zip(lines, read_tsv(files.history), strict=True):
        loss, dice = (float(number) for number in re.fullmatch(pattern, line).groups()[1:3])
        assert loss == pytest.approx(float(row["loss"]), abs=1e-4)
        assert dice == pytest.approx(1 - float(row["dice_loss"]), abs=1e-3)


def test_lines_come_by_the_clock_where_steps_are_slow(monkeypatch, caplog, capsys):
    caplog.set_level("INFO")
    now = [1000.0]
    monkeypatch.setattr("lunggtv.train.progress.time.monotonic", lambda: now[0])
    clock = Clock(100)
    for step in range(101, 111):
        now[0] += 20.0
        clock.tell(3, step, replace(SETTINGS, steps=1000), 0.5, 0.25, always=False)
    told = capsys.readouterr().err.splitlines()
    assert [record.message for record in caplog.records] == told
    assert [int(line.split()[3].split("/")[0]) for line in told] == [101, 103, 105, 107, 109]
    assert told[0].endswith("loss 0.5000, batch Dice 0.250, 0.10 patches/s, 4 h 59 min left")
    now[0] += 40.0
    clock.tell(3, 112, replace(SETTINGS, steps=131), 0.5, 0.25, always=False)
    # 12 steps in 240 s: 19 more take 380 s.
    assert capsys.readouterr().err.endswith("6 min 20 s left\n")


@pytest.fixture
def now(monkeypatch):
    """The clock on the wall, to be set."""
    now = [1000.0]
    monkeypatch.setattr("lunggtv.train.progress.time.monotonic", lambda: now[0])
    return now


def save(clock: Clock, now: list[float], seconds: float) -> None:
    with clock.saving():
        now[0] += seconds


def test_states_are_counted_from_the_end_of_the_last_one(now):
    clock = Clock(0)
    now[0] += 180.0
    assert not clock.save_is_due(180.0)
    now[0] += 0.5
    assert clock.save_is_due(180.0)
    save(clock, now, 1.0)
    now[0] += 180.0
    assert not clock.save_is_due(180.0)
    now[0] += 0.5
    assert clock.save_is_due(180.0)


def test_training_waits_for_its_states_for_a_hundredth_of_the_time_at_most(now):
    clock = Clock(0)
    save(clock, now, 8.0)
    now[0] += 799.0
    assert not clock.save_is_due(180.0)
    now[0] += 2.0
    assert clock.save_is_due(180.0)
    save(clock, now, 1.0)
    now[0] += 181.0
    assert clock.save_is_due(180.0), "the last one was quick"


def test_a_state_after_every_step_is_one(now):
    clock = Clock(0)
    save(clock, now, 8.0)
    now[0] += 0.01
    assert clock.save_is_due(0.0)
