"""What both sides do the same way: records kept in Redis, and the word about a page that no worker survives."""

import time
from collections.abc import Sequence
from functools import cache

import redis

from batches.errors import RedisUnreachable
from batches.workers.base import Chunk, Job, PageKind, Verdict, Verdicts
from batches.workers.records import PageRecord

REDIS_PATIENCE_SECONDS = 30.0
"""A Redis that restarts is back by then, and the readings of a chunk are worth waiting for."""

RETRY_SECONDS = 0.5

KILLER = "page_kills_worker"

STRIKES = 2
"""A chunk that was there when workers died this often is tried apart from others: then it is known who did it."""


def store_records(chunk: Chunk, records: Sequence[PageRecord]) -> None:
    """Put ``records`` into the chunk's own field; doing it twice changes nothing.

    Raises:
        RedisUnreachable: Redis was away all the time.
    """
    place, packed = chunk.results, b"".join(record.packed() for record in records)
    give_up_at = time.monotonic() + REDIS_PATIENCE_SECONDS
    while True:
        try:
            with _client(place.redis_url).pipeline() as pipe:
                pipe.hset(place.key, chunk.name, packed)
                pipe.expire(place.key, place.lifetime_seconds)
                pipe.execute()
        except redis.RedisError as error:
            if time.monotonic() > give_up_at:
                raise unreachable(place.redis_url, error) from error
            time.sleep(RETRY_SECONDS)
        else:
            return


def unreachable(redis_url: str, error: Exception) -> RedisUnreachable:
    """Return the sentence for a Redis that stays away; a password in the address is not shown."""
    address = redis_url.rpartition("@")[2].removeprefix("redis://")
    sentence = f"Redis at {address} cannot be reached; start it and continue the batch: nothing that was read is lost"
    return RedisUnreachable(sentence, details=str(error))


def set_aside(job: Job, chunk: Chunk) -> Verdicts:
    """Return the verdict on the one page of ``chunk``, whose worker died whenever it was tried."""
    ((index, page),) = chunk.pages
    sentence = f"{page.name}: reading it ended the worker twice; look at the picture and scan the sheet again"
    if job is Job.GATE:
        return (Verdict(kind=PageKind.CANDIDATE),)
    if job is Job.SHEETS:
        store_records(chunk, [PageRecord(index=index, error_code=KILLER, error_message=sentence)])
    return (Verdict(kind=PageKind.SET_ASIDE, error_code=KILLER, error_message=sentence, needs_review=True),)


@cache
def _client(redis_url: str) -> "redis.Redis":
    return redis.Redis.from_url(redis_url, socket_timeout=5.0, socket_connect_timeout=2.0)
