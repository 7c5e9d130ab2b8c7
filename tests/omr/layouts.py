"""Templates as hypothesis draws them: any that can be printed on A4 or Letter and read at 200 dpi."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from omr.template import FIELD_TYPES, Template, parse_template

PAPERS_MM = ((210.0, 297.0), (297.0, 210.0), (215.9, 279.4), (279.4, 215.9))
UNITS_IN_MM = (1.0, 3.7, 10.0)
BUBBLES_MM = (2.0, 6.0)
FIDUCIAL_IN_BUBBLES = 1.4  # a square must not be mistaken for a filled bubble
LABEL_ROOM_MM = 14.0  # beside and above a block, for what is printed there
OWN_VALUES = (("Y", "N"), ("1", "2", "3"), ("yes", "no", "?"), ("X",), tuple("ABCDEFGH"))
MOST_FIELDS = 12


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """Draw a template with fiducials and one block or more, each in its own quarter of the page."""
    width, height = draw(st.sampled_from(PAPERS_MM))
    bubble = draw(st.floats(*BUBBLES_MM)), draw(st.floats(*BUBBLES_MM))
    square = max(5.0, FIDUCIAL_IN_BUBBLES * max(bubble)) + draw(st.floats(0, 3))
    margin = square / 2 + draw(st.floats(5, 8))
    inner = margin + square / 2 + 2
    across, down = (width - 2 * inner) / 2, (height - 2 * inner) / 2
    quarters = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True))
    blocks = {
        f"Block{number}": _block(
            draw,
            number,
            bubble,
            (inner + quarter % 2 * across, inner + quarter // 2 * down, across, down),
        )
        for number, quarter in enumerate(quarters)
    }
    centres = [[margin, margin], [width - margin, margin], [width - margin, height - margin], [margin, height - margin]]
    unit = draw(st.sampled_from(UNITS_IN_MM))
    document = {
        "pageDimensions": [width, height],
        "bubbleDimensions": list(bubble),
        "preProcessors": [{"name": "CornerFiducials", "options": {"size": square, "centres": centres}}],
        "fieldBlocks": blocks,
    }
    return parse_template(_in_units(document, unit))


def _block(
    draw: st.DrawFn, number: int, bubble: tuple[float, float], quarter: tuple[float, float, float, float]
) -> dict[str, Any]:
    """Draw a block that fits into ``quarter`` = (left, top, width, height), mm."""
    values, direction = draw(_values())
    step_x, step_y = (size * draw(st.floats(1.3, 2.2)) for size in bubble)
    room_x, room_y = quarter[2] - LABEL_ROOM_MM, quarter[3] - LABEL_ROOM_MM
    most_x, most_y = int((room_x - bubble[0]) / step_x) + 1, int((room_y - bubble[1]) / step_y) + 1
    along, across = (most_x, most_y) if direction == "horizontal" else (most_y, most_x)
    values = values[: max(along, 1)]
    fields = draw(st.integers(1, min(across, MOST_FIELDS)))
    return {
        "bubbleValues": list(values),
        "direction": direction,
        "origin": [quarter[0] + LABEL_ROOM_MM, quarter[1] + LABEL_ROOM_MM],
        "bubblesGap": step_x if direction == "horizontal" else step_y,
        "labelsGap": step_y if direction == "horizontal" else step_x,
        "fieldLabels": [f"q{100 * number + field}" for field in range(1, fields + 1)],
    }


def _values() -> st.SearchStrategy[tuple[tuple[str, ...], str]]:
    own = st.tuples(st.sampled_from(OWN_VALUES), st.sampled_from(("horizontal", "vertical")))
    return st.one_of(st.sampled_from(sorted(FIELD_TYPES.values())), own)


def _in_units(value: Any, unit: float) -> Any:
    """Return a template's document with every length in other units than millimetres."""
    if isinstance(value, dict):
        return {key: _in_units(member, unit) for key, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_in_units(member, unit) for member in value]
    return value * unit if isinstance(value, int | float) else value
