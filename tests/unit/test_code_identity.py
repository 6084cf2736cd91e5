"""The code fingerprint: what a stage imports, and nothing that does not change a result."""

import ast
import hashlib
import sys
from importlib import metadata
from pathlib import Path

import grimp
import pytest
from lunggtv.code_identity import (
    SHAPING_LIBRARIES,
    TELLING,
    _read_source,
    code_fingerprint,
    library_version,
    stripped,
)
from lunggtv.files import file_digest

ROOT = Path(__file__).parents[2] / "workflow"
SOURCES = sorted(path for path in ROOT.rglob("*.py") if path.stat().st_size)


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "lunggtv" / "room"
    folder.mkdir(parents=True)
    (tmp_path / "lunggtv" / "__init__.py").write_text('"""Package."""\n')
    (folder / "__init__.py").write_text("")
    (folder / "run.py").write_text("from lunggtv.room import deep\n\ndef run():\n    return deep.VALUE\n")
    (folder / "deep.py").write_text("import numpy as np\nVALUE = np.float32(1)\n")
    (folder / "other.py").write_text("VALUE = 2\n")
    (tmp_path / "adapter.py").write_text("from lunggtv.room.run import run\nrun()\n")
    return tmp_path


def fingerprint(package):
    _read_source.cache_clear()
    return code_fingerprint(package / "adapter.py", package)


def test_it_names_script_modules_and_shaping_libraries(package):
    found = fingerprint(package)
    assert list(found) == sorted(found)
    assert set(found) == {
        "adapter.py", "lunggtv", "lunggtv.room", "lunggtv.room.run", "lunggtv.room.deep", "numpy",
    }  # fmt: skip
    assert found["numpy"] == library_version("numpy")


def test_an_edit_changes_only_the_edited_module(package):
    before = fingerprint(package)
    (package / "lunggtv/room/deep.py").write_text("import numpy as np\nVALUE = np.float32(3)\n")
    after = fingerprint(package)
    assert {name for name in before if before[name] != after[name]} == {"lunggtv.room.deep"}


@pytest.mark.parametrize(
    "same",
    [
        "import numpy as np\n\n\nVALUE = np.float32(1)  # a comment\n",
        '# First.\n"""A docstring."""\n\n# Why.\nimport numpy as np  # the numbers\n\nVALUE = np.float32(1)\n',
    ],
)
def test_comments_docstrings_and_blank_lines_do_not_count(package, same):
    before = fingerprint(package)
    (package / "lunggtv/room/deep.py").write_text(same)
    assert fingerprint(package) == before


def test_a_docstring_of_a_function_does_not_count_but_a_text_it_returns_does(package):
    path = package / "lunggtv/room/other.py"
    digests = set()
    for body in ('    """Doc."""\n    return "a"\n', '    return "a"\n', '    return "b"\n'):
        path.write_text(f"def f():\n{body}")
        _read_source.cache_clear()
        digests.add(_read_source(path)[0])
    assert len(digests) == 2


def test_a_module_that_nobody_imports_does_not_count(package):
    before = fingerprint(package)
    (package / "lunggtv/room/other.py").write_text("VALUE = 3\n")
    assert fingerprint(package) == before


def test_imports_inside_functions_count(package):
    (package / "lunggtv/room/run.py").write_text("def run():\n    from lunggtv.room.other import VALUE\n")
    assert "lunggtv.room.other" in fingerprint(package)


def test_relative_imports_are_refused(package):
    (package / "lunggtv/room/run.py").write_text("from . import deep\n")
    with pytest.raises(ValueError, match="relative imports"):
        fingerprint(package)


def test_the_version_counts_and_its_local_part_does_not(monkeypatch):
    monkeypatch.setattr(metadata, "version", {"torch": "2.11.0+cu128", "numpy": "2.4.1"}.__getitem__)
    uncached = library_version.__wrapped__
    assert (uncached("torch"), uncached("numpy")) == ("2.11.0", "2.4.1")


