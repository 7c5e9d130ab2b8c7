"""Puts a batch's ZIP where finished archives lie."""

from collections.abc import Callable

import structlog

from batches.archive import is_remote
from batches.folders import site_folders
from batches.models import ArchiveKind, Batch
from batches.storage import keep_archive, location_of, settle

logger = structlog.get_logger(__name__)


def archive_zip(batch: Batch, *, alive: Callable[[], None]) -> None:
    """Archive an uploaded ZIP. Cut short anywhere, it is done to its end the next time.

    Args:
        alive: called twice a second at least while it is sent; what it raises ends that.

    Raises:
        StorageUnreachable, StorageRefused: the storage did not take it; it lies where it was.
    """
    is_sent, location = is_remote(batch.archive_path), location_of(batch.pk)
    here = site_folders().upload(batch.pk) if is_sent else batch.archive
    if not is_sent and batch.archive_path != location:
        if here.exists():  # else it was moved, and the row not written
            keep_archive(batch.pk, here, alive=alive)
        batch.archive_path = location
        batch.save(update_fields=["archive_path"])
        logger.info("zip_archived", batch_id=str(batch.pk), location=location)
    settle(batch.archive_path, here)


def archive_for_workers(batch: Batch, *, alive: Callable[[], None]) -> str:
    """Return where workers on other machines find the ZIP: at once in the storage, if that is one they can reach."""
    if batch.archive_kind == ArchiveKind.UPLOADED and is_remote(location_of(batch.pk)):
        archive_zip(batch, alive=alive)
    return batch.archive_path
