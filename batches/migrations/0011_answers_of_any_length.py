"""Answers may be of any length: a question may join many fields, and somebody may mark every bubble of them.

On PostgreSQL only the type changes, no row is written anew. SQLite never held to the length, and would rebuild the
table: migration 0009 says why it must not.
"""

from django.db import migrations, models


def widen(apps, editor):
    _change_type(editor, "text")


def narrow(apps, editor):
    _change_type(editor, "varchar(32)")


def _change_type(editor, kind):
    if editor.connection.vendor == "postgresql":
        editor.execute(f"ALTER TABLE batches_answer ALTER COLUMN answer TYPE {kind}")


class Migration(migrations.Migration):

    dependencies = [
        ("batches", "0010_priority"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="answer",
                    name="answer",
                    field=models.TextField(help_text="empty for blank, letters in print order for multiple"),
                ),
            ],
            database_operations=[migrations.RunPython(widen, narrow)],
        ),
    ]
