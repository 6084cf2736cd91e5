"""The recipes of docs/architecture.md, performed on a copy: at most two edits, and the new thing is there."""

import subprocess
import sys

from tests.workflow.engine import PROJECT, Analysis, copy_sources

PACKAGE = "workflow/lunggtv"
LABEL = "label = np.zeros((4, 8, 8), np.uint8); label[1:3, 2:6, 2:6] = 1; "


def prints(tmp_path, edits: list[tuple[str, str, str]], code: str) -> str:
    """What code prints in a copy of the project with these edits (file, old, new)."""
    copy = Analysis(tmp_path / "project", tmp_path)
    copy_sources(("workflow",), copy.project)
    assert len(edits) <= 2
    for edit in edits:
        copy.edit(*edit)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=copy.project / "workflow", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_network(tmp_path):
    name, more = (
        'architecture.name == "residual_encoder"',
        'architecture.name in ("residual_encoder", "second")',
    )
    edits = [
        (f"{PACKAGE}/model/network.py", name, more),
        (
            "workflow/schemas/config.schema.yaml",
            "enum: [residual_encoder,",
            "enum: [residual_encoder, second,",
        ),
    ]
    code = (
        "import yaml; from lunggtv.cohort.config import check_config; "
        "from lunggtv.model.architecture import plan_architecture; "
        "from lunggtv.model.network import build_network; "
        f"config = yaml.safe_load(open({str(PROJECT / 'config.yaml')!r})); "
        "config['train']['network']['name'] = 'second'; "
        "check_config(config, 'schemas/config.schema.yaml'); "
        "plan = plan_architecture('second', (5.0, 1.0, 1.0), (8, 16, 16), 2, 4, (1,)); "
        "print(type(build_network(plan)).__name__)"
    )
    assert prints(tmp_path, edits, code) == "ResidualEncoderUNet"


def test_a_metric(tmp_path):
    value, direction = '        "jaccard": overlap.jaccard,\n', '    "jaccard": "higher",\n'
    edits = [
        (f"{PACKAGE}/evaluate/score.py", value, f'{value}        "half_dice": overlap.dice / 2,\n'),
        (f"{PACKAGE}/evaluate/columns.py", direction, f'{direction}    "half_dice": "higher",\n'),
    ]
    code = (
        "import numpy as np; from lunggtv.evaluate.columns import table_columns; "
        "from lunggtv.evaluate.evaluate_settings import EvaluateSettings; "
        f"from lunggtv.evaluate.score import score_masks; {LABEL}"
        "record = score_masks(label, label, (5.0, 1.0, 1.0), EvaluateSettings((1, 2), 0.1)); "
        "print(record['half_dice'], 'half_dice' in table_columns([record]))"
    )
    assert prints(tmp_path, edits, code) == "0.5 True"


def test_a_reason_to_review(tmp_path):
    edit = (
        f"{PACKAGE}/infer/review.py",
        "    if len(lesions) > MANY_LESIONS:",
        '    if not fallback:\n        yield "It is Monday."\n    if len(lesions) > MANY_LESIONS:',
    )
    code = (
        "from types import SimpleNamespace; from lunggtv.infer.review import review_reasons; "
        "figures = SimpleNamespace(peak=0.9, pairwise_dice=None, entropy_bits=None, members=1); "
        "print(list(review_reasons([object()], figures, 0.5, 0.0, [], False, None, 0.7)))"
    )
    assert prints(tmp_path, [edit], code) == "['It is Monday.']"


def test_a_window_in_the_patients_picture(tmp_path):
    edit = (
        f"{PACKAGE}/evaluate/overlay.py",
        '    (SAGITTAL, "lung", LUNG_WINDOW),\n',
        '    (SAGITTAL, "lung", LUNG_WINDOW),\n    (AXIAL, "bone", (400, 1800)),\n',
    )
    code = (
        f"import numpy as np; from lunggtv.evaluate.overlay import draw_overlay; {LABEL}"
        "figure = draw_overlay(np.zeros(label.shape, np.int16), label, label, (5.0, 1.0, 1.0), 'Patient 1'); "
        "print('axial, bone' in str([t.get_text() for a in figure.axes for t in a.texts] "
        "+ [a.get_title() for a in figure.axes]).lower())"
    )
    assert prints(tmp_path, [edit], code) == "True"


def test_a_file_format(tmp_path):
    """Legacy VTK, which SimpleITK reads: big-endian voxels behind a header that ends in a known line."""
    reader = 'lambda path: Storage(">i2", offset=path.read_bytes().index(b"default\\n") + 8)'
    edits = [
        (f"{PACKAGE}/image_headers.py", '    ".nii.gz": "nifti",', '    ".vtk": "vtk", ".nii.gz": "nifti",'),
        (f"{PACKAGE}/image_headers.py", "    readers = {", f'    readers = {{"vtk": {reader}, '),
    ]
    code = (
        "import numpy as np, SimpleITK as sitk; from pathlib import Path; "
        "from lunggtv.cohort.discover import find_patients; from lunggtv.ingest.formats import read_pair; "
        "from lunggtv.ingest.ingest_settings import IngestSettings; "
        "import yaml; voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5) - 30; "
        f"folder = Path({str(tmp_path)!r}, 'raw', '7'); folder.mkdir(parents=True); "
        "sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / 'ct.vtk')); "
        "(files,) = find_patients(folder.parent, False, '{patient}/ct.vtk', '{patient}/gtv.vtk', follow_links=False); "
        f"section = yaml.safe_load(open({str(PROJECT / 'config.yaml')!r}))['ingest']; "
        "scan = read_pair(files, IngestSettings.from_config(section)); "
        "print(scan.format, np.array_equal(scan.ct, voxels))"
    )
    assert prints(tmp_path, edits, code) == "vtk True"


def test_every_recipe_is_in_the_page():
    page = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8").partition("## Recipes")[2]
    for file in (
        "model/network.py",
        "evaluate/score.py",
        "evaluate/columns.py",
        "infer/review.py",
        "evaluate/overlay.py",
        "image_headers.py",
    ):
        assert f"`{file}`" in page, file
