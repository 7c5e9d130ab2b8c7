"""How fast a stage goes and how long it will still take, from how far it was at some moments.

The rule. Work comes in steps: what was done between two moments at which something had been done. Every step says
something of the rate, and the older it is, the less:

    rate = ∫ w·dn / ∫ w·dt,    w = exp(-age / memory)

Both integrals begin with the first step, so an early rate is not pulled towards zero. The memory is MEMORY_SECONDS, and
longer where steps are rare. The steps' own spread says how far the rate may be off: its standard error is

    √(spread · ∫ w²·dt) / ∫ w·dt,    spread = ∫ w·(dn - rate·dt)²/dt / ∫ w·dt

with one step of work that comes as irregularly as raindrops counted in, without which two equal steps would look
certain: after n equal steps the error is 1/n of the rate. A rate that may be off by more than half is none.

Since the last step, work goes on unseen for as long as a step usually takes. What a silence lasts beyond that counts as
a step in which nothing was done, so the rate sinks and the time left grows; after STALL_SECONDS, or three usual
silences if that is more, nobody can know.

The time left is told so that it does not jump: told once, it runs with the clock. It is corrected within some
STEADY_SECONDS, each time by no more than its own error (two standard errors), which grows by itself as soon as the
steps are not what they were.

Source: averages of unevenly spaced steps as in A. Eckner, "Algorithms for Unevenly Spaced Time Series" (2012), made
unbiased at their beginning as in D. Kingma and J. Ba, "Adam" (2015), section 3.
"""

import math
from dataclasses import dataclass

MEMORY_SECONDS = 10.0
MEMORY_STEPS = 5  # where steps are rare, the memory holds so many
MEMORY_MOST_SECONDS = 120.0
STEP_SECONDS = 0.5  # what is done in less belongs to one step: results that come in pairs are no sign of anything
STALL_SECONDS = 10.0
STALL_SILENCES = 3.0
WORST_ERROR = 0.5  # of the rate
ETA_ERRORS = 2.0
STEADY_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What can be known of a stage's pace; ``None`` where nothing can."""

    rate_per_second: float | None = None
    eta_seconds: float | None = None  # until all is done
    eta_error_seconds: float = 0.0  # by how much the time left may be off, and may change between two looks

    def told(self) -> dict[str, float | None]:
        """Return what an event says of it: the rate in three digits, the time left in tenths of a second."""
        rate, eta = self.rate_per_second, self.eta_seconds
        return {
            "rate_per_second": None if rate is None else float(f"{rate:.3g}"),
            "eta_seconds": None if eta is None else round(eta, 1),
        }


UNKNOWN = Estimate()


@dataclass(frozen=True, slots=True)
class _Past:
    """The weighted integrals over the steps so far; see above."""

    seconds: float = 0.0  # ∫ w·dt
    done: float = 0.0  # ∫ w·dn
    squares: float = 0.0  # ∫ w²·dt
    residual: float = 0.0  # ∫ w·(dn - rate·dt)²/dt
    steps: float = 0.0  # ∫ w·(steps per second)·dt

    @property
    def rate(self) -> float:
        return self.done / self.seconds

    @property
    def silence_seconds(self) -> float:
        """How long a step takes, usually."""
        return self.seconds / self.steps

    @property
    def error(self) -> float:
        """The standard error of the rate, as a fraction of it."""
        usual = self.silence_seconds
        raindrops = self.rate**2 * usual  # the spread of steps of the usual size that come at random
        spread = (self.residual + raindrops * usual) / (self.seconds + usual)
        return math.sqrt(spread * self.squares) / self.done if self.done else math.inf

    def after(self, seconds: float, done: float) -> "_Past":
        """Return the past after one step more."""
        usual = self.silence_seconds if self.steps else seconds
        memory = min(max(MEMORY_SECONDS, MEMORY_STEPS * usual), MEMORY_MOST_SECONDS)
        kept = math.exp(-seconds / memory)
        weight = memory * (1 - kept) / seconds  # of this step, in the mean
        surprise = done - self.rate * seconds if self.steps else 0.0
        return _Past(
            seconds=self.seconds * kept + weight * seconds,
            done=self.done * kept + weight * done,
            squares=self.squares * kept**2 + memory / 2 * (1 - kept**2),
            residual=self.residual * kept + weight * surprise**2 / seconds,
            steps=self.steps * kept + weight,
        )


class Pace:
    """Watches one stage. Times are working time in seconds, from any zero; they never run back."""

    def __init__(self) -> None:
        self._past = _Past()
        self._stood: tuple[float, float] | None = None  # when the last step ended, and what had been done by then
        self._told: tuple[float, float] | None = None  # when a time left was told, and which

    def move(self, at_seconds: float, done: float) -> None:
        """Note that ``done`` is done, in any unit. What was there at the first call is nobody's work here."""
        if self._stood is None or done < self._stood[1]:
            self._stood = (at_seconds, done)  # the beginning; or something was taken back, and is done again
            return
        seconds, more = at_seconds - self._stood[0], done - self._stood[1]
        if more and seconds >= STEP_SECONDS:
            self._past = self._past.after(seconds, more)
            self._stood = (at_seconds, done)

    def tell(self, at_seconds: float, left: float) -> Estimate:
        """Return what is known now, when ``left`` is still to be done."""
        if self._stood is None or not self._past.steps:
            return UNKNOWN
        silence, usual = at_seconds - self._stood[0], self._past.silence_seconds
        overdue = silence - usual
        past = self._past.after(overdue, 0.0) if overdue > 0 else self._past
        if silence > max(STALL_SECONDS, STALL_SILENCES * usual) or past.error > WORST_ERROR:
            self._told = None
            return UNKNOWN
        unseen = self._past.rate * min(silence, usual)
        eta = max(0.0, left - unseen) / past.rate
        error = ETA_ERRORS * past.error * left / past.rate
        eta = self._steady(at_seconds, eta, error)
        return Estimate(rate_per_second=past.rate, eta_seconds=eta, eta_error_seconds=error)

    def _steady(self, at_seconds: float, eta: float, error: float) -> float:
        """Return ``eta``, or what may be told of it without a jump."""
        if self._told is not None:
            since = at_seconds - self._told[0]
            expected = max(0.0, self._told[1] - since)
            step = (eta - expected) * (1 - math.exp(-since / STEADY_SECONDS))
            eta = expected + min(max(step, -error), error)
        self._told = (at_seconds, eta)
        return eta
