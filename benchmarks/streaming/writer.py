"""The process of the site that writes: it stands for the runner, and makes the accounts and batches."""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any
from unittest.mock import patch
from uuid import UUID

from benchmarks.streaming.protocol import obey

SHEETS = 11404


def add_accounts(password: str, batches: int) -> dict[str, Any]:
    """Add a user and ``batches`` batches that they own; say where Redis is."""
    from django.contrib.auth.models import User

    from batches.models import Batch, SheetTemplate
    from omr_project.redis_server import redis_url

    user = User.objects.create_user("benchmark", password=password)
    template = SheetTemplate.objects.install("plain", "Plain", {})
    made = [
        Batch.objects.create(name=f"Batch {number}", owner=user, template=template, file_name="batch.zip")
        for number in range(batches)
    ]
    return {"user": user.username, "batches": [str(batch.pk) for batch in made], "redis": redis_url()}


def publish(batches: list[str], first: int, last: int, per_second: float | None) -> dict[str, float]:
    """Publish the events ``first`` to ``last`` of each batch, each with the time it was sent in its message.

    ``per_second`` of each batch; the batches take turns, spread over the second. None: as fast as it goes.
    """
    begun = time.monotonic()
    for number in range(first, last + 1):
        for turn, batch in enumerate(batches):
            if per_second:
                due = begun + (number - first + turn / len(batches)) / per_second
                time.sleep(max(0.0, due - time.monotonic()))
            _publish(batch, number, last)
    return {"seconds": time.monotonic() - begun}


def _publish(batch: str, number: int, last: int) -> None:
    from progress.events import ProcessingStage, Report
    from progress.publisher import publish_progress

    report = Report(
        stage=ProcessingStage.PROCESSING_SHEETS,
        message=f"Progress: {number}/{last} tasks completed, sent {time.time():.6f}",
        progress_percentage=100 * number / last,
        sheets_total=SHEETS,
        sheets_processed=SHEETS * number // last,
        elapsed_seconds=number,
    )
    publish_progress(UUID(batch), report)


def measure(batch: str, events: int) -> dict[str, float]:
    """Publish ``events`` events; return the median CPU time of one, all threads, in ms: in all, and by its parts."""
    from progress import log, publisher

    meters = {
        "total": Meter(_publish),
        "row": Meter(publisher._write_row),
        "redis": Meter(log.append),
        "group": Meter(publisher._bridge().run),
    }
    with (
        patch.object(publisher, "_write_row", meters["row"]),
        patch.object(log, "append", meters["redis"]),
        patch.object(publisher._bridge(), "run", meters["group"]),
    ):
        for number in range(1, events + 1):
            meters["total"](batch, number, events)
    return {f"{name}_cpu_ms": round(1000 * median(meter.seconds), 3) for name, meter in meters.items()}


class Meter:
    """Does what ``work`` does, and notes the CPU time of each time."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work
        self.seconds: list[float] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        begun = time.process_time()
        try:
            return self._work(*args, **kwargs)
        finally:
            self.seconds.append(time.process_time() - begun)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omr_project.settings")
    django.setup()
    obey({"accounts": add_accounts, "publish": publish, "measure": measure})
