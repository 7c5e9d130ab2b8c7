"""The head of a sheet: title, lines to write on, how to mark. It goes where the template leaves room."""

from collections.abc import Iterator

from omr.printing.room import Area
from omr.printing.shapes import Box, Oval, Shape, Text
from omr.printing.typeface import CAPITAL_HEIGHT, baseline, fitting_size, text_width

LEAST_WIDTH_MM = 55
TITLE = "Answer sheet"
LINES_TO_WRITE_ON = (("Name",), ("Subject", "Date"))
HOW_TO = (
    "Use a soft pencil. Fill the bubble completely:",
    "To change an answer, erase the old mark cleanly.",
    "Do not fold the sheet. Keep the corner squares clean.",
)

TITLE_SIZE_MM = 8.0
SUBTITLE_SIZE_MM = 3.4
BODY_SIZE_MM = 3.2
LEADING_MM = 7.0
WRITING_LINE_MM = 14.0
SMALL_SIZE_MM = 2.5

INK, SOFT, RULE = 0, 90, 130


def draw_panel(area: Area, mm: float, questions: int) -> Iterator[Shape]:
    """Return as much of the head as fits into ``area``; nothing in a narrow one.

    Args:
        area: free of everything else, template units.
        mm: one millimetre in template units.
        questions: how many there are on the sheet.
    """
    if area.width < LEAST_WIDTH_MM * mm:
        return
    panel = _Panel(area, mm)
    yield from panel.title(questions)
    for labels in LINES_TO_WRITE_ON:
        yield from panel.writing_line(labels)
    yield from panel.how_to()


class _Panel:
    """Fills an area from the top; a part that does not fit is left out."""

    def __init__(self, area: Area, mm: float) -> None:
        self.area, self.mm, self.y = area, mm, area.top

    def _take(self, height_mm: float) -> bool:
        """Move down by ``height_mm``; False when there is no room for it."""
        if self.y + height_mm * self.mm > self.area.bottom:
            return False
        self.y += height_mm * self.mm
        return True

    def _text(self, text: str, size_mm: float, *, gray: int = INK, bold: bool = False) -> Text:
        size = fitting_size(text, size_mm * self.mm, self.area.width)
        return Text(x=self.area.left, y=self.y, text=text, size=size, gray=gray, bold=bold)

    def title(self, questions: int) -> Iterator[Shape]:
        if self._take(TITLE_SIZE_MM * CAPITAL_HEIGHT):
            yield self._text(TITLE, TITLE_SIZE_MM, bold=True)
        if questions and self._take(1.9 * SUBTITLE_SIZE_MM):
            yield self._text(f"{questions} questions", SUBTITLE_SIZE_MM, gray=SOFT)

    def writing_line(self, labels: tuple[str, ...]) -> Iterator[Shape]:
        if not self._take(WRITING_LINE_MM):
            return
        gap = 4 * self.mm
        width = (self.area.width - gap * (len(labels) - 1)) / len(labels)
        line = self.y - 3.6 * self.mm
        for i, label in enumerate(labels):
            left = self.area.left + i * (width + gap)
            yield Box(left=left, top=line, right=left + width, bottom=line + 0.25 * self.mm, gray=RULE)
            yield Text(x=left, y=self.y, text=label, size=SMALL_SIZE_MM * self.mm, gray=SOFT)

    def how_to(self) -> Iterator[Shape]:
        if not self._take(2.6 * BODY_SIZE_MM):
            return
        for i, sentence in enumerate(HOW_TO):
            if not self._take(LEADING_MM if i else 0):
                return
            text = self._text(sentence, BODY_SIZE_MM)
            yield text
            if i == 0:
                yield from self._examples(text)

    def _examples(self, text: Text) -> Iterator[Shape]:
        """Show a good mark and three bad ones behind the sentence that speaks of them."""
        size = 4.2 * self.mm
        x = text.x + text_width(text.text, text.size) + size
        y = text.y - CAPITAL_HEIGHT / 2 * text.size
        word = text_width("not", text.size)
        if x + 5.5 * size + word > self.area.right:
            return
        yield Oval(x=x, y=y, width=size, height=size, gray=INK)
        x += size
        yield Text(x=x, y=text.y, text="not", size=text.size, gray=INK)
        x += word + size
        for fault in ("×", "/", "•"):
            yield Oval(x=x, y=y, width=size, height=size, gray=RULE, line=0.2 * self.mm)
            fault_size = 0.9 * size
            yield Text(x=x, y=baseline(y, fault_size), text=fault, size=fault_size, gray=INK, align="centre")
            x += 1.35 * size
