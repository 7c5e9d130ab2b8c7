"""nginx in front, with nothing but ``proxy_pass``: as most sites will have it."""

import asyncio
import getpass
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.parts import without
from tests.progress.clients import Client, staying
from tests.progress.conftest import SERVERS
from tests.progress.live import Live, becomes, serving
from tests.site import Site, free_port, wait_for_answer

QUIET_SECONDS = 1  # of the site; a comment goes out after that

CONFIGURATION = """
user {user};
daemon off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    proxy_read_timeout {patience};
    location / {{ proxy_pass {url}; }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, url: str, *, patience: str) -> Iterator[str]:
    """Run nginx before ``url``; ``patience``: how long it waits for the site to say anything. Gives its address."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        without("nginx", "apt-get install nginx-light")
    folder.mkdir()
    port = free_port()
    settings = {"user": getpass.getuser(), "folder": folder, "port": port, "patience": patience, "url": url}
    (folder / "nginx.conf").write_text(CONFIGURATION.format(**settings))
    command = [program, "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]
    with subprocess.Popen(command, text=True, stderr=subprocess.DEVNULL) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for_answer(address, process)
            yield address
        finally:
            process.terminate()


@pytest.fixture(scope="module", params=SERVERS)
def site_behind(
    request: pytest.FixtureRequest, migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """A site that says something at least every second, served by each of the servers in turn."""
    var = tmp_path_factory.mktemp(f"behind-{request.param}") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    with serving(Site(var, {"STREAM_QUIET_SECONDS": str(QUIET_SECONDS)}), request.param) as live:
        yield live


Front = Callable[[str], str]


@pytest.fixture
def front(site_behind: Live, tmp_path: Path) -> Iterator[Front]:
    """Gives the address of an nginx before the site, as patient as asked for."""
    with ExitStack() as stack:
        yield lambda patience: stack.enter_context(nginx(tmp_path / "nginx", site_behind.url, patience=patience))


def stream_at(front: str, live: Live, batch: str) -> Client:
    return Client(f"{front}/api/batches/{batch}/stream", live.bearer)


async def test_behind_nginx_every_event_comes_within_a_second(site_behind: Live, front: Front) -> None:
    batch = site_behind.writer.add_batch()
    client = stream_at(front("60s"), site_behind, batch)

    async with staying(client):
        await becomes(lambda: client.is_connected)
        for number in range(1, 11):
            site_behind.writer.publish(batch, f"event {number}")
            await becomes(lambda: client.position == number, seconds=1.0)  # noqa: B023
        site_behind.writer.publish(batch, "end", stage="completed")
        await becomes(lambda: client.is_done)

    assert client.seqs == list(range(1, 12))
    assert client.connections == 1


async def test_a_quiet_time_longer_than_nginxs_patience_does_not_cut_the_stream(
    site_behind: Live, front: Front
) -> None:
    batch = site_behind.writer.add_batch()
    client = stream_at(front("3s"), site_behind, batch)

    async with staying(client):
        site_behind.writer.publish(batch, "event 1")
        await becomes(lambda: client.position == 1)
        quiet_since = time.monotonic()
        while time.monotonic() < quiet_since + 5:
            assert client.is_connected
            await asyncio.sleep(0.1)
        site_behind.writer.publish(batch, "event 2", stage="completed")
        await becomes(lambda: client.is_done, seconds=1.0)

    assert client.seqs == [1, 2]
    assert client.connections == 1


async def test_a_proxy_less_patient_than_the_quiet_time_cuts_the_stream_and_nothing_is_lost(
    site_behind: Live, front: Front
) -> None:
    batch = site_behind.writer.add_batch()
    client = stream_at(front("300ms"), site_behind, batch)

    async with staying(client):
        for number in range(1, 4):
            site_behind.writer.publish(batch, f"event {number}")
            await becomes(lambda: client.position == number)  # noqa: B023
            cut = client.connections
            await becomes(lambda: client.connections > cut)  # noqa: B023
        site_behind.writer.publish(batch, "event 4", stage="completed")
        await becomes(lambda: client.is_done)

    assert client.seqs == [1, 2, 3, 4]
