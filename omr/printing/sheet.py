"""The answer sheet of a template as a drawing: squares in the corners, bubbles, numbers, a head."""

from collections.abc import Iterator, Sequence

from omr.corners import INWARD, CornerFiducials
from omr.corners import Shape as Form
from omr.printing.errors import PrintingError
from omr.printing.labels import Labels
from omr.printing.panel import LEAST_WIDTH_MM, draw_panel
from omr.printing.room import Area, largest_room, occupied_area
from omr.printing.shapes import BLACK, Box, Drawing, Oval, Shape, Text, new_drawing, paper_size_mm
from omr.printing.typeface import baseline, fitting_size, missing_characters
from omr.template import Bubble, Field, Template

OUTLINE_GRAY = 120  # print stays well away from pencil, which is darker and fills the bubble
LETTER_GRAY = 165
OUTLINE_MM = 0.2
LETTER_SIZE = 0.62  # of the bubble's height
LETTER_WIDTH = 0.75  # of the bubble's, at most
CLEARANCE_MM = 4.0  # between the head and all else
EDGE_MM = 10.0  # no head nearer to the edge of the paper
HEAD_BELOW = 0.5  # of the page's height: farther down nobody looks for a head


def draw_sheet(template: Template) -> Drawing:
    """Return the printed sheet of ``template``, in template units.

    Raises:
        PrintingError: a letter or a label has characters that the typeface has not.
    """
    _refuse_unprintable(template)
    width, height = template.page_width, template.page_height
    mm = width / paper_size_mm(width, height)[0]
    labels = Labels(template, mm)
    printed = [[*labels.around(block), *_bubbles(block.fields, mm)] for block in template.blocks]
    corners = [*draw_fiducials(template.fiducials)] if template.fiducials else []
    head = _head(template, mm, printed, corners)
    return new_drawing(width, height, [*corners, *(shape for shapes in printed for shape in shapes), *head])


def draw_fiducials(fiducials: CornerFiducials) -> Iterator[Shape]:
    """Return the corner marks."""
    side = fiducials.size
    for (x, y), form, (dx, dy) in zip(fiducials.centres, fiducials.shapes, INWARD, strict=True):
        if form is Form.DISC:
            yield Oval(x=x, y=y, width=side, height=side, gray=BLACK)
            continue
        yield _square(x, y, side)
        if form is Form.L:
            yield _square(x + dx * side, y, side)
            yield _square(x, y + dy * side, side)


def _square(x: float, y: float, side: float) -> Box:
    half = side / 2
    return Box(left=x - half, top=y - half, right=x + half, bottom=y + half, gray=BLACK)


def _refuse_unprintable(template: Template) -> None:
    for bubble in template.bubbles:
        if missing := missing_characters(bubble.value + bubble.field):
            raise PrintingError(
                f"the typeface has no {missing!r}, which {bubble.field} {bubble.value} needs; "
                "use Latin letters and digits in the template"
            )


def _bubbles(fields: Sequence[Field], mm: float) -> Iterator[Shape]:
    return (shape for field in fields for bubble in field.bubbles for shape in _bubble(bubble, mm))


def _bubble(bubble: Bubble, mm: float) -> Iterator[Shape]:
    x, y, line = bubble.x, bubble.y, OUTLINE_MM * mm
    yield Oval(x=x, y=y, width=bubble.width, height=bubble.height, gray=OUTLINE_GRAY, line=line)
    size = fitting_size(bubble.value, LETTER_SIZE * bubble.height, LETTER_WIDTH * bubble.width)
    yield Text(x=x, y=baseline(y, size), text=bubble.value, size=size, gray=LETTER_GRAY, align="centre")


def _head(
    template: Template, mm: float, printed: Sequence[Sequence[Shape]], corners: Sequence[Shape]
) -> Iterator[Shape]:
    """Draw the head into the largest room of the upper half.

    Nothing stands beside a corner square, where it could be taken for one: their bands stay empty over the whole width.
    """
    blocks = [occupied_area(shapes) for shapes in printed]
    bands = [_band(occupied_area([corner]), template.page_width) for corner in corners]
    within = _where_a_head_may_be(template, mm, blocks)
    room = largest_room(within, [area.grown(CLEARANCE_MM * mm) for area in (*blocks, *bands)])
    if room:
        yield from draw_panel(room, mm, len(template.questions))


def _where_a_head_may_be(template: Template, mm: float, blocks: Sequence[Area]) -> Area:
    """Return the upper part of the page, as wide as the blocks are together: so that margins agree."""
    left, right = min(area.left for area in blocks), max(area.right for area in blocks)
    if right - left < 2 * LEAST_WIDTH_MM * mm:
        left, right = EDGE_MM * mm, template.page_width - EDGE_MM * mm
    return Area(left=left, top=EDGE_MM * mm, right=right, bottom=HEAD_BELOW * template.page_height)


def _band(area: Area, width: float) -> Area:
    return Area(left=0, top=area.top, right=width, bottom=area.bottom)
