"""The one place where this process gets its Redis: said once by the wiring, opened at first use."""

from collections.abc import Callable
from functools import cache

import redis
import redis.asyncio

SOCKET_TIMEOUT_SECONDS = 5.0


def _nobody_said() -> str:
    raise RuntimeError("progress.connection.use() was not called: the wiring does it when Django starts")


_url: Callable[[], str] = _nobody_said


def use(url: Callable[[], str]) -> None:
    """Take ``url`` as what gives the address of Redis; it is called at first use, not now."""
    global _url  # noqa: PLW0603 - one process, one Redis; said once at start
    _url = url
    client.cache_clear()


def redis_url() -> str:
    """Return the address of Redis, ``redis://…``."""
    return _url()


@cache
def client() -> "redis.Redis":
    """Return this process's client for synchronous code; it is safe between threads."""
    return redis.Redis.from_url(redis_url(), socket_timeout=SOCKET_TIMEOUT_SECONDS, socket_connect_timeout=2.0)


def open_async_client() -> "redis.asyncio.Redis":
    """Return a new client for the running event loop; whoever opens it closes it."""
    return redis.asyncio.Redis.from_url(redis_url(), socket_timeout=SOCKET_TIMEOUT_SECONDS, socket_connect_timeout=2.0)
