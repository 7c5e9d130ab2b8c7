"""The stage that fetches what was read."""

import time
from dataclasses import dataclass

from batches import wording
from batches.errors import RedisUnreachable
from batches.pipeline.duplicates import find_duplicates
from batches.pipeline.run import Run
from batches.pipeline.stored import missing_pages, stored_records
from batches.pipeline.workspace import Plan, PlannedSheet, write_aside
from batches.workers.base import Job
from batches.workers.records import Form, PageRecord

ATTEMPTS = 3


def collect_results(run: Run) -> None:
    """Fetch the readings from Redis and put them in the order of the plan.

    Reads the plan and the hash in Redis; leaves one file of records, sheet by sheet, and the list of sheets that have
    the same candidate in the workspace, and in the batch how many sheets there are of each kind. What Redis has lost
    meanwhile is read from the archive again.
    """
    run.begin(wording.COLLECTING)
    started_at, plan = time.monotonic(), run.workspace.read_plan()
    fetched = _fetch(run, plan)
    with write_aside(run.workspace.readings) as file:
        for sheet in plan.sheets:
            file.write(fetched[sheet.index].packed)
    duplicates = find_duplicates(fetched[sheet.index].candidate for sheet in plan.sheets)
    run.workspace.write_duplicates(duplicates)
    repeated = {position for equal in duplicates for position in equal}
    batch = run.batch
    batch.processed_count = len(plan.sheets)
    batch.unreadable_count = sum(not fetched[sheet.index].is_read for sheet in plan.sheets)
    batch.review_count = sum(
        position in repeated or fetched[sheet.index].needs_review for position, sheet in enumerate(plan.sheets)
    )
    run.finish(wording.collected(len(plan.sheets), time.monotonic() - started_at))


@dataclass(frozen=True, slots=True)
class _Fetched:
    packed: bytes  # short, where a record taken apart would be a hundred objects
    is_read: bool
    needs_review: bool
    candidate: tuple[str, ...] = ()  # whose sheet it is; () when that is not clear


def _fetch(run: Run, plan: Plan) -> dict[int, _Fetched]:
    """Return what is known of every sheet of the plan, by the position of its page in the index."""
    fetched = {sheet.index: _set_aside(sheet) for sheet in plan.sheets if sheet.error_code}
    for _ in range(ATTEMPTS):
        planned = set(missing_pages(plan, set(fetched)))
        for record, packed in stored_records(run):
            if record.index in planned:
                fetched[record.index] = _fetched(run.form, record, packed)
        missing = missing_pages(plan, set(fetched))
        if not missing:
            return fetched
        _read_again(run, missing)
    lost = f"Redis has lost the readings of {len(missing)} sheets, {ATTEMPTS} times; give it more memory, then continue"
    raise RedisUnreachable(lost)


def _fetched(form: Form, record: PageRecord, packed: bytes) -> _Fetched:
    return _Fetched(packed, record.is_read, form.needs_review(record), form.candidate(record))


def _set_aside(sheet: PlannedSheet) -> _Fetched:
    record = PageRecord(index=sheet.index, error_code=sheet.error_code, error_message=sheet.error_message)
    return _Fetched(record.packed(), is_read=False, needs_review=True)


def _read_again(run: Run, missing: list[int]) -> None:
    pages = run.workspace.read_index().pages
    for _ in run.workers.run(Job.SHEETS, run.chunks([(i, pages[i]) for i in missing]), on_wait=run.check):
        pass
