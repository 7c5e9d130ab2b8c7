"""The stage that puts the results into the database."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import TypeVar
from uuid import UUID

from django.db import connection, transaction

from batches import wording
from batches.answer_rows import delete_answers
from batches.corrections import reapply
from batches.models import CoverGroup, Sheet
from batches.pipeline import copying, inserting
from batches.pipeline.answers import ReadSheet, read_sheets
from batches.pipeline.run import Run
from batches.results import AnswerLine

T = TypeVar("T")

MakeSheet = Callable[[], Sheet]
"""Makes the row of a sheet. It asks no database, so that this can be done while one is busy with the answers."""

Rows = Iterator[tuple[UUID, MakeSheet, Sequence[T]]]
"""Of each sheet its id, its own row, and its answers in the form in which the database takes them."""

SHEETS_A_COPY = 4000
"""Between two the batch is asked whether it was cancelled: half a second."""

SHEETS_WAITING = 20_000
"""So many have not got their own row yet, 5 KB a sheet."""

SHEETS_AN_INSERT = 500
SHEETS_SORTED = 20_000
"""The answers of so many are in memory at once, 1.5 KB a sheet."""


def load_database(run: Run) -> None:
    """Write the sheets and their answers as rows, in the place of those of an earlier attempt.

    Reads the records and the plan, of which the result files were made too; leaves rows of Sheet and Answer, with what
    people had said of them. For PostgreSQL it is one transaction; SQLite gets many short ones.
    """
    run.begin(wording.loading(connection.vendor))
    started_at = time.monotonic()
    with _without_collecting():
        _clear(run)
        answers = _copy(run) if connection.vendor == "postgresql" else _insert(run)
    milliseconds = round(1000 * (time.monotonic() - started_at))
    run.finish(wording.loaded(run.batch.sheet_count, answers, milliseconds))


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Look for no garbage in cycles.

    A load makes hardly any, and to look through all that it keeps, again and again, took a sixth of its time.
    """
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:  # else another batch's load, in a thread beside this one, has begun sooner
            gc.enable()


def _clear(run: Run) -> None:
    """Delete what an earlier attempt has loaded."""
    delete_answers(run.batch.pk)
    for group in run.batch.groups.all():
        group.sheets.all().delete()


def _copy(run: Run) -> int:
    """Load everything into PostgreSQL; return the number of answers that were read."""
    rows, waiting, total = _rows(run, copying.pack_answer), list[MakeSheet](), 0
    copying.create_partition(run.batch.pk)
    with transaction.atomic():
        copying.empty_partition(run.batch.pk)
        while True:
            sheets: list[MakeSheet] = []
            total += copying.copy_answers(run.batch.pk, _noting(sheets, islice(rows, SHEETS_A_COPY)))
            run.check()
            if not sheets:
                break
            waiting += sheets
            if len(waiting) > SHEETS_WAITING:
                copying.copy_lines(Sheet, _lines(waiting))
                waiting.clear()
        _attach(run, waiting)
        reapply(run.batch)
    return total


def _noting(sheets: list[MakeSheet], rows: Rows[T]) -> Iterator[tuple[UUID, Sequence[T]]]:
    """Give the answers of ``rows`` while they are made, so that the database writes meanwhile; put the sheets aside."""
    for sheet_id, make, answers in rows:
        sheets.append(make)
        yield sheet_id, answers


def _attach(run: Run, waiting: Sequence[MakeSheet]) -> None:
    """Let the database index the answers, and make the rows of the sheets meanwhile; then write these."""
    with ThreadPoolExecutor(1) as aside:
        # Not sooner: beside COPY, which needs this process too, one would wait for the other at every turn.
        lines = aside.submit(_lines, waiting)
        copying.attach_partition(run.batch.pk)
    copying.copy_lines(Sheet, lines.result())


def _lines(sheets: Iterable[MakeSheet]) -> str:
    return copying.write_lines(Sheet, (make() for make in sheets))


def _insert(run: Run) -> int:
    """Load everything into SQLite; return the number of answers that were read."""
    rows, total = _rows(run, inserting.take_values), 0
    with inserting.in_bulk():
        while unsorted := _insert_sheets(run, islice(rows, SHEETS_SORTED)):
            for _ in inserting.insert_answers(run.batch.pk, unsorted):
                run.check()
            total += sum(len(answers) for _, answers in unsorted)
    reapply(run.batch)
    return total


def _insert_sheets(run: Run, rows: Rows[T]) -> list[tuple[UUID, Sequence[T]]]:
    """Write the sheets themselves; return their answers."""
    unsorted: list[tuple[UUID, Sequence[T]]] = []
    while portion := list(islice(rows, SHEETS_AN_INSERT)):
        run.check()
        inserting.insert_rows(Sheet, [make() for _, make, _ in portion])
        unsorted += [(sheet_id, answers) for sheet_id, _, answers in portion]
    return unsorted


def _rows(run: Run, make: Callable[[AnswerLine], T]) -> Rows[T]:
    """Give the rows of every sheet, in the order of the batch."""
    # The database is asked now and not with the first row: by then the connection is busy with COPY.
    groups = list(run.batch.groups.order_by("number"))
    return _each_row(run, groups, read_sheets(run.workspace, run.form, make))


def _each_row(run: Run, groups: Sequence[CoverGroup], sheets: Iterable[ReadSheet[T]]) -> Rows[T]:
    for position, sheet in enumerate(sheets, 1):
        sheet_id = run.batch.sheet_id(sheet.page.member, sheet.page.number)
        yield sheet_id, partial(_sheet, run, groups[sheet.group], sheet_id, position, sheet), sheet.answers


def _sheet(run: Run, group: CoverGroup, sheet_id: UUID, position: int, sheet: ReadSheet[T]) -> Sheet:
    line, record, doubts = sheet.line, sheet.record, run.form.doubts(sheet.record)
    return Sheet(
        id=sheet_id,
        batch_id=run.batch.pk,
        group_id=group.pk,
        number=line.number,
        position=position,
        file_name=line.file_name,
        status=line.status,
        error_code=record.error_code,
        error_message=sheet.error_message,
        identity=dict(line.identity),
        doubtful_fields=list(doubts),
        doubts=doubts,
        review_reasons=[asdict(reason) for reason in sheet.reasons],
        fit=record.fit_as_dict(),
        marks=run.form.untold_marks(record),
        answered=line.answered,
        blank=line.blank,
        multiple=line.multiple,
        doubtful=line.doubtful,
    )
