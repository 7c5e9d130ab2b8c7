"""What workers have put into Redis so far: read by every stage that has to know what is still missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import redis

from batches.pipeline.run import Run
from batches.pipeline.workspace import Plan
from batches.workers.base import Chunk
from batches.workers.outcomes import unreachable
from batches.workers.records import PageRecord, split_records
from progress import connection


def stored_records(run: Run) -> Iterator[tuple[PageRecord, bytes]]:
    """Give the records of this batch that are in Redis, each with its packed form; chunk by chunk.

    Raises:
        RedisUnreachable: Redis is away.
    """
    prefix = Chunk.name_prefix(run.template).encode()
    with redis_needed(run):
        names = cast(list[bytes], connection.client().hkeys(run.results.key))
        for name in names:
            if name.startswith(prefix):
                packed = cast(bytes | None, connection.client().hget(run.results.key, name))
                yield from split_records(packed or b"")


@contextmanager
def redis_needed(run: Run) -> Iterator[None]:
    """Turn a Redis that is away into the batch's own error."""
    try:
        yield
    except redis.RedisError as error:
        raise unreachable(run.results.redis_url, error) from error


def missing_pages(plan: Plan, there: set[int]) -> list[int]:
    """Return the positions in the index of the sheets that are to be read and are not ``there``."""
    return [sheet.index for sheet in plan.sheets if not sheet.error_code and sheet.index not in there]
