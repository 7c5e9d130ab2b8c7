"""What the pages of a batch's results cost the server: the first time, when its answers are counted, and from then on.

The batch is invented: its rows are written as they are after a load. A line for each page: milliseconds, queries and
kilobytes, with Django's own client in this process.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import UUID

from batches.results import AnswerLine
from benchmarks._database import KINDS, a_database

T = TypeVar("T")

GROUP_SHEETS = 103
QUESTIONS = 150
LETTERS = "ABCDE"
OTHERS = (("", "blank"), ("AC", "multiple"), ("D", "doubtful"))
OTHER_SHARE = 0.05


def main(argv: Sequence[str]) -> None:
    """Print a line for each page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks results", description=__doc__)
    parser.add_argument("--sheets", type=int, default=1_500)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    options = parser.parse_args(argv)
    with TemporaryDirectory(prefix="omr-benchmark-") as folder, a_database(options.database, Path(folder)) as url:
        _set_up(Path(folder) / "var", url)
        batch = _make_batch(options.sheets)
        facts = {"benchmark": "results", "database": options.database, "answers": options.sheets * QUESTIONS}
        for line in _ask(batch):
            print(json.dumps(facts | line), flush=True)


def _set_up(var: Path, url: str) -> None:
    """Make this process one of a new site."""
    given = {"VAR_DIR": str(var), "DATABASE_URL": url, "REDIS_URL": "", "LOG_LEVEL": "ERROR"}
    os.environ |= given | {"ALLOWED_HOSTS": "testserver", "DJANGO_SETTINGS_MODULE": "omr_project.settings"}
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _make_batch(sheets: int) -> Any:
    """Return a completed batch with rows for everything, and a list of all its candidates."""
    from django.contrib.auth.models import User

    from batches.models import Batch, BatchStatus, ExpectedCandidates, Sheet, SheetTemplate

    owner = User.objects.create_superuser("benchmark")
    counts = {"sheet_count": sheets, "group_count": -(-sheets // GROUP_SHEETS), "answer_count": sheets * QUESTIONS}
    template = SheetTemplate.objects.get(slug="standard-150")
    batch = Batch.objects.create(owner=owner, template=template, name="B", status=BatchStatus.COMPLETED, **counts)
    rows = list(_sheets(batch))
    Sheet.objects.bulk_create(rows)
    _write_answers(batch.pk, [row.pk for row in rows])
    listed: dict[str, list[str]] = {}
    for row in rows:
        listed.setdefault(row.group.code, []).append(row.identity["candidate"])
    ExpectedCandidates.objects.create(batch=batch, field="candidate", groups=listed)
    return batch


def _sheets(batch: Any) -> Iterator[Any]:
    """Give the row of every sheet; those of the groups are written."""
    from batches.models import CoverGroup, Sheet

    for position in range(1, batch.sheet_count + 1):
        before, number = divmod(position - 1, GROUP_SHEETS)
        if number == 0:
            in_group = min(GROUP_SHEETS, batch.sheet_count - position + 1)
            facts = {"number": before + 1, "code": f"{before + 1:08}", "sheet_count": in_group}
            group = CoverGroup.objects.create(batch=batch, **facts)
        yield Sheet(
            id=batch.sheet_id(f"{position}.jpg"),
            batch=batch,
            group=group,
            number=number + 1,
            position=position,
            file_name=f"{position}.jpg",
            status="read",
            identity={"candidate": f"{position:08}"},
        )


def _write_answers(batch_id: UUID, sheets: Sequence[UUID]) -> None:
    """Write the answers of all ``sheets`` as a load does."""
    from django.db import connection, transaction

    from batches.pipeline import copying, inserting

    rng = random.Random(1)
    if connection.vendor == "sqlite":
        with inserting.in_bulk():
            for _ in inserting.insert_answers(batch_id, list(_answers(sheets, rng, inserting.take_values))):
                pass
        return
    with transaction.atomic():
        copying.create_partition(batch_id)
        copying.copy_answers(batch_id, _answers(sheets, rng, copying.pack_answer))
        copying.attach_partition(batch_id)


def _answers(
    sheets: Sequence[UUID], rng: random.Random, make: Callable[[AnswerLine], T]
) -> Iterator[tuple[UUID, list[T]]]:
    """Give each sheet with its answers; to each question one of a few, each made once."""
    sure = [[make(_line(q, letter, "single")) for letter in LETTERS] for q in range(1, QUESTIONS + 1)]
    others = [[make(_line(q, text, status)) for text, status in OTHERS] for q in range(1, QUESTIONS + 1)]
    for sheet in sheets:
        yield sheet, [rng.choice((others if rng.random() < OTHER_SHARE else sure)[q]) for q in range(QUESTIONS)]


def _line(question: int, answer: str, status: str) -> AnswerLine:
    return AnswerLine(question=question, answer=answer, confidence=1.0, status=status)


def _ask(batch: Any) -> Iterator[dict[str, object]]:
    """Ask for each page, the first of them before anything was counted."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(batch.owner)
    client.get("/login")  # what any first request loads
    sheet = batch.sheets.order_by("position").first()
    page = f"/batches/{batch.pk}"
    for url in ("results", "results", "groups/1", f"sheets/{sheet.pk}", "completeness"):
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            answer = client.get(f"{page}/{url}")
            seconds = time.perf_counter() - began
        assert answer.status_code == 200, answer.status_code
        kilobytes = round(len(answer.content) / 1024)
        figures = {"server_ms": round(1000 * seconds), "queries": len(queries), "kb": kilobytes}
        yield {"page": url.partition("/")[0], **figures}
