"""The answer sheet of a template as a drawing: the one place of its headings, numbers and letters."""

from collections.abc import Iterator
from functools import cache

from omr.printing.panel import draw_panel
from omr.printing.room import Area, largest_room, occupied_area
from omr.printing.shapes import BLACK, Box, Drawing, Oval, Shape, Text, new_drawing, paper_size_mm
from omr.printing.typeface import baseline, fitting_size, text_width
from omr.template import Bubble, Column, CornerFiducials, Field, FieldBlock, Template

OUTLINE_GRAY = 120  # printed bubbles stay well away from pencil, which is darker and fills them
LETTER_GRAY = 165
NUMBER_GRAY = 40
RULE_GRAY = 190
CAPTION_GRAY = 0

OUTLINE_MM = 0.2
RULE_MM = 0.15
GAP_MM = 1.2  # between a bubble and what stands beside it
LETTER_SIZE = 0.62  # of the bubble's height
NUMBER_SIZE_MM = 3.1
CAPTION_SIZE_MM = 3.4
CLEARANCE_MM = 4.0  # between the head and all else
EDGE_MM = 10.0  # no text nearer to the edge of the paper
ROWS_TOGETHER = 5  # rows between two rules
WRITING_BOX_MM = 7.5  # height of a box for a digit by hand


@cache
def draw_sheet(template: Template) -> Drawing:
    """Return the printed sheet of ``template``, in template units."""
    return _Sheet(template).draw()


