"""The stage that puts the results into the database."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from django.db import connection, transaction

from batches import wording
from batches.models import Answer, CoverGroup, Sheet
from batches.pipeline.answers import ReadSheet, read_sheets
from batches.pipeline.run import Run
from batches.results import AnswerLine

TABLE = Answer._meta.db_table
COLUMNS = "batch_id, sheet_id, question, answer, confidence, status"
INSERT = f"INSERT INTO {TABLE} ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)"  # noqa: S608 - names of ours only
COPY = f"COPY {TABLE} ({COLUMNS}) FROM STDIN"

SHEETS_AT_ONCE = 200
"""In one step: with 150 questions each, 30,000 answers and a tenth of a second."""

Portion = Sequence[tuple[Sheet, Sequence[AnswerLine]]]


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
            answers = _load(run, _copy_answers)
    else:
        answers = _load(run, _insert_answers)
    milliseconds = round(1000 * (time.monotonic() - started_at))
    run.finish(wording.loaded(run.batch.sheet_count, answers, milliseconds))


def _load(run: Run, write_answers: Callable[[Portion], None]) -> int:
    """Load everything, portion by portion; return the number of answers."""
    _clear(run)
    total = 0
    rows = _rows(run)
    while portion := list(islice(rows, SHEETS_AT_ONCE)):
        run.check()
        with transaction.atomic():
            Sheet.objects.bulk_create(sheet for sheet, _ in portion)
            write_answers(portion)
        total += sum(len(answers) for _, answers in portion)
    return total


def _clear(run: Run) -> None:
    """Delete what an earlier attempt has loaded, group by group."""
    for group in run.batch.groups.all():
        with transaction.atomic():
            Answer.objects.filter(batch_id=run.batch.pk, sheet_id__in=group.sheets.values("pk")).delete()
            group.sheets.all().delete()


def _rows(run: Run) -> Iterator[tuple[Sheet, Sequence[AnswerLine]]]:
    """Give the row of every sheet and its answers, in the order of the batch."""
    groups = list(run.batch.groups.order_by("number"))
    for position, sheet in enumerate(read_sheets(run.workspace, run.form, lambda answer: answer), 1):
        yield _sheet(run, groups[sheet.group], position, sheet), [answer for answer, _ in sheet.answers]


def _sheet(run: Run, group: CoverGroup, position: int, sheet: ReadSheet[AnswerLine]) -> Sheet:
    line, record = sheet.line, sheet.record
    return Sheet(
        id=run.batch.sheet_id(line.file_name),
        batch=run.batch,
        group=group,
        number=line.number,
        position=position,
        file_name=line.file_name,
        status=line.status,
        error_code=record.error_code,
        error_message=record.error_message,
        identity=dict(line.identity),
        doubtful_fields=run.form.doubtful_fields(record),
        fit=record.fit_as_dict(),
        answered=line.answered,
        blank=line.blank,
        multiple=line.multiple,
        doubtful=line.doubtful,
    )


def _insert_answers(portion: Portion) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [values for sheet, answers in portion for values in _values(sheet, answers)])


def _values(sheet: Sheet, answers: Sequence[AnswerLine]) -> Iterator[tuple[str, str, int, str, float, str]]:
    """Give the values of COLUMNS; ids as SQLite keeps them."""
    batch_id, sheet_id = sheet.batch_id.hex, sheet.pk.hex
    for answer in answers:
        yield batch_id, sheet_id, answer.question, answer.answer, answer.confidence, answer.status


def _copy_answers(portion: Portion) -> None:
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for sheet, answers in portion:
            head = f"{sheet.batch_id}\t{sheet.pk}\t"
            copy.write(
                "".join([f"{head}{a.question}\t{_escaped(a.answer)}\t{a.confidence}\t{a.status}\n" for a in answers])
            )


def _escaped(text: str) -> str:
    """Return ``text`` as COPY wants it; a bubble's value may be anything that JSON can say."""
    return text if text.isalnum() else text.translate(COPY_ESCAPES)


COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
