"""The first minutes of a user: no data yet, a typo, an unsuitable cohort. Sentences, not tracebacks."""

import json
import re
import subprocess
import sys
import zipfile

import pytest

from tests.workflow.engine import PROJECT, new_analysis


@pytest.fixture
def fresh(tmp_path):
    return new_analysis(tmp_path)


@pytest.fixture
def one_patient(fresh):
    """A labelled patient by name; its files are never read."""
    folder = fresh.work / "raw/labelled/7"
    folder.mkdir(parents=True)
    for name in ("data.nii.gz", "label.nii.gz"):
        (folder / name).write_bytes(b"x")
    return fresh


def refused(analysis, *arguments):
    done = analysis.run(*arguments, check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output, output
    return output


def test_a_fresh_clone_without_data_says_what_to_put_where(fresh):
    output = refused(fresh, "--dry-run")
    assert "raw/labelled" in output and "data.nii.gz" in output
    assert "config.yaml" in output
    assert list(fresh.work.iterdir()) in ([], [fresh.work / ".snakemake"]), "parsing leaves nothing behind"


@pytest.mark.parametrize("target", ["ingest", "cache", "train", "infer", "evaluate", "package", "all"])
def test_every_target_says_it(fresh, target):
    assert "The data folder raw/labelled is not there. Put each patient there" in refused(fresh, target)


@pytest.mark.parametrize("target", ["train", "infer", "evaluate", "package", "all", "results/package.zip"])
def test_one_labelled_patient_ends_with_what_is_missing(one_patient, target):
    words = refused(one_patient, target)
    assert "training needs at least two labelled patients, one to learn from and one to be held out" in words
    assert not (one_patient.work / "results").exists()


@pytest.mark.parametrize("target", ["train", "infer", "package", "all"])
def test_patients_without_labels_and_models_end_with_what_is_missing(one_patient, target):
    (one_patient.work / "config.yaml").write_text("data: {labelled: null, unlabelled: raw/labelled}\n")
    assert "labelled patients, one to learn from and one to be held out; there is none" in refused(
        one_patient, target
    )


def test_one_patient_can_be_ingested_and_cached(one_patient):
    assert one_patient.reruns("cache")["cache_patient"] == 1


def test_settings_of_the_command_line_count_as_in_the_file(one_patient):
    """And are the same params: what a run did with the one is done for the other."""
    (one_patient.work / "config.yaml").write_text("folds: {count: 2}\n")
    two = one_patient.work / "raw/labelled/8"
    two.mkdir()
    (two / "data.nii.gz").write_bytes(b"x")
    planned = one_patient.reruns("--config", "train={run_folds: [0], steps: 20}", "data={unlabelled: null}")
    assert planned["train_fold"] == 1 and planned["ingest_patient"] == 2
    words = refused(one_patient, "--dry-run", "--config", "train={steps: many}")
    assert "train.steps: is 'many'; allowed: integer at least 1" in words


def test_a_known_layout_is_recognised_with_the_lines_to_set(fresh):
    """And the lines, copied, do it."""
    root = fresh.work / "raw/labelled"
    for name in ("imagesTr/lung_1_0000.nii.gz", "labelsTr/lung_1.nii.gz"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"x")
    words = refused(fresh, "ingest")
    assert "raw/labelled looks like a data set of nnU-Net" in words
    lines = re.findall(r'^ *((?:image|label): ".*")$', words, re.MULTILINE)
    assert lines == ['image: "imagesTr/{patient}_0000.nii.gz"', 'label: "labelsTr/{patient}.nii.gz"']
    (fresh.work / "config.yaml").write_text("data:\n" + "".join(f"    {line}\n" for line in lines))
    assert fresh.reruns("ingest")["ingest_patient"] == 1


def test_no_job_runs_for_nobody(fresh):
    """Where the data are out of reach for a while, tables of all patients are not made again without them."""
    tables = ("results/ingest/verdicts.tsv", "results/folds.tsv", "results/infer/calibration.json")
    for table in tables:
        (fresh.work / table).parent.mkdir(parents=True, exist_ok=True)
        (fresh.work / table).write_text("of all patients")
        done = fresh.run("--force", table, check=False)
        assert done.returncode != 0
        assert "The data folder raw/labelled is not there" in done.stdout + done.stderr
        assert (fresh.work / table).read_text() == "of all patients"


def test_rules_are_listed_without_data(fresh):
    rules = fresh.run("--list-rules").stdout.split()
    assert {"all", "ingest_patient", "train_fold", "evaluate_patient"} <= set(rules)
    assert list(fresh.work.iterdir()) in ([], [fresh.work / ".snakemake"]), "parsing leaves nothing behind"


def test_a_misspelt_key_is_named_with_the_right_one(fresh):
    (fresh.work / "config.yaml").write_text("cache: {margin_m: 3}\n")
    assert "cache.margin_m: no such key; did you mean cache.margin_mm?" in refused(fresh, "--dry-run")


def test_an_exclusion_of_nobody_is_an_error(fresh):
    (fresh.work / "raw/labelled/1").mkdir(parents=True)
    (fresh.work / "raw/labelled/1/data.nii.gz").write_bytes(b"")
    (fresh.work / "config.yaml").write_text("data: {exclude: {'77': 'gone'}}\n")
    assert "data.exclude names patients that were not found: 77" in refused(fresh, "--dry-run")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("data: {exclude: {010: wrong scan}}", "data.exclude: the key 8 is no text"),
        ("data: {series: {010: s1a2b3c4d}}", "data.series: the key 8 is no text"),
        ("evaluate: {compare: {2024: masks}}", "evaluate.compare: the key 2024 is no text"),
        (
            "evaluate: {compare: {nnU-Net: masks}}",
            "evaluate.compare: nnU-Net: masks: there is no folder masks",
        ),
        ("data: {series: {'77': s1a2b3c4d}}", "data.series names patients that were not found: 77"),
        ("data: {exclude: {'8': lost}}\ndata: {follow_links: true}", "config.yaml: data stands twice"),
    ],
)
def test_nobody_is_left_out_or_taken_for_somebody_else(fresh, written, words):
    for patient in ("8", "010"):
        folder = fresh.work / "raw/labelled" / patient
        folder.mkdir(parents=True)
        (folder / "data.nii.gz").write_bytes(b"")
    (fresh.work / "config.yaml").write_text(written + "\n")
    assert words in refused(fresh, "--dry-run")


