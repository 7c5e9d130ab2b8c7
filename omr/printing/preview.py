"""A template for people to look at: its empty sheet, and on it which bubbles belong together."""

from collections.abc import Iterator, Sequence
from html import escape

from omr.printing.room import Area
from omr.printing.sheet import draw_sheet
from omr.printing.svg import write_svg
from omr.template import Column, FieldBlock, Template

QUESTIONS_COLOUR, IDENTITY_COLOUR = "#2563eb", "#7c3aed"
MARGIN = 0.25  # of a bubble's width, around the bubbles of a block
LINE = 0.08  # of a bubble's width


def draw_preview(template: Template) -> str:
    """Return the empty sheet of ``template`` as SVG, with a frame around each field block that says what is in it.

    Raises:
        PrintingError: a letter or a label has characters that the typeface has not.
    """
    return write_svg(draw_sheet(template), over=_frames(template))


def _frames(template: Template) -> Iterator[str]:
    for block in template.blocks:
        area, size = _area(block), block.fields[0].bubbles[0].width
        columns = template.columns_of(block)
        is_identity = all(column.question is None for column in columns)
        colour = IDENTITY_COLOUR if is_identity else QUESTIONS_COLOUR
        place = f'x="{area.left:.1f}" y="{area.top:.1f}" width="{area.width:.1f}" height="{area.height:.1f}"'
        look = f'fill="{colour}" fill-opacity=".06" stroke="{colour}" stroke-width="{LINE * size:.1f}"'
        yield f'<rect {place} {look} rx="{MARGIN * size:.1f}"><title>{escape(_title(block, columns))}</title></rect>'


def _area(block: FieldBlock) -> Area:
    bubbles = [bubble for field in block.fields for bubble in field.bubbles]
    margin = MARGIN * bubbles[0].width
    return Area(
        left=min(b.x - b.width / 2 for b in bubbles) - margin,
        top=min(b.y - b.height / 2 for b in bubbles) - margin,
        right=max(b.x + b.width / 2 for b in bubbles) + margin,
        bottom=max(b.y + b.height / 2 for b in bubbles) + margin,
    )


def _title(block: FieldBlock, columns: Sequence[Column]) -> str:
    names = [column.name for column in columns] or [field.name for field in block.fields]
    told = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
    return f"{block.name}: {told}"
