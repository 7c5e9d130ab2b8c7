"""The stage that puts the results into the database."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TypeVar

from django.db import connection, transaction

from batches import wording
from batches.corrections import reapply
from batches.models import Answer, CoverGroup, Sheet
from batches.pipeline.answers import ReadSheet, read_sheets
from batches.pipeline.run import Run
from batches.results import AnswerLine

TABLE = Answer._meta.db_table
COLUMNS = "batch_id, sheet_id, question, answer, confidence, status"
INSERT = f"INSERT INTO {TABLE} ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)"  # noqa: S608 - names of ours only
COPY = f"COPY {TABLE} ({COLUMNS}) FROM STDIN"

SHEETS_AT_ONCE = 500
"""In one step: with 150 questions each, 75,000 answers, 10 MB and a few tenths of a second."""

T = TypeVar("T")

Portion = Sequence[tuple[Sheet, Sequence[T]]]
"""Some sheets, each with its answers in the form in which the database takes them."""


def load_database(run: Run) -> None:
    """Write the sheets and their answers as rows, in the place of those of an earlier attempt.

    Reads the records and the plan, of which the result files were made too; leaves rows of Sheet and Answer.
    SQLite gets a short transaction for each portion, so that others can write in between; PostgreSQL one for all,
    and its answers by COPY.
    """
    run.begin(wording.loading(connection.vendor))
    started_at = time.monotonic()
    if connection.vendor == "postgresql":
        with transaction.atomic():
            answers = _load(run, _copy_line, _copy_answers)
    else:
        answers = _load(run, _insert_values, _insert_answers)
    milliseconds = round(1000 * (time.monotonic() - started_at))
    run.finish(wording.loaded(run.batch.sheet_count, answers, milliseconds))


def _load(run: Run, make: Callable[[AnswerLine], T], write_answers: Callable[[Portion[T]], None]) -> int:
    """Load everything, portion by portion, and say again what people had said; return the number of answers read."""
    _clear(run)
    total = 0
    rows = _rows(run, make)
    while portion := list(islice(rows, SHEETS_AT_ONCE)):
        run.check()
        with transaction.atomic():
            Sheet.objects.bulk_create(sheet for sheet, _ in portion)
            write_answers(portion)
        total += sum(len(answers) for _, answers in portion)
    reapply(run.batch)
    return total


def _clear(run: Run) -> None:
    """Delete what an earlier attempt has loaded, group by group."""
    for group in run.batch.groups.all():
        with transaction.atomic():
            Answer.objects.filter(batch_id=run.batch.pk, sheet_id__in=group.sheets.values("pk")).delete()
            group.sheets.all().delete()


def _rows(run: Run, make: Callable[[AnswerLine], T]) -> Iterator[tuple[Sheet, Sequence[T]]]:
    """Give the row of every sheet and its answers, in the order of the batch."""
    groups = list(run.batch.groups.order_by("number"))
    for position, sheet in enumerate(read_sheets(run.workspace, run.form, make), 1):
        yield _sheet(run, groups[sheet.group], position, sheet), [answer for _, answer in sheet.answers]


def _sheet(run: Run, group: CoverGroup, position: int, sheet: ReadSheet[T]) -> Sheet:
    line, record, doubts = sheet.line, sheet.record, run.form.doubts(sheet.record)
    return Sheet(
        id=run.batch.sheet_id(sheet.page.member, sheet.page.number),
        batch=run.batch,
        group=group,
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


def _insert_values(answer: AnswerLine) -> tuple[int, str, float, str]:
    return (answer.question, answer.answer, answer.confidence, answer.status)


def _insert_answers(portion: Portion[tuple[int, str, float, str]]) -> None:
    # SQLite keeps ids as hexadecimal digits.
    heads = (((sheet.batch_id.hex, sheet.pk.hex), answers) for sheet, answers in portion)
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [(*head, *answer) for head, answers in heads for answer in answers])


def _copy_line(answer: AnswerLine) -> str:
    # A bubble's value may be anything that JSON can say.
    return f"{answer.question}\t{answer.answer.translate(COPY_ESCAPES)}\t{answer.confidence}\t{answer.status}\n"


def _copy_answers(portion: Portion[str]) -> None:
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for sheet, answers in portion:
            if answers:
                head = f"{sheet.batch_id}\t{sheet.pk}\t"
                copy.write(head + head.join(answers))


COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
