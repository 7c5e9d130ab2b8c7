"""The verbs that touch several things at once. Doors ask for permission first, then call one of these."""

import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from django.contrib.auth.models import AbstractUser, User
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from batches import wording
from batches.answer_rows import delete_answers
from batches.archive import facts_of
from batches.covers import CODE, NO_COVER, name_pages
from batches.errors import BatchCancelled, CodesRefused, StorageRefused, StorageUnreachable, WrongState
from batches.folders import site_folders
from batches.models import ArchiveKind, Batch, BatchStatus, Priority, Rereading, SheetTemplate
from batches.page_index import read_index
from batches.reports import ending_report, waiting_report, waits_for
from batches.rereading import Choice, refuse_other_results
from batches.sharing import give_defaults
from batches.storage import archives_of, remove_archive
from batches.storage_ranges import hurried
from progress import log as progress_log
from progress.connection import AWAY
from progress.events import ProcessingStage
from progress.models import ProgressEvent
from progress.publisher import publish_progress

logger = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
"""How long a verb may hold a batch; a runner renews its own lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenArchive:
    """The ZIP that a batch is made from."""

    file_name: str  # as its owner knows it
    size_bytes: int
    path: Path | None = None  # somebody's file on this machine; None: it will be uploaded


@transaction.atomic
def create_batch(owner: User, template: SheetTemplate, *, archive: GivenArchive, name: str = "") -> Batch:
    """Return a new batch in the state ``uploading``, shared as its owner wants; without a name it has the ZIP's."""
    batch_id = uuid.uuid4()
    local = archive.path is not None
    batch = Batch.objects.create(
        id=batch_id,
        name=name or archive.file_name.removesuffix(".zip"),
        owner=owner,
        template=template,
        file_name=archive.file_name,
        archive_path=str(archive.path or site_folders().upload(batch_id)),
        archive_kind=ArchiveKind.LOCAL if local else ArchiveKind.UPLOADED,
        size_bytes=archive.size_bytes,
    )
    give_defaults(batch)
    return batch


def submit_batch(batch: Batch) -> None:
    """Queue a batch whose ZIP is complete, and tell what it waits for.

    Raises:
        WrongState: it is not being uploaded.
    """
    changed = Batch.objects.filter(pk=batch.pk, status=BatchStatus.UPLOADING).update(
        status=BatchStatus.QUEUED, queued_at=timezone.now()
    )
    if not changed:
        raise WrongState(f"{batch}: only a batch that is being uploaded can be queued")
    batch.refresh_from_db()
    if message := waits_for(batch):
        publish_progress(batch.pk, waiting_report(batch, message))


def tell_waiting(batch: Batch) -> None:
    """Tell what a queued batch waits for, if that is something and not what was told last."""
    holder = f"waiting {uuid.uuid4()}"
    if not batch.take_lease(holder, LEASE):
        return  # a runner has just begun with it
    try:
        batch.refresh_from_db()
        message, latest = waits_for(batch), progress_log.read_latest(batch.pk)
        if batch.is_waiting and message and (latest is None or latest.message != message):
            publish_progress(batch.pk, waiting_report(batch, message))
    finally:
        batch.release_lease(holder)
    if Batch.objects.stopping().filter(pk=batch.pk).exists():  # somebody cancelled it while it was held here
        _end_if_free(batch)


def _state(batch: Batch) -> dict[str, str]:
    return {"batch": str(batch), "status": _(batch.status)}


def cancel_batch(batch: Batch, *, by: AbstractUser) -> None:
    """Stop ``batch`` within seconds: its runner sees the wish; a batch that nobody works on ends here.

    Raises:
        WrongState: it has ended already.
    """
    if batch.is_finished:
        raise WrongState(_("%(batch)s is %(status)s already: there is nothing to cancel") % _state(batch))
    Batch.objects.filter(pk=batch.pk).update(cancel_requested=True)
    logger.info("cancel_requested", batch_id=str(batch.pk), by=by.get_username())
    _end_if_free(batch)


def _end_if_free(batch: Batch) -> None:
    """End a batch that is to be cancelled, unless somebody holds it, who will look for the wish."""
    holder = f"cancel {uuid.uuid4()}"
    if batch.take_lease(holder, LEASE):
        try:
            batch.refresh_from_db()
            if not batch.is_finished:
                end_cancelled(batch)
        finally:
            batch.release_lease(holder)


def set_priority(batch: Batch, priority: Priority) -> None:
    """Change the share of ``batch`` in the workers, and its place in the queue; seen within a second.

    For those who run the site: an owner would always call the own batch the more important one.

    Raises:
        WrongState: it has ended.
    """
    if batch.is_finished:
        sentence = _("%(batch)s is %(status)s: only a batch that waits or is at work has a priority")
        raise WrongState(sentence % _state(batch))
    batch.priority = priority
    batch.save(update_fields=["priority"])
    logger.info("priority_set", batch_id=str(batch.pk), priority=priority.label)


