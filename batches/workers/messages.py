"""What a runner and workers on other machines say to each other, and over which keys of Redis.

A runner sends orders through Celery's queue; the outcomes come back over a list that belongs to the run alone. Only
what tells a page's place travels: neither pixels nor the address of Redis, which each side knows for itself.
"""

import secrets
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import msgpack
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from batches.archive import Page
from batches.workers.base import Chunk, Job, PageKind, Place, Verdict, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The keys of one run. All expire: a run that dies leaves nothing behind."""

    wanted: str  # set of the names of the chunks that are waited for: what is not in it is not worked on
    outcomes: str  # list, packed
    attempts: str  # hash: chunk → how often a worker has begun with it
    beats: str  # hash: chunk → a number that grows while a worker has it
    lifetime_seconds: int  # after the last sign of life

    @property
    def keys(self) -> tuple[str, ...]:
        return self.wanted, self.outcomes, self.attempts, self.beats


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Where runners and workers meet."""

    redis_url: str
    name_key: Callable[[str, str], str]  # run, part of its channel → key
    lifetime_seconds: int

    def open_channel(self) -> Channel:
        """Return the channel of a new run."""
        run = secrets.token_hex(8)
        names = {part: self.name_key(run, part) for part in ("wanted", "outcomes", "attempts", "beats")}
        return Channel(**names, lifetime_seconds=self.lifetime_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One chunk to be worked on."""

    job: Job
    chunk: Chunk
    channel: Channel

    def to_message(self) -> dict[str, Any]:
        chunk = self.chunk
        return {
            "job": self.job.value,
            "archive": chunk.archive,
            "template": chunk.template,
            "pages": [(index, *astuple(page)) for index, page in chunk.pages],
            "results": {"key": chunk.results.key, "lifetime_seconds": chunk.results.lifetime_seconds},
            "channel": asdict(self.channel),
        }

    @classmethod
    def of_message(cls, message: dict[str, Any], redis_url: str) -> "Order":
        """Return the order in ``message``, with results to be put into the Redis at ``redis_url``."""
        chunk = Chunk(
            archive=message["archive"],
            template=message["template"],
            pages=tuple((index, Page(*page)) for index, *page in message["pages"]),
            results=Place(redis_url=redis_url, **message["results"]),
        )
        return cls(job=Job(message["job"]), chunk=chunk, channel=Channel(**message["channel"]))


class End(StrEnum):
    """How the work on a chunk ended."""

    DONE = "done"
    KILLED = "killed"  # whoever worked on it died, as often as may be
    REFUSED = "refused"  # the batch's own fault, a BatchError
    FAULT = "fault"  # our fault; details has the traceback


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one chunk."""

    name: str  # of the chunk
    end: End
    verdicts: Verdicts = ()
    code: str = ""  # these three as in BatchError
    message: str = ""
    details: str = ""

    def packed(self) -> bytes:
        verdicts = [asdict(verdict) for verdict in self.verdicts]
        packed: bytes = msgpack.packb((self.name, self.end, verdicts, self.code, self.message, self.details))
        return packed

    @classmethod
    def of_packed(cls, packed: bytes) -> "Outcome":
        name, end, verdicts, code, message, details = msgpack.unpackb(packed)
        return cls(
            name=name,
            end=End(end),
            verdicts=tuple(_verdict(values) for values in verdicts),
            code=code,
            message=message,
            details=details,
        )


def _verdict(values: dict[str, Any]) -> Verdict:
    return Verdict(**values | {"kind": PageKind(values["kind"])})


@cache
def client_of(redis_url: str) -> "redis.Redis":
    """Return this process's client, which gives up soon: both sides have other things to look after meanwhile."""
    # One retry, for a connection that a restart of Redis has cut.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(redis_url, socket_timeout=5.0, socket_connect_timeout=1.0, retry=retry)
