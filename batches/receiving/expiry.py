"""Uploads that nobody went on with: they are ended, so that they do not fill the disk for ever."""

from datetime import UTC, datetime, timedelta

import structlog
from django.utils import timezone

from batches import wording
from batches.models import Batch, BatchStatus
from batches.receiving.verbs import uploads_under_way
from batches.reports import ending_report
from batches.services import LEASE
from batches.uploads.arrival import UploadRefused
from batches.uploads.store import UploadBusy, UploadGone, UploadStore
from progress.events import ProcessingStage
from progress.publisher import publish_progress

HOLDER = "upload expiry"  # of all processes that look; each needs the lock on the file as well

logger = structlog.get_logger(__name__)


def end_expired(store: UploadStore, *, kept: timedelta) -> None:
    """Fail the uploads to which nothing was added for as long as ``kept``; each says so in its log.

    The file tells when something was added last. One that is whole is left to whoever ends an upload.
    """
    for batch in uploads_under_way().free():
        if _is_expired(batch, store, kept):
            _end(batch, store, kept)
        store.sweep(batch.pk)


def _is_expired(batch: Batch, store: UploadStore, kept: timedelta) -> bool:
    try:
        touched_at = datetime.fromtimestamp(store.touched_at(batch.pk), UTC)
        is_whole = store.offset(batch.pk) == batch.size_bytes
    except UploadGone:
        touched_at, is_whole = batch.created_at, False
    return not is_whole and touched_at + kept < timezone.now()


def _end(batch: Batch, store: UploadStore, kept: timedelta) -> None:
    """End ``batch``, unless somebody has just gone on with it."""
    try:
        with store.open(batch.pk, size_bytes=batch.size_bytes) as file:
            _fail(batch, file.offset, store, kept)
    except UploadBusy:
        return
    except UploadGone:
        _fail(batch, 0, store, kept)


def _fail(batch: Batch, here_bytes: int, store: UploadStore, kept: timedelta) -> None:
    if not batch.take_lease(HOLDER, LEASE):
        return
    try:
        batch.refresh_from_db()
        if batch.status != BatchStatus.UPLOADING or not _is_expired(batch, store, kept):
            return
        message = wording.upload_expired(here_bytes, batch.size_bytes, kept.total_seconds() / 3600)
        error = UploadRefused(message, code="upload_expired")
        batch.end(BatchStatus.FAILED, error, failed_stage=ProcessingStage.UPLOADING)
        publish_progress(batch.pk, ending_report(batch))
        store.discard(batch.pk)
        logger.info("upload_expired", batch_id=str(batch.pk), bytes_here=here_bytes)
    finally:
        batch.release_lease(HOLDER)
