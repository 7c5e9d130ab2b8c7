"""A site for so many sheets a day, calculated from what was measured: how many of each it needs, what breaks first.

A day of exams is simulated batch by batch (benchmarks/planning/day.py). First the smallest site gets more and more
sheets until it is late; then a site is found that is not, for the number that was asked for; then that gets more in its
turn. A line for each figure it rests on, for each day, and for what a year leaves behind. Takes seconds, and measures
nothing: it is as right as its figures.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from math import ceil, isfinite
from typing import Any

from benchmarks.planning.day import HOUR, SLOTS_A_RUNNER, Day, Site, make_day
from benchmarks.planning.figures import (
    ANSWER_BYTES,
    DELIVERY_SECONDS,
    DISK_BYTES,
    EVENTS_A_SHEET,
    FIGURES,
    NETWORK_BYTES,
    PAGE_BYTES,
    QUESTIONS,
    READ_SECONDS,
    RECORD_BYTES,
    REDIS_PAGES,
    VIEWERS_A_BATCH,
)

Line = dict[str, Any]

MOST_BUSY = 0.7
"""In the busiest hour: what is busier has no room for a machine that dies, or for a day that is not the average."""

SMALL_DAYS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
FACTORS = (0.5, 1, 1.5, 2, 3, 5)
WAYS_OF_A_BYTE = 3  # over the inner network and the disks: in, to a worker, to where finished archives lie
ROUNDS = 50


def main(argv: Sequence[str]) -> None:
    """Print the figures, the days and the year."""
    options = _parse(argv)
    for line in plan(options.sheets_per_day, options.sheets_per_batch, late_seconds=60 * options.minutes):
        print(json.dumps({"benchmark": "plan", **line}), flush=True)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks plan", description=__doc__)
    parser.add_argument("--sheets-per-day", type=int, default=10_000_000)
    parser.add_argument("--sheets-per-batch", type=int, default=3_000, help="on average")
    parser.add_argument("--minutes", type=float, default=30, help="99 of 100 batches are loaded so soon after upload")
    return parser.parse_args(argv)


def plan(sheets: int, sheets_a_batch: int, *, late_seconds: float) -> Iterator[Line]:
    """Give all lines for a site that takes ``sheets`` a day."""
    for name, figure in FIGURES.items():
        yield {"figure": name.lower(), **asdict(figure)}
    for small in SMALL_DAYS:
        yield {"site": "smallest", **live_through(Site(), small, sheets_a_batch, late_seconds)}
    site = find_site(sheets, sheets_a_batch, late_seconds)
    for factor in FACTORS:
        yield {
            "site": "planned",
            "times": factor,
            **live_through(site, int(sheets * factor), sheets_a_batch, late_seconds),
        }
    yield {"site": "planned", **leave_behind(sheets, sheets_a_batch)}


def find_site(sheets: int, sheets_a_batch: int, late_seconds: float) -> Site:
    """Return the smallest site that is never busier than MOST_BUSY and hardly ever late; there is more than one way."""
    site = Site()
    for _ in range(ROUNDS):
        seen = live_through(site, sheets, sheets_a_batch, late_seconds)
        counts = asdict(site)
        wanted = {name: max(1, ceil(counts[name] * seen["busy"][name] / MOST_BUSY)) for name in counts}
        grown = {name: max(counts[name], wanted[name]) for name in counts}
        if grown == counts and not seen["is_late"]:
            return site
        if grown == counts:  # busy enough nowhere, and late all the same: too few slots
            grown["runners"] += 1
        site = replace(site, **grown)
    raise SystemExit(f"no site was found in {ROUNDS} rounds for {sheets} sheets a day; allow more --minutes")


def live_through(site: Site, sheets: int, sheets_a_batch: int, late_seconds: float) -> Line:
    """Return what a day with ``sheets`` was like."""
    day = Day(site, make_day(sheets, sheets_a_batch=sheets_a_batch))
    day.run()
    waits = sorted(batch.wait_seconds for batch in day.batches)
    p50, p99 = (waits[int(share * (len(waits) - 1))] for share in (0.5, 0.99))
    busy = {name: round(station.busiest(), 3) for name, station in day.stations.items()} | _moved(site, day)
    return {
        "sheets_per_day": sheets,
        "batches": len(day.batches),
        "has": asdict(site) | {"slots": site.runners * SLOTS_A_RUNNER},
        "busy": busy,
        "of_one": _beside(day),
        "busiest": max(busy, key=busy.__getitem__),
        "wait_minutes": {"p50": _minutes(p50), "p99": _minutes(p99)},
        "longest_line": day.longest_line,
        "is_late": p99 > late_seconds,
    }


def _moved(site: Site, day: Day) -> dict[str, float]:
    """Return the share of disks and network cards that the busiest hour needs; more than 1 is more than there are."""
    bytes_a_second = WAYS_OF_A_BYTE * _pages_a_second(day) * PAGE_BYTES.value
    return {
        "disks": round(bytes_a_second / DISK_BYTES.value / site.disks, 3),
        "cards": round(bytes_a_second / NETWORK_BYTES.value / site.cards, 3),
    }


def _beside(day: Day) -> dict[str, float]:
    """Return what the busiest hour needs of the one Redis, and of one core that sends events to who watches."""
    pages = _pages_a_second(day)
    deliveries = pages * EVENTS_A_SHEET.value * VIEWERS_A_BATCH.value
    needs = {"redis": pages / REDIS_PAGES.value, "streams": deliveries * DELIVERY_SECONDS.value}
    return {name: round(share, 4) for name, share in needs.items()}


def _pages_a_second(day: Day) -> float:
    return max(day.stations["workers"].work_by_hour.values(), default=0.0) / READ_SECONDS.value / HOUR


def leave_behind(sheets: int, sheets_a_batch: int) -> Line:
    """Return what a day, and a year of such days, leave on disks and in the database."""
    batches = ceil(sheets / sheets_a_batch)
    day = {
        "archives_tb": round(sheets * PAGE_BYTES.value / 1e12, 2),
        "answers": int(sheets * QUESTIONS.value),
        "database_gb": round(sheets * QUESTIONS.value * ANSWER_BYTES.value / 1e9, 1),
        "partitions": batches,
        "redis_mb_if_all_at_once": round(sheets * RECORD_BYTES.value / 1e6),
    }
    return {"a_day_leaves": day, "a_year_leaves": {name: round(365 * value) for name, value in day.items()}}


def _minutes(seconds: float) -> float | None:
    return round(seconds / 60, 1) if isfinite(seconds) else None
