"""Pages for tests: a builder takes what matters and defaults the rest.

page = a_sheet(STANDARD).marked(q7="B", q8="AC", candidate="12345678").scanned(dpi=150, tilt_degrees=1.5)
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from omr.arrays import Gray
from omr.printing.cover import draw_cover
from omr.printing.pencil import Kind, Touch
from omr.printing.raster import rasterize
from omr.printing.room import occupied_area
from omr.printing.scan import DAMAGES, chance_placement, fill_in, scan_page
from omr.printing.shapes import Box, Drawing, Oval, new_drawing
from omr.printing.sheet import draw_sheet
from omr.template import SHIPPED, Bubble, Field, Template, load_template

STANDARD = load_template(SHIPPED / "standard-150" / "template.json")

FAINT_DARKNESS = 0.2  # darker than paper, lighter than any mark of an ordinary candidate
RUBBED_DARKNESS = 0.08
BLOT = 0.7  # of the QR code's edge; the finder patterns in its corners stay


@dataclass(frozen=True)
class Page:
    """A printed page, not yet scanned."""

    drawing: Drawing
    touches: tuple[tuple[Bubble, Kind, float | None], ...] = ()  # darkness None: an ordinary mark

    def scanned(
        self,
        *,
        dpi: float = 200,
        tilt_degrees: float = 0.0,
        damage: str = "scan",
        seed: int = 1,
        mirrored: bool = False,
    ) -> bytes:
        """Return the page as JPEG. A tilt of 180 is a page fed upside down."""
        level, rng = DAMAGES[damage], np.random.default_rng(seed)
        pixels = _printed(self.drawing, dpi).copy()
        ordinary = (level.marks[0] + level.marks[1]) / 2
        touches = [
            Touch(bubble=bubble, kind=kind, darkness=ordinary if darkness is None else darkness)
            for bubble, kind, darkness in self.touches
        ]
        fill_in(pixels, touches, pixels.shape[1] / self.drawing.width, rng)
        if mirrored:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
        return scan_page(pixels, replace(chance_placement(level, rng), tilt_degrees=tilt_degrees), level, rng)


@dataclass(frozen=True)
class SheetPage(Page):
    """An answer sheet; every call gives another one with more graphite on it."""

    template: Template = STANDARD

    def marked(self, **columns: str) -> Self:
        """Mark columns or fields: ``q8="AC"`` is a multiple mark, ``candidate="12345678"`` a character a field."""
        return self._with(columns, Kind.MARK, None)

    def faint(self, **columns: str) -> Self:
        """Touch bubbles so lightly that nobody can be sure."""
        return self._with(columns, Kind.MARK, FAINT_DARKNESS)

    def erased(self, **columns: str) -> Self:
        """Leave what an eraser leaves."""
        return self._with(columns, Kind.RUBBED, RUBBED_DARKNESS)

    def _with(self, columns: Mapping[str, str], kind: Kind, darkness: float | None) -> Self:
        more = [
            (bubble, kind, darkness)
            for name, value in columns.items()
            for bubble in _bubbles_of(self.template, name, value)
        ]
        return replace(self, touches=(*self.touches, *more))


def a_sheet(template: Template = STANDARD) -> SheetPage:
    """An answer sheet on which nothing is marked."""
    return SheetPage(drawing=_drawn_sheet(template), template=template)


def a_cover(code: str = "14900113", template: Template = STANDARD) -> Page:
    """The cover of a group."""
    return Page(drawing=draw_cover(template, code))


def an_unreadable_cover(template: Template = STANDARD, **scan: Any) -> bytes:
    """A cover whose code somebody blacked out: seen as a cover, not to be read; takes what scanned() takes."""
    drawing = draw_cover(template, "14900113")
    code = occupied_area(shape for shape in drawing.shapes if isinstance(shape, Box))
    blot = Oval(
        x=(code.left + code.right) / 2,
        y=(code.top + code.bottom) / 2,
        width=BLOT * code.width,
        height=BLOT * code.height,
        gray=30,
    )
    return Page(drawing=replace(drawing, shapes=(*drawing.shapes, blot))).scanned(**scan)


def a_scribbled_cover(template: Template = STANDARD, **scan: Any) -> bytes:
    """A cover with a marker drawn all over its code: nothing shows that it had one; takes what scanned() takes."""
    drawing = draw_cover(template, "14900113")
    code = occupied_area(shape for shape in drawing.shapes if isinstance(shape, Box))
    margin = 0.2 * code.width
    marker = Box(
        left=code.left - margin,
        top=code.top - margin,
        right=code.right + margin,
        bottom=code.bottom + margin,
        gray=20,
    )
    return Page(drawing=replace(drawing, shapes=(*drawing.shapes, marker))).scanned(**scan)


def a_white_page(template: Template = STANDARD, **scan: Any) -> bytes:
    """The back of a sheet; takes what scanned() takes."""
    return Page(drawing=new_drawing(template.page_width, template.page_height, ())).scanned(**scan)


def a_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    """A stored ZIP of ``members``, in this order; returns ``path``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@lru_cache(maxsize=4)
def _drawn_sheet(template: Template) -> Drawing:
    return draw_sheet(template)


@lru_cache(maxsize=4)
def _printed(drawing: Drawing, dpi: float) -> Gray:
    return rasterize(drawing, dpi)


def _bubbles_of(template: Template, name: str, value: str) -> list[Bubble]:
    """Return the bubbles that say ``value`` in a column or a field."""
    fields = {field.name: field for field in template.fields}
    if name in fields:
        return _bubbles_of_field(fields[name], value)
    column = next(column for column in template.columns if column.name == name)
    if len(column.fields) != len(value):
        raise ValueError(f"{name} has {len(column.fields)} fields, {value!r} has {len(value)} characters")
    return [
        bubble
        for member, letter in zip(column.fields, value, strict=True)
        if letter != " "
        for bubble in _bubbles_of_field(fields[member], letter)
    ]


def _bubbles_of_field(field: Field, value: str) -> list[Bubble]:
    by_value = {bubble.value: bubble for bubble in field.bubbles}
    if value in by_value:
        return [by_value[value]]
    if unknown := set(value) - set(by_value):
        raise ValueError(f"{field.name} has {', '.join(by_value)}; {sorted(unknown)} is none of them")
    return [by_value[letter] for letter in value]
