"""Writing to somebody who may stop reading: ``process_batch scans.zip | head -1`` processes the batch all the same."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


def say(stream: TextIO, line: str) -> None:
    """Write ``line`` at once; when nobody can read it any more, it and all that follows vanish."""
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except OSError:
        give_up(stream)


@contextmanager
def reader_may_leave(stream: TextIO) -> Iterator[None]:
    """Give the ``with`` block, whose writing to ``stream`` ends in silence when its reader leaves."""
    try:
        yield
        stream.flush()
    except BrokenPipeError:
        give_up(stream)


def give_up(stream: TextIO) -> None:
    """Let all that is written to ``stream`` from now on vanish."""
    # The descriptor itself: what lies in the stream's buffer would fail once more when Python ends.
    with suppress(io.UnsupportedOperation), open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a name, no path
        os.dup2(nowhere.fileno(), stream.fileno())