class _Sheet:
    """A drawing in the making."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.mm = template.page_width / paper_size_mm(template.page_width, template.page_height)[0]
        """One millimetre in template units."""
        self.columns = {name: column for column in template.columns for name in column.fields}

    def draw(self) -> Drawing:
        template = self.template
        blocks = [list(self._block(block)) for block in template.blocks]
        corners = list(draw_fiducials(template.fiducials)) if template.fiducials else []
        head = self._head([*blocks, *([corner] for corner in corners)])
        shapes = [*corners, *(shape for block in blocks for shape in block), *head]
        return new_drawing(template.page_width, template.page_height, shapes)

    def _head(self, printed: list[list[Shape]]) -> Iterator[Shape]:
        """Draw the head into the largest room of the upper half, as wide as what else is printed at most."""
        areas = [occupied_area(shapes) for shapes in printed]
        if self.template.fiducials:
            areas += [_band(corner, self.template.page_width) for corner in areas[len(self.template.blocks) :]]
        content = occupied_area(shape for shapes in printed[: len(self.template.blocks)] for shape in shapes)
        within = Area(
            left=content.left,
            right=content.right,
            top=EDGE_MM * self.mm,
            bottom=self.template.page_height / 2,
        )
        room = largest_room(within, [area.grown(CLEARANCE_MM * self.mm) for area in areas])
        if room:
            yield from draw_panel(room, self.mm, len(self.template.questions))

    def _block(self, block: FieldBlock) -> Iterator[Shape]:
        if block.direction == "horizontal":
            yield from self._rules(block)
        for field in block.fields:
            yield from self._label(block, field)
            for bubble in field.bubbles:
                yield from self._bubble(bubble)
        yield from self._captions(block)

    def _bubble(self, bubble: Bubble) -> Iterator[Shape]:
        yield Oval(
            x=bubble.x,
            y=bubble.y,
            width=bubble.width,
            height=bubble.height,
            gray=OUTLINE_GRAY,
            line=OUTLINE_MM * self.mm,
        )
        size = fitting_size(bubble.value, LETTER_SIZE * bubble.height, 0.75 * bubble.width)
        y = baseline(bubble.y, size)
        yield Text(x=bubble.x, y=y, text=bubble.value, size=size, gray=LETTER_GRAY, align="centre")

    def _label(self, block: FieldBlock, field: Field) -> Iterator[Shape]:
        first = field.bubbles[0]
        if block.direction == "horizontal":
            yield from self._label_beside(field, first)
        elif self._is_written(field):
            yield from self._writing_box(first)
        else:
            yield from self._label_above(field, first)

    def _label_beside(self, field: Field, first: Bubble) -> Iterator[Shape]:
        edge = min(bubble.x - bubble.width / 2 for bubble in field.bubbles)
        room = edge - self._nearest_left(first, edge) - 2 * GAP_MM * self.mm
        text = self._label_text(field)
        size = fitting_size(text, NUMBER_SIZE_MM * self.mm, room) if room > 0 else 0
        if size:
            x = edge - GAP_MM * self.mm
            y = baseline(first.y, size)
            yield Text(x=x, y=y, text=text, size=size, gray=NUMBER_GRAY, align="right")

    def _label_above(self, field: Field, first: Bubble) -> Iterator[Shape]:
        top = min(bubble.y - bubble.height / 2 for bubble in field.bubbles)
        text = self._label_text(field)
        size = fitting_size(text, NUMBER_SIZE_MM * self.mm, first.width * 1.2)
        if self._room_above(first, top) > size + GAP_MM * self.mm:
            y = top - GAP_MM / 2 * self.mm
            yield Text(x=first.x, y=y, text=text, size=size, gray=NUMBER_GRAY, align="centre")

    def _writing_box(self, first: Bubble) -> Iterator[Shape]:
        bottom = first.y - first.height / 2 - GAP_MM * self.mm
        top = bottom - WRITING_BOX_MM * self.mm
        if self._room_above(first, first.y - first.height / 2) < (WRITING_BOX_MM + 2 * GAP_MM) * self.mm:
            return
        half = first.width / 2 + self.mm
        line = 1.5 * RULE_MM * self.mm
        yield Box(left=first.x - half, top=top, right=first.x + half, bottom=bottom, gray=OUTLINE_GRAY, line=line)

    def _captions(self, block: FieldBlock) -> Iterator[Shape]:
        """Say above a block of identity fields what they are."""
        columns = list(dict.fromkeys(self.columns[field.name] for field in block.fields if self._is_identity(field)))
        for column in columns:
            members = [field.bubbles[0] for field in block.fields if field.name in column.fields]
            top = min(bubble.y - bubble.height / 2 for bubble in members)
            if block.direction == "vertical" and len(column.fields) > 1:
                top -= (WRITING_BOX_MM + 2 * GAP_MM) * self.mm
            if block.direction == "vertical" and top > 2 * CAPTION_SIZE_MM * self.mm:
                x = min(bubble.x - bubble.width / 2 for bubble in members) - self.mm
                size = CAPTION_SIZE_MM * self.mm
                y = top - GAP_MM * self.mm
                yield Text(x=x, y=y, text=_caption(column, block), size=size, gray=CAPTION_GRAY, bold=True)

    def _rules(self, block: FieldBlock) -> Iterator[Shape]:
        """Draw a light line above, below and after every fifth row."""
        if len(block.fields) < 2 * ROWS_TOGETHER:
            return
        rows = [field.bubbles[0].y for field in block.fields]
        pitch = rows[1] - rows[0]
        first, last = block.fields[0].bubbles[0], block.fields[0].bubbles[-1]
        if pitch < first.height + GAP_MM * self.mm:
            return
        label = self._widest_label(block)
        left, right = first.x - first.width / 2 - GAP_MM * self.mm - label, last.x + last.width / 2
        half = RULE_MM / 2 * self.mm
        for row in (*range(0, len(rows), ROWS_TOGETHER), len(rows)):
            y = rows[0] + (row - 0.5) * pitch
            yield Box(left=left, top=y - half, right=right, bottom=y + half, gray=RULE_GRAY)

    def _widest_label(self, block: FieldBlock) -> float:
        return max(text_width(self._label_text(field), NUMBER_SIZE_MM * self.mm) for field in block.fields)

    def _nearest_left(self, first: Bubble, edge: float) -> float:
        """Return where the nearest bubble to the left in this row ends; the page's edge when there is none."""
        ends = (
            other.x + other.width / 2
            for other in self.template.bubbles
            if abs(other.y - first.y) < (other.height + first.height) / 2 and other.x < edge
        )
        return max(ends, default=0.0)

    def _room_above(self, first: Bubble, top: float) -> float:
        ends = (
            other.y + other.height / 2
            for other in self.template.bubbles
            if abs(other.x - first.x) < (other.width + first.width) / 2 and other.y < top
        )
        return top - max(ends, default=0.0)

    def _label_text(self, field: Field) -> str:
        column = self.columns.get(field.name)
        question = column.question if column else None
        return str(question) if question is not None else field.name

    def _is_identity(self, field: Field) -> bool:
        column = self.columns.get(field.name)
        return column is not None and column.question is None

    def _is_written(self, field: Field) -> bool:
        """Say whether the field is one character of something that is also written by hand."""
        return self._is_identity(field) and len(self.columns[field.name].fields) > 1


def draw_fiducials(fiducials: CornerFiducials) -> Iterator[Shape]:
    """Return the corner squares."""
    half = fiducials.size / 2
    for x, y in fiducials.centres:
        yield Box(left=x - half, top=y - half, right=x + half, bottom=y + half, gray=BLACK)


def _band(area: Area, width: float) -> Area:
    """Return ``area`` over the whole width: no text beside a fiducial, where it could be taken for one."""
    return Area(left=0, top=area.top, right=width, bottom=area.bottom)


def _caption(column: Column, block: FieldBlock) -> str:
    name = column.name.replace("_", " ").strip()
    name = name[:1].upper() + name[1:]
    values = {bubble.value for field in block.fields for bubble in field.bubbles}
    return f"{name} number" if values <= set("0123456789") and not name.lower().endswith("number") else name
