"""How sheets and answers get into SQLite: in the order of its tables, in transactions so short that others get in."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain, islice
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction

from batches.answer_rows import TABLE
from batches.results import AnswerLine

ROWS_A_STATEMENT = 200
"""Of answers, four values each: SQLite may be built to take no more than 999."""

SHEETS_A_TRANSACTION = 100

CACHE_KB = 64_000
"""While a batch is loaded; SQLite's own 2 MB are written and read again many times over."""

Values = tuple[int, str, float, str]
Parameters = list[int | float | str]


def take_values(answer: AnswerLine) -> Values:
    """Return the columns of an answer that are the same on every sheet."""
    return (answer.question, answer.answer, answer.confidence, answer.status)


def insert_answers(batch_id: UUID, sheets: Sequence[tuple[UUID, Sequence[Values]]]) -> Iterator[None]:
    """Write the answers of the ``sheets``; stops between two transactions, to be asked to go on.

    In the order of the key, each sheet in one statement: a third of the time that it takes otherwise. The table is
    its own index, and grows at one place.
    """
    # SQLite keeps ids as hexadecimal digits, which sort as the ids do.
    in_order = iter(sorted(sheets, key=lambda sheet: sheet[0]))
    while portion := list(islice(in_order, SHEETS_A_TRANSACTION)):
        by_length = _by_length(batch_id, portion)
        with transaction.atomic(), connection.cursor() as cursor:
            for rows, values in by_length.items():
                cursor.executemany(_statement(rows), values)
        yield


def _by_length(batch_id: UUID, sheets: Iterable[tuple[UUID, Sequence[Values]]]) -> dict[int, list[Parameters]]:
    """Return the values for each statement, by how many rows it writes."""
    made: dict[int, list[Parameters]] = {}
    for sheet_id, answers in sheets:
        for start in range(0, len(answers), ROWS_A_STATEMENT):
            part = answers[start : start + ROWS_A_STATEMENT]
            values: Iterator[int | float | str] = chain.from_iterable(part)
            made.setdefault(len(part), []).append([batch_id.hex, sheet_id.hex, *values])
    return made


@cache
def _statement(rows: int) -> str:
    places = (", ".join(f"?{4 * row + column}" for column in range(3, 7)) for row in range(rows))
    values = ", ".join(f"(?1, ?2, {of_row})" for of_row in places)
    return f"INSERT INTO {TABLE} (batch_id, sheet_id, question, answer, confidence, status) VALUES {values}"  # noqa: S608


def insert_rows(model: type[models.Model], rows: Sequence[models.Model]) -> None:
    """Write ``rows`` of ``model``, every column of them, in one transaction."""
    fields, database = model._meta.concrete_fields, connections[DEFAULT_DB_ALIAS]
    columns = ", ".join(database.ops.quote_name(str(field.column)) for field in fields)
    places = ", ".join("?" for _ in fields)
    values = [[field.get_db_prep_save(getattr(row, field.attname), database) for field in fields] for row in rows]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {model._meta.db_table} ({columns}) VALUES ({places})", values)  # noqa: S608


@contextmanager
def in_bulk() -> Iterator[None]:
    """Let this connection write much: with a larger cache, and without waiting for the disk at every commit.

    Nothing that counts can get lost by that. The first commit afterwards, which tells that the batch is loaded, waits
    for the disk as always, and with it for all that was written before; cut short, the batch is loaded again.
    """
    if connection.in_atomic_block:  # then SQLite lets nobody change how it waits, and what is around decides anyway
        yield
        return
    with connection.cursor() as cursor:
        (pages,), (waits,) = (cursor.execute(f"PRAGMA {name}").fetchone() for name in ("cache_size", "synchronous"))
        cursor.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        cursor.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA synchronous = {waits}")
            cursor.execute(f"PRAGMA cache_size = {pages}")
