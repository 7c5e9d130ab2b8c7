"""A batch in SQLite, the database of a first run: written in short portions, deleted in short portions."""

import gc
import uuid
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

from batches import answer_rows
from batches.models import Answer, Sheet
from batches.pipeline import inserting
from batches.services import delete_batch
from tests.batches.archives import a_local_batch, process, two_groups
from tests.batches.builders import a_batch, a_read_batch, a_superuser

pytestmark = pytest.mark.django_db(transaction=True)

BULK_PRAGMAS = ("cache_size", "synchronous")


def rows() -> list[dict[str, object]]:
    return list(Answer.objects.order_by("batch_id", "sheet_id", "question").values())


def pragmas() -> list[object]:
    with connection.cursor() as cursor:
        return [cursor.execute(f"PRAGMA {name}").fetchone() for name in BULK_PRAGMAS]


def some_sheets(count: int, *, questions: int) -> list[tuple[uuid.UUID, list[inserting.Values]]]:
    values = [(question, "A", 0.5, "single") for question in range(1, questions + 1)]
    return [(uuid.uuid4(), values) for _ in range(count)]


def test_between_two_portions_of_a_load_others_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inserting, "SHEETS_A_TRANSACTION", 2)
    batch = a_batch()
    seen = []

    for _ in inserting.insert_answers(batch.pk, some_sheets(5, questions=3)):
        seen.append((Answer.objects.count(), connection.in_atomic_block))

    assert seen == [(6, False), (12, False), (15, False)]


def test_sheets_of_any_number_of_questions_are_loaded_whole() -> None:
    batch = a_batch()
    sheets = some_sheets(2, questions=2 * inserting.ROWS_A_STATEMENT + 1) + some_sheets(1, questions=0)

    list(inserting.insert_answers(batch.pk, sheets))

    loaded = {sheet_id: list(Answer.objects.filter(sheet_id=sheet_id).order_by("question")) for sheet_id, _ in sheets}
    for sheet_id, answers in sheets:
        told = [(row.question, row.answer, row.confidence, row.status) for row in loaded[sheet_id]]
        assert told == answers


def test_after_a_load_the_connection_waits_for_the_disk_as_before(tmp_path: Path) -> None:
    before = pragmas()

    process(a_local_batch(tmp_path, two_groups()))

    assert pragmas() == before


def test_also_after_one_that_failed() -> None:
    before, within = pragmas(), []

    with suppress(RuntimeError), inserting.in_bulk():
        within += pragmas()
        raise RuntimeError

    assert within != before
    assert pragmas() == before


def test_after_a_load_garbage_is_collected_as_before(tmp_path: Path) -> None:
    process(a_local_batch(tmp_path, two_groups()))

    assert gc.isenabled()


def test_deleting_a_batch_leaves_the_answers_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_rows, "ROWS_AT_ONCE", 100)
    kept, deleted = a_read_batch(), a_read_batch()

    delete_batch(deleted, by=a_superuser())

    assert {row["batch_id"] for row in rows()} == {kept.pk}
    assert Answer.objects.count() == 450
    assert Sheet.objects.count() == 3


@pytest.fixture
def migration() -> Iterator[object]:
    module = import_module("batches.migrations.0009_partitioned_answers")
    yield module
    if "WITHOUT ROWID" not in table_sql():
        migrate(module.change)


def migrate(change: object) -> None:
    with connection.schema_editor() as editor:
        change(apps, editor)  # type: ignore[operator]


def table_sql() -> str:
    with connection.cursor() as cursor:
        found = cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'batches_answer'").fetchone()
    return str(found[0])


def test_the_table_that_is_its_own_index_takes_over_the_answers_of_the_one_before(migration: object) -> None:
    a_read_batch()
    before = rows()

    migrate(migration.change_back)  # type: ignore[attr-defined]
    flat, told = table_sql(), rows()
    migrate(migration.change)  # type: ignore[attr-defined]

    assert "WITHOUT ROWID" not in flat
    assert "WITHOUT ROWID" in table_sql()
    assert told == before
    assert rows() == before
