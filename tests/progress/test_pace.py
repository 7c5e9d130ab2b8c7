"""How fast a stage goes and what it will still take: what holds whatever happens, and how soon it is right."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progress.pace import STALL_SECONDS, UNKNOWN, Estimate, Pace

LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Told:
    """What was told at one moment."""

    at: float
    left: float
    estimate: Estimate

    @property
    def eta(self) -> float:
        assert self.estimate.eta_seconds is not None
        return self.estimate.eta_seconds

    @property
    def rate(self) -> float:
        assert self.estimate.rate_per_second is not None
        return self.estimate.rate_per_second


def watch(
    speed: Callable[[float], float], *, total: int, workers: int = 2, chunk: int = 48, irregular: float = 0.2
) -> Iterator[Told]:
    """Give what is told each second, and at the end; ``workers`` do chunks, ``speed(t)`` sheets a second together."""
    dice, pace = random.Random(7), Pace()
    pace.move(0.0, 0)
    done, now, parts = 0, 0.0, [0.0] * workers  # of the chunk that each worker has in hand
    sizes = [chunk * dice.uniform(1 - irregular, 1 + irregular) for _ in parts]
    while done < total:
        now += LOOK_SECONDS
        for worker in range(workers):
            parts[worker] += speed(now) / workers * LOOK_SECONDS
            while parts[worker] >= sizes[worker]:
                parts[worker] -= sizes[worker]
                sizes[worker] = chunk * dice.uniform(1 - irregular, 1 + irregular)
                done += chunk
        pace.move(now, done)
        if now.is_integer() or done >= total:
            left = max(0, total - done)
            yield Told(now, left, pace.tell(now, left))


def known(told: Sequence[Told]) -> list[Told]:
    return [moment for moment in told if moment.estimate != UNKNOWN]


# --- What holds whatever happens --------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.floats(0, 300, allow_nan=False),  # seconds since the last look
        st.integers(-50, 10**9),  # sheets or bytes done meanwhile; taken back, where it is less than nothing
        st.booleans(),  # whether it is told
    ),
    max_size=60,
)


def follow(happened: Sequence[tuple[float, int, bool]]) -> Iterator[Told]:
    total = sum(max(0, more) for _, more, _ in happened)
    pace, now, done = Pace(), 0.0, 0
    pace.move(now, done)
    for seconds, more, is_told in happened:
        now, done = now + seconds, max(0, done + more)
        pace.move(now, done)
        if is_told:
            left = max(0, total - done)
            yield Told(now, left, pace.tell(now, left))


@given(steps)
def test_neither_rate_nor_time_left_is_ever_negative_or_endless(happened: list[tuple[float, int, bool]]) -> None:
    for told in known(list(follow(happened))):
        assert 0 < told.rate < math.inf
        assert 0 <= told.eta < math.inf


@given(steps)
def test_rate_and_time_left_are_known_together_or_not_at_all(happened: list[tuple[float, int, bool]]) -> None:
    for told in follow(happened):
        assert (told.estimate.rate_per_second is None) == (told.estimate.eta_seconds is None)


@given(steps)
def test_the_time_left_runs_with_the_clock_and_jumps_by_no_more_than_its_error(
    happened: list[tuple[float, int, bool]],
) -> None:
    for before, after in pairwise(follow(happened)):
        if UNKNOWN in (before.estimate, after.estimate):
            continue
        expected = max(0.0, before.eta - (after.at - before.at))
        assert abs(after.eta - expected) <= after.estimate.eta_error_seconds * (1 + 1e-9) + 1e-9


@given(st.floats(0.5, 20), st.floats(1, 1e6), st.integers(3, 40))
def test_equal_steps_tell_their_own_rate(seconds: float, size: float, count: int) -> None:
    pace = Pace()
    for number in range(count + 1):
        pace.move(number * seconds, number * size)

    estimate = pace.tell(count * seconds, 10 * size)

    assert estimate.rate_per_second == pytest.approx(size / seconds)
    assert estimate.eta_seconds == pytest.approx(10 * seconds)


@given(st.floats(1, 1e6), st.floats(0.01, 1000))
def test_what_was_there_before_is_nobodys_work(there: float, rate: float) -> None:
    pace = Pace()
    for second in range(6):
        pace.move(100.0 + second, there + rate * second)

    assert pace.tell(105.0, 1.0).rate_per_second == pytest.approx(rate, rel=0.01)


# --- When it can be known ---------------------------------------------------------------------------------------------


def test_nothing_is_known_before_something_is_done() -> None:
    pace = Pace()
    pace.move(0.0, 0)

    assert pace.tell(3.0, 100) == UNKNOWN


def test_one_step_tells_nothing_and_two_equal_ones_do() -> None:
    pace = Pace()
    for second in (0, 1):
        pace.move(float(second), 50 * second)
    first = pace.tell(1.0, 1000)
    pace.move(2.0, 100)

    assert first == UNKNOWN
    assert pace.tell(2.0, 1000).rate_per_second == pytest.approx(50)


def test_steps_that_are_nothing_alike_tell_nothing() -> None:
    pace, done = Pace(), 0
    for second, more in enumerate((0, 1, 400, 2, 1)):
        done += more
        pace.move(float(second), done)

    assert pace.tell(4.0, 1000) == UNKNOWN


def test_results_that_come_in_pairs_are_one_step() -> None:
    pace = Pace()
    for second in range(5):
        pace.move(float(second), 96 * second)
        pace.move(second + 0.01, 96 * second + 48)

    assert pace.tell(4.01, 1000).rate_per_second == pytest.approx(96, rel=0.15)


# --- How soon it is right ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "workers", "within_seconds"), [(280, 4, 3), (80, 2, 4), (20, 2, 12), (1, 1, 130)])
def test_at_a_steady_speed_the_first_word_comes_soon(speed: float, workers: int, within_seconds: float) -> None:
    told = known(list(watch(lambda _: speed, total=50 * 48, workers=workers)))

    assert told[0].at <= within_seconds


@pytest.mark.parametrize(("speed", "workers"), [(280, 4), (80, 2), (20, 2)])
def test_at_a_steady_speed_it_is_right_within_a_tenth_and_its_error_shrinks(speed: float, workers: int) -> None:
    told = known(list(watch(lambda _: speed, total=120 * 48, workers=workers)))

    settled = told[len(told) // 4 :]
    end = told[-1].at
    assert all(abs(moment.rate - speed) <= 0.2 * speed for moment in settled)
    assert all(abs(moment.eta - (end - moment.at)) <= 0.1 * end for moment in settled)
    assert settled[-1].estimate.eta_error_seconds < settled[0].estimate.eta_error_seconds / 2


def test_at_half_the_speed_the_time_left_is_right_again_within_25_seconds() -> None:
    told = known(list(watch(lambda now: 100 if now < 40 else 50, total=9000)))

    end = told[-1].at
    later = [moment for moment in told if moment.at >= 40 + 25]
    assert all(abs(moment.eta - (end - moment.at)) <= 0.15 * (end - 40) for moment in later)
    assert all(abs(moment.rate - 50) <= 10 for moment in later)


def test_at_twice_the_speed_too() -> None:
    told = known(list(watch(lambda now: 50 if now < 40 else 100, total=9000)))

    end = told[-1].at
    later = [moment for moment in told if moment.at >= 40 + 25]
    assert all(abs(moment.eta - (end - moment.at)) <= 0.15 * (end - 40) for moment in later)


def test_a_standstill_is_promised_nothing() -> None:
    told = list(watch(lambda now: 0 if 30 <= now < 90 else 100, total=9000))

    still = [moment for moment in told if 30 + STALL_SECONDS + 2 < moment.at < 90]
    waking = [moment.eta for moment in known(told) if 33 < moment.at < 90]
    assert len(still) > 40
    assert all(moment.estimate == UNKNOWN for moment in still)
    assert waking == sorted(waking)  # until then it grew
    assert known(told)[-1].rate == pytest.approx(100, rel=0.2)  # and afterwards it was found again


def test_a_slow_worker_with_large_chunks_is_not_taken_for_one_that_stands_still() -> None:
    told = list(watch(lambda _: 1, total=1000, workers=1))

    assert all(moment.estimate != UNKNOWN for moment in told if moment.at > 130)


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 300), st.integers(1, 8), st.sampled_from([8, 24, 48]), st.floats(0, 0.5))
def test_whoever_works_how_irregularly_the_time_left_is_within_its_error_most_of_the_time(
    speed: int, workers: int, chunk: int, irregular: float
) -> None:
    told = list(watch(lambda _: speed, total=100 * chunk, workers=workers, chunk=chunk, irregular=irregular))

    end, moments = told[-1].at, known(told)
    grain = LOOK_SECONDS + chunk * workers / speed  # nobody sees what is done of a chunk
    right = [abs(moment.eta - (end - moment.at)) <= moment.estimate.eta_error_seconds + grain for moment in moments]
    assert sum(right) >= 0.9 * len(right)


def test_an_event_says_the_rate_in_three_digits_and_the_time_in_tenths() -> None:
    estimate = Estimate(rate_per_second=52_428_800.4, eta_seconds=83.349)

    assert estimate.told() == {"rate_per_second": 52_400_000, "eta_seconds": 83.3}
    assert UNKNOWN.told() == {"rate_per_second": None, "eta_seconds": None}
