"""Every script hands each file and each setting of its rule to the right place, and names its page."""

import runpy
from contextlib import nullcontext
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lunggtv.errors import ConfigError
from lunggtv.evaluate.evaluate_settings import CohortSettings, EvaluateSettings
from lunggtv.infer.calibrate_drafts import LabelledFiles
from lunggtv.infer.infer_settings import DrawingSettings
from snakemake.iocontainers import Namedlist

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
COHORT = {"resamples": 7, "seed": 3, "volume_edges_ml": [2.0]}
THREE = CohortSettings(7, 3, (2.0,))
GPU, CPU = SimpleNamespace(gpu=1), SimpleNamespace(gpu=0)


def page(table: str, page: str, title: str) -> tuple[str, dict]:
    return "write_table_page", {"table_path": table, "page_path": page, "title": title}


# Script: what it calls (modules of lunggtv), what the rule gives, and what each call is given.
CASES = {
    "infer_patient": (
        ["infer.infer_patient"],
        {
            "input": {"prediction": "p", "calibration": "c"},
            "output": {"mask": "m", "record": "r", "probability": "q"},
            "params": {"fold": {"fold": 2}, "config": {"review_dice": 0.6}},
        },
        [("infer_patient", {
            "prediction_path": "p", "calibration_path": "c", "fold": 2, "review_dice": 0.6, "mask_path": "m",
            "json_path": "r", "probability_path": "q",
        })],
    ),
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
    "collect_reviews": (
        ["infer.collect_reviews", "table_pages.write_table_page"],
        {"input": {"a": "1", "b": "2"}, "output": {"page": "p", "table": "t"}},
        [
            ("collect_reviews", {"infer_jsons": ["1", "2"], "table_path": "t"}),
            page("t", "p", "Review queue, most urgent first"),
        ],
    ),
    "calibrate_drafts": (
        ["infer.calibrate_drafts"],
        {
            "input": {"predictions": ["p1", "p2"], "volumes": ["c1", "c2"]}, "output": {"calibration": "o"},
            "params": {
                "folds": {"folds": [["1", 0], ["2", 4]]}, "config": {"threshold": 0.4, "smallest_lesion_ml": None},
            },
        },
        [("calibrate_drafts", {
            "patients": {
                "1": LabelledFiles(fold=0, prediction="p1", cache="c1"),
                "2": LabelledFiles(fold=4, prediction="p2", cache="c2"),
            },
            "settings": DrawingSettings(0.4, None), "calibration_path": "o",
        })],
    ),
    "predict_patient": (
        ["infer.predict_patient"],
        {
            "input": {"volume": "v", "weights": ["w0", "w1"], "cards": ["c0", "c1"]}, "output": {"p": "o"},
            "params": {"config": {"mirror": False}}, "resources": CPU, "threads": 3,
        },
        [("predict_patient", {
            "cache_path": "v", "models": [("w0", "c0"), ("w1", "c1")], "mirror": False, "prediction_path": "o",
            "device": "cpu", "threads": 3,
        })],
    ),
    "picture_draft": (
        ["evaluate.picture_draft"], {"input": {"volume": "v", "mask": "m", "record": "r"}, "output": {"picture": "p"}},
        [("picture_draft", {"volume": "v", "mask": "m", "record": "r", "picture": "p"})],
    ),
    "picture_patient": (
        ["evaluate.picture_patient"], {"input": {"volume": "v", "mask": "m", "scores": "s"}, "output": {"png": "p"}},
        [("picture_patient", {"volume": "v", "mask": "m", "record": "s", "picture": "p"})],
    ),
    "evaluate_patient": (
        ["evaluate.evaluate_patient"],
        {
            "input": {"volume": "v", "prediction": "p"}, "output": {"scores": "s"},
            "params": {"fold": {"fold": None}, "config": {"tolerances_mm": [2, 1], "lesion_overlap": 0.3}},
        },
        [("evaluate_patient", {
            "volume_path": "v", "prediction_path": "p", "fold": None, "settings": EvaluateSettings((2, 1), 0.3),
            "json_path": "s",
        })],
    ),
    "summarise_metrics": (
        ["evaluate.summarise_metrics", "table_pages.write_table_page"],
        {
            "input": {"scores": ["1", "2"], "drafts": ["3"]}, "params": {"config": COHORT},
            "output": {
                "metrics": "m", "page": "p", "summary": "s", "volume": "v", "distributions": "d", "calibration": "c",
            },
        },
        [
            ("summarise_metrics", {
                "score_paths": ["1", "2"], "draft_paths": ["3"], "settings": THREE, "metrics_tsv": "m",
                "summary_json": "s", "volume_svg": "v", "distributions_svg": "d", "calibration_svg": "c",
            }),
            page("m", "p", "Metrics of every patient, out of fold"),
        ],
    ),
    "compare_scores": (
        ["evaluate.compare_scores", "table_pages.write_table_page"],
        {
            "input": {"ours": ["1"], "theirs": ["2"]}, "params": {"config": COHORT},
            "wildcards": SimpleNamespace(other="tool"),
            "output": {"table": "t", "page": "tp", "patients": "p", "patients_page": "pp", "record": "r", "figure": "f"}
        },
        [
            ("compare_scores", {
                "name": "LungGTV", "score_paths": ["1"], "other_name": "tool", "other_score_paths": ["2"],
                "settings": THREE, "comparison_tsv": "t", "patients_tsv": "p", "comparison_json": "r",
                "comparison_svg": "f",
            }),
            page("t", "tp", "LungGTV and tool: every metric"),
            page("p", "pp", "LungGTV and tool: every patient"),
        ],
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
    "collect_timings": (
        ["report.collect_timings", "table_pages.write_table_page"],
        {"input": {}, "output": {"page": "p", "table": "t"}, "params": {"folder": "f"}},
        [("collect_timings", {"folder": "f", "table_path": "t"}), page("t", "p", "What the jobs cost")],
    ),
    "picture_curves": (
        ["report.picture_curves"],
        {"input": {"history": "h", "validation": "v"}, "output": {"p": "o"}, "wildcards": SimpleNamespace(fold="3")},
        [("picture_curves", {"fold": 3, "history": "h", "validation": "v", "picture": "o"})],
    ),
    "unpack_models": (
        ["package.unpack_models"],
        {
            "input": {"package": "z"}, "output": {"selftest": "s", "calibration": "folder/c.json"}, "resources": GPU,
            "threads": 2,
        },
        [("unpack_models", {
            "package_path": "z", "folder": Path("folder"), "selftest_path": "s", "device": "auto", "threads": 2,
        })],
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
        "calibration": "k",
    }  # fmt: skip
    given = {"input": files, "output": {"page": "o"}, "params": {"config": {"spacing_mm": [1, 2, 3]}}}
    expected = {
        "verdicts": "rows of v", "reviews": "rows of r", "summary": "summary", "comparisons": ["other"],
        "spacing_mm": [1, 2, 3], "versions": {"torch": "2.0"}, "weights": {"0": "w0", "1": "w1"}, "quality": "good",
    }  # fmt: skip
    assert ran(monkeypatch, "describe_run", ["report.describe_run"], given) == [("describe_run", expected)]
    assert list(written) == ["o"]
    given["input"] = files | {"summary": []}
    unlabelled = [("describe_run", expected | {"summary": None})]
    assert ran(monkeypatch, "describe_run", ["report.describe_run"], given) == unlabelled


def test_a_package_is_made_with_one_labelled_phantom(monkeypatch):
    phantom = SimpleNamespace(ct=np.zeros(1), label=np.ones(1), grid="grid")
    plans = []
    monkeypatch.setattr("lungphantom.body.paint_phantom", lambda plan: plans.append(plan) or phantom)
    given = {
        "input": {"weights": ["w0", "w1"], "cards": ["c0", "c1"], "calibration": "k"}, "output": {"package": "z"},
        "params": {"config": {"settings": {"infer": {}}}}, "threads": 5,
    }  # fmt: skip
    ((_, told),) = ran(monkeypatch, "package_models", ["package.package_models"], given)
    assert told == {
        "models": [("w0", "c0"), ("w1", "c1")], "calibration_path": "k", "settings": {"infer": {}}, "threads": 5,
        "package_path": "z", "synthetic": (phantom.ct, phantom.label, "grid"),
    }  # fmt: skip
    assert [(plan.labelled, plan.tumour_ml > 0) for plan in plans] == [(True, True)]
