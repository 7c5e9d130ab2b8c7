"""The stage that has every sheet read."""

import time
from collections.abc import Collection

from batches import wording
from batches.page_index import ArchiveIndex
from batches.pipeline import metrics
from batches.pipeline.group_counts import GroupCounts
from batches.pipeline.keeping import read_open_plan
from batches.pipeline.run import Run
from batches.pipeline.stored import missing_pages, stored_records
from batches.pipeline.suspicion import Suspicion
from batches.pipeline.workspace import Plan
from batches.workers.base import Job
from progress.pace import Pace

SHORTEST_PAUSE_SECONDS = 1.0  # between two lines of progress
LONGEST_PAUSE_SECONDS = 4.5  # the contract says 5, and a wait lasts up to a quarter of a second


def process_sheets(run: Run) -> None:
    """Read every sheet that is planned and not yet read.

    Reads the plan, the list of pages and the archive; leaves the readings in Redis, a field for each chunk, and
    in the batch, and for each group of it in Redis, how many sheets are done and how many of them wait for a person.
    """
    plan, index = read_open_plan(run), run.workspace.read_index()
    doubted = _doubted(plan, index)
    there = _count_what_is_there(run, plan, doubted)
    groups = GroupCounts(run.batch.pk, plan, reviews=there)
    groups.tell()
    total = len(plan.sheets)
    run.begin(wording.dispatched(total))
    progress = _Progress(run, total, groups)
    chunks = run.chunks([(i, index.pages[i]) for i in missing_pages(plan, set(there))])
    for chunk, verdicts in run.workers.run(Job.SHEETS, chunks, on_wait=progress.look):
        judged = zip(chunk.pages, verdicts, strict=True)
        for_review = 0
        for (i, _), verdict in judged:
            needs_review = verdict.needs_review or i in doubted
            for_review += needs_review
            groups.add(i, needs_review=needs_review)
        run.batch.processed_count += len(verdicts)
        run.batch.review_count += for_review
        metrics.pages_read(len(verdicts), for_review=for_review)
    groups.tell()
    run.finish(wording.all_sheets_read(total))


def _doubted(plan: Plan, index: ArchiveIndex) -> set[int]:
    """Return the positions in the index of the sheets that may belong to another group, as far as is known by now."""
    suspicion = Suspicion(plan, index.pages)
    return {sheet.index for sheet in plan.sheets if suspicion.look(sheet, sheet.error_code)}


def _count_what_is_there(run: Run, plan: Plan, doubted: Collection[int]) -> dict[int, bool]:
    """Set the batch's counts to what was done before.

    Returns:
        Position in the index of each page that an earlier attempt has read → whether a person has to look at it.
    """
    planned = {sheet.index for sheet in plan.sheets if not sheet.error_code}
    records = (record for record, _ in stored_records(run) if record.index in planned)
    reviews = {r.index: r.index in doubted or run.form.needs_review(r) for r in records}
    set_aside = len(plan.sheets) - len(planned)
    run.batch.processed_count = set_aside + len(reviews)
    run.batch.review_count = set_aside + sum(reviews.values())
    return reviews


class _Progress:
    """Tells how far it is: at most once a second, and at least every five, moved or not."""

    def __init__(self, run: Run, total: int, groups: GroupCounts) -> None:
        self._run = run
        self._total = total
        self._groups = groups
        self._told_at = time.monotonic()
        self._told = 0
        self._pace = Pace()
        self._pace.move(self._told_at, run.batch.processed_count)  # what an earlier attempt has read is no pace of ours

    def look(self) -> None:
        self._run.check()
        now, done = time.monotonic(), self._run.batch.processed_count
        self._pace.move(now, done)
        pause = SHORTEST_PAUSE_SECONDS if done > self._told else LONGEST_PAUSE_SECONDS
        if now - self._told_at < pause or done == self._total:
            return
        self._told_at, self._told = now, done
        self._groups.tell()  # first: whoever hears of the event finds them
        message, percent = wording.sheets_read(done, self._total), 100 * done / self._total
        self._run.report(message, percent, self._pace.tell(now, self._total - done))
