"""What is printed around the bubbles: numbers, captions, boxes to write in, light rules between rows."""

from collections.abc import Iterator

from omr.printing.shapes import Box, Shape, Text
from omr.printing.typeface import baseline, fitting_size, text_width
from omr.template import Bubble, Column, Field, FieldBlock, Template

NUMBER_GRAY, CAPTION_GRAY, BOX_GRAY, RULE_GRAY = 40, 0, 120, 190
NUMBER_SIZE_MM = 3.1
CAPTION_SIZE_MM = 3.4
GAP_MM = 1.2  # between a bubble and what stands beside it
RULE_MM = 0.15
BOX_LINE_MM = 0.22
BOX_HEIGHT_MM = 7.5
BOX_MARGIN_MM = 1.0  # by which a box is wider than its bubbles, on each side
ROWS_TOGETHER = 5  # rows between two rules
ABOVE_BOX_MM = BOX_HEIGHT_MM + 2 * GAP_MM


class Labels:
    """The labels of one template; what there is no room for is left out."""

    def __init__(self, template: Template, mm: float) -> None:
        self.template = template
        self.mm = mm  # one millimetre in template units
        self.columns = {name: column for column in template.columns for name in column.fields}
        self.fields = {field.name: field for field in template.fields}

    def around(self, block: FieldBlock) -> Iterator[Shape]:
        """Return what is printed around the bubbles of ``block``."""
        if block.direction == "horizontal":
            yield from self._rules(block)
        for field in block.fields:
            column = self.columns.get(field.name)
            if block.direction == "horizontal":
                yield from self._beside(field)
            elif column and column.question is None and len(column.fields) > 1:
                yield from self._box_and_caption(field, column)
            else:
                yield from self._above(field, column)

    def _beside(self, field: Field) -> Iterator[Shape]:
        gap, edge = GAP_MM * self.mm, _left(field)
        room = edge - self._end_of_left_neighbour(field) - 2 * gap
        if room <= 0:
            return
        text = self._text(field)
        size = fitting_size(text, NUMBER_SIZE_MM * self.mm, room)
        y = baseline(field.bubbles[0].y, size)
        yield Text(x=edge - gap, y=y, text=text, size=size, gray=NUMBER_GRAY, align="right")

    def _above(self, field: Field, column: Column | None) -> Iterator[Shape]:
        """Put the label above a field, or once above the fields that make one question together."""
        together = [self.fields[name] for name in column.fields] if column else [field]
        if field is not together[0]:
            return
        text = self._text(field)
        width = max(_right(f) for f in together) - min(_left(f) for f in together)
        size = fitting_size(text, NUMBER_SIZE_MM * self.mm, 1.2 * width)
        if self._room_above(field) > size + GAP_MM * self.mm:
            x = sum(f.bubbles[0].x for f in together) / len(together)
            y = _top(field) - GAP_MM / 2 * self.mm
            yield Text(x=x, y=y, text=text, size=size, gray=NUMBER_GRAY, align="centre")

    def _box_and_caption(self, field: Field, column: Column) -> Iterator[Shape]:
        """Draw a box for the digit by hand, and over the first of them what the digits are."""
        if self._room_above(field) < ABOVE_BOX_MM * self.mm:
            return
        bottom = _top(field) - GAP_MM * self.mm
        top = bottom - BOX_HEIGHT_MM * self.mm
        x, half = field.bubbles[0].x, self._half_box(field, column)
        yield Box(left=x - half, top=top, right=x + half, bottom=bottom, gray=BOX_GRAY, line=BOX_LINE_MM * self.mm)
        size = CAPTION_SIZE_MM * self.mm
        y = top - GAP_MM * self.mm
        if field.name == column.fields[0] and y > size:
            yield Text(x=x - half, y=y, text=self._caption(column), size=size, gray=CAPTION_GRAY, bold=True)

    def _half_box(self, field: Field, column: Column) -> float:
        """Return half the width of a box; boxes side by side do not touch."""
        bubble = field.bubbles[0]
        others = (abs(self.fields[name].bubbles[0].x - bubble.x) for name in column.fields if name != field.name)
        pitch = min((distance for distance in others if distance), default=float("inf"))
        return min(bubble.width / 2 + BOX_MARGIN_MM * self.mm, 0.48 * pitch)

    def _rules(self, block: FieldBlock) -> Iterator[Shape]:
        """Draw a light line above, below and after every fifth row of a long block."""
        rows = [field.bubbles[0].y for field in block.fields]
        pitch = rows[1] - rows[0] if len(rows) >= 2 * ROWS_TOGETHER else 0.0
        if pitch < block.fields[0].bubbles[0].height + GAP_MM * self.mm:
            return
        widest = max(text_width(self._text(field), NUMBER_SIZE_MM * self.mm) for field in block.fields)
        beside = min(GAP_MM * self.mm + widest, _left(block.fields[0]) - self._end_of_left_neighbour(block.fields[0]))
        left, right, half = _left(block.fields[0]) - beside, _right(block.fields[0]), RULE_MM / 2 * self.mm
        for row in (*range(0, len(rows), ROWS_TOGETHER), len(rows)):
            y = rows[0] + (row - 0.5) * pitch
            yield Box(left=left, top=y - half, right=right, bottom=y + half, gray=RULE_GRAY)

    def _end_of_left_neighbour(self, field: Field) -> float:
        """Return where the nearest bubble to the left in this row ends; the page's edge when there is none."""
        edge = _left(field)
        return max((end for end in self._ends_in_row(field.bubbles[0]) if end <= edge), default=0.0)

    def _ends_in_row(self, bubble: Bubble) -> Iterator[float]:
        for other in self.template.bubbles:
            if abs(other.y - bubble.y) < (other.height + bubble.height) / 2:
                yield other.x + other.width / 2

    def _room_above(self, field: Field) -> float:
        """Return the way up to the next bubble or to the page's edge."""
        bubble, top = field.bubbles[0], _top(field)
        ends = (
            other.y + other.height / 2
            for other in self.template.bubbles
            if abs(other.x - bubble.x) < (other.width + bubble.width) / 2
        )
        return top - max((end for end in ends if end <= top), default=0.0)

    def _text(self, field: Field) -> str:
        column = self.columns.get(field.name)
        return str(column.question) if column and column.question is not None else field.name

    def _caption(self, column: Column) -> str:
        name = column.name.replace("_", " ").strip()
        name = name[:1].upper() + name[1:]
        values = {bubble.value for member in column.fields for bubble in self.fields[member].bubbles}
        is_number = values <= set("0123456789") and "number" not in name.lower()
        return f"{name} number" if is_number else name


def _left(field: Field) -> float:
    return min(bubble.x - bubble.width / 2 for bubble in field.bubbles)


def _right(field: Field) -> float:
    return max(bubble.x + bubble.width / 2 for bubble in field.bubbles)


def _top(field: Field) -> float:
    return min(bubble.y - bubble.height / 2 for bubble in field.bubbles)
