"""What was read from a page, drawn to be laid over the page as it was scanned.

Every bubble is an ellipse where the fit puts it. How it looks says what it was taken for, by shape as well as colour:

    blank      a thin gray ring
    marked     a thick green ring
    doubtful   a thick orange ring of dashes, and a frame of dashes around the field, also around one without a mark
    wrong      a thick red ring with a cross: marked, and the answer key says otherwise
    expected   a thick blue ring of dots: what the answer key says in its place

Styles are attributes, since a strict content policy lets neither ``<style>`` nor ``style=`` through.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from html import escape
from itertools import zip_longest

from omr.projection import Point, Spread, moved, project, spread_at
from omr.template import Bubble, Field, Template
from omr.types import Fit, Mark, Move


class Look(StrEnum):
    """What a bubble was taken for."""

    BLANK = "blank"
    MARKED = "marked"
    DOUBTFUL = "doubtful"
    WRONG = "wrong"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True)
class Pen:
    """How a look is drawn; lengths are shares of the bubble's radius."""

    colour: str  # #rrggbb
    width: float
    dash: tuple[float, float] | None = None  # drawn, left out; None: a line without gaps


PENS: Mapping[Look, Pen] = {
    Look.BLANK: Pen("#6b7280", 0.07),
    Look.MARKED: Pen("#15803d", 0.25),
    Look.DOUBTFUL: Pen("#d97706", 0.25, (0.7, 0.35)),
    Look.WRONG: Pen("#dc2626", 0.25),
    Look.EXPECTED: Pen("#2563eb", 0.25, (0.25, 0.3)),
}
"""The colours keep apart for people who see few of them, and on white paper as on gray pencil."""

FRAME = 1.35
"""How far the frame of a doubtful field lies outside its bubbles' centres, in radii."""

CROSS = 0.7071
"""Half the cross of a wrong bubble, in radii: its ends touch the ring."""

