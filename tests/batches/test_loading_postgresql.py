"""The same batch in PostgreSQL."""

import os
from pathlib import Path

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

LOOK = """
from batches.models import Answer, Batch
batch = Batch.objects.get()
print(batch.status, batch.sheets.count(), Answer.objects.count())
print(*Answer.objects.filter(sheet__file_name="page_2.jpg").order_by("question").values_list("answer", "status")[:3])
"""

LOAD_AGAIN = """
from batches.models import Batch, BatchStatus
batch = Batch.objects.get()
batch.status = BatchStatus.FAILED
batch.finished_stages = ["extracting"]
batch.save()
"""


def test_a_batch_is_loaded_into_postgresql_by_copy_and_can_be_loaded_again(tmp_path: Path) -> None:
    scans = a_zip(tmp_path / "scans.zip", two_groups())
    with running_server() as url:
        site = Site(tmp_path / "var", {"DATABASE_URL": url})
        site.manage("migrate", "-v", "0")
        site.add_user("root", superuser=True)

        done = site.manage("process_batch", str(scans), "--template", "standard-150")

        assert "Loading to database via postgresql" in done.stdout
        loaded = site.manage("shell", "--no-imports", "-c", LOOK).stdout
        assert loaded == "completed 3 450\n('A', 'single') ('AC', 'multiple') ('', 'blank')\n"

        site.manage("shell", "--no-imports", "-c", LOAD_AGAIN)
        (results,) = (site.var / "results").iterdir()
        site.manage("process_batch", results.name)
        assert site.manage("shell", "--no-imports", "-c", LOOK).stdout == loaded
