"""What workers have put into Redis so far: read by every stage that has to know what is still missing."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import redis

from batches.archive import Page
from batches.pipeline.keeping import earlier_records
from batches.pipeline.layouts import Layout, translate
from batches.pipeline.run import Run
from batches.pipeline.workspace import Plan
from batches.workers.outcomes import REDIS_PATIENCE_SECONDS, RETRY_SECONDS, unreachable
from batches.workers.records import PageRecord, split_records
from progress import connection


def stored_records(run: Run) -> Iterator[tuple[PageRecord, bytes]]:
    """Give the records of this batch that are there, each with its packed form: the earlier ones, then those in Redis.

    All are in the words of the batch's own template, whatever their pages were read with.

    Raises:
        RedisUnreachable: Redis is away, and was so for as long as it may take to start again.
    """
    yield from earlier_records(run)
    key, layouts = run.results.key, {run.own, *(asked.layout for asked in run.asked.values())}
    pages = run.workspace.read_index().pages if run.asked else ()
    for name in cast(list[bytes], _ask(run, "HKEYS", key)):
        for layout in layouts:
            if name.startswith(layout.prefix):
                packed = cast(bytes | None, _ask(run, "HGET", key, name))
                records = split_records(packed or b"")
                yield from _meant_for(run, layout, pages, records) if run.asked else records


def _meant_for(
    run: Run, layout: Layout, pages: Sequence[Page], records: Iterable[tuple[PageRecord, bytes]]
) -> Iterator[tuple[PageRecord, bytes]]:
    """Give of ``records``, read with ``layout``, those whose pages are to be: another wish may have come since."""
    for record, packed in records:
        if run.layout(pages[record.index]) is layout:
            translated = translate(record, layout.form, run.form)
            yield translated, packed if translated is record else translated.packed()


def _ask(run: Run, command: str, *arguments: str | bytes) -> object:
    """Return what Redis says, which may be away for as long as a restart takes."""
    give_up_at = time.monotonic() + REDIS_PATIENCE_SECONDS
    while True:
        run.check()
        try:
            return connection.client().execute_command(command, *arguments)  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            if time.monotonic() > give_up_at:
                raise unreachable(run.results.redis_url, error) from error
        time.sleep(RETRY_SECONDS)


def missing_pages(plan: Plan, there: set[int]) -> list[int]:
    """Return the positions in the index of the sheets that are to be read and are not ``there``."""
    return [sheet.index for sheet in plan.sheets if not sheet.error_code and sheet.index not in there]
