"""See it work: a sample batch is uploaded, processed before your eyes and compared with the truth.

`make demo` calls this. It speaks to the site as any client does: tus for the ZIP, Server-Sent Events for what
happens, CSV for what was read.
"""

import argparse
import base64
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import connect_sse
from serve import HOST, ROOT, SiteDidNotStart, is_taken, running_site, wait_for_the_first_to_end

SHEETS, GROUPS, SEED = 300, 3, 2026
TEMPLATE = "standard-150"
USER = "demo"
PATCH_BYTES = 16 * 2**20
QUIET_SECONDS = 60.0  # the stream says something at least every 15 s
LOOK_SECONDS = 0.5
AGAIN_SECONDS = 1.0

MAKE_USER = f"""
import secrets
from django.conf import settings
from django.contrib.auth.models import User
kept = settings.VAR_DIR / "demo_password"
if not kept.exists():
    kept.touch(mode=0o600)
    kept.write_text(secrets.token_urlsafe(12))
user, _ = User.objects.get_or_create(username="{USER}")
if not user.check_password(kept.read_text()):
    user.set_password(kept.read_text())
    user.save()
print(settings.VAR_DIR)
"""


class DemoFailed(Exception):
    """It cannot go on; the sentence says why."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne")
    parser.add_argument("--once", action="store_true", help="end after the batch; 1 when anything was read wrong")
    options = parser.parse_args()
    # Events are shown as a client receives them; the server's own lines about them would only stand between.
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    # SIGINT too: whoever starts it in the background of a script hands down that it is ignored.
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, interrupt)
    try:
        score = run(free_port(options.port), server=options.server, stay=not options.once)
    except (DemoFailed, SiteDidNotStart, httpx.HTTPError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130 if options.once else 0
    print(score)
    return 1 if score.wrong else 0


def interrupt(_signal: int, _frame: object) -> None:
    """Let SIGTERM end web server and runner as Ctrl-C does."""
    raise KeyboardInterrupt


def run(port: int, *, server: str, stay: bool) -> "Score":
    """Show one batch from its ZIP to its answers; with ``stay``, go on serving until interrupted."""
    with running_site(port, server=server) as (url, processes):
        var = Path(manage("shell", "--no-imports", "-c", MAKE_USER).strip())
        sample = make_sample(var / "demo")
        password = (var / "demo_password").read_text()
        with client(url, timeout=60) as http:
            login(http, password)
            batch_id = show_batch(http, sample, processes)
            score = compare(http, batch_id, sample.truth)
        print(f"\nLook at it: {url}/batches/{batch_id}   user: {USER}   password: {password}", flush=True)
        if stay:
            print(f"{score}\nCtrl-C ends web server and runner.", flush=True)
            wait_for_the_first_to_end(processes)
    return score


def free_port(wanted: int) -> int:
    """Return ``wanted``, or any free port when somebody else listens there."""
    if not is_taken(wanted):
        return wanted
    print(f"Port {wanted} is taken; another one is used.", flush=True)
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def manage(*arguments: str) -> str:
    """Run a command of the site and return what it printed."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise DemoFailed(f"manage.py {arguments[0]} ended with {done.returncode}; what it said stands above")
    return done.stdout


# --- The sample ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """A ZIP of scanned pages, and what is marked on them."""

    archive: Path
    truth: Path


def make_sample(folder: Path) -> Sample:
    """Return the sample below ``folder``, made at the first run."""
    sample = Sample(folder / f"sample-{SHEETS}.zip", folder / f"sample-{SHEETS}.csv")
    if sample.archive.exists() and sample.truth.exists():
        return sample
    print(f"Making {SHEETS} scanned answer sheets in {GROUPS} groups …", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"--sheets": SHEETS, "--groups": GROUPS, "--seed": SEED, "--template": TEMPLATE, "--truth": sample.truth}
    manage("make_sample_batch", str(sample.archive), *(str(part) for pair in wanted.items() for part in pair))
    return sample


# --- The batch -------------------------------------------------------------------------------------------------------


def client(url: str, *, timeout: float, headers: Mapping[str, str] | None = None) -> httpx.Client:
    """Return a client of the site, which asks no proxy that the environment may name: the site is on this machine."""
    return httpx.Client(base_url=url, timeout=timeout, headers=headers, trust_env=False)


def login(http: httpx.Client, password: str) -> None:
    """Log the demo's user in; every later request of ``http`` says who it is."""
    answer = http.post("/api/auth/login", json={"username": USER, "password": password})
    http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"


def show_batch(http: httpx.Client, sample: Sample, processes: list["subprocess.Popen[bytes]"]) -> str:
    """Upload ``sample`` and print every event as it comes; return the batch's id when it is completed.

    Raises:
        DemoFailed: it failed, or the site ended in the middle.
    """
    address = begin_upload(http, sample.archive)
    batch_id = address.rpartition("/")[2]
    viewer = Viewer(str(http.base_url), http.headers["Authorization"], batch_id)
    viewer.start()
    viewer.wait_until_watching()
    send(http, address, sample.archive)
    while viewer.is_alive():
        viewer.join(LOOK_SECONDS)
        if any(process.poll() is not None for process in processes):
            raise DemoFailed("web server or runner ended in the middle; what it said stands above")
    if viewer.trouble or viewer.last.get("stage") != "completed":
        raise DemoFailed(viewer.trouble or f"the batch failed: {viewer.last.get('message')}")
    return batch_id


