"""The one place where this process gets its Redis: said once by the wiring, opened at first use."""

import time
from collections.abc import Callable
from functools import cache

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from progress import metrics

SOCKET_TIMEOUT_SECONDS = 5.0
QUICK_TIMEOUT_SECONDS = 0.5

BACKOFF_FIRST_SECONDS = 0.25
BACKOFF_MOST_SECONDS = 2.0

AWAY = (redis.RedisError, OSError, TimeoutError)
"""What is raised when Redis is away, full, loading or too slow."""


def _nobody_said() -> str:
    raise RuntimeError("progress.connection.use() was not called: the wiring does it when Django starts")


_url: Callable[[], str] = _nobody_said


def use(url: Callable[[], str]) -> None:
    """Take ``url`` as what gives the address of Redis; it is called at first use, not now."""
    global _url  # noqa: PLW0603 - one process, one Redis; said once at start
    _url = url
    client.cache_clear()
    quick_client.cache_clear()


def redis_url() -> str:
    """Return the address of Redis, ``redis://…``."""
    return _url()


@cache
def client() -> "redis.Redis":
    """Return this process's client for synchronous code; it is safe between threads."""
    return redis.Redis.from_url(redis_url(), socket_timeout=SOCKET_TIMEOUT_SECONDS, socket_connect_timeout=2.0)


@cache
def quick_client() -> "redis.Redis":
    """Return the client of those who can do without Redis: it gives up after half a second."""
    # One retry, for a connection that a restart of Redis has cut; a time-out is never retried.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(
        redis_url(),
        socket_timeout=QUICK_TIMEOUT_SECONDS,
        socket_connect_timeout=QUICK_TIMEOUT_SECONDS,
        retry=retry,
    )


def open_async_client() -> "redis.asyncio.Redis":
    """Return a new quick client for the running event loop; whoever opens it closes it."""
    retry = redis.asyncio.retry.Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.asyncio.Redis.from_url(
        redis_url(),
        socket_timeout=QUICK_TIMEOUT_SECONDS,
        socket_connect_timeout=QUICK_TIMEOUT_SECONDS,
        retry=retry,
    )


class Backoff:
    """Keeps a Redis that is away from costing every caller its time-out: after a failure nobody tries for a while."""

    def __init__(self) -> None:
        self._pause_seconds = 0.0
        self._not_before = 0.0

    def may_try(self) -> bool:
        return time.monotonic() >= self._not_before

    def failed(self) -> None:
        self._pause_seconds = min(max(2 * self._pause_seconds, BACKOFF_FIRST_SECONDS), BACKOFF_MOST_SECONDS)
        self._not_before = time.monotonic() + self._pause_seconds
        metrics.redis_failed(self._pause_seconds)

    def worked(self) -> None:
        self._pause_seconds = self._not_before = 0.0
