"""The same batch in PostgreSQL, where each batch has a partition of its own."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.batches.archives import two_groups
from tests.batches.postgresql import programs, running_server
from tests.pages import a_zip
from tests.site import Site

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.skipif(
        programs() is None and os.environ.get("CI") != "true",
        reason="no PostgreSQL is installed: apt-get install postgresql",
    ),
]

LOAD_AGAIN = """
from batches.models import Batch, BatchStatus
batch = Batch.objects.get(name="first")
batch.status = BatchStatus.FAILED
batch.finished_stages = ["extracting"]
batch.save()
"""

IN_SMALL_PORTIONS = """
from batches.models import Batch
from batches.pipeline import loading_database
from batches.pipeline.runner import Runner
from batches.workers.serial import SerialWorkers
loading_database.SHEETS_A_COPY = loading_database.SHEETS_WAITING = 1
Runner(workers=SerialWorkers()).process(Batch.objects.get(name="first"))
"""

DELETE = """
from django.contrib.auth.models import User
from batches.models import Batch
from batches.services import delete_batch
delete_batch(Batch.objects.get(name="second"), by=User.objects.get())
"""

ODD_SHEET = r"""
import uuid
from django.forms.models import model_to_dict
from batches.models import Batch, Sheet
from batches.pipeline.copying import copy_lines, write_lines
group = Batch.objects.get(name="first").groups.first()
odd = 'back\\slash \\N tab\t line\nreturn\r "quoted" ü 試'
given = {"number": 9, "position": 9, "file_name": odd, "status": "unreadable", "error_message": odd}
sheet = Sheet(id=uuid.uuid4(), batch=group.batch, group=group, **given, identity={odd: odd}, review_reasons=[odd])
copy_lines(Sheet, write_lines(Sheet, [sheet]))
assert model_to_dict(Sheet.objects.get(pk=sheet.pk)) == model_to_dict(sheet)
sheet.delete()
"""

LONG_ANSWER = """
import uuid
from django.db import transaction
from batches.answer_rows import delete_answers
from batches.models import Answer
from batches.pipeline import copying
from batches.results import AnswerLine
batch_id, sheet_id = uuid.uuid4(), uuid.uuid4()
line = AnswerLine(question=1, answer="ABCDE" * 20, confidence=1.0, status="multiple")
copying.create_partition(batch_id)
with transaction.atomic():
    copying.empty_partition(batch_id)
    copying.copy_answers(batch_id, [(sheet_id, [copying.pack_answer(line)])])
    copying.attach_partition(batch_id)
assert Answer.objects.get(batch_id=batch_id).answer == line.answer
delete_answers(batch_id)
"""

PAGE_2 = """
SELECT answer, a.status FROM batches_answer a JOIN batches_sheet s ON a.sheet_id = s.id JOIN batches_batch b
ON b.id = s.batch_id WHERE s.file_name = 'page_2.jpg' AND b.name = %s ORDER BY question LIMIT 3
"""

PARTITIONS = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'batches_answer'::regclass ORDER BY 1
"""

SHEETS = """
SELECT s.id, g.number, s.number, s.position, s.file_name, s.status, s.identity::text, s.fit::text, answered, blank
FROM batches_sheet s JOIN batches_covergroup g ON g.id = s.group_id ORDER BY s.id
"""

ALL = "SELECT batch_id, sheet_id, question, answer, confidence, status FROM batches_answer ORDER BY 1, 2, 3"


@dataclass(frozen=True)
class Loaded:
    """A site with two batches of the same pages, ``first`` and ``second``."""

    site: Site
    url: str
    scans: Path

    def ask(self, query: str, *values: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, cursor_factory=psycopg.ClientCursor) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def process(self, name: str) -> str:
        arguments = ("--template", "standard-150", "--name", name)
        return self.site.manage("process_batch", str(self.scans), *arguments).stdout

    def shell(self, script: str) -> None:
        self.site.manage("shell", "--no-imports", "-c", script)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("postgresql")
    scans = a_zip(folder / "scans.zip", two_groups())
    with running_server() as url:
        site = Site(folder / "var", {"DATABASE_URL": url})
        site.manage("migrate", "-v", "0")
        site.add_user("root", superuser=True)
        loaded = Loaded(site, url, scans)
        assert "Loading to database via postgresql" in loaded.process("first")
        loaded.process("second")
        yield loaded


