"""Paths for ITK, which ends the process, without a word, where a name holds bytes that are not UTF-8."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lunggtv.image_headers import detached_data
from lunggtv.wording import NO_UTF8, readable


@contextmanager
def utf8_path(path: Path) -> Iterator[str]:
    """A path to a file, for the time of the context: its own, or that of a link where it is not UTF-8.

    A file with the data of a detached header is beside it there too.
    """
    if not NO_UTF8.search(str(path)):
        yield str(path)
        return
    with TemporaryDirectory() as folder:
        for file in filter(None, (detached_data(path), path)):
            link = Path(folder, readable(file.name).replace("\\", "_"))
            link.symlink_to(file.absolute())
        yield str(link)
