"""How sheets and answers get into PostgreSQL: by COPY, the answers into a partition of their own."""

import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, models

from batches.answer_rows import TABLE, partition_of
from batches.results import AnswerLine

COLUMNS = "batch_id, sheet_id, question, answer, confidence, status"
KEY = "sheet_id, question, batch_id"
"""As migration 0009 has it: what tells rows apart soonest comes first, and the index is built sooner."""

INDEX_MEMORY = "256MB"
"""A reference batch is sorted in it without a file: 1.7 million keys."""

# Of the binary form of COPY: a number of columns, then the length of each and its bytes; -1 columns is the end.
SIGNATURE = struct.pack(">11sii", b"PGCOPY\n\xff\r\n\0", 0, 0)
HEAD = struct.Struct(">hi16si16s")
QUESTION, CONFIDENCE, LENGTH = struct.Struct(">ih"), struct.Struct(">id"), struct.Struct(">i")
END = struct.pack(">h", -1)
PIECES_A_WRITE = 128
"""Of sheets, two each: half a megabyte. To hand over each sheet by itself would cost as much as all the rest."""

EMPTY: tuple[list[Any], dict[str, Any]] = ([], {})
"""Of JSON: Python writes them alike."""

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

COLUMN_COUNT, UUID_BYTES, SMALLINT_BYTES, DOUBLE_BYTES = 6, 16, 2, 8


def pack_answer(answer: AnswerLine) -> bytes:
    """Return the columns of an answer that are the same on every sheet."""
    text, status = answer.answer.encode(), answer.status.encode()
    question = QUESTION.pack(SMALLINT_BYTES, answer.question) + LENGTH.pack(len(text)) + text
    return question + CONFIDENCE.pack(DOUBLE_BYTES, answer.confidence) + LENGTH.pack(len(status)) + status


def create_partition(batch_id: UUID) -> None:
    """Make the table that will be the batch's partition. Nobody sees it, or waits for it, until it is attached.

    Outside the transaction that fills it: the lock on the table that it is made like would be held until that ends,
    and no other batch could be deleted meanwhile.
    """
    table = partition_of(batch_id)
    of_batch = f"CONSTRAINT of_batch CHECK (batch_id = '{batch_id}')"  # attaching then need not look at the rows
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS, {of_batch})")


def empty_partition(batch_id: UUID) -> None:
    """Say that nobody has seen a row of the partition: those of this transaction may then be written frozen."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {partition_of(batch_id)}")


def copy_answers(batch_id: UUID, sheets: Iterable[tuple[UUID, Sequence[bytes]]]) -> int:
    """Write the packed answers of each of the ``sheets`` into a partition that was emptied in the same transaction.

    Returns their number.
    """
    # Frozen: the rows are what they will be when others see them, and need not be visited again to be marked so.
    into = f"COPY {partition_of(batch_id)} ({COLUMNS}) FROM STDIN (FORMAT binary, FREEZE)"
    total, waiting = 0, [SIGNATURE]
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        for sheet_id, answers in sheets:
            if answers:
                head = HEAD.pack(COLUMN_COUNT, UUID_BYTES, batch_id.bytes, UUID_BYTES, sheet_id.bytes)
                waiting += [head, head.join(answers)]
                total += len(answers)
            if len(waiting) >= PIECES_A_WRITE:
                copy.write(b"".join(waiting))
                waiting.clear()
        copy.write(b"".join([*waiting, END]))
    return total


def attach_partition(batch_id: UUID) -> None:
    """Let everybody see the partition. Its index is built now: half the time of one that grows with the rows."""
    table = partition_of(batch_id)
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL maintenance_work_mem = '{INDEX_MEMORY}'")
        cursor.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({KEY})")
        cursor.execute(f"ANALYZE {table} (sheet_id)")  # or some sheets would be looked for in all the rows
        cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {table} FOR VALUES IN ('{batch_id}')")
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT of_batch")


def write_lines(model: type[models.Model], rows: Iterable[models.Model]) -> str:
    """Return ``rows`` of ``model``, every column of them, in the text form of COPY. Asks no database."""
    kept_as_json = {field.attname for field in _columns(model) if isinstance(field, models.JSONField)}
    names = [(field.attname, field.attname in kept_as_json) for field in _columns(model)]
    lines = ("\t".join([_text(getattr(row, name), as_json=as_json) for name, as_json in names]) for row in rows)
    return "".join(f"{line}\n" for line in lines)


def copy_lines(model: type[models.Model], lines: str) -> None:
    """Write the ``lines`` into the table of ``model``."""
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in _columns(model))
    with connection.cursor() as cursor, cursor.copy(f"COPY {model._meta.db_table} ({columns}) FROM STDIN") as copy:
        copy.write(lines)


def _columns(model: type[models.Model]) -> "Sequence[models.Field[Any, Any]]":
    return model._meta.concrete_fields


def _text(value: object, *, as_json: bool) -> str:
    """Return a value of a column in the text form of COPY."""
    if value is None:
        return "\\N"
    if as_json and value not in EMPTY:  # as nearly all are
        return json.dumps(value).translate(ESCAPES)
    return value.translate(ESCAPES) if isinstance(value, str) else str(value)
