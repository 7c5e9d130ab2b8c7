"""Files that are there in full or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

ORDINARY_MODE = 0o666


@contextmanager
def written_aside(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the place of ``path`` at the end; after an exception nothing is left of it.

    Raises:
        OSError: the folder is not there or not writable, or the disk is full.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        aside.chmod(ORDINARY_MODE & ~_umask())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
