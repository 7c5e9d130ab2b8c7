"""A day of a site, batch by batch: a discrete simulation of queues.

A batch goes from station to station. Everybody at a station shares it evenly (workers take chunks of all batches in
turn, the database its connections), up to what one batch can use alone. A runner's slot is waited for in line, and is
held from the first page read to the last row written.
"""

import heapq
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from benchmarks.planning.figures import (
    DATABASE_SECONDS,
    EVENT_SECONDS,
    EVENTS_A_SHEET,
    HOURS,
    LINE_BYTES,
    PAGE_BYTES,
    READ_SECONDS,
    RUNNER_SECONDS,
    UPLOAD_SECONDS,
)

HOUR = 3600.0
SLOTS_A_RUNNER = 2
PATIENCE_HOURS = 72
"""What has not ended by then never will."""

STAGES = ("web", "workers", "runners", "database")
SPREAD = 0.8  # of the sizes of batches, lognormal


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """So many of each: processes, or cores that do nothing else."""

    web: int = 1  # processes that take uploads in
    workers: int = 2  # cores that read pages
    runners: int = 1  # processes, each with SLOTS_A_RUNNER slots
    database: int = 1  # cores of the one server
    disks: int = 1  # what archives lie on
    cards: int = 1  # of the network that they move on


@dataclass(slots=True)
class Batch:
    """One ZIP on its way."""

    sheets: int
    arrives_at: float  # its first byte
    ended_at: float = inf
    stage: int = 0

    @property
    def wait_seconds(self) -> float:
        """From when the office's own line would have delivered it to the last row."""
        return self.ended_at - self.arrives_at - self.sheets * PAGE_BYTES.value / LINE_BYTES.value


@dataclass(slots=True)
class Station:
    """What batches share: ``capacity`` of work a second, of which one batch can use ``most``."""

    capacity: float
    most: float
    done: float = 0.0  # work for each batch that was here all the time
    queue: list[tuple[float, int, Batch]] = field(default_factory=list)
    work_by_hour: dict[int, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return min(self.most, self.capacity / len(self.queue)) if self.queue else 0.0

    def add(self, batch: Batch, work: float, number: int) -> None:
        heapq.heappush(self.queue, (self.done + work, number, batch))

    def seconds_to_next(self) -> float:
        return max(self.queue[0][0] - self.done, 0.0) / self.rate if self.queue else inf

    def pass_time(self, seconds: float, hour: int) -> None:
        rate = self.rate
        self.work_by_hour[hour] = self.work_by_hour.get(hour, 0.0) + rate * len(self.queue) * seconds
        self.done += rate * seconds

    def pop_ready(self) -> Iterator[Batch]:
        while self.queue and self.queue[0][0] - self.done < 1e-9 * max(self.queue[0][0], 1.0):
            yield heapq.heappop(self.queue)[2]

    def busiest(self) -> float:
        """Return the share of its capacity that was used in its busiest hour."""
        return max(self.work_by_hour.values(), default=0.0) / (self.capacity * HOUR)


def make_day(sheets: int, *, sheets_a_batch: int, seed: int = 1) -> list[Batch]:
    """Return the batches of a day in the order in which their uploads begin: ``sheets`` in all, of many sizes."""
    chance, batches, left = random.Random(seed), [], sheets
    while left > 0:
        size = min(left, max(50, round(sheets_a_batch * chance.lognormvariate(-(SPREAD**2) / 2, SPREAD))))
        (hour,) = chance.choices(list(HOURS), weights=list(HOURS.values()))
        batches.append(Batch(sheets=size, arrives_at=(hour + chance.random()) * HOUR))
        left -= size
    return sorted(batches, key=lambda batch: batch.arrives_at)


class Day:
    """Lets ``batches`` go through ``site``."""

    def __init__(self, site: Site, batches: Sequence[Batch]) -> None:
        self.batches = batches
        self.stations = {
            "web": Station(capacity=site.web, most=LINE_BYTES.value * UPLOAD_SECONDS.value),
            "workers": Station(capacity=site.workers, most=site.workers),
            "runners": Station(capacity=site.runners, most=1.0),
            "database": Station(capacity=site.database, most=1.0),
        }
        self._free_slots = site.runners * SLOTS_A_RUNNER
        self._waiting: deque[Batch] = deque()
        self._number = 0
        self.longest_line = 0

    def run(self) -> None:
        """Let the day go by, and the time after it until all are done, or nobody would wait any more."""
        now, arrivals = 0.0, deque(self.batches)
        while (arrivals or self._is_busy()) and now < PATIENCE_HOURS * HOUR:
            hour = int(now // HOUR)
            until = [(hour + 1) * HOUR - now, *(station.seconds_to_next() for station in self.stations.values())]
            if arrivals:
                until.append(arrivals[0].arrives_at - now)
            step = max(min(until), 0.0)
            for station in self.stations.values():
                station.pass_time(step, hour)
            # On the hour itself: a sum of many small steps might stay just below it.
            now = (hour + 1) * HOUR if step == until[0] else now + step
            while arrivals and arrivals[0].arrives_at <= now:
                self._enter(arrivals.popleft())
            for station in self.stations.values():
                for batch in list(station.pop_ready()):
                    self._go_on(batch, now)

    def _is_busy(self) -> bool:
        return bool(self._waiting) or any(station.queue for station in self.stations.values())

    def _enter(self, batch: Batch) -> None:
        self._number += 1
        stage = STAGES[batch.stage]
        self.stations[stage].add(batch, _work(stage) * batch.sheets, self._number)

    def _go_on(self, batch: Batch, now: float) -> None:
        """Take ``batch`` from a station that is done with it to what comes next."""
        batch.stage += 1
        if batch.stage == 1:
            self._waiting.append(batch)
        elif batch.stage < len(STAGES):
            self._enter(batch)
        else:
            batch.ended_at = now
            self._free_slots += 1
        while self._free_slots and self._waiting:
            self._free_slots -= 1
            self._enter(self._waiting.popleft())
        self.longest_line = max(self.longest_line, len(self._waiting))


def _work(stage: str) -> float:
    """Return the CPU seconds that a sheet takes there."""
    return {
        "web": PAGE_BYTES.value * UPLOAD_SECONDS.value,
        "workers": READ_SECONDS.value,
        "runners": RUNNER_SECONDS.value + EVENTS_A_SHEET.value * EVENT_SECONDS.value,
        "database": DATABASE_SECONDS.value,
    }[stage]
