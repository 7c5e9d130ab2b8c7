"""One request's bytes on their way into an upload.

Synchronous. Of all doors that want to write to one upload, the lock on its file lets one in, and that one holds the
batch's lease.
"""

import hashlib
import hmac
import threading
import time
from datetime import timedelta
from functools import lru_cache
from typing import Self
from uuid import UUID

from django.utils import timezone

from batches import wording
from batches.directory import index_archive
from batches.errors import BatchCancelled, BatchError
from batches.fingerprint import fingerprint_of
from batches.models import Batch, BatchStatus
from batches.reports import ending_report, report_of
from batches.services import end_cancelled, submit_batch
from batches.uploads import protocol
from batches.uploads.arrival import Arrival, RunningDigest, check_arrival
from batches.uploads.chunks import chunks_between, count_chunks
from batches.uploads.protocol import Append, Refused
from batches.uploads.store import Appender, LengthExceeded, UploadBusy, UploadStore
from batches.uploads.turns import Turn
from progress.events import ProcessingStage
from progress.models import ProgressEvent
from progress.pace import UNKNOWN, Estimate, Pace
from progress.publisher import publish_progress

HOLDER = "upload door"  # one name for all doors, so that one that died is no hindrance to the next
LEASE = timedelta(seconds=60)
LOOK_SECONDS = 1.0  # between two looks whether somebody cancelled the batch
STILL_SECONDS = 60.0  # a longer pause between two requests is no working time


UPLOADS_MOST = 256


@lru_cache(UPLOADS_MOST)
def _pace_of(_batch_id: UUID) -> Pace:
    """Return how fast an upload is, kept between its requests; one that is forgotten is measured anew."""
    return Pace()


@lru_cache(UPLOADS_MOST)
def _digest_of(_batch_id: UUID) -> RunningDigest:
    """Return the digest of what has arrived of an upload, kept between its requests."""
    return RunningDigest()


