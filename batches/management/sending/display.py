"""How upload_batch shows how far it is: a display that stays in place on a terminal, lines elsewhere."""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from batches.management.display import BAR_COLUMNS, PACE_COLUMNS, REFRESHES_A_SECOND, duration
from batches.management.output import give_up, say
from batches.wording import MB, file_size

WINDOW_SECONDS = 10.0
LINE_SECONDS = 5.0
LOG_LINES = 4

Clock = Callable[[], float]


class Pace:
    """How far a file of ``size`` bytes is, and how fast it goes now."""

    def __init__(self, size: int, clock: Clock = time.monotonic) -> None:
        self.size = size
        self.offset = 0
        self._clock = clock
        self._began = clock()
        self._points: deque[tuple[float, int]] = deque()

    def begin(self, offset: int) -> None:
        """Take ``offset`` for where it begins, or begins again."""
        self.offset = offset
        self._points.clear()

    def move(self, offset: int) -> None:
        now = self._clock()
        self.offset = offset
        self._points.append((now, offset))
        while len(self._points) > 2 and self._points[1][0] < now - WINDOW_SECONDS:
            self._points.popleft()

    @property
    def percent(self) -> float:
        return 100.0 * self.offset / self.size if self.size else 100.0

    @property
    def seconds(self) -> float:
        return self._clock() - self._began

    @property
    def rate(self) -> float | None:
        """Bytes a second over the last ten; None while too little is known."""
        if not self._points:
            return None
        (began, first), (ended, last) = self._points[0], self._points[-1]
        return (last - first) / (ended - began) if ended - began >= 1.0 and last > first else None

    def __str__(self) -> str:
        far = f"{file_size(self.offset)} of {file_size(self.size)}"
        if self.rate is None or self.offset == self.size:
            return far
        return f"{far}, {self.rate / MB:.1f}MB/s, {duration((self.size - self.offset) / self.rate)} left"


class Display(Protocol):
    """Shows an upload between its ``with`` line and its end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def moved(self) -> None:
        """The pace has moved."""

    def tell(self, sentence: str) -> None:
        """Show a sentence."""


def choose_display(stream: TextIO, pace: Pace) -> Display:
    """Return what suits ``stream``."""
    return LiveDisplay(stream, pace) if stream.isatty() else Lines(stream, pace)


class Lines:
    """A line every few seconds, and one for each sentence."""

    def __init__(self, stream: TextIO, pace: Pace) -> None:
        self._stream, self._pace = stream, pace
        self._said_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is left to do: each line went out at once."""

    def moved(self) -> None:
        now = time.monotonic()
        if now - self._said_at >= LINE_SECONDS:
            self._said_at = now
            self.tell(str(self._pace))

    def tell(self, sentence: str) -> None:
        say(self._stream, f"{_time_of_day()}  {'uploading':<18}{self._pace.percent:>6.1f} %  {sentence}")


class LiveDisplay:
    """Bar, pace and the last sentences, in place."""

    def __init__(self, stream: TextIO, pace: Pace) -> None:
        self._stream, self._pace = stream, pace
        self._sentences: deque[str] = deque(maxlen=LOG_LINES)
        self._console = Console(file=stream)
        self._live = Live(console=self._console, get_renderable=self.draw, refresh_per_second=REFRESHES_A_SECOND)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._live.stop()
        except OSError:  # the terminal is gone
            give_up(self._stream)

    def moved(self) -> None:
        """Nothing is to do: the display asks by itself."""

    def tell(self, sentence: str) -> None:
        self._sentences.append(f"{_time_of_day()}  {sentence}")

    def draw(self) -> Group:
        """Return what is to be seen now."""
        columns = self._console.size[0]
        bar = Table.grid(padding=(0, 2))
        width = max(8, min(BAR_COLUMNS, columns - PACE_COLUMNS))
        percent = Text(f"{self._pace.percent:.1f} %", no_wrap=True)
        bar.add_row(ProgressBar(total=100, completed=self._pace.percent, width=width), percent)
        far = Text(f"{self._pace}, {duration(self._pace.seconds)}", overflow="ellipsis", no_wrap=True)
        return Group(bar, far, *(Text(line, "dim", overflow="ellipsis", no_wrap=True) for line in self._sentences))


def _time_of_day() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