FIT_COLOUR = "#7c3aed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """One bubble on the page; pixels as scanned."""

    bubble: Bubble
    look: Look
    centre: Point
    spread: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnField:
    """One field on the page."""

    title: str
    rings: tuple[Ring, ...]  # in print order
    frame: tuple[Point, ...]  # corners in pixels; empty unless the field is doubtful


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """All that is drawn over one page; pixels as scanned, (0, 0) is the middle of the first one."""

    width_px: int
    height_px: int
    outline: tuple[Point, ...]  # where the template's page ends
    fiducials: tuple[tuple[Point, ...], ...]  # the corners of each square
    fields: tuple[DrawnField, ...]


def draw_overlay(
    template: Template,
    fit: Fit,
    marks: Iterable[Mark],
    *,
    doubtful: Collection[str] = (),
    expected: Mapping[str, tuple[str, ...]] | None = None,
) -> str:
    """Return the overlay as SVG: one document, no script, nothing from elsewhere; see ``lay_out`` for the arguments."""
    return write_svg(lay_out(template, fit, marks, doubtful=doubtful, expected=expected))


def lay_out(
    template: Template,
    fit: Fit,
    marks: Iterable[Mark],
    *,
    doubtful: Collection[str] = (),
    expected: Mapping[str, tuple[str, ...]] | None = None,
) -> Overlay:
    """Return where everything lies on the page and how it looks.

    Args:
        template: the layout that was printed.
        fit: how it lies on this page.
        marks: what was read; a field without one is not drawn.
        doubtful: names of fields that go to a person, besides those whose mark says so itself.
        expected: of fields answered wrongly, what the answer key says.
    """
    by_field = {mark.field: mark for mark in marks}
    fields = tuple(
        _draw_field(
            _placed(field, move), by_field[field.name], fit, field.name in doubtful, (expected or {}).get(field.name)
        )
        for block, move in zip_longest(template.blocks, fit.moves)
        for field in block.fields
        if field.name in by_field
    )
    corners = ((0.0, 0.0), (template.page_width, 0.0), (template.page_width, template.page_height))
    return Overlay(
        width_px=fit.page_width_px,
        height_px=fit.page_height_px,
        outline=tuple(project(fit, corner) for corner in (*corners, (0.0, template.page_height))),
        fiducials=_squares(template, fit),
        fields=fields,
    )


def _squares(template: Template, fit: Fit) -> tuple[tuple[Point, ...], ...]:
    if template.fiducials is None:
        return ()
    half = template.fiducials.size / 2
    steps = ((-half, -half), (half, -half), (half, half), (-half, half))
    return tuple(
        tuple(project(fit, (x + step_x, y + step_y)) for step_x, step_y in steps) for x, y in template.fiducials.centres
    )


def _placed(field: Field, move: Move | None) -> Field:
    """Return ``field`` with its bubbles where its block was moved to, template units."""
    if move is None:
        return field
    places = ((bubble, moved((bubble.x, bubble.y), move)) for bubble in field.bubbles)
    return replace(field, bubbles=tuple(replace(bubble, x=x, y=y) for bubble, (x, y) in places))


def _draw_field(field: Field, mark: Mark, fit: Fit, is_listed: bool, expected: tuple[str, ...] | None) -> DrawnField:
    is_doubtful = is_listed or mark.doubt is not None
    rings = tuple(
        Ring(
            bubble=bubble,
            look=_look(bubble.value, mark, expected, is_doubtful=is_doubtful),
            centre=project(fit, (bubble.x, bubble.y)),
            spread=spread_at(fit, (bubble.x, bubble.y)),
        )
        for bubble in field.bubbles
    )
    title = _title(mark, expected, is_doubtful=is_doubtful)
    return DrawnField(title=title, rings=rings, frame=_frame(field, fit) if is_doubtful else ())


def _look(value: str, mark: Mark, expected: tuple[str, ...] | None, *, is_doubtful: bool) -> Look:
    if value in mark.choices:
        if is_doubtful:
            return Look.DOUBTFUL
        return Look.MARKED if expected is None or value in expected else Look.WRONG
    return Look.EXPECTED if expected and value in expected else Look.BLANK


def _title(mark: Mark, expected: tuple[str, ...] | None, *, is_doubtful: bool) -> str:
    parts = [f"{mark.field}: {' and '.join(mark.choices) or 'blank'}"]
    if is_doubtful:
        parts.append(f"doubtful ({mark.doubt.value})" if mark.doubt else "doubtful")
    if expected is not None:
        parts.append(f"the key says {' and '.join(expected) or 'blank'}")
    return ", ".join(parts)


def _frame(field: Field, fit: Fit) -> tuple[Point, ...]:
    reach_x, reach_y = FRAME * field.bubbles[0].width / 2, FRAME * field.bubbles[0].height / 2
    left, right = min(b.x for b in field.bubbles) - reach_x, max(b.x for b in field.bubbles) + reach_x
    top, bottom = min(b.y for b in field.bubbles) - reach_y, max(b.y for b in field.bubbles) + reach_y
    return tuple(project(fit, corner) for corner in ((left, top), (right, top), (right, bottom), (left, bottom)))


def write_svg(overlay: Overlay) -> str:
    """Return ``overlay`` as SVG, laid out in pixels of the page as scanned.

    The picture's edge is half a pixel outside the middle of the first one, so the view begins at (-0.5, -0.5).
    """
    width, height = overlay.width_px, overlay.height_px
    shapes = [_polygon(overlay.outline, FIT_COLOUR, 1.0), *(_polygon(s, FIT_COLOUR, 2.0) for s in overlay.fiducials)]
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-.5 -.5 {width} {height}" ',
            f'width="{width}" height="{height}" fill="none" {_blank_style(overlay)}>',
            *shapes,
            *(_field_svg(field) for field in overlay.fields),
            "</svg>",
        )
    )


def _blank_style(overlay: Overlay) -> str:
    """Return how blank rings look, said once for all: most rings of a page are blank."""
    rings = overlay.fields[0].rings if overlay.fields else ()
    width = max(PENS[Look.BLANK].width * _radius(ring.bubble, ring.spread.scale) for ring in rings) if rings else 1.0
    return f'stroke="{PENS[Look.BLANK].colour}" stroke-width="{_number(width, 1)}"'


def _field_svg(field: DrawnField) -> str:
    """Return one field.

    Its rings are written around the middle one, in units of about one pixel along the template's axes there: so
    they need few digits, and one matrix makes the ellipses of all of them.
    """
    middle = field.rings[len(field.rings) // 2]
    scale = middle.spread.scale
    ways = [way / scale for way in (*middle.spread.across, *middle.spread.down)]
    matrix = " ".join(_number(value, 4) for value in ways)
    moved = f"{_number(middle.centre[0], 2)} {_number(middle.centre[1], 2)}"
    frame = [_polygon(field.frame, PENS[Look.DOUBTFUL].colour, 2.0, dash="8 5")] if field.frame else []
    return "".join(
        (
            f'<g transform="matrix({matrix} {moved})">',
            f"<title>{_text(field.title)}</title>",
            *(_ring_svg(ring, _local(ring.centre, middle.centre, ways), scale) for ring in field.rings),
            "</g>",
            *frame,
        )
    )


def _local(point: Point, origin: Point, ways: Sequence[float]) -> Point:
    """Return where ``point`` lies in steps of ``ways`` (across x, y, down x, y) from ``origin``."""
    across_x, across_y, down_x, down_y = ways
    x, y = point[0] - origin[0], point[1] - origin[1]
    area = across_x * down_y - across_y * down_x
    return (x * down_y - y * down_x) / area, (y * across_x - x * across_y) / area


def _ring_svg(ring: Ring, at: Point, scale: float) -> str:
    radius_x, radius_y = ring.bubble.width / 2 * scale, ring.bubble.height / 2 * scale
    place = f'cx="{_number(at[0], 1)}" cy="{_number(at[1], 1)}"'
    style = _style(ring, scale)
    cross = _cross_svg(at, CROSS * radius_x, CROSS * radius_y, style) if ring.look is Look.WRONG else ""
    if radius_x == radius_y:
        return f'<circle {place} r="{_number(radius_x, 1)}"{style}/>{cross}'
    return f'<ellipse {place} rx="{_number(radius_x, 1)}" ry="{_number(radius_y, 1)}"{style}/>{cross}'


def _style(ring: Ring, scale: float) -> str:
    """Return the attributes of a ring; those of a blank one stand at the root."""
    if ring.look is Look.BLANK:
        return ""
    pen, radius = PENS[ring.look], _radius(ring.bubble, scale)
    dash = f' stroke-dasharray="{" ".join(_number(part * radius, 1) for part in pen.dash)}"' if pen.dash else ""
    return f' stroke="{pen.colour}" stroke-width="{_number(pen.width * radius, 1)}"{dash}'


def _cross_svg(at: Point, reach_x: float, reach_y: float, style: str) -> str:
    left, right, top, bottom = (
        _number(value, 1) for value in (at[0] - reach_x, at[0] + reach_x, at[1] - reach_y, at[1] + reach_y)
    )
    return f'<path d="M{left} {top}L{right} {bottom}M{right} {top}L{left} {bottom}"{style}/>'


def _polygon(points: Iterable[Point], colour: str, width: float, *, dash: str = "") -> str:
    places = " ".join(f"{_number(x, 1)},{_number(y, 1)}" for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polygon points="{places}" stroke="{colour}" stroke-width="{_number(width, 1)}"{dashes}/>'


def _radius(bubble: Bubble, scale: float) -> float:
    return min(bubble.width, bubble.height) / 2 * scale


def _number(value: float, decimals: int) -> str:
    """Return ``value`` in as few characters as it takes."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    if text in ("-0", "", "-"):
        return "0"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _text(text: str) -> str:
    """Return ``text`` for XML, which has no control characters at all."""
    return escape("".join(letter if letter.isprintable() else "�" for letter in text))