def test_a_batch_is_loaded_by_copy_and_can_be_loaded_again(loaded: Loaded) -> None:
    before = loaded.ask(ALL)
    assert len(before) == 900
    assert loaded.ask(PAGE_2, "first") == [("A", "single"), ("AC", "multiple"), ("", "blank")]

    loaded.shell(LOAD_AGAIN)
    ((batch_id,),) = loaded.ask("SELECT id FROM batches_batch WHERE name = 'first'")
    loaded.site.manage("process_batch", str(batch_id))

    assert loaded.ask(ALL) == before


def test_a_batch_of_any_size_is_loaded_whole_a_portion_at_a_time(loaded: Loaded) -> None:
    before = loaded.ask(ALL), loaded.ask(SHEETS)
    assert len(before[1]) == 6

    loaded.shell(LOAD_AGAIN)
    loaded.shell(IN_SMALL_PORTIONS)

    assert (loaded.ask(ALL), loaded.ask(SHEETS)) == before


def test_of_a_load_that_fails_nobody_sees_anything_and_it_can_be_done_again(loaded: Loaded) -> None:
    before, partitions = loaded.ask(ALL), loaded.ask(PARTITIONS)
    loaded.shell(LOAD_AGAIN)
    ((batch_id,),) = loaded.ask("SELECT id FROM batches_batch WHERE name = 'first'")

    with psycopg.connect(loaded.url, autocommit=True) as database:
        database.execute("ALTER TABLE batches_sheet ADD CONSTRAINT broken CHECK (position < 3) NOT VALID")
        failed = loaded.site.manage("process_batch", str(batch_id), check=False)
        seen = loaded.ask(PAGE_2, "first"), len(loaded.ask(PARTITIONS))
        database.execute("ALTER TABLE batches_sheet DROP CONSTRAINT broken")
    loaded.site.manage("process_batch", str(batch_id))

    assert "broken" in failed.stderr
    assert seen == ([], len(partitions) - 1)
    assert (loaded.ask(ALL), loaded.ask(PARTITIONS)) == (before, partitions)


def test_whatever_a_sheet_says_is_copied_as_it_is(loaded: Loaded) -> None:
    loaded.shell(ODD_SHEET)  # fails where it is not


def test_a_question_of_many_fields_may_have_all_its_bubbles_marked(loaded: Loaded) -> None:
    loaded.shell(LONG_ANSWER)  # fails where there is no room for them


def test_each_batch_has_a_partition_of_its_own_in_which_sheets_are_found_by_the_key(loaded: Loaded) -> None:
    batches = loaded.ask("SELECT id FROM batches_batch ORDER BY id::text")

    of_one = loaded.ask("EXPLAIN SELECT * FROM batches_answer WHERE batch_id = %s", str(batches[0][0]))

    expected = [(f"batches_answer_{batch.hex}", f"FOR VALUES IN ('{batch}')") for (batch,) in batches]  # type: ignore[attr-defined]
    assert loaded.ask(PARTITIONS) == expected
    assert "batches_answer_" + batches[0][0].hex in str(of_one)  # type: ignore[attr-defined]
    assert "batches_answer_" + batches[1][0].hex not in str(of_one)  # type: ignore[attr-defined]


def test_partitions_take_over_the_answers_of_the_table_before_them(loaded: Loaded) -> None:
    before, partitions = loaded.ask(ALL), loaded.ask(PARTITIONS)

    loaded.site.manage("migrate", "batches", "0008", "-v", "0")
    flat = loaded.ask(ALL), loaded.ask(PARTITIONS)
    loaded.site.manage("migrate", "-v", "0")

    assert flat == (before, [])
    assert (loaded.ask(ALL), loaded.ask(PARTITIONS)) == (before, partitions)


def test_deleting_a_batch_waits_for_those_who_read_and_lets_others_read_meanwhile(loaded: Loaded) -> None:
    partitions = loaded.ask(PARTITIONS)
    deleting = threading.Thread(target=loaded.shell, args=(DELETE,))

    with psycopg.connect(loaded.url) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM batches_answer")
        deleting.start()
        while not loaded.ask("SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"):
            assert deleting.is_alive()
        assert loaded.ask(PAGE_2, "second")  # its answers are still there, and whoever asks is answered
    deleting.join()

    assert loaded.ask(PAGE_2, "second") == []
    assert loaded.ask(PAGE_2, "first") != []
    assert len(loaded.ask(PARTITIONS)) == len(partitions) - 1
