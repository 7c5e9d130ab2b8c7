"""Many batches at once: each goes on, each stream is in order, and a small one does not wait for a large one."""

import json
import signal
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from batches import models, services
from batches.models import Batch, BatchStatus, Priority, Runner
from batches.pipeline.lease import Lease
from batches.pipeline.runner import Runner as BatchRunner
from batches.pipeline.watching import Watch
from batches.workers.base import Chunk, Job, Verdicts
from batches.workers.serial import SerialWorkers
from progress import log
from progress.models import ProgressEvent
from tests.batches.archives import a_local_batch, cover, process, sheet, two_groups
from tests.batches.builders import a_batch
from tests.pages import a_zip
from tests.site import Site, wait_until

LARGE = models.SMALL_BYTES + 1

QUEUE = """
import json, shutil
from django.contrib.auth.models import User
from batches.models import Batch, SheetTemplate
from batches.services import GivenArchive, create_batch, submit_batch
template = SheetTemplate.objects.get(slug="standard-150")
for name, zip_path, size_bytes, priority in json.loads({wanted!r}):
    archive = GivenArchive(file_name="scans.zip", size_bytes=size_bytes)
    batch = create_batch(User.objects.get(), template, archive=archive, name=name)
    batch.archive.parent.mkdir(exist_ok=True)
    shutil.copy(zip_path, batch.archive)
    batch.finished_stages, batch.priority = ["uploading"], priority
    batch.save()
    submit_batch(batch)
"""


@dataclass(frozen=True)
class Fact:
    """What the database says of one batch."""

    pk: str
    name: str
    status: str
    started_at: str
    finished_at: str


def facts_of(site: Site) -> list[Fact]:
    """Return all batches, in the order in which they were begun; asked of the file itself, since that is quick."""
    with closing(sqlite3.connect(site.var / "db.sqlite3")) as database:
        rows = database.execute(
            "SELECT id, name, status, started_at, finished_at FROM batches_batch ORDER BY started_at"
        )
        return [Fact(str(UUID(row[0])), *row[1:]) for row in rows]


def logged_of(site: Site, pk: str) -> list[int]:
    with closing(sqlite3.connect(site.var / "db.sqlite3")) as database:
        question = "SELECT seq FROM progress_progressevent WHERE batch_id = ? ORDER BY seq"
        return [seq for (seq,) in database.execute(question, [UUID(pk).hex])]


def queue(site: Site, wanted: list[tuple[str, Path, int, Priority]]) -> None:
    told = json.dumps([(name, str(path), size, int(priority)) for name, path, size, priority in wanted])
    site.manage("shell", "--no-imports", "-c", QUEUE.format(wanted=told))


def many_sheets(path: Path, count: int) -> Path:
    return a_zip(path, {"page_0.jpg": cover()} | {f"page_{n}.jpg": sheet(f"{n:08}") for n in range(1, count)})


def is_done(site: Site, count: int) -> bool:
    return [fact.status for fact in facts_of(site)].count("completed") == count


@pytest.fixture
def office(site: Site) -> Site:
    site.add_user("root", superuser=True)
    return site


