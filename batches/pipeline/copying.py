"""How sheets and answers get into PostgreSQL: by COPY, the answers into a partition of their own."""

import struct
from collections.abc import Iterable, Sequence
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
COLUMN_COUNT, UUID_BYTES, SMALLINT_BYTES, DOUBLE_BYTES = 6, 16, 2, 8


def pack_answer(answer: AnswerLine) -> bytes:
    """Return the columns of an answer that are the same on every sheet."""
    text, status = answer.answer.encode(), answer.status.encode()
    question = QUESTION.pack(SMALLINT_BYTES, answer.question) + LENGTH.pack(len(text)) + text
    return question + CONFIDENCE.pack(DOUBLE_BYTES, answer.confidence) + LENGTH.pack(len(status)) + status


def create_partition(batch_id: UUID) -> None:
    """Make the table that will be the batch's partition. Nobody else sees it, or waits for it, until it is attached."""
    table = partition_of(batch_id)
    of_batch = f"CONSTRAINT of_batch CHECK (batch_id = '{batch_id}')"  # attaching then need not look at the rows
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS, {of_batch})")


def copy_answers(batch_id: UUID, sheets: Iterable[tuple[UUID, Sequence[bytes]]]) -> int:
    """Write the packed answers of each of the ``sheets`` into a partition that was made in the same transaction.

    Returns their number.
    """
    # Frozen: the rows are what they will be when others see them, and need not be visited again to be marked so.
    into = f"COPY {partition_of(batch_id)} ({COLUMNS}) FROM STDIN (FORMAT binary, FREEZE)"
    total = 0
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.write(SIGNATURE)
        for sheet_id, answers in sheets:
            if answers:
                head = HEAD.pack(COLUMN_COUNT, UUID_BYTES, batch_id.bytes, UUID_BYTES, sheet_id.bytes)
                copy.write(head + head.join(answers))
                total += len(answers)
        copy.write(END)
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


def copy_rows(model: type[models.Model], rows: Iterable[models.Model]) -> None:
    """Write ``rows`` of ``model``, every column of them."""
    fields = model._meta.concrete_fields
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    with connection.cursor() as cursor, cursor.copy(f"COPY {model._meta.db_table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields])
