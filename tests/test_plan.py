"""The plan of a site is simulated: the simulation keeps to arithmetic that can be done by hand."""

import pytest

from benchmarks.plan import MOST_BUSY, find_site, live_through
from benchmarks.planning import figures
from benchmarks.planning.day import HOUR, Batch, Day, Site, make_day

WEB = figures.PAGE_BYTES.value / figures.LINE_BYTES.value  # an office's line is slower than a web process
READ = figures.READ_SECONDS.value
RUN = figures.RUNNER_SECONDS.value + figures.EVENTS_A_SHEET.value * figures.EVENT_SECONDS.value
STORE = figures.DATABASE_SECONDS.value


def lived(site: Site, *batches: Batch) -> Day:
    day = Day(site, batches)
    day.run()
    return day


def test_a_batch_that_is_alone_takes_what_its_steps_take_one_after_the_other() -> None:
    batch = Batch(sheets=1000, arrives_at=HOUR)

    lived(Site(workers=4), batch)

    assert batch.ended_at == pytest.approx(HOUR + 1000 * (WEB + READ / 4 + RUN + STORE))
    assert batch.wait_seconds == pytest.approx(1000 * (READ / 4 + RUN + STORE))


def test_two_batches_that_are_read_at_once_share_the_workers_evenly() -> None:
    batches = [Batch(sheets=1000, arrives_at=0.0) for _ in range(2)]

    lived(Site(workers=2), *batches)

    first = batches[0].ended_at
    assert first == pytest.approx(1000 * (WEB + READ + 2 * RUN + 2 * STORE), rel=1e-3)
    assert batches[1].ended_at == pytest.approx(first)


def test_a_batch_without_a_slot_waits_for_the_first_that_is_free() -> None:
    batches = [Batch(sheets=1000, arrives_at=0.0) for _ in range(3)]

    day = lived(Site(workers=2), *batches)

    assert day.longest_line == 1
    ends = sorted(batch.ended_at for batch in batches)
    assert ends[2] == pytest.approx(ends[1] + 1000 * (READ / 2 + RUN + STORE), rel=1e-3)


def test_every_sheet_of_a_day_is_read_once() -> None:
    batches = make_day(200_000, sheets_a_batch=3_000)

    day = lived(Site(), *batches)

    assert sum(batch.sheets for batch in batches) == 200_000
    assert sum(day.stations["workers"].work_by_hour.values()) == pytest.approx(200_000 * READ)
    assert max(station.busiest() for station in day.stations.values()) <= 1.0


def test_more_than_the_workers_can_read_makes_the_day_late_and_says_that_it_was_the_workers() -> None:
    line = live_through(Site(), 6_000_000, 3_000, late_seconds=1800)

    assert line["is_late"]
    assert line["busiest"] == "workers"


def test_a_site_that_was_found_is_never_late_or_too_busy_and_one_core_less_would_be() -> None:
    site = find_site(6_000_000, 3_000, late_seconds=1800)

    line = live_through(site, 6_000_000, 3_000, late_seconds=1800)
    smaller = Site(workers=site.workers - 1, runners=site.runners, disks=site.disks, cards=site.cards)

    assert not line["is_late"]
    assert max(line["busy"].values()) <= MOST_BUSY
    assert live_through(smaller, 6_000_000, 3_000, late_seconds=1800)["busy"]["workers"] > MOST_BUSY