def end_cancelled(batch: Batch) -> None:
    """Make ``batch`` cancelled and say so; the caller holds its lease."""
    stage = batch.next_stage or ProcessingStage.CLEANUP
    batch.end(BatchStatus.CANCELLED, BatchCancelled(wording.CANCELLED), failed_stage=stage)
    publish_progress(batch.pk, ending_report(batch))
    if batch.archive_kind == ArchiveKind.UPLOADED and not batch.has_finished(ProcessingStage.UPLOADING):
        batch.archive.unlink(missing_ok=True)  # an upload that was ended in the middle cannot go on


def retry_batch(batch: Batch, *, by: AbstractUser, covers: Mapping[str, str] | None = None) -> None:
    """Queue a batch that failed or was cancelled, to go on from its last finished stage.

    With ``covers``, also one that is completed: its sheets are put under their covers again, and read again.

    Args:
        covers: codes that could not be read, or NO_COVER for a page that is not a cover: file name → code.

    Raises:
        WrongState: it has not failed, or its ZIP is not there any more.
        CodesRefused: there is no such page, or no such code can be.
    """
    refuse_retry(batch, covers or {})
    named = name_covers(batch, covers or {})
    batch.begin_attempt(named, status=BatchStatus.QUEUED)
    logger.info("retry", batch_id=str(batch.pk), by=by.get_username(), attempt=batch.attempt)
    # Always said, even when a runner is free: a listener must not take the failure above it for the end.
    message = waits_for(batch) or wording.waiting_behind(0)
    publish_progress(batch.pk, waiting_report(batch, message))


@hurried()
def refuse_retry(batch: Batch, covers: Mapping[str, str]) -> None:
    """Raise WrongState, with the reason, unless ``batch`` can go on with what is said of its ``covers``."""
    if batch.status == BatchStatus.COMPLETED and not covers:
        sentence = _("%(batch)s is completed: say of which page you know the code, or that it is no cover")
        raise WrongState(sentence % {"batch": batch})
    if batch.status not in (BatchStatus.FAILED, BatchStatus.CANCELLED, BatchStatus.COMPLETED):
        raise WrongState(_("%(batch)s is %(status)s: only a batch that has ended can go on") % _state(batch))
    if batch.has_refused_upload:
        sentence = _("%(batch)s cannot go on with this ZIP: upload the mended one as a new batch")
        raise WrongState(sentence % {"batch": batch})
    _refuse_without_archive(batch)


def _refuse_without_archive(batch: Batch) -> None:
    try:
        size_bytes = facts_of(batch.archive_path).size_bytes
    except FileNotFoundError as error:
        sentence = _("%(batch)s: its ZIP %(file)s is not there any more; give it again as a new batch")
        raise WrongState(sentence % {"batch": batch, "file": batch.file_name}) from error
    except (StorageUnreachable, StorageRefused) as error:
        raise WrongState(_("%(batch)s cannot go on now.") % {"batch": batch} + f" {error.message}") from error
    if batch.archive_kind == ArchiveKind.UPLOADED and size_bytes != batch.size_bytes:
        sentence = _("%(batch)s: its ZIP %(file)s arrived only in part; upload it again")
        raise WrongState(sentence % {"batch": batch, "file": batch.file_name})


@hurried()
def reread_sheets(batch: Batch, choice: Choice, template: SheetTemplate, *, by: AbstractUser) -> int:
    """Queue a completed batch to have some of its sheets read again with ``template``; return how many.

    What was read of the others stays, and so does what people said of any. To read with the batch's own template again
    is a wish like any other.

    Raises:
        WrongState: it is not completed, its ZIP is not there any more, there is no such sheet, or ``template`` has
            other questions.
    """
    if batch.status != BatchStatus.COMPLETED:
        sentence = _("%(batch)s is %(status)s: sheets can be read again once a batch is completed")
        raise WrongState(sentence % _state(batch))
    refuse_other_results(batch.template, template)
    _refuse_without_archive(batch)
    sheets = choice.find(batch)
    with transaction.atomic():
        batch.begin_attempt({}, status=BatchStatus.QUEUED, again_from=ProcessingStage.PROCESSING_SHEETS)
        who = {"by_id": by.pk, "by_name": by.get_username()}
        Rereading.objects.bulk_create(
            (Rereading(batch=batch, sheet_id=sheet_id, template=template, **who) for sheet_id in sheets),
            batch_size=ROWS_AT_ONCE,
        )
    logger.info("reread", batch_id=str(batch.pk), by=who["by_name"], template=template.slug, sheets=len(sheets))
    publish_progress(batch.pk, waiting_report(batch, waits_for(batch) or wording.waiting_behind(0)))
    return len(sheets)


