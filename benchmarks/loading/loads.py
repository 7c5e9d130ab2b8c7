"""Loads batch after batch with the real runner, and deletes one. Django is set up when this is imported."""

import argparse
import time
from collections.abc import Iterator, Sequence
from statistics import mean, median

from django.contrib.auth.models import User

from batches.models import Batch
from batches.pipeline.runner import Runner
from batches.services import delete_batch
from batches.workers.serial import SerialWorkers
from benchmarks.loading.read_batch import Size, leave_as_read, make_batch
from benchmarks.streaming.protocol import Helper
from progress.events import BatchProgressEvent, ProcessingStage

Line = dict[str, object]

FINISHED = 100.0


def load_all(options: argparse.Namespace, somebody: Helper) -> Iterator[Line]:
    """Give a line for each batch, one for the first batch loaded again, and one that sums up."""
    size = Size(sheets=options.sheets, groups=options.groups)
    rows, took, batches = 0, [], []
    for number in range(1, options.batches + 1):
        batch = make_batch(size, seed=number)
        line, seconds = _load(batch, somebody)
        yield {"batch": number, "rows_before": rows, **line}
        rows, took, batches = rows + batch.answer_count, [*took, seconds], [*batches, batch]
    leave_as_read(batches[0], size, seed=1)
    again, _ = _load(batches[0], somebody)
    yield {"batch": 1, "again": True, "rows_before": rows, **again}
    deletion = _delete(batches[-1], somebody)
    yield {"batches": len(took), "median_seconds": median(took), "trend": _trend(took), **deletion}


def _trend(took: Sequence[float]) -> float:
    """Return how much longer the last third took than the first."""
    third = max(1, len(took) // 3)
    return round(mean(took[-third:]) / mean(took[:third]), 2)


def _load(batch: Batch, somebody: Helper) -> tuple[Line, float]:
    """Take ``batch`` to its end; return what is to be printed, and the seconds of the load."""
    began = ended = (0.0, 0.0)

    def listen(event: BatchProgressEvent) -> None:
        nonlocal began, ended
        now = (time.monotonic(), time.process_time())
        if event.stage == ProcessingStage.LOADING_DATABASE:
            ended = now
        elif event.stage == ProcessingStage.GENERATING_CSV and event.progress_percentage == FINISHED:
            somebody.ask("start")
            began = time.monotonic(), time.process_time()

    Runner(workers=SerialWorkers(), listener=listen).process(batch)
    others = somebody.ask("stop")
    seconds, cpu = (round(after - before, 2) for before, after in zip(began, ended, strict=True))
    csv_seconds = batch.stage_seconds["generating_csv"]
    answers = {"answers": batch.answer_count, "seconds": seconds, "cpu_s": cpu, "csv_seconds": csv_seconds}
    return {**answers, "others": others}, seconds


def _delete(batch: Batch, somebody: Helper) -> Line:
    somebody.ask("start")
    began = time.monotonic()
    delete_batch(batch, by=User.objects.get(username="benchmark"))
    seconds = round(time.monotonic() - began, 2)
    return {"delete_seconds": seconds, "others": somebody.ask("stop")}
