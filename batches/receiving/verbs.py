"""Beginning and ending an upload, and asking how far it is. Bytes are taken in by reception.py."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction

from batches.errors import TemplateUnusable, WrongState
from batches.models import ArchiveKind, Batch, BatchQuerySet, BatchStatus, SheetTemplate
from batches.receiving.reception import Reception, refuse_gone
from batches.services import GivenArchive, cancel_batch, create_batch
from batches.uploads import protocol
from batches.uploads.protocol import Append, Creation, Refused
from batches.uploads.store import UploadBusy, UploadGone, UploadStore
from progress.events import ProcessingStage

WORKING_SHARE = 0.2
"""What a ZIP needs beside itself: CSV files, database, page index and log take 40 KB a sheet of 150 questions, and its
page has 200 KB or more."""

NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """What the site takes in."""

    most_bytes: int  # of one file
    most_unfinished: int  # uploads of one user at a time
    kept: timedelta  # an upload to which nothing is added


def begin_upload(owner: User, creation: Creation, store: UploadStore, *, most_unfinished: int) -> Batch:
    """Return a new batch and make its file, empty.

    Raises:
        TemplateUnusable: there is no such template.
        Refused: ``owner`` has ``most_unfinished`` uploads under way already.
        NoSpaceLeft: the disk cannot take the file and the work on it.
    """
    template = SheetTemplate.objects.filter(slug=creation.metadata.template).first()
    if template is None:
        raise TemplateUnusable(
            f"there is no template {creation.metadata.template!r}; the templates are "
            + (", ".join(SheetTemplate.objects.values_list("slug", flat=True)) or "none yet")
        )
    archive = GivenArchive(file_name=creation.metadata.file_name, size_bytes=creation.size_bytes)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)  # of several requests at once each counts the others
        _refuse_too_many(owner, most_unfinished)
        promised = _promised_bytes(store)
        batch = create_batch(owner, template, archive=archive, name=creation.metadata.name)
        batch.sha256, batch.stage = creation.metadata.sha256, ProcessingStage.UPLOADING
        batch.save(update_fields=["sha256", "stage"])
        store.check_room(batch.pk, _with_work(creation.size_bytes), promised=promised)
        store.create(batch.pk)
    return batch


def _refuse_too_many(owner: User, most: int) -> None:
    unfinished = uploads_under_way().filter(owner=owner).order_by("created_at")
    if (seen := unfinished.count()) < most:
        return
    names = ", ".join(unfinished.values_list("file_name", flat=True)[:NAMES_SHOWN])
    raise Refused(protocol.TOO_MANY, seen=seen, most=most, names=names + (" …" if seen > NAMES_SHOWN else ""))


def _promised_bytes(store: UploadStore) -> int:
    """Return how many bytes are still to come: of the uploads under way, and of the work on all that is unfinished."""
    working = Batch.objects.filter(status__in=(BatchStatus.QUEUED, BatchStatus.PROCESSING))
    to_come = sum(_with_work(batch.size_bytes) - batch.size_bytes for batch in working)
    for batch in uploads_under_way():
        to_come += max(0, _with_work(batch.size_bytes) - _bytes_here(batch, store))
    return to_come


def _with_work(size_bytes: int) -> int:
    return round(size_bytes * (1 + WORKING_SHARE))


def uploads_under_way() -> BatchQuerySet:
    """Return the batches whose ZIP is being uploaded."""
    return Batch.objects.filter(status=BatchStatus.UPLOADING, archive_kind=ArchiveKind.UPLOADED)


def _bytes_here(batch: Batch, store: UploadStore) -> int:
    try:
        return store.offset(batch.pk)
    except UploadGone:
        return 0


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
        UploadGone: it was ended before.
    """
    if batch.is_finished:
        refuse_gone(batch, store)
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
