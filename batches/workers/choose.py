"""Which workers there are to choose from."""

import os
from collections.abc import Callable

from batches.workers.base import Workers
from batches.workers.pool import PoolWorkers

KINDS = ("local", "celery")


class WorkersUnavailable(Exception):
    """These workers cannot be had; the sentence says what to do."""


def choose_workers(kind: str, processes: int) -> Workers:
    """Return workers of ``kind``, one of KINDS; ``processes`` 0 means one for each core.

    Raises:
        WorkersUnavailable: they cannot be had here.
    """
    kinds: dict[str, Callable[[], Workers]] = {"local": lambda: PoolWorkers(processes or _cores())}
    if kind not in kinds:
        raise WorkersUnavailable(f"--workers {kind} is not available in this version; use --workers local")
    return kinds[kind]()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