ROWS_AT_ONCE = 2000


def name_covers(batch: Batch, covers: Mapping[str, str]) -> dict[str, str]:
    """Return ``covers`` by the full names of their pages, as far as the pages of ``batch`` are known by now.

    Raises:
        CodesRefused: a code that cannot be, or one for two covers; a name that is no page's, or several pages'.
    """
    refuse_codes(covers)
    pages = _known_pages(batch)
    named, wrong = name_pages(pages, covers) if pages else (dict(covers), {})
    if wrong:
        raise CodesRefused("; ".join(wrong.values()))
    _refuse_taken(batch, named)
    return named


def refuse_codes(covers: Mapping[str, str]) -> None:
    """Raise CodesRefused unless every code in ``covers`` can be stored."""
    for file_name, code in covers.items():
        if not code.strip() or len(code) > MOST_CODE_LETTERS:
            seen = {"file": file_name, "code": repr(code[:40]), "most": MOST_CODE_LETTERS}
            raise CodesRefused(_("%(file)s: the code is %(code)s; give 1 to %(most)d letters or digits") % seen)
        if code == CODE:
            sentence = _("%(file)s=%(code)s: put what is printed on the cover in the place of %(code)s")
            raise CodesRefused(sentence % {"file": file_name, "code": CODE})


def _known_pages(batch: Batch) -> list[str]:
    """Return the names of all pages of ``batch``; none when its ZIP was not opened yet."""
    try:
        return [page.name for page in read_index(site_folders().work(batch.pk)).pages]
    except FileNotFoundError:
        if not batch.has_results:
            return []
    names = {*batch.sheets.values_list("file_name", flat=True), *batch.groups.values_list("cover_file_name", flat=True)}
    return sorted(names)


def _refuse_taken(batch: Batch, covers: Mapping[str, str]) -> None:
    """Refuse a code that another cover has: a batch that is completed must not fail for a slip of the finger."""
    owners: dict[str, str] = {}
    if batch.has_results:
        groups = batch.groups.exclude(cover_file_name__in=covers)
        owners = dict(groups.values_list("code", "cover_file_name"))
    for file_name, code in covers.items():
        if code != NO_COVER and owners.setdefault(code, file_name) != file_name:
            sentence = _("%(file)s=%(code)s: %(other)s has this code already; give each cover its own")
            raise CodesRefused(sentence % {"file": file_name, "code": code, "other": owners[code]})


MOST_CODE_LETTERS = 200


def delete_batch(batch: Batch, *, by: AbstractUser) -> None:
    """Leave nothing of ``batch``: rows, log, files, keys in Redis. A local ZIP stays: it is somebody's own.

    Can be repeated when it was cut short: the batch's own row goes last.

    Raises:
        WrongState: a runner works on it; or where its ZIP lies does not answer, and nothing was deleted.
    """
    holder = f"delete {uuid.uuid4()}"
    if not batch.take_lease(holder, LEASE):
        raise WrongState(_("%(batch)s is being processed: cancel it first") % {"batch": batch})
    logger.info("delete", batch_id=str(batch.pk), by=by.get_username())
    try:
        _delete_archive(batch)
    except (StorageUnreachable, StorageRefused) as error:
        batch.release_lease(holder)
        raise WrongState(_("%(batch)s was not deleted.") % {"batch": batch} + f" {error.message}") from error
    _delete_folders(batch)
    with suppress(*AWAY):
        progress_log.forget(batch.pk)
    if batch.has_results:
        _withdraw_results(batch)
    # By hand, children first: what cascades would collect every answer in memory.
    delete_answers(batch.pk)
    batch.sheets.all().delete()
    batch.groups.all().delete()
    with transaction.atomic():
        ProgressEvent.objects.filter(batch_id=batch.pk).delete()
        batch.delete()


def _withdraw_results(batch: Batch) -> None:
    """Let nobody begin to read or to correct what is about to go.

    Who is correcting now holds the row, and is waited for. A download sees at its end that the attempt is another one:
    without its answers it would have looked whole.
    """
    gone = {"status": BatchStatus.CANCELLED, "finished_stages": [], "attempt": F("attempt") + 1}
    Batch.objects.filter(pk=batch.pk).update(**gone)


@hurried()
def _delete_archive(batch: Batch) -> None:
    if batch.archive_kind == ArchiveKind.UPLOADED:
        for location in archives_of(batch.pk, batch.archive_path):
            remove_archive(location)


def _delete_folders(batch: Batch) -> None:
    folders = site_folders()
    for folder in (folders.work(batch.pk), folders.results(batch.pk), folders.readings(batch.pk)):
        shutil.rmtree(folder, ignore_errors=True)
