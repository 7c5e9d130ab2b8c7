"""Where the answers of a batch lie in the database, and how all of them go at once.

On PostgreSQL each batch has a partition of its own: it is filled before anybody sees it, no batch makes another one
slower, and it is dropped in an instant. Migration 0009 has made the table so.
"""

import time
from uuid import UUID

from django.db import OperationalError, connection, transaction

from batches.models import Answer

TABLE = Answer._meta.db_table

ROWS_AT_ONCE = 15_000
"""Deleted in one transaction, a tenth of a second, where others have to wait for it."""

LOCK_TIMEOUT_MS = 250
LOCK_ATTEMPTS = 20
LOCK_PAUSE_SECONDS = 0.5
LOCK_NOT_AVAILABLE = "55P03"


def partition_of(batch_id: UUID) -> str:
    """Return the name of the table that holds the answers of a batch on PostgreSQL."""
    return f"{TABLE}_{batch_id.hex}"


def delete_answers(batch_id: UUID) -> None:
    """Delete all answers of a batch. Can be repeated when it was cut short."""
    if connection.vendor == "postgresql":
        _drop_partition(batch_id)
    else:
        _delete_rows(batch_id)


def _delete_rows(batch_id: UUID) -> None:
    """Delete in the order of the key, in short transactions: a database that has one writer lets others in between."""
    answers = Answer.objects.filter(batch_id=batch_id)
    in_order = answers.order_by("sheet_id", "question").values_list("sheet_id", flat=True)
    while sheet := in_order[ROWS_AT_ONCE : ROWS_AT_ONCE + 1].first():
        answers.filter(sheet_id__lte=sheet).delete()
    answers.delete()


def _drop_partition(batch_id: UUID) -> None:
    """Drop the partition. For that instant nobody may be reading answers, of whatever batch.

    Whoever wants to read waits behind whoever waits to drop: so that is given up soon, and tried again.
    """
    for _ in range(LOCK_ATTEMPTS):
        try:
            return _drop(batch_id, f"{LOCK_TIMEOUT_MS}ms")
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != LOCK_NOT_AVAILABLE:
                raise
        time.sleep(LOCK_PAUSE_SECONDS)
    return _drop(batch_id, "0")


def _drop(batch_id: UUID, lock_timeout: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [lock_timeout])
        cursor.execute(f"DROP TABLE IF EXISTS {partition_of(batch_id)}")
