"""What one page may cost its worker, for files whose size says nothing of it: 2 KB of PDF can ask for everything.

A page beyond a limit ends the worker, and is then found and set aside like every page that does.
"""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from omr.errors import PageTooLarge

PAGE_CPU_SECONDS = 20.0
"""An A3 page in colour at 600 dpi takes two."""

WORKER_MEMORY_BYTES = 1536 * 2**20
"""A worker has 0.1 GB before it opens a page, and the largest page that is taken 0.4 GB more."""


@dataclass(slots=True)
class _Limits:
    """Of this process; none as long as it does other things besides reading, and must not end."""

    cpu_seconds: float | None = None
    memory_bytes: int = WORKER_MEMORY_BYTES


_limits = _Limits()


def hold_to_limits(cpu_seconds: float = PAGE_CPU_SECONDS, memory_bytes: int = WORKER_MEMORY_BYTES) -> None:
    """Hold this process, and those it forks, to the limits: for processes that do nothing but read pages."""
    _limits.cpu_seconds, _limits.memory_bytes = cpu_seconds, memory_bytes


@contextmanager
def limited() -> Iterator[None]:
    """Do what is inside within the limits, where the process is held to them.

    Raises:
        PageTooLarge: the memory was not enough, and that could still be said.
    """
    if _limits.cpu_seconds is None:
        yield
        return
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_limits.memory_bytes, most))
    signal.setitimer(signal.ITIMER_PROF, _limits.cpu_seconds)  # nobody handles its signal: it ends the process
    try:
        yield
    except MemoryError as error:
        raise PageTooLarge("the page needs more memory than a scan does; print and scan it") from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))
