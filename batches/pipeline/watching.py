"""The runner that takes whatever is queued. Any number of them may run, on one machine or on many.

It works on so many batches at once as it has slots, and on as many small ones beside them: a batch of thirty sheets has
not to wait until one of ten thousand is through. The workers they share, in turns.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from batches import models
from batches.errors import BatchError, DatabaseAway, LeaseHeld, NoSpaceLeft
from batches.models import WITH_SMALL_ONES, ArchiveKind, Batch, BatchStatus
from batches.pipeline.lease import Lease, break_dead_lease
from batches.pipeline.run import Interrupted
from batches.pipeline.runner import Runner
from batches.pipeline.uploading import arrived_uploads
from batches.reports import waiting_report, waits_for
from progress import log
from progress.publisher import publish_progress, tell_again

LOOK_SECONDS = 0.5
WAITING_SECONDS = 2.0  # between two looks at what queued batches wait for
PAUSE_AFTER_FAULT_SECONDS = 5.0
CHORES_SECONDS = 60.0

logger = structlog.get_logger(__name__)


class Watch:
    """Takes queued batches, and those that a dead runner left behind, some at once.

    Args:
        runner: processes one batch.
        slots: so many at once, and as many small ones beside them.
        chores: done every CHORES_SECONDS beside that.
    """

    def __init__(self, runner: Runner, slots: int, *, chores: Sequence[Callable[[], None]] = ()) -> None:
        self._runner = runner
        self._slots = slots
        self._name = f"{socket.gethostname()[:50]} {os.getpid()} {secrets.token_hex(4)}"
        self._working: dict[UUID, threading.Thread] = {}
        self._large: set[UUID] = set()  # of these, those that are not small
        self._chores = chores
        self._seen_at = self._waiting_told_at = self._chores_at = -float("inf")
        self._not_before = -float("inf")

    def run(self) -> None:
        """Work until the runner's ``stop`` is set; then end every batch where it can be continued."""
        logger.info("runner_started", name=self._name, slots=self._slots)
        try:
            while not self._runner.stop.wait(LOOK_SECONDS):
                self._look()
        finally:
            for thread in list(self._working.values()):
                thread.join()
            models.Runner.objects.filter(name=self._name).delete()
            logger.info("runner_stopped", name=self._name)

    def _look(self) -> None:
        try:
            self._say_alive()
            self._working = {pk: thread for pk, thread in self._working.items() if thread.is_alive()}
            self._large &= set(self._working)
            if time.monotonic() >= self._not_before:
                self._take()
            self._tell_waiting()
            tell_again()
            self._do_chores()
        except DatabaseError:
            # A runner outlives a database that is away for a while.
            logger.warning("database_away", exc_info=True)
            connection.close()
            self._pause()

    def _do_chores(self) -> None:
        if time.monotonic() - self._chores_at < CHORES_SECONDS:
            return
        self._chores_at = time.monotonic()
        for chore in self._chores:
            chore()

    def _say_alive(self) -> None:
        if time.monotonic() - self._seen_at < models.RUNNER_RENEWAL_SECONDS:
            return
        seen = {"slots": self._slots, "seen_at": timezone.now()}
        models.Runner.objects.update_or_create(name=self._name, defaults=seen)
        self._seen_at = time.monotonic()

    def _take(self) -> None:
        for batch in Batch.objects.filter(status=BatchStatus.PROCESSING).exclude(pk__in=list(self._working)):
            break_dead_lease(batch)
        for batch in Batch.objects.stopping():
            self._begin(batch)
        if len(self._working) < self._slots * WITH_SMALL_ONES:
            for batch in self._takeable():
                if self._has_room_for(batch):
                    self._begin(batch)

    def _has_room_for(self, batch: Batch) -> bool:
        has_room = len(self._working) < self._slots * WITH_SMALL_ONES
        return has_room and (batch.is_small or len(self._large) < self._slots)

    def _begin(self, batch: Batch) -> None:
        if batch.pk in self._working:
            return
        if not batch.is_small:
            self._large.add(batch.pk)
        thread = threading.Thread(target=self._process, args=(batch,), name=f"batch {batch.pk}")
        self._working[batch.pk] = thread
        thread.start()

    def _takeable(self) -> Iterator[Batch]:
        """Give what a dead runner left, then what waits.

        A local ZIP that somebody interrupted waits for that person: its lease was given back. One whose runner died
        still has the lease, run out.
        """
        left = Batch.objects.left_behind().exclude(archive_kind=ArchiveKind.LOCAL, lease_until=None)
        left = left.order_by("-priority", "queued_at", "pk")
        return chain(Batch.objects.unannounced(), left, arrived_uploads(), Batch.objects.waiting())

    def _process(self, batch: Batch) -> None:
        try:
            self._runner.process(batch)
        except LeaseHeld:
            pass  # another runner was quicker
        except (NoSpaceLeft, DatabaseAway) as error:
            # Where nothing could be written down, the batch is still there to be taken: at once, again and again.
            logger.warning(error.code, batch_id=str(batch.pk), reason=error.details or error.message)
            self._pause()
        except (BatchError, Interrupted) as error:
            logger.info("batch_ended", batch_id=str(batch.pk), reason=str(error) or "interrupted")
        except BaseException:
            logger.exception("batch_fault", batch_id=str(batch.pk))
            self._pause()
            raise
        finally:
            connection.close()

    def _pause(self) -> None:
        """Take nothing for a while: what just failed would most likely fail again."""
        self._not_before = time.monotonic() + PAUSE_AFTER_FAULT_SECONDS

    def _tell_waiting(self) -> None:
        """Tell batches in the queue how many are before them, whenever that has changed."""
        now = time.monotonic()
        if now - self._waiting_told_at < WAITING_SECONDS:
            return
        self._waiting_told_at = now
        for batch in Batch.objects.waiting():
            message, latest = waits_for(batch), log.read_latest(batch.pk)
            if message and latest and latest.message != message:
                self._tell(batch, message)

    def _tell(self, batch: Batch, message: str) -> None:
        try:
            with Lease(batch):
                batch.refresh_from_db()
                if batch.is_waiting:
                    report = waiting_report(batch, message)
                    publish_progress(batch.pk, report)
        except LeaseHeld:
            pass  # somebody has just begun with it
