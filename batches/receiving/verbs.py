"""Beginning and ending an upload, and asking how far it is. Bytes are taken in by reception.py."""

from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from batches.errors import TemplateUnusable, WrongState
from batches.models import ArchiveKind, Batch, BatchQuerySet, BatchStatus, SheetTemplate
from batches.receiving.reception import Reception
from batches.services import GivenArchive, cancel_batch, create_batch
from batches.uploads.protocol import Append, Creation, Refused
from batches.uploads.store import UploadBusy, UploadGone, UploadStore
from progress.events import ProcessingStage

KEPT = timedelta(days=7)
"""How long an upload is kept to which nothing is added: over a week-end, and not for ever."""


def begin_upload(owner: User, creation: Creation, store: UploadStore) -> Batch:
    """Return a new batch and make its file, empty.

    Raises:
        TemplateUnusable: there is no such template.
        NoSpaceLeft: the disk cannot take the file.
    """
    template = SheetTemplate.objects.filter(slug=creation.metadata.template).first()
    if template is None:
        raise TemplateUnusable(
            f"there is no template {creation.metadata.template!r}; the templates are "
            + (", ".join(SheetTemplate.objects.values_list("slug", flat=True)) or "none yet")
        )
    archive = GivenArchive(file_name=creation.metadata.file_name, size_bytes=creation.size_bytes)
    with transaction.atomic():
        promised = _promised_bytes(store)
        batch = create_batch(owner, template, archive=archive, name=creation.metadata.name)
        batch.sha256, batch.stage = creation.metadata.sha256, ProcessingStage.UPLOADING
        batch.save(update_fields=["sha256", "stage"])
        store.check_room(batch.pk, creation.size_bytes, promised=promised)
        store.create(batch.pk)
    return batch


def _promised_bytes(store: UploadStore) -> int:
    """Return how many bytes of the uploads under way are still to come."""
    return sum(max(0, batch.size_bytes - _bytes_here(batch, store)) for batch in _under_way())


def _under_way() -> BatchQuerySet:
    return Batch.objects.filter(status=BatchStatus.UPLOADING, archive_kind=ArchiveKind.UPLOADED)


def _bytes_here(batch: Batch, store: UploadStore) -> int:
    try:
        return store.offset(batch.pk)
    except UploadGone:
        return 0


def expires_at(now: datetime) -> datetime:
    """Return until when an upload is kept to which nothing is added after ``now``."""
    return now + KEPT


def end_expired(store: UploadStore, *, now: datetime) -> None:
    """Cancel the uploads that nobody went on with; an upload's file tells when something was last added to it."""
    for batch in _under_way().free().select_related("owner"):
        try:
            touched_at = datetime.fromtimestamp(store.touched_at(batch.pk), UTC)
        except UploadGone:
            touched_at = batch.created_at
        if expires_at(touched_at) < now:
            cancel_batch(batch, by=batch.owner)


def upload_offset(batch: Batch, store: UploadStore) -> int:
    """Return how many bytes of ``batch`` have arrived.

    Raises:
        UploadGone: it was ended before its last byte.
    """
    if batch.status in (BatchStatus.QUEUED, BatchStatus.PROCESSING, BatchStatus.COMPLETED):
        return batch.size_bytes  # the file may lie elsewhere by now
    return store.offset(batch.pk)


def end_upload(batch: Batch, store: UploadStore, *, by: User) -> None:
    """Cancel a batch that nobody has begun to process, and drop what arrived of it.

    Raises:
        WrongState: it is being processed, or over.
    """
    if batch.status not in (BatchStatus.UPLOADING, BatchStatus.QUEUED):
        raise WrongState(f"this batch is {batch.status}: its upload is over; cancel or delete the batch itself")
    cancel_batch(batch, by=by)
    store.discard(batch.pk)


def finish_arrived(batch: Batch, store: UploadStore) -> None:
    """Bring an upload to its end whose last byte is here already: the server died before it could.

    Raises:
        BatchError: the ZIP was refused, and the batch has failed with that sentence.
    """
    try:
        reception = Reception.open(batch, Append(offset=batch.size_bytes, length=0, checksum=None), store)
    except (Refused, UploadBusy, UploadGone):
        return  # not all is here, or somebody else is at it
    try:
        reception.finish()
    finally:
        reception.close()
