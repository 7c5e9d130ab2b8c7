"""What this process counts of the stream, for Prometheus; nothing here tells of a person or of one batch.

Each process counts for itself, from its start on; the label ``process`` says which one a gauge is of.
"""

import hmac
import os
import socket
import time
from collections.abc import Iterator
from enum import StrEnum

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

PROCESS_NAME = f"{socket.gethostname()}:{os.getpid()}"

REFUSAL = "These figures are shown to who sends METRICS_TOKEN as Authorization: Bearer"


def may_scrape(authorization: str, token: str) -> bool:
    """Return whether the header ``authorization`` shows ``token``; where there is none, everybody may."""
    return not token or hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())


class StreamKind(StrEnum):
    """What a stream tells of."""

    ONE = "one"  # one batch
    ALL = "all"  # all batches that its viewer may see


class StreamEnd(StrEnum):
    """Why a stream ended."""

    FINISHED = "finished"  # its log has ended, and the viewer has all of it
    LEFT = "left"  # the viewer went
    SLOW = "slow"  # cut: the viewer did not take what was sent
    WITHDRAWN = "withdrawn"  # the viewer may not watch any more
    STOPPED = "stopped"  # the server is being stopped
    BROKEN = "broken"  # our fault: the log lines say more


_open = Gauge("omr_streams_open", "Streams open now.", ["kind", "process"])
_opened = Counter("omr_streams_opened", "Streams opened.", ["kind"])
_ended = Counter("omr_streams_ended", "Streams ended, by reason.", ["kind", "reason"])
_healed = Counter("omr_stream_gaps_healed", "Times the log was read because a word of the layer was missing.")
_publishing = Histogram(
    "omr_publish_seconds",
    "Time to write one event and to tell of it; the count is the number of events published.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)

for _kind in StreamKind:  # from the start on: what has never happened is 0, not absent
    _open.labels(_kind, PROCESS_NAME)
    _opened.labels(_kind)
    for _reason in StreamEnd:
        _ended.labels(_kind, _reason)


def stream_opened(kind: StreamKind) -> None:
    """Count a stream whose head has gone out."""
    _opened.labels(kind).inc()
    _open.labels(kind, PROCESS_NAME).inc()


def stream_ended(kind: StreamKind, reason: StreamEnd) -> None:
    """Count the end of a stream that was opened."""
    _ended.labels(kind, reason).inc()
    _open.labels(kind, PROCESS_NAME).dec()


def gap_healed() -> None:
    """Count a reading of the log that brought events which nobody had told us of."""
    _healed.inc()


def published(seconds: float) -> None:
    """Count one event that was published, and the time that took its writer."""
    _publishing.observe(seconds)


class _Delivered(Collector):
    """Counts what goes out: plain numbers, since a lock for each piece would be felt with thousands of viewers.

    Only the thread of the event loop that serves the streams adds to them, so no addition is lost.
    """

    def __init__(self) -> None:
        self.frames = self.bytes = 0

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("omr_stream_events_delivered", "Events sent to viewers.", value=self.frames)
        yield CounterMetricFamily("omr_stream_bytes_delivered", "Bytes sent to viewers.", value=self.bytes)


_delivered = _Delivered()
REGISTRY.register(_delivered)


def delivered(frames: int, size_bytes: int) -> None:
    """Count one piece handed to a viewer: ``frames`` events in ``size_bytes``. For the hub's event loop alone."""
    _delivered.frames += frames
    _delivered.bytes += size_bytes


_redis_failures = Counter("omr_redis_failures", "Times that Redis did not do what was asked.")
_redis_away = Counter("omr_redis_away_seconds", "Time for which Redis was left alone after a failure.")
_away_until = 0.0


def redis_failed(pause_seconds: float) -> None:
    """Count a failure of Redis, after which its caller leaves it alone for a while; pauses that overlap count once."""
    global _away_until  # noqa: PLW0603 - one Redis for the process, whoever finds it away
    now = time.monotonic()
    until = now + pause_seconds
    _redis_failures.inc()
    _redis_away.inc(max(0.0, until - max(now, _away_until)))
    _away_until = max(until, _away_until)