def begin_upload(http: httpx.Client, archive: Path) -> str:
    """Ask for an upload and return its address; not a byte of the file is sent yet."""
    told = {"filename": archive.name, "template": TEMPLATE, "name": "Demo"}
    pairs = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items())
    size = archive.stat().st_size
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": pairs}
    address: str = checked(http.post("/api/uploads", headers=headers)).headers["Location"]
    return address


def send(http: httpx.Client, address: str, archive: Path) -> None:
    """Send the file, a part in each request."""
    offset = 0
    with archive.open("rb") as file:
        while part := file.read(PATCH_BYTES):
            headers = {
                "Tus-Resumable": "1.0.0",
                "Upload-Offset": str(offset),
                "Content-Type": "application/offset+octet-stream",
            }
            offset = int(checked(http.patch(address, headers=headers, content=part)).headers["Upload-Offset"])


def checked(answer: httpx.Response) -> httpx.Response:
    """Return ``answer``, or fail with the sentence in it."""
    if answer.is_error:
        raise DemoFailed(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
    return answer


class Viewer(threading.Thread):
    """Watches one batch over Server-Sent Events, and prints every event as it comes."""

    def __init__(self, url: str, authorization: str, batch_id: str) -> None:
        super().__init__(daemon=True)
        self._http = client(url, timeout=QUIET_SECONDS, headers={"Authorization": authorization})
        self._path = f"/api/batches/{batch_id}/stream"
        self._seen = ""
        self._watching = threading.Event()
        self.last: Mapping[str, Any] = {}
        self.trouble = ""

    def wait_until_watching(self) -> None:
        """Return when the stream is open; nothing that is uploaded later can be missed."""
        self._watching.wait(QUIET_SECONDS)

    def run(self) -> None:
        try:
            with self._http:
                while not self._watch_on():
                    print(f"  … connection lost, going on after event {self._seen or 0}", flush=True)
                    time.sleep(AGAIN_SECONDS)
        except (httpx.HTTPError, DemoFailed) as error:
            self.trouble = f"the stream cannot be read: {error}"
        finally:
            self._watching.set()

    def _watch_on(self) -> bool:
        """Go on after the last event that was seen; return whether the batch has ended, not only the connection."""
        try:
            return self._watch()
        except httpx.TransportError:
            return False

    def _watch(self) -> bool:
        headers = {"Last-Event-ID": self._seen} if self._seen else {}
        with connect_sse(self._http, "GET", self._path, headers=headers) as stream:
            if stream.response.is_error:
                raise DemoFailed(f"{self._path}: {stream.response.status_code}")
            self._watching.set()
            for event in stream.iter_sse():
                self._seen, self.last = event.id, json.loads(event.data)
                print(line(self.last, kind=event.event), flush=True)
                if event.event in ("complete", "error"):
                    return True
        return False


COLOURS = {"complete": "\033[1;32m", "error": "\033[1;31m", "progress": "\033[36m"}
PLAIN = "\033[0m"


def line(event: Mapping[str, Any], *, kind: str) -> str:
    """Return one event as it is shown: time, stage, percent, message; in colour on a terminal."""
    at = datetime.fromisoformat(event["timestamp"]).astimezone()
    stage = f"{event['stage']:<18}"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        stage = f"{COLOURS[kind]}{stage}{PLAIN}"
    return f"{at:%H:%M:%S}  {stage}  {event['progress_percentage']:5.1f} %  {event['message']}"


# --- The answers -----------------------------------------------------------------------------------------------------

Key = tuple[str, str, str]
"""Group code, number of the sheet in its group, question."""


@dataclass
class Score:
    """How what was read compares with the truth."""

    sheets: int
    answers: int
    wrong: int = 0
    unflagged: int = 0  # wrong, and nobody would have looked

    def __str__(self) -> str:
        return f"demo: {self.sheets} sheets, {self.answers} answers, {self.wrong} wrong, {self.unflagged} unflagged"


def compare(http: httpx.Client, batch_id: str, truth: Path) -> Score:
    """Hold every answer of every sheet against the truth; a line that is missing or too many is wrong."""
    with truth.open(encoding="utf-8", newline="") as file:
        known = {key(row): row["answer"] for row in csv.DictReader(file)}
    looked_at = {
        (row["group_code"], row["sheet_number"]): row["status"] != "read" for row in download(http, batch_id, "sheets")
    }
    score = Score(sheets=len(looked_at), answers=0)
    missing = dict(known)
    for row in download(http, batch_id, "answers"):
        score.answers += 1
        if missing.pop(key(row), None) != row["answer"]:
            flagged = row["status"] == "doubtful" or looked_at.get(key(row)[:2], False)
            count_wrong(score, key(row), f"{row['answer']!r}, truth {known.get(key(row))!r}", flagged=flagged)
    for lost in missing:
        count_wrong(score, lost, "not there", flagged=looked_at.get(lost[:2], False))
    return score


def count_wrong(score: Score, where: Key, what: str, *, flagged: bool) -> None:
    """Count one wrong answer, and show the first few."""
    score.wrong += 1
    score.unflagged += not flagged
    if score.wrong <= 10:
        print(f"wrong: group {where[0]}, sheet {where[1]}, question {where[2]}: {what}", flush=True)


def key(row: Mapping[str, str]) -> Key:
    return (row["group_code"], row["sheet_number"], row["question"])


def download(http: httpx.Client, batch_id: str, table: str) -> Iterator[dict[str, str]]:
    """Give the lines of a result file as they come."""
    with http.stream("GET", f"/api/batches/{batch_id}/results/{table}.csv") as answer:
        answer.raise_for_status()
        yield from csv.DictReader(answer.iter_lines())


if __name__ == "__main__":
    sys.exit(main())
