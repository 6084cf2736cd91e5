"""Scripts that do more than hand on: they check a name, sort files by set, gather a page, paint a phantom.

What all others hand on is held by ``test_adapters``.
"""

import runpy
from contextlib import nullcontext
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lunggtv.errors import ConfigError
from lunggtv.evaluate.evaluate_settings import CohortSettings
from snakemake.iocontainers import Namedlist

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
COHORT = {"resamples": 7, "seed": 3, "volume_edges_ml": [2.0]}
THREE = CohortSettings(7, 3, (2.0,))
GPU, CPU = SimpleNamespace(gpu=1), SimpleNamespace(gpu=0)


def page(table: str, page: str, title: str) -> tuple[str, dict]:
    return "write_table_page", {"table_path": table, "page_path": page, "title": title}


# Script: what it calls (modules of lunggtv), what the rule gives, and what each call is given.
CASES = {
    "write_rtstruct": (
        ["infer.write_rtstruct"],
        {
            "input": {"mask": "m", "record": "r", "volume": "v", "raw": ["a", "b"]}, "output": {"set": "s"},
            "params": {"config": {"roi_name": "GTVp"}},
        },
        [("write_rtstruct", {
            "mask_path": "m", "json_path": "r", "cache_path": "v", "raw_files": ["a", "b"], "roi_name": "GTVp",
            "rtstruct_path": "s",
        })],
    ),
    "gather_sets": (
        ["evaluate.gather_sets", "table_pages.write_table_page"],
        {
            "input": {"ours": ["o/1.json"], "theirs": ["x/a/1.json", "x/b/1.json", "x/a/2.json"]},
            "output": {"page": "p", "table": "t"}, "params": {"names": ["a", "b"]},
        },
        [
            ("gather_sets", {
                "name": "LungGTV", "score_paths": ["o/1.json"], "table_tsv": "t",
                "other_score_paths": {"a": ["x/a/1.json", "x/a/2.json"], "b": ["x/b/1.json"]},
            }),
            page("t", "p", "Means of all sets, and their spread"),
        ],
    ),
}  # fmt: skip


def ran(monkeypatch, script: str, functions: list[str], given: dict) -> list[tuple[str, dict]]:
    """What a script calls, and what with; its inputs and outputs must be under the care of the job."""
    calls, jobs = [], []

    def kept(name: str):
        known = signature(getattr(import_module(name.rpartition(".")[0]), name.rpartition(".")[2]))
        return lambda *a, **k: calls.append((name.rpartition(".")[2], dict(known.bind(*a, **k).arguments)))

    named = {kind: Namedlist(fromdict=given[kind]) for kind in ("input", "output")}
    job = SimpleNamespace(log=["a.log"], **{"params": {}} | given | named)
    job.params = SimpleNamespace(**job.params)
    with monkeypatch.context() as patch:
        for name in functions:
            whole = (
                f"lunggtv.{name}"
                if name.startswith("table_pages")
                else f"lunggtv.{name}.{name.split('.')[1]}"
            )
            patch.setattr(whole, kept(whole))
        patch.setattr("lunggtv.job.logged_job", lambda *files: jobs.append(files) or nullcontext())
        runpy.run_path(str(SCRIPTS / f"{script}.py"), init_globals={"snakemake": job})
    assert jobs == [("a.log", job.input, job.output)]
    return calls


@pytest.mark.parametrize("script", CASES)
def test_a_script_hands_on_what_its_rule_gives(script, monkeypatch):
    functions, given, expected = CASES[script]
    assert ran(monkeypatch, script, functions, given) == expected


def test_a_structure_s_name_is_checked_by_its_script(monkeypatch):
    functions, given, _ = CASES["write_rtstruct"]
    with pytest.raises(ConfigError, match="TG-263"):
        ran(monkeypatch, "write_rtstruct", functions, given | {"params": {"config": {"roi_name": "tumour"}}})


def test_the_first_page_is_made_of_the_files_of_its_rule(monkeypatch):
    cards = [{"fold": n, "weights_sha256": f"w{n}", "versions": {"torch": f"2.{n}"}} for n in (0, 1)]
    content = {"c0": cards[0], "c1": cards[1], "s": "summary", "x": "other", "k": {"quality": "good"}}
    monkeypatch.setattr("lunggtv.files.read_json", content.__getitem__)
    monkeypatch.setattr("lunggtv.tables.read_tsv", lambda path: f"rows of {path}")
    written = {}
    monkeypatch.setattr("lunggtv.files.write_text", lambda path, text: written.update({path: text}))
    files = {
        "cards": ["c0", "c1"], "verdicts": "v", "reviews": "r", "summary": ["s"], "comparisons": ["x"],
        "calibration": "k", "plan": [],
    }  # fmt: skip
    given = {"input": files, "output": {"page": "o"}, "params": {"config": {"spacing_mm": [1, 2, 3]}}}
    expected = {
        "verdicts": "rows of v", "reviews": "rows of r", "summary": "summary", "comparisons": ["other"],
        "spacing_mm": [1, 2, 3], "versions": {"torch": "2.0"}, "weights": {"0": "w0", "1": "w1"}, "quality": "good",
        "planned": False,
    }  # fmt: skip
    assert ran(monkeypatch, "describe_run", ["report.describe_run"], given) == [("describe_run", expected)]
    assert list(written) == ["o"]
    monkeypatch.setattr(
        "lunggtv.geometry_plan.read_json", {"plan.json": {"spacing_mm": [3, 2, 2]}}.__getitem__
    )
    planned = given | {"input": files | {"plan": "plan.json"}, "params": {"config": {"spacing_mm": "auto"}}}
    told = [("describe_run", expected | {"spacing_mm": [3, 2, 2], "planned": True})]
    assert ran(monkeypatch, "describe_run", ["report.describe_run"], planned) == told
    given["input"] = files | {"summary": []}
    unlabelled = [("describe_run", expected | {"summary": None})]
    assert ran(monkeypatch, "describe_run", ["report.describe_run"], given) == unlabelled


def test_a_package_is_made_with_one_labelled_phantom(monkeypatch):
    phantom = SimpleNamespace(ct=np.zeros(1), label=np.ones(1), grid="grid")
    plans = []
    monkeypatch.setattr("lungphantom.body.paint_phantom", lambda plan: plans.append(plan) or phantom)
    given = {
        "input": {"weights": ["w0", "w1"], "cards": ["c0", "c1"], "calibration": "k", "plan": "plan.json"},
        "output": {"package": "z"}, "threads": 5,
        "params": {"config": {"settings": {"infer": {}, "cache": {"spacing_mm": "auto", "keep_native_within": 0.1}}}},
    }  # fmt: skip
    monkeypatch.setattr(
        "lunggtv.geometry_plan.read_json", {"plan.json": {"spacing_mm": [3, 2, 2]}}.__getitem__
    )
    ((_, told),) = ran(monkeypatch, "package_models", ["package.package_models"], given)
    assert told == {
        "models": [("w0", "c0"), ("w1", "c1")], "calibration_path": "k", "threads": 5,
        "settings": {"infer": {}, "cache": {"spacing_mm": [3, 2, 2], "keep_native_within": 0.1}},
        "package_path": "z", "synthetic": (phantom.ct, phantom.label, "grid"),
    }  # fmt: skip
    assert [(plan.labelled, plan.tumour_ml > 0) for plan in plans] == [(True, True)]
