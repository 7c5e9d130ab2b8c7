"""A whole batch through process_batch, in a site of its own: seconds by stage, sheets a second, memory.

Figures of the processes' memory are sampled from /proc and count what several of them share once for each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from benchmarks._processes import command, cpu_seconds, descendants, resident_bytes

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_SECONDS = 0.1
SHEETS_A_GROUP = 100
MB = 2**20
NEEDS_REVIEW = 3


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks pipeline", description=__doc__)
    parser.add_argument("--sheets", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--archive", type=Path, help="a ZIP of standard-150 sheets to take instead of a sample")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="omr-benchmark-") as folder:
        print(json.dumps(measure(Path(folder), options)))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Process one batch in ``folder``; return what is to be printed."""
    environment = os.environ | {
        "VAR_DIR": str(folder / "var"),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "LOG_LEVEL": "ERROR",
    }
    archive = options.archive or _make_sample(folder, environment, options.sheets)
    _manage(environment, "migrate", "-v", "0")
    owner = ("createsuperuser", "--noinput", "--username", "benchmark", "--email", "benchmark@example.org")
    _manage(environment | {"DJANGO_SUPERUSER_PASSWORD": "benchmark"}, *owner)
    events, peaks = _process(environment, archive, options.processes)
    seconds = _seconds_by_stage(events)
    sheets = int(str(events[-1]["sheets_total"]))
    return {
        "benchmark": "pipeline",
        "pages": _pages(events),
        "sheets": sheets,
        "seconds_by_stage": seconds,
        "sheets_per_second": round(sheets / seconds["processing_sheets"], 1),
        "peak_rss_mb": round(peaks.runner / MB),
        "peak_worker_rss_mb": round(peaks.worker / MB),
        "worker_cpu_ms_per_page": round(1000 * sum(peaks.worker_cpu_seconds.values()) / _pages(events), 1),
        "review": events[-1]["sheets_review"],
    }


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


def _process(environment: dict[str, str], archive: Path, processes: int) -> tuple[list[dict[str, object]], "_Peaks"]:
    """Run process_batch; return its events and how much memory it took at most."""
    arguments = ("process_batch", str(archive), "--template", "standard-150", "--json", "--processes", str(processes))
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as runner:
        peaks = _Peaks(runner.pid)
        assert runner.stdout is not None
        events = [json.loads(line) for line in runner.stdout]
        peaks.stop()
    if runner.returncode not in (0, NEEDS_REVIEW):
        raise SystemExit(f"process_batch ended with {runner.returncode}")
    return events, peaks


class _Peaks:
    """Watches the memory of a process and of all that come from it, and the CPU time of the latter."""

    def __init__(self, pid: int) -> None:
        self.runner = self.worker = 0
        self.worker_cpu_seconds: dict[int, float] = {}  # on a busy machine the one figure that holds
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.runner = max(self.runner, resident_bytes(self._pid))
            for child in descendants(self._pid):
                if "redis" not in command(child):
                    self.worker = max(self.worker, resident_bytes(child))
                    self.worker_cpu_seconds[child] = max(self.worker_cpu_seconds.get(child, 0), cpu_seconds(child))


def _seconds_by_stage(events: list[dict[str, object]]) -> dict[str, float]:
    """Return how long each stage took, by the time between its first and its last event."""
    times: dict[str, list[float]] = {}
    for event in events:
        times.setdefault(str(event["stage"]), []).append(datetime.fromisoformat(str(event["timestamp"])).timestamp())
    return {stage: round(max(when) - min(when), 2) for stage, when in times.items() if stage != "completed"}


def _pages(events: list[dict[str, object]]) -> int:
    (extracted,) = [str(event["message"]) for event in events if str(event["message"]).startswith("Extracted")]
    return int(extracted.split()[1])
