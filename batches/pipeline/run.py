"""What a stage is given: one attempt at one batch."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from batches.archive import Page
from batches.errors import BatchCancelled, LeaseLost
from batches.models import COUNT_FIELDS, Batch
from batches.pipeline.archiving import archive_for_workers
from batches.pipeline.layouts import Asked, Layout
from batches.pipeline.lease import Lease
from batches.pipeline.workspace import Workspace
from batches.reports import report_of
from batches.workers.base import Chunk, Place, Workers
from batches.workers.records import Form
from progress.events import BatchProgressEvent, ProcessingStage
from progress.models import ProgressEvent
from progress.pace import UNKNOWN, Estimate
from progress.publisher import publish_progress

CHECK_SECONDS = 0.5
SMALLEST_CHUNK, LARGEST_CHUNK = 8, 48
CHUNKS_A_WORKER = 6
"""A batch gives each worker several chunks, so that none idles at the end and progress is seen to move."""

BEFORE_THE_END = 99.9
"""The percentage that only a stage's last event passes: it tells that the stage is finished."""

Numbered = Sequence[tuple[int, Page]]
"""Pages, each with its position in the archive's index, from 0."""


class Interrupted(Exception):
    """Somebody asked this process to stop; the batch can be continued."""


@dataclass(kw_only=True)
class Run:
    """One attempt at one batch. The counts are those of ``batch``; stages change them and report."""

    batch: Batch
    own: Layout  # its template
    asked: Mapping[UUID, Asked]  # sheets that somebody wants read with another one
    workspace: Workspace
    kept: Workspace  # what was read from it, for another time
    workers: Workers
    results: Place  # where workers put what they read
    lease: Lease
    stop: threading.Event
    listener: Callable[[BatchProgressEvent], None]
    worked_before_seconds: float
    stage: ProcessingStage = ProcessingStage.EXTRACTING
    started_at: float = field(default_factory=time.monotonic)
    begun: bool = False  # whether the stage had told of its start before
    floor: float = 0.0  # how far the stage had come in this attempt before, percent
    said: frozenset[str] = frozenset()  # what the stage has told in this attempt before
    _checked_at: float = 0.0

    @property
    def form(self) -> Form:
        """The template's, in which all records are that a stage gets."""
        return self.own.form

    def wish(self, page: Page) -> int:
        """Return which wish to have it read with another template a page is read by; 0: nobody has one."""
        asked = self._asked(page)
        return asked.number if asked else 0

    def layout(self, page: Page) -> Layout:
        """Return what a page is read with."""
        asked = self._asked(page)
        return asked.layout if asked else self.own

    def _asked(self, page: Page) -> Asked | None:
        return self.asked.get(self.batch.sheet_id(page.member, page.number)) if self.asked else None

    def enter(self, stage: ProcessingStage) -> None:
        """Make ``stage`` the one that reports, and find out what it has said before."""
        rows = ProgressEvent.objects.filter(batch_id=self.batch.pk, stage=stage).order_by("seq")
        events = [row.event for row in rows]
        now = [event for event in events if event.attempt == self.batch.attempt]
        self.stage, self.begun = stage, bool(events)
        self.floor = now[-1].progress_percentage if now else 0.0
        self.said = frozenset(event.message for event in now)

    def begin(self, message: str) -> None:
        """Tell that the stage begins; a stage that goes on where it was has done so already."""
        if not self.begun:
            self.report(message, 0.0)

    def finish(self, message: str) -> None:
        """Tell that the stage has done, and left, all it should."""
        self._tell(message, 100.0)

    def report(self, message: str, percent: float, pace: Estimate = UNKNOWN) -> None:
        """Tell how far the stage has come; never less than was told before."""
        percent = max(self.floor, min(percent, BEFORE_THE_END))
        self._tell(message, percent, pace)

    def _tell(self, message: str, percent: float, pace: Estimate = UNKNOWN) -> None:
        self.lease.require()
        self.batch.stage = self.stage
        self.take_time()
        self.batch.save(update_fields=COUNT_FIELDS)
        report = report_of(self.batch, self.stage, message, progress_percentage=percent, **pace.told())
        self.listener(publish_progress(self.batch.pk, report))

    def take_time(self) -> None:
        """Write the working time so far into the batch."""
        self.batch.worked_seconds = self.worked_before_seconds + time.monotonic() - self.started_at

    def check(self, *, at_once: bool = False) -> None:
        """Look whether to go on; cheap enough for every loop, since the row is asked twice a second and no more.

        Args:
            at_once: ask the row now.

        Raises:
            BatchCancelled, Interrupted, LeaseLost: not.
        """
        if self.stop.is_set():
            raise Interrupted
        now = time.monotonic()
        if not at_once and now - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = now
        self.lease.require()
        wishes = Batch.objects.filter(pk=self.batch.pk).values_list("cancel_requested", "priority")
        wish = wishes.first()
        if wish is None:
            raise LeaseLost(f"{self.batch}: it was deleted meanwhile")
        is_cancelled, self.batch.priority = wish
        if is_cancelled:
            raise BatchCancelled("cancelled")

    def chunks(self, pages: Numbered) -> Iterator[Chunk]:
        """Give ``pages``, each with its position in the index, in portions for workers, made when they are wanted."""
        archive = self._archive_for_workers()
        fair = len(pages) // (self.workers.width * CHUNKS_A_WORKER)
        size = min(max(fair, SMALLEST_CHUNK), LARGEST_CHUNK)
        for layout, portion in self._portions(pages, size):
            yield Chunk(
                archive=archive,
                template=layout.document,
                pages=portion,
                results=self.results,
                weight=self.batch.priority,  # asked for with every chunk: it may change at any time
            )

    def _portions(self, pages: Numbered, size: int) -> Iterator[tuple[Layout, tuple[tuple[int, Page], ...]]]:
        """Give ``pages`` in portions that are read with the same template."""
        by_layout: dict[Layout, list[tuple[int, Page]]] = {}
        for number, page in pages:
            by_layout.setdefault(self.layout(page), []).append((number, page))
        for layout, alike in by_layout.items():
            for start in range(0, len(alike), size):
                yield layout, tuple(alike[start : start + size])

    def _archive_for_workers(self) -> str:
        if not self.workers.are_elsewhere:
            return self.batch.archive_path
        return archive_for_workers(self.batch, alive=self.check)
