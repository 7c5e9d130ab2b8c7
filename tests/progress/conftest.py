"""Sites that are being served, one for each server, shared by the tests that leave them as they were."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.progress.live import Live, RedisServer, a_redis, serving
from tests.site import Site

SERVERS = ("daphne", "uvicorn")

ROOMY = {"STREAMS_PER_USER": "1000"}
"""Ann is a crowd in some tests."""


@pytest.fixture(scope="session", params=SERVERS)
def live(request: pytest.FixtureRequest, migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A site served by each of the servers in turn. Its batches and users stay: each test takes new ones."""
    var = tmp_path_factory.mktemp(request.param) / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    with serving(Site(var, ROOMY), request.param) as live:
        yield live


STRICT = {
    "STREAM_RIGHTS_SECONDS": "1",
    "STREAM_STALLED_SECONDS": "2",
    "STREAM_QUIET_SECONDS": "1",
    "STREAMS_PER_USER": "5",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "DEBUG",
}


@pytest.fixture(scope="session", params=SERVERS)
def strict(request: pytest.FixtureRequest, migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A site that is short of patience and writes down all it can; each test takes users and batches of its own."""
    var = tmp_path_factory.mktemp(f"strict-{request.param}") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    with serving(Site(var, STRICT), request.param, talkative=True) as live:
        yield live


@pytest.fixture
def batch(live: Live) -> str:
    """A batch of ann's, without events."""
    return live.writer.add_batch()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for tests that break it; each leaves it running, and in order."""
    with a_redis(tmp_path_factory.mktemp("own") / "redis") as server:
        yield server


@pytest.fixture(scope="session", params=SERVERS)
def fragile(
    request: pytest.FixtureRequest, migrated: Path, tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> Iterator[Live]:
    """A site whose Redis the tests may break, served by each of the servers in turn."""
    var = tmp_path_factory.mktemp(f"fragile-{request.param}") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    with serving(Site(var, ROOMY | {"REDIS_URL": redis_server.url}), request.param) as live:
        yield live
