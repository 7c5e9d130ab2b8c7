"""A filled-in sheet that something happens to before it is read, and what a careful person still reads on it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from omr.arrays import Gray
from omr.printing.candidates import fill_sheet
from omr.printing.pencil import Kind, Touch
from omr.printing.raster import rasterize
from omr.printing.scan import DAMAGES, STRAIGHT, Damage, Placement, digitize, fill_in, lay_page
from omr.printing.shapes import paper_size_mm
from omr.printing.sheet import draw_sheet
from omr.printing.soil import Soil
from omr.printing.strokes import Stroke, apply_stroke
from omr.template import Bubble, Field, Template

ORDINARY = replace(DAMAGES["scan"], rubbed=(0.0, 0.0))
"""Pencil, paper and scanner as they are on any day; the page lies straight and nothing was rubbed out."""

CANDIDATE, FAULT, SCAN = range(3)
"""What chance decides about a page, each by numbers of its own: a stronger fault leaves the candidate as he is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a careful person makes of one field."""

    answer: str  # values in print order, "" is blank
    must_be_flagged: bool = False  # a careful person would ask: no answer is right unless it is doubted


@dataclass(frozen=True, kw_only=True)
class SpoiltSheet:
    """A sheet on its way through hands and scanner; a fault changes some of it."""

    template: Template
    chance: tuple[int, ...]  # a seed: the same gives the same page
    truth: Mapping[str, Truth]  # by field
    touches: tuple[Touch, ...]
    strokes: tuple[Stroke, ...] = ()
    on_paper: tuple[Soil, ...] = ()
    placement: Placement = STRAIGHT
    on_glass: tuple[Soil, ...] = ()
    damage: Damage = ORDINARY

    def scanned(self, *, dpi: int = 200) -> bytes:
        """Return the page as JPEG."""
        rng = np.random.default_rng([*self.chance, SCAN])
        page = _printed(self.template, dpi).copy()
        scale = page.shape[1] / self.template.page_width
        fill_in(page, self.touches, scale, rng)
        for stroke in self.strokes:
            apply_stroke(page, stroke, scale, rng)
        return self.spoil_print(page, rng)

    def spoil_print(self, page: Gray, rng: np.random.Generator) -> bytes:
        """Return any printed ``page`` as JPEG, after all that happens to the paper of this one and on the glass."""
        mm = page.shape[1] / self.template.page_width * units_in_mm(self.template)
        for soil in self.on_paper:
            page = soil(page, mm, rng)
        page = lay_page(page, self.placement)
        for soil in self.on_glass:
            page = soil(page, mm, rng)
        return digitize(page, self.damage, rng)

    @property
    def single_marks(self) -> tuple[tuple[Field, Touch], ...]:
        """The fields with one mark, and that mark."""
        by_field = {touch.bubble.field: touch for touch in self.touches}
        answered = ((field, by_field.get(field.name)) for field in self.template.fields)
        return tuple((field, touch) for field, touch in answered if touch and _says_only(self.truth, touch.bubble))


def units_in_mm(template: Template) -> float:
    """Return how many template units a millimetre of paper has."""
    return template.page_width / paper_size_mm(template.page_width, template.page_height)[0]


def fill_ordinary(template: Template, serial: int, chance: tuple[int, ...]) -> SpoiltSheet:
    """Return a sheet that nothing has happened to, as the made-up candidate with number ``serial`` fills it."""
    touches = fill_sheet(template, serial, ORDINARY, np.random.default_rng([*chance, CANDIDATE])).touches
    return SpoiltSheet(template=template, chance=chance, touches=touches, truth=truth_of(template, touches))


def truth_of(template: Template, touches: tuple[Touch, ...]) -> dict[str, Truth]:
    """Return what ``touches`` say when nothing else happens: every mark counts, what was rubbed out does not."""
    marked = {(t.bubble.field, t.bubble.value) for t in touches if t.kind is not Kind.RUBBED}
    return {
        field.name: Truth(answer="".join(b.value for b in field.bubbles if (field.name, b.value) in marked))
        for field in template.fields
    }


def _says_only(truth: Mapping[str, Truth], bubble: Bubble) -> bool:
    return truth[bubble.field].answer == bubble.value


@lru_cache(maxsize=2)
def _printed(template: Template, dpi: int) -> Gray:
    return rasterize(draw_sheet(template), dpi)
