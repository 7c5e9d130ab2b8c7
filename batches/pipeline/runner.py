"""Takes one batch from stage to stage: the order, the clock, going on where it was, and every way to fail.

The one place that says ``except Exception``: what is our own fault is recorded, and raised again. What goes wrong with
whoever listens is logged, and no more.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import structlog
from django.db import Error as DatabaseError
from django.utils import timezone

from batches import wording
from batches.errors import (
    ArchiveRefused,
    BatchCancelled,
    BatchError,
    DatabaseAway,
    LeaseLost,
    TemplateUnusable,
)
from batches.folders import site_folders
from batches.models import COUNT_FIELDS, Batch, BatchStatus
from batches.pipeline import metrics
from batches.pipeline.cleanup import clean_up
from batches.pipeline.collecting_results import collect_results
from batches.pipeline.extracting import extract
from batches.pipeline.faults import cause_of, is_database_away, known_fault
from batches.pipeline.generating_csv import generate_csv
from batches.pipeline.keeping import bring_back
from batches.pipeline.layouts import Layout, read_asked
from batches.pipeline.lease import Lease
from batches.pipeline.loading_database import load_database
from batches.pipeline.organizing_qr import organize
from batches.pipeline.processing_sheets import process_sheets
from batches.pipeline.run import Interrupted, Run
from batches.pipeline.uploading import upload
from batches.pipeline.workspace import Workspace, fingerprint, is_same_archive
from batches.reports import ending_report
from batches.workers.base import Place, Workers
from omr.errors import TemplateError
from progress import connection, log
from progress.events import BatchProgressEvent, ProcessingStage
from progress.publisher import publish_progress

logger = structlog.get_logger(__name__)

STAGES: dict[ProcessingStage, Callable[[Run], None]] = {
    ProcessingStage.UPLOADING: upload,
    ProcessingStage.EXTRACTING: extract,
    ProcessingStage.ORGANIZING_QR: organize,
    ProcessingStage.PROCESSING_SHEETS: process_sheets,
    ProcessingStage.COLLECTING_RESULTS: collect_results,
    ProcessingStage.GENERATING_CSV: generate_csv,
    ProcessingStage.LOADING_DATABASE: load_database,
    ProcessingStage.CLEANUP: clean_up,
}
"""In the order in which they are done."""

FINISHED = 100.0

DATABASE_AWAY = (
    "The database cannot be reached; when it answers again, continue the batch: nothing that was read is lost"
)


def _nobody(_: BatchProgressEvent) -> None:
    """Listen to nothing."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Processes batches, one call each; calls may run in several threads."""

    workers: Workers
    stop: threading.Event = field(default_factory=threading.Event)  # set: every call ends within seconds
    listener: Callable[[BatchProgressEvent], None] = _nobody

    def process(self, batch: Batch, *, retry_with: dict[str, str] | None = None) -> None:
        """Take ``batch`` to its end.

        Args:
            retry_with: begin a new attempt of a batch that failed, with these codes of covers.

        Raises:
            LeaseHeld: another runner works on it; nothing was changed.
            LeaseLost: another runner has taken over.
            Interrupted: ``stop`` was set; the batch can be continued.
            DatabaseAway: it cannot be worked on now; nothing was recorded, and it can be continued.
            BatchError: it failed, or was cancelled; that is recorded and told, as far as the disk has room for it.
        """
        try:
            with Lease(batch) as lease:
                self._process(batch, lease, retry_with)
        except DatabaseError as error:
            if not is_database_away(error):
                raise
            metrics.batch_ended(metrics.INTERRUPTED)
            raise DatabaseAway(DATABASE_AWAY, details=cause_of(error)) from error

    def _process(self, batch: Batch, lease: Lease, retry_with: dict[str, str] | None) -> None:
        batch.refresh_from_db()
        if batch.is_finished and retry_with is None:
            self._announce(batch)
            return
        if retry_with is not None:
            batch.begin_attempt(retry_with, status=BatchStatus.PROCESSING)
        with metrics.at_work.track_inprogress():
            self._work(batch, lease)

    def _announce(self, batch: Batch) -> None:
        """Tell the end of a batch that is over, if its runner died between writing it down and telling it."""
        latest = log.read_latest(batch.pk)
        if not (latest and latest.stage.is_terminal and latest.attempt == batch.attempt):
            self._show(publish_progress(batch.pk, ending_report(batch)))

    def _work(self, batch: Batch, lease: Lease) -> None:
        batch.status, batch.started_at = BatchStatus.PROCESSING, batch.started_at or timezone.now()
        batch.save(update_fields=["status", "started_at"])
        try:
            run = self._open_run(batch, lease)
            try:
                _go_through(run)
            except LeaseLost:
                raise
            except BaseException:
                run.take_time()
                raise
            self._end(batch, BatchStatus.COMPLETED)
        except LeaseLost:
            raise
        except Interrupted:
            if Batch.objects.filter(pk=batch.pk, cancel_requested=True).exists():  # nobody else would end it
                self._end(batch, BatchStatus.CANCELLED, BatchCancelled(wording.CANCELLED))
                return
            batch.save(update_fields=COUNT_FIELDS)
            metrics.batch_ended(metrics.INTERRUPTED)
            raise
        except BatchCancelled:
            self._end(batch, BatchStatus.CANCELLED, BatchCancelled(wording.CANCELLED))
            raise
        except Exception as error:  # noqa: BLE001 - the one place: recorded, and raised again
            self._fail(batch, error)

    def _open_run(self, batch: Batch, lease: Lease) -> Run:
        """Return the attempt at ``batch``; what it says it has finished and cannot show is to be done again.

        Raises:
            TemplateUnusable, ArchiveRefused: it cannot be gone on with.
        """
        folders = site_folders()
        workspace = Workspace(folders.work(batch.pk), folders.results(batch.pk))
        kept = Workspace(folders.readings(batch.pk), folders.readings(batch.pk))
        try:
            own = Layout.of(batch.template)
            asked = read_asked(batch, own)
        except TemplateError as error:
            sentence = f"The template {batch.template.slug} cannot be used: {error}"
            raise TemplateUnusable(sentence, code="template_invalid") from error
        bring_back(batch, workspace, kept, own)
        _forget_what_is_lost(batch, workspace)
        _refuse_changed(batch, workspace)
        return Run(
            batch=batch,
            own=own,
            asked=asked,
            workspace=workspace,
            kept=kept,
            workers=self.workers,
            results=Place(
                redis_url=connection.redis_url(),
                key=log.results_key(batch.pk),
                lifetime_seconds=log.RESULTS_SECONDS,
            ),
            lease=lease,
            stop=self.stop,
            listener=self._show,
            worked_before_seconds=batch.worked_seconds,
        )

    def _fail(self, batch: Batch, error: Exception) -> NoReturn:
        """Record what made ``batch`` fail, tell it, and raise it; a database that is away is no failure of it."""
        if is_database_away(error):
            raise error
        known = known_fault(error)
        if known is None:
            logger.exception("internal_error", batch_id=str(batch.pk))
            self._end(batch, BatchStatus.FAILED, _internal_error(batch, error))
            raise error
        try:
            self._end(batch, BatchStatus.FAILED, known)
        except (DatabaseError, OSError) as second:
            # The disk that was full for the stage may be so for the database. Then the batch stays as it is, and can
            # be continued just so.
            raise known_fault(second) or second from error
        raise known from error

    def _end(self, batch: Batch, status: BatchStatus, error: BatchError | None = None) -> None:
        # The row first: whoever hears of the end and asks for the batch must find it ended. A runner that dies in
        # between leaves its lease behind, by which the next one sees that the end was not told.
        failed_stage = batch.next_stage or ProcessingStage.CLEANUP
        batch.end(status, error, failed_stage=failed_stage if error else "")
        metrics.batch_ended(status)
        self._show(publish_progress(batch.pk, ending_report(batch)))

    def _show(self, event: BatchProgressEvent) -> None:
        """Hand ``event`` to who listens. It is in the log already: what goes wrong there never reaches the batch."""
        try:
            self.listener(event)
        except Exception:  # somebody's display, which may fail in any way
            logger.warning("listener_failed", batch_id=str(event.batch_id), seq=event.seq, exc_info=True)


