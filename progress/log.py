"""The log of a batch: rows in the table, which are the truth, and their copy in Redis, which is quick.

Redis may be away, emptied or behind at any time. The copy is taken only where it follows the reader's position
without a gap; everything else is read from the table, and the next event writes the copy anew.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast
from uuid import UUID

from django.db import connection
from django.db.models import Q

from progress.connection import quick_client
from progress.events import BatchProgressEvent
from progress.models import ProgressEvent

if TYPE_CHECKING:
    import redis.asyncio

P = ParamSpec("P")
T = TypeVar("T")

# --- Keys of Redis and their lifetimes --------------------------------------------------------------------------------

PROGRESS_SECONDS = 3600  # after the last event
VIEWERS_SECONDS = 60  # after a web process last counted
PROCESS_SECONDS = 20  # after the last sign of life of a web process; its counts are then taken off by the others
RESULTS_SECONDS = 7 * 24 * 3600  # a batch that failed can be continued for that long without reading its pages again
ORDERS_SECONDS = 120  # after the last sign of life of a runner that waits for workers on other machines


def current_key(batch_id: UUID) -> str:
    """The latest event, JSON."""
    return f"batch:{batch_id}:progress:current"


def log_key(batch_id: UUID) -> str:
    """All events, JSON, a list in order."""
    return f"batch:{batch_id}:progress:log"


def channel_name(batch_id: UUID) -> str:
    """The pub/sub channel on which each event is published."""
    return f"batch:{batch_id}:progress"


def started_at_key(batch_id: UUID) -> str:
    """When the first event was written, ISO 8601."""
    return f"batch:{batch_id}:started_at"


def results_key(batch_id: UUID) -> str:
    """What was read, a hash with a field for each chunk of pages."""
    return f"batch:{batch_id}:results"


def groups_key(batch_id: UUID) -> str:
    """How far each group is while sheets are read, a hash; what is in it is the work's own business."""
    return f"batch:{batch_id}:groups"


def viewers_key(batch_id: UUID) -> str:
    """A hash: web process → number of its open streams."""
    return f"batch:{batch_id}:viewers"


def process_key(process: str) -> str:
    """There as long as the web process is."""
    return f"web:{process}"


def orders_key(run: str, part: str) -> str:
    """What a runner and workers on other machines tell each other about one run; ``part`` says which side of it."""
    return f"run:{run}:{part}"


def group_name(batch_id: UUID) -> str:
    """The group of the channel layer that the web processes with viewers of the batch have joined."""
    return f"batch.{batch_id}"


def forget(batch_id: UUID) -> None:
    """Delete every key of ``batch_id``.

    Raises:
        redis.RedisError: Redis is away; the keys expire by themselves.
    """
    keys = (current_key, log_key, started_at_key, results_key, groups_key, viewers_key)
    quick_client().delete(*(key(batch_id) for key in keys))


def forget_events(batch_id: UUID) -> None:
    """Delete the copy of the events of ``batch_id``: the table says something else now.

    Raises:
        redis.RedisError: Redis is away; the copy expires by itself.
    """
    quick_client().delete(log_key(batch_id), current_key(batch_id))


# --- Append -----------------------------------------------------------------------------------------------------------

# KEYS: list, current, started_at, channel.
# ARGV: the length that the list must have, lifetime, start of the batch if it is to be set, the event.
_GUARD = """
local length = redis.call('LLEN', KEYS[1])
if length ~= tonumber(ARGV[1]) then return length end
"""
_SPREAD = """
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], redis.call('LINDEX', KEYS[1], -1), 'EX', ARGV[2])
if ARGV[3] == '' then redis.call('EXPIRE', KEYS[3], ARGV[2]) else redis.call('SET', KEYS[3], ARGV[3], 'EX', ARGV[2]) end
redis.call('PUBLISH', KEYS[4], ARGV[4])
return -1
"""
_APPEND = f"{_GUARD} redis.call('RPUSH', KEYS[1], ARGV[4]) {_SPREAD}"
# ARGV goes on with the whole log.
_REWRITE = (
    f"{_GUARD} redis.call('DEL', KEYS[1]) for i = 5, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end {_SPREAD}"
)

REWRITE_ATTEMPTS = 5


def append(event: BatchProgressEvent) -> None:
    """Copy ``event``, whose row is written, to the end of the list in Redis and publish it, in one atomic step.

    A list that does not end just before the event (Redis was away, emptied, or another writer was quicker) is
    written anew from the table.

    Raises:
        redis.RedisError: Redis is away or full; the next append that works makes good for it.
    """
    line = event.to_json()
    started_at = event.timestamp if event.seq == 1 else ""
    length = _call(_APPEND, event.batch_id, event.seq - 1, started_at, [line])
    for _ in range(REWRITE_ATTEMPTS):
        if length < 0:
            return
        events = read_table(event.batch_id, 0)
        # Only over the list that was seen: a writer that came between has a longer log than was just read.
        length = _call(_REWRITE, event.batch_id, length, events[0].timestamp, [line, *(e.to_json() for e in events)])


