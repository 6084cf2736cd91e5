"""The fingerprint of the code behind a stage.

It goes into a rule's ``params``, so that a stage reruns when code it imports changes and for
nothing else. Imports are walked statically: whatever a stage imports is its rerun surface.
"""

import hashlib
import re
from collections.abc import Collection
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGES = ("lunggtv", "lungphantom")
# Libraries whose version can change the bytes of an output: import name -> distribution name.
SHAPING_LIBRARIES = {
    "PIL": "pillow",
    "SimpleITK": "SimpleITK",
    "cc3d": "connected-components-3d",
    "h5py": "h5py",
    "highdicom": "highdicom",
    "matplotlib": "matplotlib",
    "monai": "monai",
    "numpy": "numpy",
    "pandas": "pandas",
    "pydicom": "pydicom",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "torch": "torch",
}
# Modules that can change no byte of a result: they see no array and write no result. A test holds them to it.
TELLING = frozenset(
    {
        "lunggtv.errors", "lunggtv.job", "lunggtv.locks", "lunggtv.train.doubts", "lunggtv.train.progress",
        "lunggtv.version",
    }
)  # fmt: skip
DIGEST_CHARACTERS = 12
# What carries no code: docstrings (after a colon that ends a line, or first in the file), lines that are blank
# or comments alone, comments behind code. Other strings are matched to be kept whole.
NO_CODE = re.compile(
    rb"""
    (?:\A|(?<=:)(?=[ \t]*(?:\#[^\n]*)?\n)) (?:[ \t]*(?:\#[^\n]*)?\n)*
        (?P<indent>[ \t]*) (?P<docstring>[rR]?\"\"\"(?:[^"\\]|\\.|"(?!""))*\"\"\") (?=[ \t]*(?:\#[^\n]*)?(?:\n|\Z))
    | (?:\n[ \t]*(?:\#[^\n]*)?)+ (?=\n|\Z)
    | (?P<string>\"\"\"(?:[^"\\]|\\.|"(?!""))*\"\"\" | \'\'\'(?:[^'\\]|\\.|'(?!''))*\'\'\'
        | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
    | [ \t]*\#[^\n]*
    """,
    re.VERBOSE | re.DOTALL,
)
IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)|import[ \t]+([^\n]+))", re.MULTILINE
)


def code_fingerprint(
    start: str | Path, root: str | Path, without: Collection[str] = frozenset()
) -> dict[str, str]:
    """What a result depends on besides data and settings, sorted by name.

    Args:
        start: the adapter that a rule runs, or a module.
        root: the folder that holds the packages.
        without: modules that this configuration never imports.

    Returns:
        Short digests of the file and of every module of ours in its static import closure, but for those that
        only tell (comments, docstrings and blank lines do not count), and the versions of the libraries they
        import that shape bytes (local parts such as ``+cpu`` do not count).
    """
    root = Path(root)
    digest, modules, libraries = _read_source(Path(start))
    fingerprint = {Path(start).name: digest}
    waiting = set(modules)
    names = set(libraries)
    left_out = TELLING.union(without)
    while waiting:
        module = waiting.pop()
        path = _module_path(root, module)
        if module in fingerprint or module in left_out or path is None:
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


@cache
def _module_path(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _read_source(path: Path) -> tuple[str, frozenset[str], frozenset[str]]:
    """Digest of a source file, the package modules it imports, and the top names of other imports."""
    code = stripped(path.read_bytes())
    modules: set[str] = set()
    libraries: set[str] = set()
    for source, names, plain in IMPORT.findall(code):
        if source.startswith(b"."):
            raise ValueError(f"{path}: relative imports hide from the fingerprint; write the full name")
        listed = [name.split()[0] for name in (plain or names.strip(b"()")).split(b",") if name.strip()]
        # `from lunggtv.train import fit` imports a module as well as a package.
        found = [source, *(source + b"." + name for name in listed)] if source else listed
        for name in map(bytes.decode, found):
            pieces = name.split(".")
            if pieces[0] in PACKAGES:
                modules |= {".".join(pieces[: n + 1]) for n in range(len(pieces))}
            else:
                libraries.add(pieces[0])
    return hashlib.sha256(code).hexdigest()[:DIGEST_CHARACTERS], frozenset(modules), frozenset(libraries)


def stripped(source: bytes, docstring: bytes = b"") -> bytes:
    """Source without comments, docstrings and blank lines.

    A scan instead of a parse: parsing the whole package would take longer than the rest of a dry run. A test
    compares the syntax trees of every module before and after. ``docstring`` takes the place of docstrings.
    """

    def kept(found: re.Match[bytes]) -> bytes:
        if found["docstring"] is not None:
            return b"\n" + found["indent"] + docstring if docstring else b""
        return found["string"] or b""

    return NO_CODE.sub(kept, source).strip(b"\n")