def _internal_error(batch: Batch, error: Exception) -> BatchError:
    stage = batch.next_stage or ProcessingStage.CLEANUP
    sentence = f"Internal error in {stage}: {type(error).__name__}; the batch can be continued"
    return BatchError(sentence, code="internal_error", details=cause_of(error))


def _go_through(run: Run) -> None:
    """Do every stage that is not finished, in order."""
    batch = run.batch
    while (stage := batch.next_stage) is not None:
        run.check(at_once=True)
        run.enter(stage)
        started_at = time.monotonic()
        # A stage tells its end when all it leaves is there: a runner that died just then need not do it again.
        if not (run.floor >= FINISHED and stage is not ProcessingStage.UPLOADING and run.workspace.has_left(stage)):
            STAGES[stage](run)
        now = time.monotonic() - started_at
        metrics.stage_done(stage, now)
        seconds = batch.stage_seconds.get(stage.value, 0.0) + now
        batch.stage_seconds = {**batch.stage_seconds, stage.value: round(seconds, 2)}
        batch.finished_stages = [*batch.finished_stages, stage.value]
        batch.save(update_fields=["stage_seconds", "finished_stages", *COUNT_FIELDS])


def _forget_what_is_lost(batch: Batch, workspace: Workspace) -> None:
    """Take back that a stage is finished when its files are gone, and with it all that came after."""
    kept: list[str] = []
    for stage in ProcessingStage:
        if not batch.has_finished(stage):
            continue
        if not (workspace.has_left(stage) or batch.has_finished(ProcessingStage.CLEANUP)):
            break
        kept.append(stage.value)
    if kept != batch.finished_stages:
        batch.finished_stages = kept
        batch.save(update_fields=["finished_stages"])


def _refuse_changed(batch: Batch, workspace: Workspace) -> None:
    """Refuse to go on with an archive that is not the one whose pages are known."""
    if not batch.has_finished(ProcessingStage.EXTRACTING) or batch.has_finished(ProcessingStage.LOADING_DATABASE):
        return
    try:
        seen = fingerprint(batch.archive_path)
    except FileNotFoundError as error:
        sentence = f"{batch.archive_path} is not there any more; put it back"
        raise ArchiveRefused(sentence, code="archive_missing") from error
    if not is_same_archive(seen, workspace.read_index().fingerprint):
        sentence = f"{batch.file_name} was changed since its pages were listed; give it again as a new batch"
        raise ArchiveRefused(sentence, code="archive_changed")
