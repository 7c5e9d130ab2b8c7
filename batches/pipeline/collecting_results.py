"""The stage that fetches what was read."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from batches import wording
from batches.errors import RedisUnreachable
from batches.pipeline.duplicates import find_duplicates
from batches.pipeline.keeping import read_open_plan
from batches.pipeline.run import Run
from batches.pipeline.stored import missing_pages, stored_records
from batches.pipeline.suspicion import Suspicion, is_suspect
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
    started_at, plan = time.monotonic(), read_open_plan(run)
    fetched = _fetch(run, plan)
    with write_aside(run.workspace.readings) as file:
        for sheet in plan.sheets:
            file.write(fetched[sheet.index].packed)
    duplicates = find_duplicates(fetched[sheet.index].candidate for sheet in plan.sheets)
    run.workspace.write_duplicates(duplicates)
    repeated = {position for equal in duplicates for position in equal}
    doubted = _look_for_covers(run, plan, fetched)
    batch = run.batch
    batch.processed_count = len(plan.sheets)
    batch.unreadable_count = sum(not fetched[sheet.index].is_read for sheet in plan.sheets)
    batch.review_count = sum(
        position in repeated or sheet.index in doubted or fetched[sheet.index].needs_review
        for position, sheet in enumerate(plan.sheets)
    )
    run.finish(wording.collected(len(plan.sheets), time.monotonic() - started_at))


@dataclass(frozen=True, slots=True)
class _Fetched:
    packed: bytes  # short, where a record taken apart would be a hundred objects
    error_code: str  # empty: it was read
    needs_review: bool
    candidate: tuple[str, ...] = ()  # whose sheet it is; () when that is not clear

    @property
    def is_read(self) -> bool:
        return not self.error_code


def _look_for_covers(run: Run, plan: Plan, fetched: Mapping[int, _Fetched]) -> set[int]:
    """Note in the batch which pages may be covers; return which sheets, by index, may belong to another group."""
    pages = run.workspace.read_index().pages
    suspicion = Suspicion(plan, pages)
    codes = [(sheet, fetched[sheet.index].error_code) for sheet in plan.sheets]
    run.batch.unreadable_covers = [pages[sheet.index].name for sheet, code in codes if is_suspect(sheet, code)]
    run.batch.save(update_fields=["unreadable_covers"])
    return {sheet.index for sheet, code in codes if suspicion.look(sheet, code)}


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
    return _Fetched(packed, record.error_code, form.needs_review(record), form.candidate(record))


def _set_aside(sheet: PlannedSheet) -> _Fetched:
    record = PageRecord(index=sheet.index, error_code=sheet.error_code, error_message=sheet.error_message)
    return _Fetched(record.packed(), record.error_code, needs_review=True)


def _read_again(run: Run, missing: list[int]) -> None:
    pages = run.workspace.read_index().pages
    for _ in run.workers.run(Job.SHEETS, run.chunks([(i, pages[i]) for i in missing]), on_wait=run.check):
        pass
