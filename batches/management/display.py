"""How a command shows the events of a batch: lines, JSON, or a display that stays in place."""

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

from progress.events import BatchProgressEvent, ProcessingStage

LOG_LINES = 8
REFRESHES_A_SECOND = 4
STAGES = [stage for stage in ProcessingStage if not stage.is_terminal and stage is not ProcessingStage.UPLOADING]


class Display(Protocol):
    """Shows events between its ``with`` line and its end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def show(self, event: BatchProgressEvent) -> None:
        """Take in one more event."""


def choose_display(stream: TextIO, *, as_json: bool) -> Display:
    """Return what suits ``stream``: the display in place for a terminal, lines otherwise."""
    if as_json:
        return Lines(stream, BatchProgressEvent.to_json)
    return LiveDisplay(stream) if stream.isatty() else Lines(stream, event_line)


class Lines:
    """One line an event."""

    def __init__(self, stream: TextIO, form: Callable[[BatchProgressEvent], str]) -> None:
        self._stream, self._form = stream, form

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.flush()

    def show(self, event: BatchProgressEvent) -> None:
        self._stream.write(self._form(event) + "\n")
        self._stream.flush()


def event_line(event: BatchProgressEvent) -> str:
    """Return one line for people: time of day, stage, percentage, message."""
    return f"{_clock(event)}  {event.stage:<18}{event.progress_percentage:>6.1f} %  {event.message}"


def _clock(event: BatchProgressEvent) -> str:
    return datetime.fromisoformat(event.timestamp).astimezone().strftime("%H:%M:%S")


class LiveDisplay:
    """Stages, bar, counts and the last lines, in place."""

    def __init__(self, stream: TextIO) -> None:
        self._events: deque[BatchProgressEvent] = deque(maxlen=LOG_LINES)
        self._begun: list[ProcessingStage] = []
        self._live = Live(
            console=Console(file=stream),
            get_renderable=self._draw,
            refresh_per_second=REFRESHES_A_SECOND,
            transient=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def show(self, event: BatchProgressEvent) -> None:
        self._events.append(event)
        if not event.stage.is_terminal and event.stage not in self._begun:
            self._begun.append(event.stage)

    def _draw(self) -> Group:
        if not self._events:
            return Group(Text("Starting …", style="dim"))
        latest = self._events[-1]
        return Group(self._stages(latest), Text(), _bar(latest), _counts(latest), Text(), *map(_log_line, self._events))

    def _stages(self, latest: BatchProgressEvent) -> Text:
        line = Text()
        done = latest.stage is ProcessingStage.COMPLETED
        reached = latest.failed_stage or latest.stage
        for stage in STAGES:
            name = stage.value.replace("_", " ")
            if stage is reached and not done:
                line.append(f"✗ {name}  ", "bold red") if latest.failed_stage else line.append(f"▶ {name}  ", "bold")
            elif done or stage.comes_before(reached):
                line.append(f"✓ {name}  ", "green")
            else:
                line.append(f"· {name}  ", "dim")
        return line


def _bar(event: BatchProgressEvent) -> Table:
    table = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=100, completed=event.progress_percentage, width=50)
    table.add_row(bar, f"{event.progress_percentage:.1f} %", _pace(event))
    return table


def _pace(event: BatchProgressEvent) -> str:
    parts = []
    if event.rate_per_second is not None:
        parts.append(f"{event.rate_per_second:.0f} sheets/s")
    if event.eta_seconds is not None:
        parts.append(f"{duration(event.eta_seconds)} left")
    return ", ".join(parts)


def _counts(event: BatchProgressEvent) -> Text:
    counts = f"{event.sheets_processed} of {event.sheets_total} sheets, {event.sheets_review} for review"
    return Text(f"{counts}, {duration(event.elapsed_seconds)}")


def _log_line(event: BatchProgressEvent) -> Text:
    style = {ProcessingStage.COMPLETED: "green", ProcessingStage.FAILED: "bold red"}.get(event.stage, "dim")
    return Text(f"{_clock(event)}  {event.message}", style=style, overflow="ellipsis", no_wrap=True)


def duration(seconds: float) -> str:
    """Return ``seconds`` as 4 s, 2:05 min or 1:02:05 h."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02} h"
    return f"{minutes}:{rest:02} min" if minutes else f"{rest} s"
