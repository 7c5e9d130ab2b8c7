"""What the tests of clients share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.node import a_workshop, node
from tests.clients.proxy import Proxy, a_proxy
from tests.elsewhere import a_front_end
from tests.progress.live import Live, serving
from tests.site import Site

STREAMS_PER_USER = 5


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts for Node and the packages that they want."""
    node()
    return a_workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="session")
def front_end() -> Iterator[str]:
    """The origin of a page elsewhere."""
    with a_front_end() as origin:
        yield origin


@pytest.fixture(scope="session")
def live(migrated: Path, tmp_path_factory: pytest.TempPathFactory, front_end: str) -> Iterator[Live]:
    """A site that is being served, also to the front end elsewhere. Each test takes a new batch.

    It says something every second, fifteen times as often as at home.
    """
    var = tmp_path_factory.mktemp("live") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    environment = {
        "STREAM_QUIET_SECONDS": "1",
        "STREAMS_PER_USER": str(STREAMS_PER_USER),
        "FRONT_END_ORIGINS": front_end,
    }
    with serving(Site(var, environment), "uvicorn") as live:
        yield live


@pytest.fixture
def batch(live: Live) -> str:
    """A batch of ann's, without events."""
    return live.writer.add_batch()


@pytest.fixture
def proxy(live: Live) -> Iterator[Proxy]:
    """A proxy in front of the site, without a fault yet."""
    with a_proxy(int(live.url.rpartition(":")[2])) as proxy:
        yield proxy
