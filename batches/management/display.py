"""How a command shows the events of a batch: lines, JSON, or a display that stays in place."""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from batches.management.output import give_up, say
from progress.events import BatchProgressEvent, ProcessingStage

LOG_LINES = 8
FEWEST_LOG_LINES = 3
BAR_COLUMNS = 50
PACE_COLUMNS = 36  # percentage, rate and time left beside the bar
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
        """Nothing is left to do: each line went out at once."""

    def show(self, event: BatchProgressEvent) -> None:
        say(self._stream, self._form(event))


def event_line(event: BatchProgressEvent) -> str:
    """Return one line for people: time of day, stage, percentage, message."""
    return f"{_clock(event)}  {event.stage:<18}{event.progress_percentage:>6.1f} %  {event.message}"


def _clock(event: BatchProgressEvent) -> str:
    return datetime.fromisoformat(event.timestamp).astimezone().strftime("%H:%M:%S")


class LiveDisplay:
    """Stages, bar, counts and the last lines, in place; in a small terminal, less of each."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._events: deque[BatchProgressEvent] = deque(maxlen=LOG_LINES)
        self._console = Console(file=stream)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=REFRESHES_A_SECOND,
            transient=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._live.stop()
        except OSError:  # the terminal is gone
            give_up(self._stream)

    def show(self, event: BatchProgressEvent) -> None:
        self._events.append(event)

    def _draw(self) -> Group:
        if not self._events:
            return Group(Text("Starting …", style="dim"))
        events = list(self._events)
        columns, rows = self._console.size
        stages = _stages(events[-1])
        needed = len(stages.wrap(self._console, columns)) + 4  # two empty lines, the bar, the counts
        if rows - 1 - needed >= FEWEST_LOG_LINES:  # the cursor has a line of its own
            parts: list[RenderableType] = [stages, Text(), _bar(events[-1], columns), _counts(events[-1]), Text()]
        else:
            needed = 3
            parts = [_stage_in_brief(events[-1]), _bar(events[-1], columns), _counts(events[-1])]
        lines = max(1, min(LOG_LINES, rows - 1 - needed))
        return Group(*parts, *map(_log_line, events[-lines:]))


def _stages(latest: BatchProgressEvent) -> Text:
    line = Text()
    for stage in STAGES:
        sign, style = _standing(stage, latest)
        line.append(f"{sign} {_name(stage)}  ", style)
    return line


def _stage_in_brief(latest: BatchProgressEvent) -> Text:
    """Return the stage that is at work, or at which it ended, and how many there are."""
    reached = latest.failed_stage or latest.stage
    stage = reached if reached in STAGES else STAGES[-1 if reached.is_terminal else 0]
    sign, style = _standing(stage, latest)
    text = f"{sign} {_name(stage)} ({STAGES.index(stage) + 1} of {len(STAGES)})"
    return Text(text, style, overflow="ellipsis", no_wrap=True)


def _standing(stage: ProcessingStage, latest: BatchProgressEvent) -> tuple[str, str]:
    """Return sign and style of ``stage`` after the ``latest`` event."""
    reached = latest.failed_stage or latest.stage
    if stage is reached:
        return ("✗", "bold red") if latest.failed_stage else ("▶", "bold")
    return ("✓", "green") if stage.comes_before(reached) else ("·", "dim")


def _name(stage: ProcessingStage) -> str:
    return stage.value.replace("_", " ")


def _bar(event: BatchProgressEvent, columns: int) -> Table:
    table = Table.grid(padding=(0, 2))
    width = max(8, min(BAR_COLUMNS, columns - PACE_COLUMNS))
    bar = ProgressBar(total=100, completed=event.progress_percentage, width=width)
    pace = Text(_pace(event), overflow="ellipsis", no_wrap=True)
    table.add_row(bar, Text(f"{event.progress_percentage:.1f} %", no_wrap=True), pace)
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
    return Text(f"{counts}, {duration(event.elapsed_seconds)}", overflow="ellipsis", no_wrap=True)


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
