"""Loads batch after batch with the real runner, and deletes one. Django is set up when this is imported."""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from statistics import mean, median
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from batches.models import Batch
from batches.pipeline.runner import Runner
from batches.services import delete_batch
from batches.workers.serial import SerialWorkers
from benchmarks._processes import cpu_seconds
from benchmarks.loading.read_batch import Size, leave_as_read, make_batch
from benchmarks.streaming.protocol import Helper
from progress.events import BatchProgressEvent, ProcessingStage

Line = dict[str, Any]

FINISHED = 100.0


def load_all(options: argparse.Namespace, somebody: Helper) -> Iterator[Line]:
    """Give a line for each batch, one for the first batch loaded again, and one that sums up."""
    size = Size(sheets=options.sheets, groups=options.groups)
    rows, took, cost, batches = 0, [], [], []
    for number in range(1, options.batches + 1):
        batch = make_batch(size, seed=number)
        line = _load(batch, somebody)
        yield {"batch": number, "rows_before": rows, **line}
        rows += batch.answer_count
        batches.append(batch)
        took.append(line["seconds"])
        cost.append(line["cpu_s"] + line["server_cpu_s"])
    leave_as_read(batches[0], size, seed=1)
    yield {"batch": 1, "again": True, "rows_before": rows, **_load(batches[0], somebody)}
    deletion = _delete(batches[-1], somebody)
    yield {
        "batches": len(took),
        "median_seconds": round(median(took), 2),
        "trend": _trend(took),
        "cpu_trend": _trend(cost),
        **deletion,
    }


def _trend(took: Sequence[float]) -> float:
    """Return how much more the last third took than the first: 1.0 is as much."""
    third = max(1, len(took) // 3)
    return round(mean(took[-third:]) / mean(took[:third]), 2)


def _load(batch: Batch, somebody: Helper) -> Line:
    """Take ``batch`` to its end; return what is to be printed."""
    began = ended = (0.0, 0.0, 0.0)
    csv_cpu, csv_began = 0.0, time.process_time()

    def listen(event: BatchProgressEvent) -> None:
        nonlocal began, ended, csv_cpu, csv_began
        now = (time.monotonic(), time.process_time(), _server_seconds())
        if event.stage == ProcessingStage.LOADING_DATABASE:
            ended = now
        elif event.stage == ProcessingStage.GENERATING_CSV and event.progress_percentage == FINISHED:
            somebody.ask("start")
            began = time.monotonic(), time.process_time(), _server_seconds()
            csv_cpu = began[1] - csv_began
        elif event.stage == ProcessingStage.GENERATING_CSV:
            csv_began = time.process_time()

    Runner(workers=SerialWorkers(), listener=listen).process(batch)
    others = somebody.ask("stop")
    seconds, cpu, server_cpu = (round(after - before, 2) for before, after in zip(began, ended, strict=True))
    csv_seconds = batch.stage_seconds["generating_csv"]
    cost = {"seconds": seconds, "cpu_s": cpu, "server_cpu_s": server_cpu}
    cost |= {"csv_seconds": csv_seconds, "csv_cpu_s": round(csv_cpu, 2)}
    return {"answers": batch.answer_count, **cost, "others": others, "load_average": round(os.getloadavg()[0], 1)}


def _server_seconds() -> float:
    """Return the CPU time of the server's process for this connection; SQLite's is our own."""
    if connection.vendor != "postgresql":
        return 0.0
    connection.ensure_connection()
    return cpu_seconds(connection.connection.info.backend_pid)


def _delete(batch: Batch, somebody: Helper) -> Line:
    somebody.ask("start")
    began = time.monotonic()
    delete_batch(batch, by=User.objects.get(username="benchmark"))
    seconds = round(time.monotonic() - began, 2)
    return {"delete_seconds": seconds, "others": somebody.ask("stop")}
