"""The stage that has every sheet read."""

import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from batches import wording
from batches.page_index import ArchiveIndex
from batches.pipeline import metrics
from batches.pipeline.run import Run
from batches.pipeline.stored import missing_pages, stored_records
from batches.pipeline.suspicion import Suspicion
from batches.pipeline.workspace import Plan
from batches.workers.base import Job

SHORTEST_PAUSE_SECONDS = 1.0  # between two lines of progress
LONGEST_PAUSE_SECONDS = 4.5  # the contract says 5, and a wait lasts up to a quarter of a second
RATE_SECONDS = 15.0
"""How far back the rate looks: short enough to follow, long enough not to jump with every chunk."""


def process_sheets(run: Run) -> None:
    """Read every sheet that is planned and not yet read.

    Reads the plan, the list of pages and the archive; leaves the readings in Redis, a field for each chunk, and
    in the batch how many sheets are done and how many of them wait for a person.
    """
    plan, index = run.workspace.read_plan(), run.workspace.read_index()
    doubted = _doubted(plan, index)
    there = _count_what_is_there(run, plan, doubted)
    total = len(plan.sheets)
    run.begin(wording.dispatched(total))
    progress = _Progress(run, total)
    chunks = run.chunks([(i, index.pages[i]) for i in missing_pages(plan, there)])
    for chunk, verdicts in run.workers.run(Job.SHEETS, chunks, on_wait=progress.look):
        judged = zip(chunk.pages, verdicts, strict=True)
        for_review = sum(verdict.needs_review or i in doubted for (i, _), verdict in judged)
        run.batch.processed_count += len(verdicts)
        run.batch.review_count += for_review
        metrics.pages_read(len(verdicts), for_review=for_review)
    run.finish(wording.all_sheets_read(total))


def _doubted(plan: Plan, index: ArchiveIndex) -> set[int]:
    """Return the positions in the index of the sheets that may belong to another group, as far as is known by now."""
    suspicion = Suspicion(plan, index.pages)
    return {sheet.index for sheet in plan.sheets if suspicion.look(sheet, sheet.error_code)}


def _count_what_is_there(run: Run, plan: Plan, doubted: Collection[int]) -> set[int]:
    """Set the batch's counts to what was done before; return the pages that an earlier attempt has read."""
    planned = {sheet.index for sheet in plan.sheets if not sheet.error_code}
    records = (record for record, _ in stored_records(run) if record.index in planned)
    reviews = {r.index: r.index in doubted or run.form.needs_review(r) for r in records}
    set_aside = len(plan.sheets) - len(planned)
    run.batch.processed_count = set_aside + len(reviews)
    run.batch.review_count = set_aside + sum(reviews.values())
    return set(reviews)


@dataclass
class _Progress:
    """Tells how far it is: at most once a second, and at least every five, moved or not."""

    run: Run
    total: int
    told_at: float = field(default_factory=time.monotonic)
    told: int = 0
    seen: deque[tuple[float, int]] = field(default_factory=deque)  # when, how many were done; the last RATE_SECONDS

    def look(self) -> None:
        self.run.check()
        now, done = time.monotonic(), self.run.batch.processed_count
        pause = SHORTEST_PAUSE_SECONDS if done > self.told else LONGEST_PAUSE_SECONDS
        if now - self.told_at < pause or done == self.total:
            return
        rate = self._rate(now, done)
        self.told_at, self.told = now, done
        self.run.report(
            wording.sheets_read(done, self.total),
            100 * done / self.total,
            rate_per_second=rate and round(rate, 1),
            eta_seconds=round((self.total - done) / rate, 1) if rate else None,
        )

    def _rate(self, now: float, done: int) -> float | None:
        """Return sheets a second; None while nothing is known."""
        self.seen.append((now, done))
        while now - self.seen[0][0] > RATE_SECONDS and len(self.seen) > 2:
            self.seen.popleft()
        since, before = self.seen[0]
        return (done - before) / (now - since) if done > before else None
