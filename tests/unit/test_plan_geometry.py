"""The plan on files: written once, told with the lines that fix it, stood by, and warned of when it has aged."""

import json

import pytest
import yaml
from lunggtv.cache.plan_geometry import plan_geometry, plan_remark
from lunggtv.cohort.standing_plan import plan_stands
from lunggtv.errors import CohortError
from lunggtv.files import read_json, record_digest
from lunggtv.geometry_plan import filled_in
from lunggtv.ingest.collect_verdicts import COLUMNS
from lunggtv.tables import write_tsv

BOTH = ["spacing_mm", "patch_shape"]


def verdicts(folder, *scans: tuple[str, str], verdict: str = "accepted"):
    """A table of labelled patients: spacing and shape of each."""
    cells = [
        {"patient": str(n), "set": "labelled", "verdict": verdict, "spacing_mm": spacing_mm, "shape": shape}
        for n, (spacing_mm, shape) in enumerate(scans)
    ]
    write_tsv(folder / "verdicts.tsv", COLUMNS, [[row.get(column) for column in COLUMNS] for row in cells])
    return folder / "verdicts.tsv"


THICK = ("5 1.17188 1.17188", "95 512 512")
THIN = ("3 0.976562 0.976562", "120 512 512")


def planned(folder, *scans, spacing_mm="auto", keys=BOTH):
    plan_geometry(verdicts(folder, *scans), spacing_mm, keys, folder / "plan.json")
    return folder / "plan.json"


def test_a_plan_holds_its_numbers_and_what_they_were_made_from(tmp_path):
    assert read_json(planned(tmp_path, THICK, THIN, THICK)) == {
        "spacing_mm": [5.0, 1.17, 1.17], "patch_shape": [48, 160, 192], "given_spacing_mm": None, "patients": 3,
        "median_extent_mm": [475.0, 600.0, 600.0], "lung_box_mm": [300.0, 246.0, 288.0], "patch_voxels": 1474560,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        (BOTH, {"cache": {"spacing_mm": [3.0, 0.98, 0.98]}, "train": {"patch_shape": [48, 160, 160]}}),
        (["patch_shape"], {"cache": None, "train": {"patch_shape": [48, 160, 160]}}),
    ],
)
def test_the_lines_that_fix_it_are_told_on_the_terminal_and_in_the_log(
    tmp_path, capsys, caplog, keys, numbers
):
    caplog.set_level("INFO")
    planned(tmp_path, THIN, keys=keys)
    told = capsys.readouterr().err
    assert told.strip() in caplog.text
    head, *lines = told.splitlines()
    assert head.startswith("Planned from 1 patient, and kept until results/plan.json is deleted.")
    assert len(lines) == len(keys)
    for section, wanted in numbers.items():
        own = [line for line in lines if line.endswith(f"# under {section}")]
        assert yaml.safe_load("\n".join([f"{section}:", *own])) == {section: wanted}


def test_nobody_to_plan_from_leaves_no_plan(tmp_path):
    table = verdicts(tmp_path, ("", ""), verdict="rejected")
    with pytest.raises(CohortError, match="Nothing to plan from"):
        plan_geometry(table, "auto", BOTH, tmp_path / "plan.json")
    assert not (tmp_path / "plan.json").exists()


def test_auto_is_filled_in_and_numbers_win(tmp_path):
    plan = str(planned(tmp_path, THICK))
    cache = {"spacing_mm": "auto", "lungs": "auto", "margin_mm": {"left": 20}}
    assert filled_in(cache, plan) == cache | {"spacing_mm": [5.0, 1.17, 1.17]}
    assert filled_in({"steps": 3, "patch_shape": "auto"}, plan) == {"steps": 3, "patch_shape": [48, 160, 192]}
    own = {"spacing_mm": [None, 1, 1], "patch_shape": [8, 16, 16]}
    assert filled_in(own, plan) == filled_in(own, "") == own


def test_a_plan_stands_for_what_it_was_made_for(tmp_path):
    path = planned(tmp_path, THICK)
    assert plan_stands(path, "auto")
    assert plan_stands(path, [5, 1.17, 1.17]), "its own numbers, fixed alone"
    assert not plan_stands(path, [3, 1.17, 1.17])
    planned(tmp_path, THICK, spacing_mm=[None, 1.17, 1.17], keys=["patch_shape"])
    assert plan_stands(path, [None, 1.17, 1.17])
    assert not plan_stands(path, "auto")


@pytest.mark.parametrize("content", ["", "[]", "{}", "7", '{"spacing_mm": 5, "given_spacing_mm": 3}'])
def test_what_is_no_plan_does_not_stand(tmp_path, content):
    path = tmp_path / "plan.json"
    assert not plan_stands(path, "auto")
    path.write_text(content)
    assert not plan_stands(path, "auto") and not plan_stands(path, [5, 1, 1])


def test_a_plan_that_somebody_edited_does_not_stand(tmp_path):
    path = planned(tmp_path, THICK)
    record_digest(path)
    assert plan_stands(path, "auto")
    path.write_text(json.dumps(read_json(path) | {"patch_shape": [8, 8, 8]}))
    assert not plan_stands(path, "auto")
    (tmp_path / ".plan.json.sha256").write_bytes(b"\xff\xfe")
    assert not plan_stands(path, "auto"), "not even where the digest beside it is damaged"


@pytest.mark.parametrize(
    ("today", "keys", "words"),
    [
        ((THICK, THICK), BOTH, None),
        ((THICK, THIN, THICK), BOTH, None),
        (
            (THICK, THIN, THIN),
            BOTH,
            "results/plan.json says 5 x 1.17 x 1.17 mm and 48 x 160 x 192 voxels a patch, today's patients propose "
            "3 x 0.98 x 0.98 mm and 48 x 160 x 160 voxels a patch: delete results/plan.json to plan anew",
        ),
        (
            (THIN,),
            ["spacing_mm"],
            "results/plan.json says 5 x 1.17 x 1.17 mm, today's patients propose 3 x 0.98 x 0.98 mm: delete "
            "results/plan.json to plan anew",
        ),
    ],
)  # fmt: skip
def test_a_plan_that_today_s_patients_would_not_make_is_told(tmp_path, today, keys, words):
    path = planned(tmp_path, THICK)
    assert plan_remark(path, verdicts(tmp_path, *today), keys) == words


def test_a_plan_for_a_given_spacing_is_compared_with_one_for_the_same(tmp_path):
    path = planned(tmp_path, THICK, spacing_mm=[3, 1.17, 1.17], keys=["patch_shape"])
    assert plan_remark(path, verdicts(tmp_path, THIN), ["patch_shape"]) is None
    path = planned(tmp_path, THICK)
    assert plan_remark(path, verdicts(tmp_path, THIN), ["patch_shape"]) is None, (
        "its own spacing was fixed alone"
    )


def test_where_nobody_is_accepted_today_nothing_is_told(tmp_path):
    path = planned(tmp_path, THICK)
    assert plan_remark(path, verdicts(tmp_path, THIN, verdict="rejected"), BOTH) is None
