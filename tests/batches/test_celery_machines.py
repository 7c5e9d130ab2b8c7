"""Two machines that share nothing but Redis and a bucket; one of them loses its power in the middle of a batch."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from batches.models import Batch, BatchStatus
from batches.storage_cache import FOLDER_VARIABLE
from batches.workers import celery
from batches.workers.messages import Exchange
from batches.workers.tasks import make_app
from omr_project.environment import archive_storage
from tests.batches.archives import an_uploaded_batch, cover, csv_rows, process, sheet
from tests.batches.test_celery import celery_workers, exchange, worker_command
from tests.site import ROOT, wait_until
from tests.storage import Storage, storage, storage_server

__all__ = ["exchange", "storage", "storage_server"]

pytestmark = pytest.mark.django_db

SHEETS = 60
HONEST_PAGES = 4

DYING = f"""
import pathlib, signal
from batches.workers import jobs
from omr_project.celery import app
honest, pages = jobs.read_page, 0
def read_page(content, template):
    global pages
    pages += 1
    if pages > {HONEST_PAGES}:
        pathlib.Path("is-reading").touch()
        signal.pause()
    return honest(content, template)
jobs.read_page = read_page
"""


@contextmanager
def a_machine(folder: Path, storage: Storage, exchange: Exchange, *, app: str = "omr_project.celery") -> Iterator[int]:
    """Run a worker that has nothing but ``folder``; gives the process group that ends when the machine does."""
    paths = {"HOME": str(folder), "TMPDIR": str(folder), FOLDER_VARIABLE: str(folder / "cache")}
    code = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "REDIS_URL": exchange.redis_url}
    environment = {"PATH": os.environ["PATH"]} | paths | code | storage.environment
    with (folder / "log").open("w") as log:
        worker = subprocess.Popen(
            worker_command(app), cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield worker.pid
        finally:
            power_off(worker.pid)
            worker.wait(10)


def power_off(machine: int) -> None:
    try:
        os.killpg(machine, signal.SIGKILL)
    except ProcessLookupError:
        return  # it lies dead already


def test_a_machine_that_dies_in_the_middle_of_a_batch_costs_no_page_and_changes_no_answer(
    storage: Storage, exchange: Exchange, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery, "SILENCE_SECONDS", 2.0)
    settings.STORAGES = settings.STORAGES | {"archives": archive_storage("s3://exams", Path())}
    members = {"page_000.jpg": cover()} | {f"page_{n:03}.jpg": sheet(q1="A") for n in range(1, SHEETS + 1)}
    here = an_uploaded_batch(members)
    process(here)
    batch, survivor, victim = an_uploaded_batch(members), tmp_path / "survivor", tmp_path / "victim"
    for folder in (survivor, victim):
        folder.mkdir()
    (victim / "dying_worker.py").write_text(DYING)

    with ExitStack() as machines, celery_workers(exchange) as workers:
        dying = machines.enter_context(a_machine(victim, storage, exchange, app="dying_worker"))
        machines.enter_context(a_machine(survivor, storage, exchange))
        wait_until(lambda: len(make_app(exchange.redis_url).control.ping(timeout=0.3)) == 2)
        killer = threading.Thread(target=lambda: (wait_until((victim / "is-reading").exists), power_off(dying)))
        killer.start()
        process(batch, workers=workers)
        killer.join()

    assert (victim / "is-reading").exists()
    assert (batch.status, batch.processed_count) == (BatchStatus.COMPLETED, SHEETS)
    assert answers_of(batch) == answers_of(here)
    assert [len(list((folder / "cache").glob("*.cached"))) for folder in (survivor, victim)] == [1, 1]


def answers_of(batch: Batch) -> list[tuple[str, ...]]:
    columns = ("sheet_number", "question", "answer", "confidence", "status")
    return [tuple(row[column] for column in columns) for row in csv_rows(batch, "answers.csv")]
