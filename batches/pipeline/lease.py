"""The lease of one batch, kept while a runner works: one writer at a time, and a dead one is replaced."""

import os
import secrets
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from batches.errors import LeaseHeld, LeaseLost
from batches.models import Batch

DURATION = timedelta(seconds=25)
"""Another runner takes over within 30 seconds."""

RENEWAL_SECONDS = 5.0

_held: set[str] = set()
"""The holders that live in this process: one that is not among them could not give its lease back."""

logger = structlog.get_logger(__name__)


def break_dead_lease(batch: Batch) -> None:
    """End the lease of a runner of this machine that is gone; others are waited for until their lease runs out.

    Gone is also one of this process that could not give it back, as the database was away just then.
    """
    holder = Batch.objects.values_list("lease_holder", flat=True).get(pk=batch.pk)
    process, _, _ = holder.rpartition(" ")
    machine, _, pid = process.rpartition(" ")
    if machine == _this_machine() and (holder not in _held if int(pid) == os.getpid() else not _is_alive(int(pid))):
        ended = timezone.now() - timedelta(seconds=1)
        Batch.objects.filter(pk=batch.pk, lease_holder=holder, lease_until__gt=ended).update(lease_until=ended)


def _this_process() -> str:
    return f"{_this_machine()} {os.getpid()}"


def _this_machine() -> str:
    """Return what tells where a process id means something: two containers may have the same host name."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = "-"
    return f"{socket.gethostname()[:50]} {namespace}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Lease:
    """Holds ``batch`` from the ``with`` line to its end; a thread renews it."""

    def __init__(self, batch: Batch) -> None:
        self.holder = f"{_this_process()} {secrets.token_hex(4)}"
        self._batch = batch
        self._renewed_at = time.monotonic()
        self._lost = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease {batch.pk}", daemon=True)

    def __enter__(self) -> Self:
        """Take the lease.

        Raises:
            LeaseHeld: another runner has it.
        """
        break_dead_lease(self._batch)
        _held.add(self.holder)
        if not self._batch.take_lease(self.holder, DURATION):
            _held.discard(self.holder)
            self._batch.refresh_from_db()
            raise LeaseHeld(f"{self._batch}: another runner works on it ({self._batch.lease_holder})")
        self._renewed_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        try:
            self._batch.release_lease(self.holder)
        except DatabaseError as database_error:
            # The database is away, or its disk full; what ended the work says so. The lease is taken for dead.
            logger.warning("lease_not_released", batch_id=str(self._batch.pk), error=str(database_error))
        finally:
            _held.discard(self.holder)

    def require(self) -> None:
        """Raise LeaseLost unless the batch is surely still ours."""
        # Also by the clock: after this process lay still, another may have taken over before the thread notices.
        if self._lost or time.monotonic() - self._renewed_at > DURATION.total_seconds():
            raise LeaseLost(f"{self._batch}: another runner has taken over")

    def _keep(self) -> None:
        try:
            while not self._done.wait(RENEWAL_SECONDS):
                self._renew()
        finally:
            connection.close()

    def _renew(self) -> None:
        asked_at = time.monotonic()
        try:
            # The row alone: the batch object belongs to the thread that works on it.
            kept = Batch(pk=self._batch.pk).take_lease(self.holder, DURATION)
        except DatabaseError as error:
            logger.warning("lease_not_renewed", batch_id=str(self._batch.pk), error=str(error))
            connection.close()  # or it would be tried over a connection that a restart of the database has cut
            return
        self._renewed_at, self._lost = asked_at, not kept