class Reception:
    """The bytes of one request on their way into an upload; locked and leased until it is closed.

    Its methods are called from changing threads, one at a time: whoever closes it waits for a write under way.
    """

    def __init__(self, batch: Batch, append: Append, appender: Appender) -> None:
        self.batch = batch
        self._append = append
        self._appender = appender
        self._digest = hashlib.new(append.checksum.algorithm, usedforsecurity=False) if append.checksum else None
        # The log begins with the chunks; one event more says that the check of the whole file has begun before.
        told = ProgressEvent.objects.filter(batch_id=batch.pk).count()
        self._reported = min(told, count_chunks(batch.size_bytes))
        self._check_was_told = told > self._reported
        self._worked_before = _worked_before(batch, appender)
        self._opened = self._looked = time.monotonic()
        self._cancelled = False
        self._turn = threading.RLock()
        self._pace = _pace_of(batch.pk)
        self._seen = _digest_of(batch.pk)
        self._pace.move(self._worked_before, self.offset)

    @classmethod
    def open(cls, batch: Batch, append: Append, store: UploadStore, *, turn: Turn | None = None) -> Self:
        """Return a reception that the bytes of ``append`` can be given to; it ends when ``turn`` is over.

        Raises:
            Refused: they do not follow those that are here, are too many, or none are wanted.
            UploadBusy, UploadGone: see ``UploadStore.open``.
        """
        _refuse_unless_uploading(batch, store)
        appender = store.open(batch.pk, size_bytes=batch.size_bytes, turn=turn)
        try:
            if not batch.take_lease(HOLDER, LEASE):
                raise UploadBusy
            return cls._open(batch, append, appender, store)
        except BaseException:
            appender.close()
            raise

    @classmethod
    def _open(cls, batch: Batch, append: Append, appender: Appender, store: UploadStore) -> Self:
        """Return the reception if ``append`` fits; lock and lease are held, so nothing changes any more."""
        try:
            batch.refresh_from_db()
            _refuse_unless_uploading(batch, store)
            _refuse_misfit(append, appender)
            return cls(batch, append, appender)
        except BaseException:
            batch.release_lease(HOLDER)
            raise

    @property
    def offset(self) -> int:
        return self._appender.offset

    def take(self, piece: bytes | bytearray) -> None:
        """Put ``piece``, which may be empty, at the end, and report each chunk that is whole with it.

        Raises:
            Refused: it goes past the announced length, and nothing of it was taken; or somebody else goes on.
            NoSpaceLeft: the disk is full; what it still took is kept.
            BatchCancelled: somebody cancelled the batch.
        """
        with self._turn:
            if piece:
                self._note_first_byte()
            at = self.offset
            try:
                self._appender.append(piece)
            except LengthExceeded as error:
                raise _too_long(self._appender) from error
            if self.batch.sha256:  # it will be held against what arrived
                self._seen.add(piece, at=at)
            self._pace.move(self._worked_seconds(), self.offset)
            if self._digest:
                self._digest.update(piece)  # nothing is reported before it is known to be right
            else:
                self._report_chunks()
            self._look()
            if self._appender.is_wanted and not self._appender.is_complete:
                raise Refused(protocol.TAKEN_OVER)

    def finish(self, *, cut: bool = False) -> None:
        """Make safe what was taken; with the last byte, check the ZIP and queue the batch.

        Args:
            cut: the request broke off. What arrived is kept, unless its digest was told and can no longer be checked.

        Raises:
            Refused: the bytes do not have the digest that was told; all of this request were dropped.
            BatchError: the ZIP was refused, and the batch has failed with that sentence.
            BatchCancelled: somebody cancelled the batch.
        """
        with self._turn:
            if not cut:
                self._check_digest()
            self._keep_what_arrived()
            if self._appender.is_complete:
                self._reassemble()
                submit_batch(self.batch)

    def close(self) -> None:
        """Give lock and lease back. What arrived is safe and counts, however the request ended."""
        with self._turn:
            try:
                self._keep_what_arrived()
                self._end_or_save()
            finally:
                self.batch.release_lease(HOLDER)
                self._appender.close()

    def _check_digest(self) -> None:
        checksum = self._append.checksum
        if not checksum or not self._digest:
            return
        if not hmac.compare_digest(self._digest.digest(), checksum.digest):
            self._drop_unchecked()
            raise Refused(protocol.CHECKSUM_MISMATCH, offset=self.offset)
        self._digest = None

    def _keep_what_arrived(self) -> None:
        self._drop_unchecked()
        self._appender.sync()
        if not self._cancelled:
            self._report_chunks()

    def _drop_unchecked(self) -> None:
        """Take back what was not found to have the digest that was told."""
        if self._digest:
            self._appender.rewind(self._append.offset)
            self._digest = None

    def _reassemble(self) -> None:
        batch = self.batch
        if not self._check_was_told:
            self._tell(wording.REASSEMBLING, 100.0)
        try:
            check_arrival(self._arrival(), alive=self._look)
            batch.fingerprint = fingerprint_of(index_archive(batch.archive, name=batch.file_name))
        except BatchCancelled:
            raise
        except BatchError as error:
            self._fail(error)
            raise
        self._tell(wording.reassembled(batch.size_bytes, self._worked_seconds()), 100.0)
        self._mark_finished()

    def _arrival(self) -> Arrival:
        batch = self.batch
        seen = self._seen.of(batch.size_bytes)
        return Arrival(path=batch.archive, size_bytes=batch.size_bytes, sha256=batch.sha256, seen_sha256=seen)

    def _fail(self, error: BatchError) -> None:
        self.batch.worked_seconds = self._worked_seconds()
        self.batch.end(BatchStatus.FAILED, error, failed_stage=ProcessingStage.UPLOADING)
        publish_progress(self.batch.pk, ending_report(self.batch))

    def _mark_finished(self) -> None:
        batch, stage = self.batch, ProcessingStage.UPLOADING.value
        batch.worked_seconds = self._worked_seconds()
        batch.finished_stages = [*batch.finished_stages, stage]
        batch.stage_seconds = {**batch.stage_seconds, stage: round(batch.worked_seconds, 2)}
        batch.save(update_fields=["worked_seconds", "finished_stages", "stage_seconds", "fingerprint"])

    def _end_or_save(self) -> None:
        self.batch.worked_seconds = self._worked_seconds()
        if self._cancelled:
            end_cancelled(self.batch)
        else:
            self.batch.save(update_fields=["worked_seconds"])

    def _note_first_byte(self) -> None:
        if self.batch.started_at is None:
            self.batch.started_at = timezone.now()
            self.batch.save(update_fields=["started_at"])

    def _report_chunks(self) -> None:
        for chunk in chunks_between(self.offset, self.batch.size_bytes, reported=self._reported):
            message = wording.chunk_uploaded(chunk.number, chunk.total, chunk.size_bytes)
            to_come = self.batch.size_bytes - self.offset
            self._tell(message, chunk.percent, self._pace.tell(self._worked_seconds(), to_come) if to_come else UNKNOWN)
            self._reported = chunk.number

    def _tell(self, message: str, percent: float, pace: Estimate = UNKNOWN) -> None:
        report = report_of(
            self.batch,
            ProcessingStage.UPLOADING,
            message,
            progress_percentage=percent,
            elapsed_seconds=int(self._worked_seconds()),
            **pace.told(),
        )
        publish_progress(self.batch.pk, report)

    def _worked_seconds(self) -> float:
        return self._worked_before + time.monotonic() - self._opened

    def _look(self) -> None:
        """Look, once a second, whether somebody cancelled the batch, and keep the lease."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        self.batch.take_lease(HOLDER, LEASE)
        if Batch.objects.filter(pk=self.batch.pk, cancel_requested=True).exists():
            self._cancelled = True
            raise BatchCancelled(wording.CANCELLED)


def _worked_before(batch: Batch, appender: Appender) -> float:
    """Return the working time of the upload until now; short pauses between requests belong to it."""
    pause = appender.still_seconds if appender.offset else 0.0
    return batch.worked_seconds + (pause if pause <= STILL_SECONDS else 0.0)


def _refuse_unless_uploading(batch: Batch, store: UploadStore) -> None:
    if batch.status != BatchStatus.UPLOADING:
        refuse_gone(batch, store)
        raise Refused(protocol.UPLOAD_CLOSED, status=batch.status)


def refuse_gone(batch: Batch, store: UploadStore) -> None:
    """Raise ``UploadGone`` when ``batch`` ended before its last byte came, and what had come is gone."""
    if not batch.has_finished(ProcessingStage.UPLOADING):
        store.offset(batch.pk)


def _refuse_misfit(append: Append, appender: Appender) -> None:
    if append.offset != appender.offset:
        raise Refused(protocol.OFFSET_CONFLICT, seen=append.offset, offset=appender.offset)
    if append.length is not None and append.offset + append.length > appender.size_bytes:
        raise _too_long(appender)


def _too_long(appender: Appender) -> Refused:
    left = appender.size_bytes - appender.offset
    return Refused(protocol.LENGTH_EXCEEDED, size=appender.size_bytes, left=left, offset=appender.offset)