def test_twenty_batches_at_once_come_to_their_end_each_with_its_stream_in_order(office: Site, tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", two_groups())
    queue(office, [(f"batch {n}", path, LARGE, Priority.NORMAL) for n in range(20)])
    office.environment["BATCHES_AT_ONCE"] = "20"
    seen: dict[str, list[int]] = {}

    with office.serve("uvicorn") as url, httpx.Client(base_url=url, timeout=60) as client:
        tokens = client.post("/api/auth/login", data={"username": "root", "password": "correct horse"}).json()
        shown = {"Authorization": f"Bearer {tokens['access_token']}"}
        with client.stream("GET", "/api/stream", headers=shown) as stream, office.runner():
            ended: set[str] = set()
            for line in stream.iter_lines():
                if line.startswith("data: {") and "batch_id" in line:
                    event = json.loads(line.removeprefix("data: "))
                    seen.setdefault(event["batch_id"], []).append(event["seq"])
                    ended |= {event["batch_id"]} if event["stage"] == "completed" else set()
                if len(ended) == 20:
                    break

    facts = facts_of(office)
    assert [fact.status for fact in facts] == ["completed"] * 20
    for pk in (fact.pk for fact in facts):
        logged = logged_of(office, pk)
        assert logged == list(range(1, len(logged) + 1))
        assert seen[pk] == logged[-len(seen[pk]) :]


def test_what_waits_is_taken_by_priority_and_a_small_batch_beside_a_large_one(office: Site, tmp_path: Path) -> None:
    small, large = a_zip(tmp_path / "small.zip", two_groups()), many_sheets(tmp_path / "large.zip", 40)
    order = [("low", Priority.LOW), ("first", Priority.NORMAL), ("second", Priority.NORMAL), ("high", Priority.HIGH)]
    queue(office, [(name, large, LARGE, priority) for name, priority in order])
    queue(office, [("small", small, 1000, Priority.LOW)])
    office.environment["BATCHES_AT_ONCE"] = "1"

    with office.runner() as runner:
        wait_until(lambda: is_done(office, 5), within_seconds=60)
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(10) == 0

    facts = facts_of(office)
    by_name = {fact.name: fact for fact in facts}
    assert [fact.name for fact in facts if fact.name != "small"] == ["high", "first", "second", "low"]
    assert by_name["high"].finished_at <= by_name["first"].started_at
    assert by_name["small"].started_at < by_name["high"].finished_at


@pytest.mark.django_db(transaction=True)
def test_a_small_batch_is_told_to_wait_only_when_small_ones_have_to() -> None:
    Runner.objects.create(name="here", slots=1, seen_at=timezone.now())
    a_batch(status=BatchStatus.PROCESSING, lease_until=timezone.now() + timedelta(seconds=30))
    waiting = a_batch(size_bytes=LARGE)
    services.submit_batch(waiting)
    first, second = a_batch(size_bytes=1000), a_batch(size_bytes=1000)
    services.submit_batch(first)
    services.submit_batch(second)

    told = [latest.message if (latest := log.read_latest(b.pk)) else "" for b in (waiting, first, second)]
    assert told == ["Waiting: 1 batches ahead", "", "Waiting: 2 batches ahead"]


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_is_cancelled_while_somebody_tells_what_it_waits_for_ends_all_the_same() -> None:
    batch = a_batch()
    services.submit_batch(batch)
    with Lease(Batch.objects.get(pk=batch.pk)):
        services.cancel_batch(Batch.objects.get(pk=batch.pk), by=batch.owner)
        assert Batch.objects.get(pk=batch.pk).status == BatchStatus.QUEUED

    services.tell_waiting(Batch.objects.get(pk=batch.pk))

    assert Batch.objects.get(pk=batch.pk).status == BatchStatus.CANCELLED
    assert log.read_latest(batch.pk).message == "BATCH CANCELLED"


@pytest.mark.django_db(transaction=True)
def test_a_runner_without_room_still_ends_what_is_to_be_cancelled() -> None:
    Runner.objects.create(name="here", slots=1, seen_at=timezone.now())
    batch = a_batch(status=BatchStatus.PROCESSING, cancel_requested=True, lease_until=timezone.now())
    watch = Watch(BatchRunner(workers=SerialWorkers()), slots=1)
    watch._slots = 0

    watch._take()
    watch._working[batch.pk].join(30)

    assert Batch.objects.get(pk=batch.pk).status == BatchStatus.CANCELLED
    assert [row.message for row in ProgressEvent.objects.after(batch.pk, 0)] == ["BATCH CANCELLED"]


@pytest.mark.django_db(transaction=True)
def test_a_lease_that_could_not_be_given_back_keeps_nobody_waiting_not_even_this_process() -> None:
    batch = a_batch(status=BatchStatus.PROCESSING)
    with Lease(batch) as lease:
        holder = lease.holder
        with pytest.raises(Exception, match="another runner works on it"), Lease(Batch.objects.get(pk=batch.pk)):
            pass
    Batch.objects.filter(pk=batch.pk).update(
        lease_holder=holder, lease_until=timezone.now() + timedelta(seconds=25)
    )  # as if the database had been away when it was given back

    with Lease(Batch.objects.get(pk=batch.pk)) as lease:
        assert lease.holder != holder


@pytest.mark.django_db(transaction=True)
def test_a_priority_that_is_changed_while_the_batch_is_read_counts_from_the_next_chunk_on(tmp_path: Path) -> None:
    weights: list[int] = []

    class Weighing(SerialWorkers):
        def run(
            self, job: Job, chunks: Iterable[Chunk], *, on_wait: Callable[[], None]
        ) -> Iterator[tuple[Chunk, Verdicts]]:
            for chunk in chunks:
                weights.append(chunk.weight)
                call_command("batches", "prioritize", str(batch.pk), "high")
                yield from super().run(job, [chunk], on_wait=on_wait)

    batch = a_local_batch(tmp_path, two_groups())
    process(batch, workers=Weighing())

    assert weights[0] == Priority.NORMAL
    assert set(weights[1:]) == {Priority.HIGH}


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_has_ended_has_no_priority_any_more() -> None:
    batch = a_batch(status=BatchStatus.COMPLETED)

    with pytest.raises(CommandError, match="is completed: only a batch that waits or is at work has a priority"):
        call_command("batches", "prioritize", str(batch.pk), "high")
