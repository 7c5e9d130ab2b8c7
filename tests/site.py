"""A whole site in a folder of its own, run as people run it: commands and web servers as real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30


@dataclass
class Site:
    """``var`` is its VAR_DIR, migrated; ``environment`` is added to that of its processes."""

    var: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        own = {"VAR_DIR": str(self.var), "DATABASE_URL": "", "REDIS_URL": ""}
        own |= {"ARCHIVE_CACHE_DIR": "", "ARCHIVE_CACHE_GB": ""}  # of this process: its settings put them there
        own |= {"DJANGO_SETTINGS_MODULE": "tests.site_settings"}
        return os.environ | own | self.environment

    def manage(self, *arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py`` to its end; its output is captured."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"manage.py {' '.join(arguments)} → {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def add_user(self, name: str, password: str = "correct horse", *, superuser: bool = False) -> None:
        """Add a user through Django's own shell, so that any process of the site sees it."""
        create = "create_superuser" if superuser else "create_user"
        code = f"from django.contrib.auth.models import User; User.objects.{create}({name!r}, password={password!r})"
        self.manage("shell", "--no-imports", "-c", code)

    @contextmanager
    def start(self, *command: str, stop: signal.Signals = signal.SIGTERM) -> Iterator[subprocess.Popen[str]]:
        """Start a program of the site and stop it at the end, whatever happened; its output goes to ``var/logs``."""
        logs = self.var / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / f"{Path(command[0]).name}-{time.monotonic_ns()}.log").open("w") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.env, text=True, stdout=log, stderr=log)
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    process.send_signal(stop)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    @contextmanager
    def serve(self, server: str = "daphne", port: int | None = None, *, talkative: bool = False) -> Iterator[str]:
        """Serve the site with daphne or uvicorn on loopback; gives ``http://127.0.0.1:port`` once it answers.

        ``talkative``: the server's own log says all that it can.
        """
        port, level = port or free_port(), "debug" if talkative else "warning"
        command = {
            "daphne": ("-m", "daphne", *(("-v", "3") if talkative else ()), "-b", "127.0.0.1", "-p", str(port)),
            "uvicorn": ("-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), "--log-level", level),
        }[server]
        with self.start(sys.executable, *command, "omr_project.asgi:application") as process:
            url = f"http://127.0.0.1:{port}"
            wait_for_answer(url, process)
            yield url

    @contextmanager
    def runner(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Run ``process_batch --watch``."""
        with self.start(sys.executable, "manage.py", "process_batch", "--watch", *options) as process:
            yield process


def wait_until(claim: Callable[[], bool], *, within_seconds: float = START_SECONDS) -> None:
    """Return when ``claim`` is true; AssertionError when it does not become so in time."""
    deadline = time.monotonic() + within_seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for_answer(url: str, process: "subprocess.Popen[str]") -> None:
    """Return when ``url`` answers anything at all."""
    host, port = url.removeprefix("http://").split(":")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, httpx.TransportError):
            socket.create_connection((host, int(port)), timeout=5).close()  # a client of HTTP costs 20 ms to make
            httpx.get(f"{url}/healthz", timeout=5)
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"{url} does not answer; its log lies in the site's var/logs")
