"""The site that is measured, in a folder of its own, and the peers that are measured beside it."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.streaming.protocol import ROOT, Helper, helping
from scripts.serve import SERVERS, is_taken

PEERS = ROOT / "benchmarks" / "peers"
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a site that lives for a minute
START_SECONDS = 60
WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # what is measured is on this machine
ACCEPT = {"Accept": "text/event-stream"}  # as browsers send it


@dataclass(frozen=True, slots=True)
class Site:
    """A migrated site with a user and their batches. ``token`` is the user's; ``redis`` is an address."""

    environment: Mapping[str, str]
    writer: Helper
    user: str
    batches: Sequence[str]
    redis: str


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers: its process, its port, and what a viewer must send to be let in."""

    pid: int
    port: int
    headers: Mapping[str, str]


@contextmanager
def a_site(folder: Path, batches: int) -> Iterator[Site]:
    """Make a site in ``folder``; its writer lives as long as this."""
    own = {"VAR_DIR": str(folder / "var"), "DATABASE_URL": "", "REDIS_URL": "", "LOG_LEVEL": "WARNING"}
    own |= {"STREAMS_PER_USER": "100000", "STREAMS_IN_ALL": "100000"}  # one user has all the viewers
    environment = os.environ | own
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
    with helping("benchmarks.streaming.writer", environment) as writer:
        made = writer.ask("accounts", password=PASSWORD, batches=batches)
        yield Site(environment, writer, made["user"], made["batches"], made["redis"])


@contextmanager
def served(site: Site, server: str, core: int | None = None) -> Iterator[Served]:
    """Serve ``site`` as scripts/serve.py does, on one core if one is named; sign its user in."""
    port = free_port()
    command = [sys.executable, *(part.format(port=port) for part in SERVERS[server])]
    with _running(command, port, site.environment, core) as pid:
        yield Served(pid, port, {**ACCEPT, "Authorization": f"Bearer {_sign_in(port, site.user)}"})


@contextmanager
def served_by_sample(site: Site) -> Iterator[Served]:
    """Serve the events of ``site`` by the specification's sample."""
    port, token = free_port(), "sample"
    own = {"SAMPLE_BATCHES": ",".join(site.batches), "SAMPLE_TOKEN": token, "SAMPLE_REDIS": site.redis}
    command = [str(_python_of_peers()), "-m", "uvicorn", "--app-dir", str(PEERS), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "warning", "sample:app"]
    with _running(command, port, os.environ | own, None) as pid:
        yield Served(pid, port, {**ACCEPT, "Authorization": f"Bearer {token}"})


@contextmanager
def served_by_floor(site: Site) -> Iterator[Served]:
    """Serve the events of ``site`` by the bare socket server."""
    port, address = free_port(), urlsplit(site.redis)
    command = [sys.executable, str(PEERS / "floor.py"), str(port), str(address.hostname), str(address.port)]
    with _running(command, port, os.environ, None) as pid:
        yield Served(pid, port, ACCEPT)


@contextmanager
def _running(command: Sequence[str], port: int, environment: Mapping[str, str], core: int | None) -> Iterator[int]:
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    with subprocess.Popen([*pinned, *command], cwd=ROOT, env=dict(environment)) as process:
        try:
            wait_for_listener(process, port)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for_listener(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Return when somebody listens on ``port``; SystemExit when ``process`` ends before."""
    deadline = time.monotonic() + START_SECONDS
    while not is_taken(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{' '.join(map(str, process.args))} does not serve; why stands above")  # type: ignore[arg-type]
        time.sleep(0.05)


def _sign_in(port: int, user: str) -> str:
    body = json.dumps({"username": user, "password": PASSWORD}).encode()
    url = f"http://127.0.0.1:{port}/api/auth/login"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with WITHOUT_PROXY.open(request, timeout=30) as response:
        return str(json.load(response)["access_token"])


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _python_of_peers() -> Path:
    """Return the interpreter that has the sample's packages; they are installed at the first use."""
    requirements = PEERS / "requirements.txt"
    name = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = ROOT / "var" / "benchmarks" / f"peers-{name}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        print(f"Installing the sample's packages in {folder} (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements)]
        subprocess.run(install, check=True, stdout=sys.stderr)
        ready.touch()
    return python
