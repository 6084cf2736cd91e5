"""Digests of files and arrays, and the fingerprint of the code behind a stage.

The fingerprint goes into a rule's ``params``, so that a stage reruns when code it imports changes and for
nothing else. Imports are walked statically: whatever a stage imports is its rerun surface.
"""

import ast
import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

PACKAGE = "lunggtv"
# Libraries whose version can change the bytes of an output: import name -> distribution name.
SHAPING_LIBRARIES = {
    "PIL": "pillow",
    "SimpleITK": "SimpleITK",
    "h5py": "h5py",
    "matplotlib": "matplotlib",
    "monai": "monai",
    "numpy": "numpy",
    "pandas": "pandas",
    "pydicom": "pydicom",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "torch": "torch",
}
DIGEST_CHARACTERS = 12


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of an array's type, shape and values, hexadecimal."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def code_fingerprint(script: str | Path, root: str | Path) -> dict[str, str]:
    """What a script's result depends on besides data and settings, sorted by name.

    Args:
        script: the adapter that a rule runs.
        root: the folder that holds the package ``lunggtv``.

    Returns:
        Short digests of the script and of every ``lunggtv`` module in its static import closure
        (comments, docstrings and layout do not count), and the versions of the libraries they import
        that shape bytes (local parts such as ``+cpu`` do not count).
    """
    root = Path(root)
    digest, modules, libraries = _read_source(Path(script))
    fingerprint = {Path(script).name: digest}
    waiting = set(modules)
    names = set(libraries)
    while waiting:
        module = waiting.pop()
        path = _module_path(root, module)
        if module in fingerprint or path is None:
            continue
        fingerprint[module], modules, libraries = _read_source(path)
        waiting |= modules
        names |= libraries
    fingerprint |= {name: library_version(name) for name in names if name in SHAPING_LIBRARIES}
    return dict(sorted(fingerprint.items()))


@cache
def library_version(name: str) -> str:
    """Public version of an imported library, without the local part; ``absent`` if not installed."""
    try:
        return metadata.version(SHAPING_LIBRARIES[name]).split("+")[0]
    except metadata.PackageNotFoundError:
        return "absent"


def _module_path(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _read_source(path: Path) -> tuple[str, frozenset[str], frozenset[str]]:
    """Digest of a source file, the package modules it imports, and the top names of other imports."""
    tree = ast.parse(path.read_bytes())
    parts: list[str] = []
    modules: set[str] = set()
    libraries: set[str] = set()
    _serialise(tree, parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}: relative imports hide from the fingerprint; write lunggtv.…")
            # `from lunggtv.train import loop` imports a module as well as a package.
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            top = name.split(".")[0]
            if top == PACKAGE:
                pieces = name.split(".")
                modules |= {".".join(pieces[: n + 1]) for n in range(len(pieces))}
            else:
                libraries.add(top)
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()[:DIGEST_CHARACTERS]
    return digest, frozenset(modules), frozenset(libraries)


def _serialise(node: ast.AST, parts: list[str]) -> None:
    """Append a text of the syntax tree that is the same on every Python from 3.11 on.

    ``ast.dump`` differs between versions; leaving out ``None`` and empty fields does not. Docstrings are
    left out, positions are not part of the fields.
    """
    parts.append(f"({type(node).__name__}")
    for name, value in ast.iter_fields(node):
        if value is None or value == []:
            continue
        parts.append(f" {name}=")
        if isinstance(value, ast.AST):
            _serialise(value, parts)
        elif isinstance(value, list):
            for item in _without_docstring(node, value) if name == "body" else value:
                if isinstance(item, ast.AST):
                    _serialise(item, parts)
                else:
                    parts.append(repr(item))
        else:
            parts.append(repr(value))
    parts.append(")")


def _without_docstring(node: ast.AST, body: list[ast.AST]) -> list[ast.AST]:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    first = body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    return body[1:] if documented and is_text else body
