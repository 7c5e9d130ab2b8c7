"""Which workers there are to choose from."""

import os
from collections.abc import Callable

from batches.workers.base import Workers
from batches.workers.messages import Exchange
from batches.workers.pool import PoolWorkers

KINDS = ("local", "celery")


class WorkersUnavailable(Exception):
    """These workers cannot be had; the sentence says what to do."""


def choose_workers(kind: str, processes: int, *, exchange: Exchange) -> Workers:
    """Return workers of ``kind``, one of KINDS.

    Args:
        processes: of local workers; 0 means one for each core. How many a Celery worker has, it is told itself.
        exchange: where Celery workers are met; without an address when the site's Redis is not one that they know.

    Raises:
        WorkersUnavailable: they cannot be had here.
    """
    kinds: dict[str, Callable[[], Workers]] = {
        "local": lambda: PoolWorkers(processes or _cores()),
        "celery": lambda: _celery_workers(exchange),
    }
    return kinds[kind]()


def _celery_workers(exchange: Exchange) -> Workers:
    if not exchange.redis_url:
        seen = "--workers celery needs a Redis that the workers know, and REDIS_URL is not set"
        raise WorkersUnavailable(f"{seen}; set it here and for every worker, or use --workers local")
    from batches.workers.celery import CeleryWorkers  # Celery takes its time to load, and most runners do without

    return CeleryWorkers(exchange)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
