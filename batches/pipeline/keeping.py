"""What was read from a batch, kept beside its results: so a few sheets can be read again, and the others need not be.

It is worth something only as long as the archive is the one that was read, and the covers are what they were. Where it
is gone or of no use the batch is read as a whole.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from batches.errors import BatchError
from batches.models import Batch
from batches.pipeline.layouts import Layout
from batches.pipeline.run import Run
from batches.pipeline.workspace import Plan, Workspace, fingerprint, is_same_archive, write_aside
from batches.workers.records import PageRecord, split_records
from progress.events import ProcessingStage

logger = structlog.get_logger(__name__)

FORMAT = 1
"""Of the files that are kept: one more with each change of what is in them, so that none of before is taken for it."""


def keep_readings(run: Run) -> None:
    """Keep pages, plan and readings of a batch that is done; its archive lies where it will stay.

    A batch that has its results does not fail for want of this: then a later reading is one of the whole batch.
    """
    try:
        _keep(run)
    except (OSError, BatchError) as error:
        logger.warning("readings_not_kept", batch_id=str(run.batch.pk), reason=str(error))


def _keep(run: Run) -> None:
    workspace, kept = run.workspace, run.kept
    if not all(file.exists() for file in (workspace.index, workspace.plan, workspace.readings)):
        return  # an earlier cleanup was cut short after it had kept them
    index = replace(workspace.read_index(), fingerprint=fingerprint(run.batch.archive_path))
    _state_file(kept).unlink(missing_ok=True)  # written last: what has none is not whole
    kept.write_index(index)
    _copy(workspace.plan, kept.plan)
    _copy(workspace.readings, kept.readings)
    asked = {i: number for i, page in enumerate(index.pages) if (number := run.wish(page))}
    with write_aside(_state_file(kept)) as file:
        state = {**_state_of(run.batch, run.own), "fingerprint": index.fingerprint, "asked": asked}
        file.write(json.dumps(state).encode())


def bring_back(batch: Batch, workspace: Workspace, kept: Workspace, own: Layout) -> None:
    """Put what was kept into the workspace of an attempt that is to read some sheets only; nothing if it is of no use.

    Done once for an attempt: the plan comes last, and where one is nothing is brought.
    """
    if not batch.has_finished(ProcessingStage.ORGANIZING_QR) or batch.has_finished(ProcessingStage.LOADING_DATABASE):
        return
    if workspace.plan.exists() or not (state := _read_state(kept)):
        return
    wanted = _state_of(batch, own)
    if {name: state.get(name) for name in wanted} != wanted:
        return
    try:
        if not is_same_archive(fingerprint(batch.archive_path), kept.read_index().fingerprint):
            return
    except FileNotFoundError:
        return
    _copy(kept.readings, workspace.earlier)
    _copy(_state_file(kept), _state_file(workspace))
    _copy(kept.index, workspace.index)
    _copy(kept.plan, workspace.plan)


def earlier_records(run: Run) -> Iterator[tuple[PageRecord, bytes]]:
    """Give what was read before of the sheets that nobody wants read anew, each record with its packed form."""
    if not run.workspace.earlier.exists():
        return
    index, state = run.workspace.read_index(), _read_state(run.workspace)
    if state is None or tuple(state["fingerprint"]) != index.fingerprint:
        return  # the pages were listed anew since, and may be others
    asked, pages = {int(number): wish for number, wish in state["asked"].items()}, index.pages
    for record, packed in split_records(run.workspace.earlier.read_bytes()):
        if asked.get(record.index, 0) == run.wish(pages[record.index]):
            yield record, packed


def read_open_plan(run: Run) -> Plan:
    """Return the plan; a sheet that is to be read with another template is open in it, whatever the first one saw."""
    plan = run.workspace.read_plan()
    if not run.asked:
        return plan
    pages = run.workspace.read_index().pages
    opened = (
        replace(sheet, error_code="", error_message="") if run.wish(pages[sheet.index]) else sheet
        for sheet in plan.sheets
    )
    return replace(plan, sheets=tuple(opened))


def _state_of(batch: Batch, own: Layout) -> dict[str, Any]:
    """Return what kept readings depend on besides the archive."""
    return {"format": FORMAT, "covers": batch.cover_codes, "template": own.prefix.decode()}


def _state_file(workspace: Workspace) -> Path:
    return workspace.folder / "kept.json"


def _read_state(workspace: Workspace) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads(_state_file(workspace).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return state


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as file, write_aside(target) as copy:
        shutil.copyfileobj(file, copy)
