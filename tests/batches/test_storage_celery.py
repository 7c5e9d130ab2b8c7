"""Workers on machines that share no folder with the runner: they find the ZIP in the bucket."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from batches.models import BatchStatus
from batches.storage_cache import FOLDER_VARIABLE
from batches.workers.messages import Exchange
from omr_project.environment import archive_storage
from tests.batches.archives import an_uploaded_batch, csv_rows, process, two_groups
from tests.batches.test_celery import celery_workers, exchange, start
from tests.site import Site
from tests.storage import Storage, storage, storage_server

__all__ = ["exchange", "start", "storage", "storage_server"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def other_machine(site: Site, storage: Storage, start: Callable[[], "subprocess.Popen[str]"], tmp_path: Path) -> Path:
    """A worker that knows the storage by its environment and has a cache of its own, which is given."""
    cache = tmp_path / "other-machine"
    site.environment |= storage.environment | {FOLDER_VARIABLE: str(cache)}
    start()
    return cache


def test_workers_without_the_runner_s_folder_read_the_pages_from_the_bucket(
    storage: Storage, other_machine: Path, exchange: Exchange, settings: Settings
) -> None:
    settings.STORAGES = settings.STORAGES | {"archives": archive_storage("s3://exams", Path())}
    batch = an_uploaded_batch(two_groups())

    with celery_workers(exchange) as workers:
        events = process(batch, workers=workers)

    assert batch.status == BatchStatus.COMPLETED
    assert events[-2].message.endswith("zip=archived")
    assert [row["status"] for row in csv_rows(batch, "sheets.csv")] == ["read"] * 3
    assert len(list(other_machine.glob("*.cached"))) == 1  # what it read
    assert len(list(Path(os.environ[FOLDER_VARIABLE]).glob("*.cached"))) == 1  # what the runner sent
    assert storage.downloaded_bytes <= batch.size_bytes  # each byte once at most: the runner needs none
