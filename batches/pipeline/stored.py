"""What workers have put into Redis so far: read by every stage that has to know what is still missing."""

import time
from collections.abc import Iterator
from typing import cast

import redis

from batches.pipeline.run import Run
from batches.pipeline.workspace import Plan
from batches.workers.base import Chunk
from batches.workers.outcomes import REDIS_PATIENCE_SECONDS, RETRY_SECONDS, unreachable
from batches.workers.records import PageRecord, split_records
from progress import connection


def stored_records(run: Run) -> Iterator[tuple[PageRecord, bytes]]:
    """Give the records of this batch that are in Redis, each with its packed form; chunk by chunk.

    Raises:
        RedisUnreachable: Redis is away, and was so for as long as it may take to start again.
    """
    prefix, key = Chunk.name_prefix(run.template).encode(), run.results.key
    for name in cast(list[bytes], _ask(run, "HKEYS", key)):
        if name.startswith(prefix):
            packed = cast(bytes | None, _ask(run, "HGET", key, name))
            yield from split_records(packed or b"")


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