def without_docstrings(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            body[0] = ast.Pass()
    return ast.dump(tree)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_stripping_a_module_leaves_all_of_its_code(path):
    source = path.read_bytes()
    code = stripped(source, docstring=b"pass")
    assert without_docstrings(ast.parse(code)) == without_docstrings(ast.parse(source))
    assert not [line for line in stripped(source).splitlines() if line.strip().startswith(b"#")]


def test_a_hash_sign_in_a_string_is_no_comment():
    source = b"a = '#1'  # one\nb = f\"{a} # {a!r}\"\n\n# two\nc = {'k': 1}\n"
    assert stripped(source) == b"a = '#1'\nb = f\"{a} # {a!r}\"\nc = {'k': 1}"


def test_a_long_text_that_is_no_docstring_counts():
    source = b'def f():\n    """Doc."""\n    return """\n# text\n"""\n'
    assert stripped(source) == b'def f():\n    return """\n# text\n"""'


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1, 3 << 20])
def test_the_digest_of_a_file_is_that_of_all_its_bytes(tmp_path, size):
    path = tmp_path / "volume.h5"
    path.write_bytes(bytes(size))
    before = file_digest(path)
    assert before == hashlib.sha256(bytes(size)).hexdigest()
    path.write_bytes(bytes(max(size - 1, 0)) + b"1")
    assert file_digest(path) != before


def test_what_only_tells_is_in_no_fingerprint(package):
    before = fingerprint(package)
    (package / "lunggtv/errors.py").write_text("class LungGtvError(Exception):\n    pass\n")
    run = package / "lunggtv/room/run.py"
    run.write_text("from lunggtv.errors import LungGtvError\n" + run.read_text())
    found = fingerprint(package)
    assert set(found) == set(before)


def test_what_a_configuration_never_imports_is_left_out_with_all_that_only_it_needs(package):
    _read_source.cache_clear()
    found = code_fingerprint(package / "adapter.py", package, {"lunggtv.room.deep"})
    assert set(found) == {"adapter.py", "lunggtv", "lunggtv.room", "lunggtv.room.run"}


@pytest.mark.parametrize("module", sorted(TELLING))
def test_what_is_left_out_sees_no_array_and_writes_no_result(module):
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    ours = {*TELLING, "lunggtv.train.train_settings", "lunggtv.natural_order", "lunggtv.shared_scans"}
    # A digest beside a file is no result; it is kept of what others have written.
    digests = {"forget_digest", "is_as_written", "record_digest"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            library = node.module.partition(".")[0] in sys.stdlib_module_names
            assert library or node.module in ours or (node.module == "lunggtv.files" and names <= digests)
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            # The lock file is opened, and nothing else.
            opening = {"open"} if module != "lunggtv.locks" else set()
            assert name not in {*opening, "write_text", "write_bytes", "rename", "replace", "unlink"}, name


def test_training_is_identified_by_what_decides_its_weights_alone():
    _read_source.cache_clear()
    found = code_fingerprint(ROOT / "lunggtv/train/fit.py", ROOT, {"lunggtv.model.monai_networks"})
    needed = {"augmentation", "batches", "cases", "loss", "optimisation", "sampling", "train_settings"}
    assert {f"lunggtv.train.{name}" for name in needed} <= set(found)
    assert {
        "lunggtv.model.network",
        "lunggtv.model.residual_encoder",
        "lunggtv.model.numerics",
        "torch",
    } <= set(found)
    telling = {
        "figures",
        "tables",
        "train.state",
        "train.state_folder",
        "train.memory",
        "train.train_fold",
        "model.device",
    }
    assert not {f"lunggtv.{name}" for name in telling} & set(found)
    assert not {"monai", "matplotlib", "pandas", "PIL"} & set(found)


def test_what_a_finished_fold_is_restored_as_belongs_to_its_identity():
    _read_source.cache_clear()
    found = code_fingerprint(ROOT / "lunggtv/train/deliver.py", ROOT, {"lunggtv.model.monai_networks"})
    assert {
        "lunggtv.train.fit",
        "lunggtv.model.weights",
        "lunggtv.tables",
        "lunggtv.files",
        "safetensors",
    } <= set(found)
    rules = (ROOT / "rules/train.smk").read_text(encoding="utf-8")
    assert 'identity=code_of_modules("lunggtv.train.fit", "lunggtv.train.deliver")' in rules
    # What is kept for a finished fold is what this module writes.
    assert not {"lunggtv.train.state", "lunggtv.train.train_fold", "lunggtv.train.memory"} & set(found)


def test_every_library_that_shapes_results_counts():
    """But those that read settings, and one that measures memory."""
    graph = grimp.build_graph("lunggtv", cache_dir=None, include_external_packages=True)
    used = {module.partition(".")[0] for module in graph.modules} - set(sys.stdlib_module_names)
    assert used - {"lunggtv", "lungphantom"} == {*SHAPING_LIBRARIES, "jsonschema", "psutil", "yaml"}
