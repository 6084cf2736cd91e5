"""What each adapter between a rule and a function is given, and what it is to hand over."""

from pathlib import Path

from lunggtv.cohort.discover_words import passed_over
from lunggtv.evaluate.evaluate_settings import CohortSettings, EvaluateSettings
from lunggtv.train.deliver import FoldFiles

from tests.unit.cache_cases import SECTION as CACHE
from tests.unit.cache_cases import settings as cache_settings
from tests.unit.train_cases import SETTINGS


class Files(list):
    """Files by position, and groups of them by name, as Snakemake has them."""

    def __init__(self, *paths: str, **groups: list[str] | str) -> None:
        named = [group if isinstance(group, list) else [group] for group in groups.values()]
        super().__init__([*paths, *(path for group in named for path in group)])
        vars(self).update(groups)

    def get(self, name: str) -> str | None:
        return vars(self).get(name)


def files(folder: str, *names: str) -> Files:
    """A file of each name."""
    return Files(**{name: f"{folder}/{name}" for name in names})


FOLD = FoldFiles(**{name: f"o/{name}" for name in ("weights", "card", "history", "snapshots", "samples")})
IGNORED = ["raw/imagesTs"]
COHORT = CohortSettings(resamples=5, seed=1, volume_edges_ml=(2.0, 9.0))
PAIRS = ["results/train/fold0/w", "results/train/fold1/w"], ["results/train/fold0/c", "results/train/fold1/c"]
# Adapter, room of its function; its job; what it hands over by place and by name; the title of the page it writes.
HANDED = [
    ("cache_patient", "cache",
     {"input": Files(volume="i/volume", lungs="i/lungs", plan=[]), "output": files("o", "volume", "crop")},
     CACHE, ("i/volume", cache_settings()),
     {"lungs_path": "i/lungs", "cache_path": "o/volume", "crop_json_path": "o/crop"}),
    ("cache_patient", "cache",
     {"input": Files(volume="i/volume", lungs=[], plan=[]), "output": files("o", "volume", "crop")},
     CACHE, ("i/volume", cache_settings()),
     {"lungs_path": None, "cache_path": "o/volume", "crop_json_path": "o/crop"}),
    ("picture_crop", "cache", {"input": files("i", "volume", "cache", "crop")}, {}, (),
     {"volume": "i/volume", "cache": "i/cache", "record": "i/crop", "picture": "o"}),
    ("picture_draft", "evaluate", {"input": files("i", "volume", "mask", "record")}, {}, (),
     {"volume": "i/volume", "mask": "i/mask", "record": "i/record", "picture": "o"}),
    ("picture_patient", "evaluate", {"input": files("i", "volume", "mask", "scores")}, {}, (),
     {"volume": "i/volume", "mask": "i/mask", "record": "i/scores", "picture": "o"}),
    ("picture_samples", "train", {"input": files("i", "samples", "card")}, {}, (),
     {"samples": "i/samples", "card": "i/card", "picture": "o"}),
    ("picture_curves", "report", {"input": files("i", "history", "validation")}, {}, (),
     {"fold": 11, "history": "i/history", "validation": "i/validation", "picture": "o"}),
    ("evaluate_patient", "evaluate", {"input": files("i", "volume", "prediction"), "fold": {"fold": 2}},
     {"tolerances_mm": [2.0], "lesion_overlap": 0.1}, (),
     {"volume_path": "i/volume", "prediction_path": "i/prediction", "fold": 2, "json_path": "o",
      "settings": EvaluateSettings(tolerances_mm=(2.0,), lesion_overlap=0.1)}),
    ("infer_patient", "infer",
     {"input": files("i", "prediction", "calibration"), "output": files("o", "mask", "record"), "fold": {"fold": 2}},
     {"review_dice": 0.7}, (),
     {"prediction_path": "i/prediction", "calibration_path": "i/calibration", "fold": 2, "review_dice": 0.7,
      "mask_path": "o/mask", "json_path": "o/record", "probability_path": None}),
    ("infer_patient", "infer",
     {"input": files("i", "prediction", "calibration"), "output": files("o", "probability", "mask", "record"),
      "fold": {"fold": None}},
     {"review_dice": 0.7}, (),
     {"prediction_path": "i/prediction", "calibration_path": "i/calibration", "fold": None, "review_dice": 0.7,
      "mask_path": "o/mask", "json_path": "o/record", "probability_path": "o/probability"}),
    ("predict_patient", "infer", {"input": Files(volume="i/volume", weights=PAIRS[0], cards=PAIRS[1])},
     {"mirror": True}, ("i/volume", list(zip(*PAIRS, strict=True)), True, "o"), {"device": "cpu", "threads": 3}),
    ("write_rtstruct", "infer", {"input": Files(raw=["r/a", "r/b"], volume="i/volume", mask="i/mask", record="i/r")},
     {"roi_name": "GTVp"}, (),
     {"mask_path": "i/mask", "json_path": "i/r", "cache_path": "i/volume", "raw_files": ["r/a", "r/b"],
      "roi_name": "GTVp", "rtstruct_path": "o"}),
    ("admit_cohort", "ingest", {"input": Files("i/verdicts.tsv")}, {}, (),
     {"table_path": "i/verdicts.tsv", "admitted_path": "o"}),
    ("deal_folds", "cohort", {}, {"folds": [["1", 0], ["2", 1]]}, ([["1", 0], ["2", 1]], "o"), {}),
    ("collect_crops", "cache",
     {"input": Files(crops=["a", "b"], plan=[], verdicts=[]), "output": files("o", "table", "page"), "planned": []}, {},
     (["a", "b"], "o/table", None), {}, "Lung crops, suspicious ones first"),
    ("collect_reviews", "infer", {"input": Files("a", "b"), "output": files("o", "table", "page")}, {},
     (["a", "b"], "o/table"), {}, "Review queue, most urgent first"),
    ("collect_timings", "report", {"output": files("o", "table", "page"), "folder": "benchmarks"}, {},
     ("benchmarks", "o/table"), {}, "What the jobs cost"),
    ("collect_verdicts", "ingest", {"input": Files("a", "b"), "output": files("o", "table", "page")},
     {"exclude": {"7": "moved"}, "ignored": IGNORED},
     (["a", "b"], {"7": "moved"}, "o/table", passed_over(IGNORED)), {},
     f"Verdict on every patient. {passed_over(IGNORED)}"),
    ("summarise_metrics", "evaluate",
     {"input": Files(scores=["s/1", "s/2"], drafts=["d/1", "d/2"]),
      "output": files("o", "metrics", "page", "summary", "volume", "distributions", "calibration")},
     vars(COHORT), (),
     {"score_paths": ["s/1", "s/2"], "draft_paths": ["d/1", "d/2"], "settings": COHORT, "metrics_tsv": "o/metrics",
      "summary_json": "o/summary", "volume_svg": "o/volume", "distributions_svg": "o/distributions",
      "calibration_svg": "o/calibration"}, "Metrics of every patient, out of fold"),
    ("unpack_models", "package", {"input": Files("m.zip"), "output": files("m", "weights", "selftest", "calibration")},
     {}, (), {"package_path": "m.zip", "folder": Path("m"), "selftest_path": "m/selftest", "device": "cpu",
      "threads": 3}),
    ("train_fold", "train",
     {"input": Files(caches=["c/10/v.h5", "c/9/v.h5"], plan=[], start=["w", "c"]), "state": "state", "verdicts": "i",
      "identity": {"a": "b"},
      "output": files("o", "weights", "card", "history", "snapshots", "samples")},
     SETTINGS.to_dict(), (),
     {"fold": 11, "caches": {"10": "c/10/v.h5", "9": "c/9/v.h5"}, "verdicts": {}, "settings": SETTINGS,
      "config": SETTINGS.to_dict(), "identity": {"a": "b"}, "files": FOLD, "state_folder": "state",
      "device": "cpu", "threads": 3, "cpu_hours": 7, "start_from": ("w", "c")}),
]  # fmt: skip
