"""What many batches in one PostgreSQL cost: each has a partition of its own for its answers.

At each count it measures, with the project's own statements: a partition more (made, filled with one answer, its index
built, attached); a sheet's answers asked for by a connection that has asked nothing yet, again by the same one, and
once more when a partition has come between; how large that connection's process has become; and what it takes to ask
without naming the batch. Then one partition is filled, to see how many bytes an answer takes on disk. Times are medians
of a few.
"""

import argparse
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

ROUNDS = 5
FULL_SHEETS, QUESTIONS = 1_000, 150
MB = 2**20


def main(argv: Sequence[str]) -> None:
    """Print a line for each count, then one for the partition that was filled."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks partitions", description=__doc__)
    parser.add_argument("--counts", default="100,1000,3000", help="of batches, each a line; comma-separated")
    counts = [int(count) for count in parser.parse_args(argv).counts.split(",")]
    from tests.batches.postgresql import running_server

    with TemporaryDirectory(prefix="omr-benchmark-") as folder, running_server([]) as url:
        _set_up(Path(folder), url)
        for line in measure(counts):
            print(json.dumps({"benchmark": "partitions", **line}), flush=True)


def _set_up(var: Path, url: str) -> None:
    given = {"VAR_DIR": str(var), "DATABASE_URL": url, "REDIS_URL": "", "LOG_LEVEL": "WARNING"}
    os.environ |= given | {"DJANGO_SETTINGS_MODULE": "omr_project.settings"}
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def measure(counts: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Fill the database up to each of the ``counts`` and measure there."""
    there = 0
    for count in sorted(counts):
        for _ in range(count - there):
            _add_batch(1, 1)
        made = [_timed(lambda: _add_batch(1, 1)) for _ in range(ROUNDS)]
        there = count + ROUNDS
        yield {"partitions": there, "one_more_ms": _ms(made), **_ask(), "load_average": round(os.getloadavg()[0], 1)}
    yield _measure_size()


def _add_batch(sheets: int, questions: int) -> uuid.UUID:
    from django.db import transaction

    from batches.pipeline import copying
    from batches.results import AnswerLine

    lines = [AnswerLine(question=n, answer="B", confidence=0.99, status="single") for n in range(1, questions + 1)]
    packed, batch_id = [copying.pack_answer(line) for line in lines], uuid.uuid4()
    copying.create_partition(batch_id)
    with transaction.atomic():
        copying.empty_partition(batch_id)
        copying.copy_answers(batch_id, ((uuid.uuid4(), packed) for _ in range(sheets)))
        copying.attach_partition(batch_id)
    return batch_id


def _ask() -> dict[str, Any]:
    """Ask for a sheet of one batch, as a page does, and of all of them, as no page does."""
    from django.db import connection

    from batches.models import Answer
    from benchmarks._processes import own_kb

    batch_id = _add_batch(1, 10)
    answers = Answer.objects.filter(batch_id=batch_id)
    first, again, after = [], [], []
    for _ in range(ROUNDS):
        connection.close()
        connection.ensure_connection()
        first.append(_timed(lambda: list(answers.all())))
        again.append(_timed(lambda: list(answers.all())))
        _add_batch(1, 1)
        after.append(_timed(lambda: list(answers.all())))
    own_mb = own_kb(connection.connection.info.backend_pid) / 1024
    everywhere = _timed(lambda: list(Answer.objects.filter(sheet_id=uuid.uuid4())))
    return {
        "first_question_ms": _ms(first),
        "next_question_ms": _ms(again),
        "after_one_more_ms": _ms(after),
        "connection_mb": round(own_mb, 1),
        "without_naming_the_batch_ms": _ms([everywhere]),
    }


def _measure_size() -> dict[str, Any]:
    from django.db import connection

    from batches.answer_rows import partition_of

    table = partition_of(_add_batch(FULL_SHEETS, QUESTIONS))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s), pg_indexes_size(%s)", [table, table])
        rows, index = cursor.fetchone()
    answers = FULL_SHEETS * QUESTIONS
    return {"answers": answers, "bytes_an_answer": round(rows / answers, 1), "of_index": round(index / answers, 1)}


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _ms(seconds: Sequence[float]) -> float:
    return round(1000 * median(seconds), 1)
