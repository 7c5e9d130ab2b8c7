"""Answers lie where a batch finds its own: on PostgreSQL in a partition for each batch, on SQLite in the key itself.

On PostgreSQL no batch slows another one, and deleting one is dropping a table. The key begins with the sheet, which
tells rows apart soonest. On SQLite the table is its own index (WITHOUT ROWID): half the size, and half the time to
write. Rows that are there are kept. For Django nothing changes; but on SQLite it rebuilds a table that a migration
alters without knowing of this, so a later migration of ``Answer`` has to say it again.
"""

from django.db import migrations

COLUMNS = "question, answer, confidence, status, batch_id, sheet_id"

SQLITE = """
CREATE TABLE batches_answer_new (
    "question" smallint unsigned NOT NULL CHECK ("question" >= 0),
    "answer" varchar(32) NOT NULL,
    "confidence" real NOT NULL,
    "status" varchar(9) NOT NULL,
    "batch_id" char(32) NOT NULL,
    "sheet_id" char(32) NOT NULL,
    PRIMARY KEY ("batch_id", "sheet_id", "question")
)"""


def change(apps, editor):
    if editor.connection.vendor == "postgresql":
        _partition(editor)
    elif editor.connection.vendor == "sqlite":
        _rebuild_on_sqlite(editor, " WITHOUT ROWID")


def change_back(apps, editor):
    if editor.connection.vendor == "postgresql":
        _join(editor)
    elif editor.connection.vendor == "sqlite":
        _rebuild_on_sqlite(editor, "")


def _rebuild_on_sqlite(editor, kind):
    editor.execute(SQLITE + kind)
    editor.execute(
        f"INSERT INTO batches_answer_new ({COLUMNS}) "
        f"SELECT {COLUMNS} FROM batches_answer ORDER BY batch_id, sheet_id, question"
    )
    editor.execute("DROP TABLE batches_answer")
    editor.execute("ALTER TABLE batches_answer_new RENAME TO batches_answer")


def _partition(editor):
    editor.execute("ALTER TABLE batches_answer RENAME TO batches_answer_old")
    editor.execute(
        "CREATE TABLE batches_answer (LIKE batches_answer_old INCLUDING DEFAULTS INCLUDING CONSTRAINTS, "
        "CONSTRAINT batches_answer_key PRIMARY KEY (sheet_id, question, batch_id)) PARTITION BY LIST (batch_id)"
    )
    for batch_id in _batches(editor, "batches_answer_old"):
        table = f"batches_answer_{batch_id.hex}"
        editor.execute(f"CREATE TABLE {table} PARTITION OF batches_answer FOR VALUES IN ('{batch_id}')")
        editor.execute(
            f"INSERT INTO {table} ({COLUMNS}) SELECT {COLUMNS} FROM batches_answer_old WHERE batch_id = '{batch_id}'"
        )
    editor.execute("DROP TABLE batches_answer_old")


def _join(editor):
    editor.execute("ALTER TABLE batches_answer RENAME TO batches_answer_parts")
    editor.execute(
        "CREATE TABLE batches_answer (LIKE batches_answer_parts INCLUDING DEFAULTS INCLUDING CONSTRAINTS, "
        "PRIMARY KEY (batch_id, sheet_id, question))"
    )
    editor.execute(f"INSERT INTO batches_answer ({COLUMNS}) SELECT {COLUMNS} FROM batches_answer_parts")
    editor.execute("DROP TABLE batches_answer_parts")


def _batches(editor, table):
    """Return the batches that have answers, and all others too: where there is no partition nothing can be written."""
    with editor.connection.cursor() as cursor:
        cursor.execute(f"SELECT batch_id FROM {table} UNION SELECT id FROM batches_batch WHERE sheet_count > 0")
        return [batch_id for (batch_id,) in cursor.fetchall()]


class Migration(migrations.Migration):

    dependencies = [
        ("batches", "0008_corrections"),
    ]

    operations = [migrations.RunPython(change, change_back)]
