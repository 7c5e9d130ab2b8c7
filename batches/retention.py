"""What a site lets go of with age: ZIPs, result files and logs of batches that have ended. All stay unless it says so.

What was read, and what people corrected, never goes by itself: only with its batch, when somebody deletes that.
"""

import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import uuid4

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Exists, OuterRef, Sum, TextField
from django.db.models.functions import Cast, Length
from django.utils import timezone

from batches.archive import is_remote
from batches.errors import StorageRefused, StorageUnreachable
from batches.folders import site_folders
from batches.models import ArchiveKind, Batch, BatchStatus
from batches.storage import archives_of, remove_archive
from batches.storage_ranges import hurried
from progress import log
from progress.connection import AWAY
from progress.models import ProgressEvent

LEASE = timedelta(minutes=2)
"""How long a batch may be held to delete one thing of it."""

PAUSE_SECONDS = 3600.0

ENDED = (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED)

logger = structlog.get_logger(__name__)


class Kept(StrEnum):
    """What a batch leaves beside its rows."""

    ARCHIVE = "archive"  # the uploaded ZIP; somebody's own never goes
    CSV = "csv"  # the folder of result files; downloads come from the database
    LOG = "log"  # every line of the log but the last


@dataclass(frozen=True, slots=True)
class Ages:
    """How long each of these stays after the end of its batch; None: for ever."""

    archive: timedelta | None = None
    csv: timedelta | None = None
    log: timedelta | None = None

    def of(self, kind: Kept) -> timedelta | None:
        return {Kept.ARCHIVE: self.archive, Kept.CSV: self.csv, Kept.LOG: self.log}[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One thing whose time has come."""

    batch: Batch
    kind: Kept
    since: datetime  # when its time had come
    size_bytes: int
    lines: int = 0  # of a log: how many go


def site_ages() -> Ages:
    """Return what this site says."""
    days = (settings.KEEP_ARCHIVES_DAYS, settings.KEEP_CSV_DAYS, settings.KEEP_LOGS_DAYS)
    return Ages(*(timedelta(days=number) if number else None for number in days))


def find_due(ages: Ages) -> Iterator[Due]:
    """Give what would go now, what has been due for longest first, kind by kind."""
    for kind in Kept:
        if age := ages.of(kind):
            for batch in _ended_before(kind, timezone.now() - age):
                yield _measure(batch, kind, age)


def count_spared(ages: Ages) -> int:
    """Return how many ZIPs are old enough, but of batches that failed or were cancelled: nothing else holds them."""
    if not ages.archive:
        return 0
    unread = Batch.objects.filter(status__in=(BatchStatus.FAILED, BatchStatus.CANCELLED))
    unread = unread.filter(archive_kind=ArchiveKind.UPLOADED, finished_at__lt=timezone.now() - ages.archive)
    return sum(is_remote(batch.archive_path) or batch.archive.is_file() for batch in unread)


def tidy(ages: Ages) -> Iterator[Due]:
    """Delete what is due, and give each thing when it is gone.

    Can be cut short and repeated. A batch that somebody works on is left for the next time, and so is what the disk
    or the storage does not let go of.
    """
    for due in find_due(ages):
        if _let_go(due):
            yield due


class Tidying:
    """Tidies once an hour, in a thread of its own: a large ZIP takes seconds, and so does a storage that is away."""

    def __init__(self, ages: Ages) -> None:
        self._ages = ages
        self._not_before = -float("inf")
        self._thread: threading.Thread | None = None

    def __call__(self) -> None:
        """Begin, if it is time to."""
        if self._ages == Ages() or time.monotonic() < self._not_before or self.is_at_it:
            return
        self._not_before = time.monotonic() + PAUSE_SECONDS
        # Not waited for at the end: cut short, it is done the next time.
        self._thread = threading.Thread(target=self._tidy, name="tidying", daemon=True)
        self._thread.start()

    @property
    def is_at_it(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _tidy(self) -> None:
        try:
            for _ in tidy(self._ages):
                pass  # each is in the log
        except DatabaseError:
            logger.warning("tidying_cut_short", exc_info=True)
        finally:
            connection.close()


def _ended_before(kind: Kept, moment: datetime) -> Iterable[Batch]:
    """Return the batches whose ``kind`` is there and due; one that nobody has told the end of yet is not among them."""
    ended = Batch.objects.filter(finished_at__lt=moment, lease_until=None).order_by("finished_at", "pk")
    if kind is Kept.LOG:
        more = ProgressEvent.objects.filter(batch_id=OuterRef("pk"), seq__gt=1)
        return ended.filter(Exists(more), status__in=ENDED)
    read = ended.filter(status=BatchStatus.COMPLETED)
    if kind is Kept.ARCHIVE:
        return read.filter(archive_kind=ArchiveKind.UPLOADED).exclude(archive_path="")
    return [batch for batch in read.iterator() if site_folders().results(batch.pk).is_dir()]


def _measure(batch: Batch, kind: Kept, age: timedelta) -> Due:
    since = (batch.finished_at or timezone.now()) + age
    if kind is Kept.ARCHIVE:
        return Due(batch=batch, kind=kind, since=since, size_bytes=batch.size_bytes)
    if kind is Kept.CSV:
        files = site_folders().results(batch.pk).rglob("*")
        return Due(batch=batch, kind=kind, since=since, size_bytes=sum(file.lstat().st_size for file in files))
    rows = ProgressEvent.objects.filter(batch_id=batch.pk)
    size = rows.aggregate(size=Sum(Length(Cast("data", TextField())), default=0))["size"]
    return Due(batch=batch, kind=kind, since=since, size_bytes=size, lines=rows.count() - 1)


def _let_go(due: Due) -> bool:
    """Delete what is ``due`` unless somebody has gone on with its batch meanwhile; return whether it is gone."""
    batch, holder = due.batch, f"tidy {uuid4()}"
    if not batch.take_lease(holder, LEASE):
        return False
    try:
        if not _is_still_due(due):
            return False
        _DELETIONS[due.kind](batch)
    except (StorageUnreachable, StorageRefused, OSError) as error:
        logger.warning("not_tidied", batch_id=str(batch.pk), kind=due.kind.value, reason=str(error))
        return False
    finally:
        batch.release_lease(holder)
    facts = {"kind": due.kind.value, "bytes": due.size_bytes, "lines": due.lines, "due_since": due.since.isoformat()}
    logger.info("tidied", batch_id=str(batch.pk), **facts)
    return True


def _is_still_due(due: Due) -> bool:
    """Ask again, now that nobody else can begin with the batch: it may have been retried, and ended anew."""
    seen = due.batch
    now = Batch.objects.filter(pk=seen.pk, status=seen.status, attempt=seen.attempt, finished_at=seen.finished_at)
    return now.filter(archive_path=seen.archive_path).exists()


def _delete_archive(batch: Batch) -> None:
    with hurried():
        for location in archives_of(batch.pk, batch.archive_path):
            remove_archive(location)
    shutil.rmtree(site_folders().readings(batch.pk), ignore_errors=True)  # of no use without it
    # Last: whoever is cut short before it finds the batch again.
    batch.archive_path = ""
    batch.save(update_fields=["archive_path"])


def _delete_results(batch: Batch) -> None:
    with suppress(FileNotFoundError):  # another runner was quicker
        shutil.rmtree(site_folders().results(batch.pk))


def _shorten_log(batch: Batch) -> None:
    ProgressEvent.objects.keep_end(batch.pk)
    with suppress(*AWAY):
        log.forget_events(batch.pk)


_DELETIONS = {Kept.ARCHIVE: _delete_archive, Kept.CSV: _delete_results, Kept.LOG: _shorten_log}