def _call(script: str, batch_id: UUID, length: int, started_at: str, lines: Sequence[str]) -> int:
    """Run ``script``; return -1 when it wrote, otherwise the length of the list that made it refuse."""
    keys = (log_key(batch_id), current_key(batch_id), started_at_key(batch_id), channel_name(batch_id))
    return cast(int, quick_client().eval(script, len(keys), *keys, length, PROGRESS_SECONDS, started_at, *lines))


# --- Read -------------------------------------------------------------------------------------------------------------


def read_table(batch_id: UUID, after: int, limit: int | None = None) -> list[BatchProgressEvent]:
    """Return the events of ``batch_id`` that follow position ``after``, in order, at most ``limit``."""
    rows = ProgressEvent.objects.after(batch_id, after).values_list("data", flat=True)
    return [BatchProgressEvent.from_dict(data) for data in rows[:limit]]


BATCHES_AT_ONCE = 100  # SQLite refuses conditions of more than 1,000 parts
NEWS_LIMIT = 2000  # who is further behind goes on at the next look


def read_latest(batch_id: UUID) -> BatchProgressEvent | None:
    """Return the last event of ``batch_id``, None when there is none yet."""
    row = ProgressEvent.objects.filter(batch_id=batch_id).order_by("-seq").first()
    return row.event if row else None


def read_latest_of_each(batch_ids: Iterable[UUID]) -> list[BatchProgressEvent]:
    """Return the last event of each of the batches that has one.

    A question for each, which finds its row by the index: one for all would go through every event of theirs.
    """
    return [event for batch_id in batch_ids if (event := read_latest(batch_id)) is not None]


def read_news(positions: Mapping[UUID, int]) -> list[BatchProgressEvent]:
    """Return what follows in each of the batches after its position, batch by batch, in order."""
    news: list[BatchProgressEvent] = []
    followed = list(positions.items())
    for start in range(0, len(followed), BATCHES_AT_ONCE):
        later = [Q(batch_id=batch_id, seq__gt=seq) for batch_id, seq in followed[start : start + BATCHES_AT_ONCE]]
        rows = ProgressEvent.objects.filter(reduce(or_, later)).order_by("batch_id", "seq")
        news += [BatchProgressEvent.from_dict(data) for data in rows.values_list("data", flat=True)[:NEWS_LIMIT]]
    return news


async def read(
    redis_client: "redis.asyncio.Redis | None", batch_id: UUID, after: int, *, limit: int
) -> list[BatchProgressEvent]:
    """Return the events that follow position ``after``, at most ``limit``: from Redis where it has them.

    ``redis_client`` None: Redis is known to be away.

    Raises:
        redis.RedisError: Redis is away; what to do then is the caller's to say.
    """
    if redis_client is not None:
        lines = await redis_client.lrange(log_key(batch_id), after, after + limit - 1)
        events = [BatchProgressEvent.from_json(line) for line in lines]
        if _follow(events, after):
            return events
    return await ask_table(read_table, batch_id, after, limit)


def _follow(events: Sequence[BatchProgressEvent], after: int) -> bool:
    """Return whether there are ``events`` and they go on from ``after`` without a gap."""
    return bool(events) and [event.seq for event in events] == list(range(after + 1, after + 1 + len(events)))


# KEYS: the hash. ARGV: lifetime, process, its count, what the keys of processes begin with.
_COUNT_VIEWERS = """
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[1])
for _, process in ipairs(redis.call('HKEYS', KEYS[1])) do
  if redis.call('EXISTS', ARGV[4] .. process) == 0 then redis.call('HDEL', KEYS[1], process) end
end
"""


async def write_viewers(redis_client: "redis.asyncio.Redis", process: str, counts: Mapping[UUID, int]) -> None:
    """Note how many streams ``process`` has open for each batch; 0 takes it off.

    The counts of processes that were killed are taken off where this one writes its own.

    Raises:
        redis.RedisError: Redis is away.
    """
    async with redis_client.pipeline(transaction=False) as commands:
        commands.set(process_key(process), "", ex=PROCESS_SECONDS)
        for batch_id, count in counts.items():
            key = viewers_key(batch_id)
            if count:
                commands.eval(_COUNT_VIEWERS, 1, key, VIEWERS_SECONDS, process, count, process_key(""))
            else:
                commands.hdel(key, process)
        await commands.execute()


async def ask_table(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return ``question(…)``, asked in one of a few threads; its database connection is closed behind it."""

    def ask() -> T:
        try:
            return question(*args, **kwargs)
        finally:
            connection.close()

    return await asyncio.get_running_loop().run_in_executor(_threads(), ask)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="progress-log")
