"""Web server and runner together: started together, stopped together.

`make run` calls this; `scripts/demo.py` uses `running_site`.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 15

APPLICATION = "omr_project.asgi:application"
SERVERS = {
    # By daphne's -b and -p no more than 50 connections may wait: of a thousand viewers who come back at once most would
    # be turned away.
    "daphne": ["-m", "daphne", "-v", "0", "-e", f"tcp:port={{port}}:interface={HOST}:backlog=2048", APPLICATION],
    "uvicorn": ["-m", "uvicorn", "--host", HOST, "--port", "{port}", "--log-level", "warning", APPLICATION],
}
RUNNER = ["manage.py", "process_batch", "--watch"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--server", choices=SERVERS, default="daphne")
    options = parser.parse_args()
    # SIGINT too: whoever starts it in the background of a script hands down that it is ignored.
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, _interrupt)
    try:
        with running_site(options.port, server=options.server) as (url, processes):
            print(f"Serving on {url}; Ctrl-C stops web server and runner.", flush=True)
            say_how_to_begin()
            return wait_for_the_first_to_end(processes)
    except KeyboardInterrupt:
        return 0
    except SiteDidNotStart as error:
        print(error, file=sys.stderr)
        return 1


class SiteDidNotStart(Exception):
    """The web server or the runner ended before the site answered."""


@contextmanager
def running_site(port: int, *, server: str = "daphne") -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """Bring the database up to date, start web server and runner, and stop both at the end.

    Gives the site's address, once it answers, and the two processes.

    Raises:
        SiteDidNotStart: somebody else listens on the port, or one of them ended at once and said why.
    """
    if is_taken(port):
        raise SiteDidNotStart(f"Port {port} is taken by another program; name a free one: make run PORT={port + 1}")
    if subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, check=False).returncode:
        raise SiteDidNotStart("The database could not be brought up to date; the reason stands above.")
    web = [part.format(port=port) for part in SERVERS[server]]
    with ExitStack() as stack:
        processes = [stack.enter_context(_running(command)) for command in (web, RUNNER)]
        url = f"http://{HOST}:{port}"
        _wait_for_answer(port, processes)
        yield url, processes


def is_taken(port: int) -> bool:
    """Whether somebody listens on ``port`` of this machine; what answered there would be taken for the site."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


@contextmanager
def _running(arguments: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    # A session of its own: Ctrl-C in the terminal reaches this program alone, which stops the others in order.
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_answer(port: int, processes: list["subprocess.Popen[bytes]"]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            break
        if _answers(port):
            return
        time.sleep(0.1)
    raise SiteDidNotStart(f"http://{HOST}:{port} does not answer; what web server and runner said stands above.")


def _answers(port: int) -> bool:
    """Whether the site says anything. No proxy is asked that the environment may name: the site is on this machine."""
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


def wait_for_the_first_to_end(processes: list["subprocess.Popen[bytes]"]) -> int:
    """Block until one of the processes ends; without the other it is of no use."""
    while all(process.poll() is None for process in processes):
        time.sleep(0.5)
    print("One of web server and runner ended, so the other is stopped too.", file=sys.stderr)
    return 1


def say_how_to_begin() -> None:
    """Say how to make the first user where there is none."""
    code = "from django.contrib.auth.models import User; print(User.objects.exists())"
    asked = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=ROOT,
        env=os.environ | {"LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.stdout.strip() == "False":
        print("There is no user yet: `.venv/bin/python manage.py createsuperuser` makes one.", flush=True)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
