"""What more workers bring: one batch with each number of them, sheets a second and how many times those of the first.

Local workers of this machine: with as many as it has cores, the ratio should be near to their number. Each number has
several runs, in turns, and the quickest counts: other programs only ever make a run slower.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import pipeline
from benchmarks._database import a_database


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks scaling", description=__doc__)
    parser.add_argument("--workers", type=_numbers, default=(1, 2), metavar="1,2")
    parser.add_argument("--sheets", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=2, help="with each number of workers")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="omr-benchmark-") as folder:
        print(json.dumps(_measure(Path(folder), options)))


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(number) for number in text.split(","))
    if not numbers or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} given; numbers of workers expected, such as 1,2")
    return numbers


def _measure(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    best = dict.fromkeys(options.workers, 0.0)
    cpu_ms = dict.fromkeys(options.workers, float("inf"))
    archive = None
    for run in range(options.runs):
        for workers in options.workers:
            site = folder / f"run-{run}-{workers}"
            figures = _run(site, workers, options.sheets, archive)
            archive = archive or site / "sample.zip"
            best[workers] = max(best[workers], float(str(figures["sheets_per_second"])))
            cpu_ms[workers] = min(cpu_ms[workers], float(str(figures["worker_cpu_ms_per_page"])))
    first = best[options.workers[0]]
    return {
        "benchmark": "scaling",
        "sheets": options.sheets,
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[2], 1),  # of the last 15 minutes; above 0.5 the figures mean little
        "sheets_per_second": best,
        "ratio": {workers: round(rate / first, 2) for workers, rate in best.items()},
        "worker_cpu_ms_per_page": cpu_ms,
    }


def _run(folder: Path, workers: int, sheets: int, archive: Path | None) -> dict[str, object]:
    folder.mkdir()
    given = {"sheets": sheets, "processes": workers, "archive": archive, "database": "sqlite", "engine": "local"}
    with a_database("sqlite", folder) as url:
        environment = {"VAR_DIR": str(folder / "var"), "DATABASE_URL": url, "REDIS_URL": "", "LOG_LEVEL": "ERROR"}
        return pipeline.measure(folder, os.environ | environment, argparse.Namespace(**given))
