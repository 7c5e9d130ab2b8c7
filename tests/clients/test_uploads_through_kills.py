"""A server that is killed in the middle of a request, and comes back: other people's clients go on, and all arrives."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tusclient.client import TusClient

from batches.wording import MB
from tests.clients.node import node
from tests.clients.proxy import Proxy, a_proxy
from tests.clients.records import ProgramRecord, running
from tests.site import Site, free_port, wait_for_answer, wait_until
from tests.tus import Tus, a_zip

CHUNK_BYTES = 2 * MB
UNDER_WAY_BYTES = 300_000  # of a request, when its server is killed
SLOW_SECONDS = 0.02  # a piece of 64 KB: a request takes more than half a second
TRIES, PAUSE_SECONDS = 100, 0.2
PATIENCE_SECONDS = 60.0

COMMANDS = {
    "uvicorn": ("uvicorn", "--log-level", "warning", "--port"),
    "daphne": ("daphne", "-b", "127.0.0.1", "-p"),
}


@dataclass
class Mortal:
    """A site that is served on a port of its own, killed, and served there again."""

    site: Site
    server: str
    port: int = field(default_factory=free_port)
    life: ExitStack = field(default_factory=ExitStack)
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        command = (sys.executable, "-m", *COMMANDS[self.server], str(self.port), "omr_project.asgi:application")
        self.process = self.life.enter_context(self.site.start(*command))
        wait_for_answer(f"http://127.0.0.1:{self.port}", self.process)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.life.close()


@dataclass(frozen=True)
class Upload:
    """Ann's scans on their way through a proxy, which is there all the time."""

    mortal: Mortal
    proxy: Proxy
    ann: Tus
    scans: Path
    address: str

    @property
    def url(self) -> str:
        return f"{self.proxy.url}{self.address}"

    @property
    def file(self) -> Path:
        return self.mortal.site.var / "uploads" / f"{self.address.rpartition('/')[2]}.zip"

    @property
    def authorization(self) -> str:
        return str(self.ann.http.headers["Authorization"])

    @property
    def is_in_the_middle(self) -> bool:
        """Whether a request is stored, and the next one under way."""
        return self.proxy.passed_bytes > CHUNK_BYTES + UNDER_WAY_BYTES and self.file.stat().st_size > 0

    def has_all(self) -> bool:
        is_same = self.file.read_bytes() == self.scans.read_bytes()
        return is_same and self.ann.batch(self.address)["status"] == "queued"


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    var = tmp_path_factory.mktemp("mortal") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var)
    site.add_user("ann")
    (var / "scans.zip").write_bytes(a_zip(8 * MB))
    return site


@pytest.fixture(params=COMMANDS)
def mortal(request: pytest.FixtureRequest, site: Site) -> Iterator[Mortal]:
    mortal = Mortal(site, request.param)
    try:
        mortal.start()
        yield mortal
    finally:
        mortal.life.close()


@pytest.fixture
def uploads(mortal: Mortal) -> Iterator[tuple[Upload, Upload]]:
    """Two of the same scans, each through a network of its own."""
    scans = mortal.site.var / "scans.zip"
    with (
        a_proxy(mortal.port) as one,
        a_proxy(mortal.port) as other,
        closing(Tus.login(f"http://127.0.0.1:{mortal.port}", "ann")) as ann,
    ):
        one.slow_seconds = other.slow_seconds = SLOW_SECONDS
        size = scans.stat().st_size
        yield Upload(mortal, one, ann, scans, ann.begin(size)), Upload(mortal, other, ann, scans, ann.begin(size))


@contextmanager
def tus_js(upload: Upload, workshop: Path) -> Iterator[ProgramRecord]:
    pauses = [1000 * PAUSE_SECONDS] * TRIES
    options = {"uploadUrl": upload.url, "chunkSize": CHUNK_BYTES, "retryDelays": pauses, "file": str(upload.scans)}
    token = {"token": upload.authorization.removeprefix("Bearer ")}
    with running(node(), str(workshop / "upload.mjs"), json.dumps(options | token), folder=workshop) as record:
        yield record


@contextmanager
def tuspy(upload: Upload) -> Iterator[threading.Thread]:
    client = TusClient(f"{upload.proxy.url}/api/uploads", headers={"Authorization": upload.authorization})
    patience = {"retries": TRIES, "retry_delay": PAUSE_SECONDS}
    with upload.scans.open("rb") as file:
        uploader = client.uploader(file_stream=file, url=upload.url, chunk_size=CHUNK_BYTES, **patience)
        sending = threading.Thread(target=uploader.upload)
        sending.start()
        yield sending
        sending.join(PATIENCE_SECONDS)


def test_tus_js_client_and_tuspy_go_on_with_a_server_that_was_killed(
    mortal: Mortal, uploads: tuple[Upload, Upload], workshop: Path
) -> None:
    of_tus_js, of_tuspy = uploads

    with tus_js(of_tus_js, workshop) as record, tuspy(of_tuspy) as sending:
        wait_until(lambda: of_tus_js.is_in_the_middle and of_tuspy.is_in_the_middle)
        mortal.kill()
        assert sending.is_alive()
        assert not record.has_ended
        for upload in uploads:
            assert upload.file.stat().st_size < upload.scans.stat().st_size
            upload.proxy.slow_seconds = 0.0
        mortal.start()
        wait_until(lambda: record.has_ended, within_seconds=PATIENCE_SECONDS)

    assert record.lines[-1] == {"over": "done"}
    assert of_tus_js.has_all()
    assert of_tuspy.has_all()
