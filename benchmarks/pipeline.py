"""A whole batch through process_batch, in a site of its own: seconds by stage, sheets a second, memory.

Beside the seconds of each stage stand those that the specification's server took for its batch, in proportion to the
number of sheets. Figures of the processes' memory are sampled from /proc and count what several of them share once for
each; bytes are what the runner and its workers gave to disks, the database's server not included.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from benchmarks._database import KINDS, a_database
from benchmarks._processes import bytes_written, command, cpu_seconds, descendants, resident_bytes

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_SECONDS = 0.1
SHEETS_A_GROUP = 100
MB = 2**20
NEEDS_REVIEW = 3

SPECIFIED_SHEETS = 11_404
SPECIFIED_SECONDS = {
    "extracting": 96.0,
    "organizing_qr": 3.0,
    "processing_sheets": 136.6,
    "collecting_results": 18.77,
    "generating_csv": 8.0,
    "loading_database": 41.64,
    "cleanup": 19.0,
}
"""Of the batch that the specification follows: 11,404 sheets with 1,710,600 answers."""


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks pipeline", description=__doc__)
    parser.add_argument("--sheets", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--engine", choices=("local", "celery"), default="local")
    parser.add_argument("--archive", type=Path, help="a ZIP of standard-150 sheets to take instead of a sample")
    options = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory(prefix="omr-benchmark-") as folder,
        a_database(options.database, Path(folder)) as url,
        _exchange(Path(folder), options.engine) as redis_url,
    ):
        environment = os.environ | {
            "VAR_DIR": str(Path(folder) / "var"),
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "LOG_LEVEL": "ERROR",
        }
        print(json.dumps(measure(Path(folder), environment, options)))


@contextmanager
def _exchange(folder: Path, engine: str) -> Iterator[str]:
    """Give the address of the Redis where runner and workers meet; local ones take the runner's own."""
    if engine == "local":
        yield ""
        return
    from tests.progress.live import a_redis

    with a_redis(folder / "redis") as server:
        yield server.url


def measure(folder: Path, environment: dict[str, str], options: argparse.Namespace) -> dict[str, object]:
    """Process one batch in ``folder``; return what is to be printed."""
    archive = options.archive or _make_sample(folder, environment, options.sheets)
    _manage(environment, "migrate", "-v", "0")
    owner = ("createsuperuser", "--noinput", "--username", "benchmark", "--email", "benchmark@example.org")
    _manage(environment | {"DJANGO_SUPERUSER_PASSWORD": "benchmark"}, *owner)
    with _celery(environment, options) as worker:
        events, peaks = _process(environment, archive, options, worker)
    seconds = _seconds_by_stage(events)
    sheets = int(str(events[-1]["sheets_total"]))
    return {
        "benchmark": "pipeline",
        "database": options.database,
        "engine": options.engine,
        "pages": _pages(events),
        "sheets": sheets,
        "seconds": round(sum(seconds.values()), 1),
        "seconds_by_stage": seconds,
        "specified": {stage: round(took * sheets / SPECIFIED_SHEETS, 2) for stage, took in SPECIFIED_SECONDS.items()},
        "sheets_per_second": round(sheets / seconds["processing_sheets"], 1),
        "peak_rss_mb": round(peaks.runner / MB),
        "peak_worker_rss_mb": round(peaks.worker / MB),
        "mb_written": round(sum(peaks.written.values()) / MB),
        "worker_cpu_ms_per_page": round(1000 * sum(peaks.worker_cpu_seconds.values()) / _pages(events), 1),
        "review": events[-1]["sheets_review"],
    }


@contextmanager
def _celery(environment: dict[str, str], options: argparse.Namespace) -> Iterator[int | None]:
    """Give the process id of a Celery worker, if the engine is Celery; it waits for its first order."""
    if options.engine == "local":
        yield None
        return
    command = [sys.executable, "-m", "celery", "--app", "omr_project.celery", "worker", "--prefetch-multiplier", "1"]
    command += ["--concurrency", str(options.processes), "--loglevel", "warning"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=sys.stderr) as worker:
        try:
            yield worker.pid
        finally:
            worker.terminate()


def _make_sample(folder: Path, environment: dict[str, str], sheets: int) -> Path:
    archive = folder / "sample.zip"
    groups = str(max(1, sheets // SHEETS_A_GROUP))
    truth = str(folder / "truth.csv")
    _manage(
        environment, "make_sample_batch", str(archive), "--sheets", str(sheets), "--groups", groups, "--truth", truth
    )
    return archive


def _manage(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=True, stdout=sys.stderr)


def _process(
    environment: dict[str, str], archive: Path, options: argparse.Namespace, worker: int | None
) -> tuple[list[dict[str, object]], "_Peaks"]:
    """Run process_batch; return its events and how much memory it took at most."""
    arguments = ["process_batch", str(archive), "--template", "standard-150", "--json", "--workers", options.engine]
    arguments += ["--processes", str(options.processes)] if options.engine == "local" else []
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as runner:
        peaks = _Peaks(runner.pid, worker or runner.pid)
        assert runner.stdout is not None
        events = [json.loads(line) for line in runner.stdout]
        peaks.stop()
    if runner.returncode not in (0, NEEDS_REVIEW):
        raise SystemExit(f"process_batch ended with {runner.returncode}")
    return events, peaks


class _Peaks:
    """Watches the memory of a process and of the workers below another, or below itself, and what these cost."""

    def __init__(self, runner: int, parent: int) -> None:
        self.runner = self.worker = 0
        self.worker_cpu_seconds: dict[int, float] = {}  # on a busy machine the one figure that holds
        self.written: dict[int, int] = {}
        self._pid, self._parent = runner, parent
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.runner = max(self.runner, resident_bytes(self._pid))
            self._note_written(self._pid)
            for child in descendants(self._parent):
                if "redis" not in command(child):
                    self.worker = max(self.worker, resident_bytes(child))
                    self.worker_cpu_seconds[child] = max(self.worker_cpu_seconds.get(child, 0), cpu_seconds(child))
                    self._note_written(child)

    def _note_written(self, pid: int) -> None:
        self.written[pid] = max(self.written.get(pid, 0), bytes_written(pid))


def _seconds_by_stage(events: list[dict[str, object]]) -> dict[str, float]:
    """Return how long each stage took, by the time between its first and its last event."""
    times: dict[str, list[float]] = {}
    for event in events:
        times.setdefault(str(event["stage"]), []).append(datetime.fromisoformat(str(event["timestamp"])).timestamp())
    return {stage: round(max(when) - min(when), 2) for stage, when in times.items() if stage != "completed"}


def _pages(events: list[dict[str, object]]) -> int:
    (extracted,) = [str(event["message"]) for event in events if str(event["message"]).startswith("Extracted")]
    return int(extracted.split()[1])
