"""The process of the site whose pages are measured: it fills the database, and says what a page costs the server."""

import os
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.streaming.protocol import obey

USER = "benchmark"
LOG_LINES = 1_000
GROUPS = 111
SHEETS_A_GROUP = 103


def fill(batches: int) -> dict[str, Any]:
    """Make the pages worth measuring; return the address of each, by name, and the session of who may see them."""
    from django.test import Client

    from batches.models import SheetTemplate
    from batches.tallies import Tally, write_tallies
    from tests.batches.builders import a_batch, a_long_log, a_user

    user = a_user(USER)
    for number in range(batches):
        a_long_log(a_batch(user, name=f"Batch {number}", status="completed", stage="completed").pk, 3)
    live = a_batch(user, name="At work", status="processing", finished_stages=["extracting", "organizing_qr"])
    read = a_batch(user, name="Read", status="completed", stage="completed", review_count=GROUPS * 3)
    for batch in (live, read):
        _add_groups(batch, with_sheets=batch is read)
        a_long_log(batch.pk, LOG_LINES)
    write_tallies(live.pk, {number: Tally(SHEETS_A_GROUP // 2, 1) for number in range(1, GROUPS + 1)})
    client = Client()
    client.force_login(user)
    pages = {"list": "/", "batch at work": f"/batches/{live.pk}", "batch read": f"/batches/{read.pk}"}
    pages |= {"parts of a batch": f"/batches/{read.pk}/parts", "upload": "/upload", "login": "/login"}
    assert SheetTemplate.objects.exists()
    return {"pages": pages, "session": client.cookies["sessionid"].value}


def _add_groups(batch: Any, *, with_sheets: bool) -> None:
    from batches.models import CoverGroup, Sheet

    groups = CoverGroup.objects.bulk_create(
        CoverGroup(
            batch=batch,
            number=number,
            code=f"1490{number:04}",
            cover_file_name=f"page_{number:05}.jpg",
            sheet_count=SHEETS_A_GROUP,
        )
        for number in range(1, GROUPS + 1)
    )
    if with_sheets:
        Sheet.objects.bulk_create(sheet for group in groups for sheet in _sheets_of(group))


def _sheets_of(group: Any) -> Iterator[Any]:
    """Give the sheets of a group: of every fifty one is unreadable and two have doubtful marks."""
    from batches.models import Sheet

    for number in range(1, SHEETS_A_GROUP + 1):
        name = f"page_{group.number:03}_{number:03}.jpg"
        status = {1: "unreadable", 2: "review", 3: "review"}.get(number % 50, "read")
        yield Sheet(
            id=group.batch.sheet_id(name),
            batch=group.batch,
            group=group,
            number=number,
            position=group.number * 1_000 + number,
            file_name=name,
            status=status,
            error_code="fiducials_not_found" if status == "unreadable" else "",
            error_message="3 fiducials found, 4 needed" if status == "unreadable" else "",
            doubtful_fields=["q4", "q17"] if status == "review" else [],
        )


def measure(path: str, session: str, rounds: int) -> dict[str, float]:
    """Return how many questions ``path`` asks of the database, and the medians of the server's time and CPU time."""
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"accept-encoding": "gzip"})
    client.cookies[settings.SESSION_COOKIE_NAME] = session
    times, cpu_times = [], []
    for _ in range(rounds + 1):
        begun, cpu_begun = time.perf_counter(), time.process_time()
        answer = client.get(path)
        times.append(time.perf_counter() - begun)
        cpu_times.append(time.process_time() - cpu_begun)
        assert answer.status_code in (200, 302), f"{path}: {answer.status_code}"
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    # The first time loads the templates.
    took = {"server_ms": times[1:], "server_cpu_ms": cpu_times[1:]}
    return {"queries": len(queries)} | {name: round(1000 * median(seconds), 1) for name, seconds in took.items()}


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omr_project.settings")
    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    obey({"fill": fill, "measure": measure})
