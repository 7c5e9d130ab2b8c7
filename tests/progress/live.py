"""The stream as people meet it: a web server, a process that writes, and viewers, all real."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import redis
from httpx_sse import EventSource, ServerSentEvent

from omr_project.redis_server import find_program
from tests.site import ROOT, Site, free_port

PATIENCE_SECONDS = 15.0
"""How long a test waits for what must come; far more than it takes."""


class Writer:
    """The process of writer.py; every method waits for its answer."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lock = threading.Lock()

    def ask(self, do: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, "the writer died; its log lies in the site's var/logs"
        return json.loads(answer)

    def add_user(self, name: str, *, superuser: bool = False) -> dict[str, str]:
        return dict(self.ask("user", name=name, superuser=superuser))

    def add_batch(self, owner: str = "ann") -> str:
        return str(self.ask("batch", owner=owner))

    def publish(
        self, batch: str, *messages: str, stage: str = "processing_sheets", attempt: int = 1, **more: Any
    ) -> int:
        """``more``: what else Report takes, such as ``progress_percentage``."""
        return int(self.ask("publish", batch=batch, messages=messages, stage=stage, attempt=attempt, more=more))


@contextmanager
def writing(site: Site, **environment: str) -> Iterator[Writer]:
    """Start a writer; ``environment`` is its own, such as a Redis that nobody else knows."""
    logs = site.var / "logs"
    logs.mkdir(exist_ok=True)
    env = site.env | environment
    with (logs / f"writer-{time.monotonic_ns()}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.progress.writer"],
            cwd=ROOT,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        with process:
            try:
                yield Writer(process)
            finally:
                process.terminate()


@dataclass
class Live:
    """A site that is being served, and its writer; the user ann is there."""

    site: Site
    url: str
    writer: Writer
    token: str
    session: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def address(self, batch: str, what: str = "stream") -> str:
        return f"{self.url}/api/batches/{batch}/{what}"

    def watch(self, batch: str, *, after: int | None = None) -> "Watching":
        headers = self.bearer | ({} if after is None else {"Last-Event-ID": str(after)})
        return watch(self.address(batch), headers)

    def redis(self) -> "redis.Redis":
        url = self.site.environment.get("REDIS_URL") or (self.site.var / "redis" / "url").read_text().strip()
        return redis.Redis.from_url(url, decode_responses=True)

    def logs(self) -> str:
        """Return what all processes of the site have written down."""
        return "".join(path.read_text() for path in (self.site.var / "logs").glob("*.log"))

    def server_status(self, name: str) -> int:
        """Return a number from the kernel's account of the web server: ``Threads``, or ``VmRSS`` in KB."""
        lines = Path(f"/proc/{server_pid(self.url)}/status").read_text().splitlines()
        return int(dict(line.split(":", 1) for line in lines)[name].split()[0])


def server_pid(url: str) -> int:
    """Return the process that serves ``url``."""
    port = url.rsplit(":", 1)[1]
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            arguments = (folder / "cmdline").read_bytes().decode().split("\0")
            if port in arguments and "omr_project.asgi:application" in arguments:
                return int(folder.name)
    raise AssertionError("the web server is not running")


@contextmanager
def serving(site: Site, server: str, *, talkative: bool = False) -> Iterator[Live]:
    """Serve ``site`` and start its writer; ``talkative``: the server's log says all that it can."""
    with writing(site) as writer, site.serve(server, talkative=talkative) as url:
        ann = writer.add_user("ann")
        yield Live(site, url, writer, ann["token"], ann["session"])


@dataclass
class Viewer:
    """One client: what it has received so far."""

    response: httpx.Response
    events: list[ServerSentEvent] = field(default_factory=list)
    has_ended: bool = False

    @property
    def seqs(self) -> list[int]:
        return [int(event.id) for event in self.events]

    @property
    def messages(self) -> list[str]:
        return [event.json()["message"] for event in self.events]

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.events]

    async def sees(self, seq: int) -> None:
        """Wait for the event ``seq``."""
        await becomes(lambda: bool(self.events) and self.seqs[-1] >= seq)

    async def ends(self) -> None:
        """Wait until the server ends the stream."""
        await becomes(lambda: self.has_ended)


Watching = Any


@asynccontextmanager
async def watch(url: str, headers: dict[str, str]) -> AsyncIterator[Viewer]:
    """Open a stream and read it in the background; it is open, head received, when this begins."""
    async with (
        httpx.AsyncClient(timeout=httpx.Timeout(PATIENCE_SECONDS, read=None)) as client,
        client.stream("GET", url, headers={"Accept": "text/event-stream", **headers}) as response,
    ):
        assert response.status_code == 200, response.status_code
        viewer = Viewer(response)
        reading = asyncio.create_task(_read(viewer))
        try:
            yield viewer
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _read(viewer: Viewer) -> None:
    async for event in EventSource(viewer.response).aiter_sse():
        if event.data:  # httpx-sse takes a comment for an event without data, once there was an id
            viewer.events.append(event)
    viewer.has_ended = True


async def becomes(claim: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Return when ``claim`` is true; fail when it does not become so in time."""
    async with asyncio.timeout(seconds):
        while not claim():
            await asyncio.sleep(0.01)


@dataclass
class RedisServer:
    """A Redis that can be taken away and brought back; append-only, so that it may keep its data."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        program = find_program()
        assert program is not None
        where = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        self.process = subprocess.Popen(
            [str(program), *where, "--save", "", "--appendonly", "yes", "--appendfsync", "always", *options],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("Redis did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Stop it as it is: connections stay open, and nobody answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def forget(self) -> None:
        """Lose the data, as a Redis without a disk does when it is restarted."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


@contextmanager
def a_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    folder.mkdir()
    server = RedisServer(folder)
    server.start(*options)
    try:
        yield server
    finally:
        server.kill()


def dead_redis() -> str:
    """Return the address of a Redis that is not there."""
    return f"redis://127.0.0.1:{free_port()}/0"


def numbered(count: int, start: int = 1) -> list[str]:
    return [f"event {number}" for number in range(start, start + count)]


def in_background(work: Callable[[], object]) -> "threading.Thread":
    thread = threading.Thread(target=work)
    thread.start()
    return thread