def test_parsing_has_no_side_effects_and_imports_nothing_heavy(fresh):
    code = (
        "import sys; sys.path.insert(0, 'workflow')\n"
        "import lunggtv.cohort.cohort, lunggtv.cohort.config, lunggtv.code_identity\n"
        "print(sorted(set(sys.modules) & {'torch', 'monai', 'SimpleITK', 'h5py', 'scipy', 'pandas', 'pydicom'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_fifty_patients_and_twelve_folds_are_planned(fresh):
    for i in range(1, 51):
        folder = fresh.work / f"raw/labelled/{i}"
        folder.mkdir(parents=True)
        for name in ("data.nii.gz", "label.nii.gz"):
            (folder / name).write_bytes(b"x")
    (fresh.work / "config.yaml").write_text("folds: {count: 12}\n")
    counts = fresh.reruns()
    assert counts["ingest_patient"] == counts["evaluate_patient"] == counts["predict_patient"] == 50
    assert counts["train_fold"] == counts["validate_fold"] == 12


def test_with_a_package_and_new_patients_alone_no_statistics_are_planned(fresh):
    """The package's manifest is all that planning reads of it."""
    with zipfile.ZipFile(fresh.work / "models.zip", "w") as package:
        package.writestr(
            "package.json",
            json.dumps(
                {"schema": 1, "folds": 2, "settings": {"cache": {"spacing_mm": [5, 1, 1]}, "infer": {}}}
            ),
        )
    (fresh.work / "raw/new/7").mkdir(parents=True)
    (fresh.work / "raw/new/7/data.nii.gz").write_bytes(b"x")
    (fresh.work / "config.yaml").write_text("model: models.zip\ndata: {unlabelled: raw/new}\n")
    assert fresh.reruns() == {
        "admit_cohort": 1, "cache_patient": 1, "collect_crops": 1, "collect_reviews": 1, "collect_timings": 1,
        "collect_verdicts": 1, "describe_run": 1, "infer_patient": 1, "ingest_patient": 1, "picture_crop": 1,
        "picture_draft": 1, "predict_patient": 1, "unpack_models": 1,
    }  # fmt: skip


@pytest.fixture(scope="module")
def rules():
    """The text of each rule that runs a script, by its name."""
    text = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "workflow/rules").glob("*.smk"))
    found = re.split(r"^ *rule (\w+):", text, flags=re.MULTILINE)[1:]
    return {name: rule for name, rule in zip(found[::2], found[1::2], strict=True) if "script:" in rule}


def test_the_fingerprint_of_a_rule_is_that_of_the_script_it_runs(rules):
    scripts = {path.stem for path in (PROJECT / "workflow/scripts").glob("*.py")}
    assert set(re.findall(r'code=code_of\("(\w+)"\)', "".join(rules.values()))) == scripts
    for name, rule in rules.items():
        named = re.findall(r'code=code_of\("(\w+)"\)', rule), re.findall(r'scripts/(\w+)\.py"', rule)
        assert named[0] == named[1], name


def test_logs_and_benchmarks_lie_under_the_name_of_their_rule(rules):
    for name, rule in rules.items():
        (log,) = re.findall(r'"logs/(\w+)[./]', rule)
        assert {log, *re.findall(r'"benchmarks/(\w+)[./]', rule)} == {name}
