"""What happens to paper and in scanners: each takes a sheet, a strength and chance, and returns the sheet thereafter.

The first sentence says what happens on paper, the last one what the strength is.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from omr.printing.scan import Placement
from omr.printing.soil import Soil, fade, fold, grain, shade, shine_through, spill, staple, streak, tear
from omr.printing.spoilt import SpoiltSheet, units_in_mm

Chance = np.random.Generator


def gradient(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """The page is darker towards one side. Strength: share of the light that is gone there."""
    return replace(sheet, on_glass=(partial(shade, strength=strength),))


def pale_copy(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """A pale copy of the page was scanned. Strength: share of its contrast that is left."""
    return replace(sheet, on_paper=(partial(fade, contrast=strength),))


def other_side(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """The paper is thin and its other side, filled in too, shines through. Strength: share of its darkness."""
    return replace(sheet, on_paper=(partial(shine_through, strength=strength),))


def rotation(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """The page lies askew. Strength: degrees, to one side or the other."""
    return replace(sheet, placement=Placement(tilt_degrees=strength * chance.choice((-1, 1))))


def upside_down(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """The page was fed with its foot first. Strength: degrees by which it lies askew besides."""
    return replace(sheet, placement=Placement(tilt_degrees=180 + strength * chance.choice((-1, 1))))


def shift(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """The page lies too far to one side, a part of it beside the glass. Strength: mm, in any direction."""
    towards, width_mm = chance.uniform(0, 2 * np.pi), sheet.template.page_width / units_in_mm(sheet.template)
    far = strength / width_mm
    return replace(sheet, placement=Placement(shift=(far * np.cos(towards), far * np.sin(towards))))


def scale(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """The page was printed or copied larger or smaller. Strength: by how many percent."""
    return replace(sheet, placement=Placement(scale=1 + strength / 100 * chance.choice((-1, 1))))


def perspective(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """The page was taken from an angle. Strength: how much smaller its far side is than its middle, a share."""
    return replace(sheet, placement=Placement(lean=tuple((strength * chance.choice((-1, 1), 2)).tolist())))


def jpeg_quality(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """The scanner saves space. Strength: quality of the JPEG, 1 to 100."""
    return replace(sheet, damage=replace(sheet.damage, quality=round(strength)))


def noise(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """The scanner has too little light. Strength: standard deviation of a pixel, gray levels."""
    return replace(sheet, on_glass=(partial(grain, sigma=strength),))


def black_streak(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """Dirt on the glass draws a black line down each block of bubbles. Strength: its width, px."""
    return replace(sheet, on_glass=(_streak(sheet, chance, width_px=round(strength), light=0.8),))


def gray_streak(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """Dust on the glass draws a gray line of 4 px down each block. Strength: share of the light it takes."""
    return replace(sheet, on_glass=(_streak(sheet, chance, width_px=4, light=strength),))


def broad_streak(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """A dirty roller draws a band of 4 mm, as wide as a bubble, down each block. Strength: share of the light."""
    return replace(sheet, on_glass=(_streak(sheet, chance, width_px=32, light=strength),))


def stain(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """Coffee was spilled on the page. Strength: share of the light that its rim takes."""
    return replace(sheet, on_paper=(partial(spill, strength=strength),))


def fold_shadow(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """The page was folded across and throws a shadow. Strength: share of the light that is gone on the fold."""
    return replace(sheet, on_paper=(partial(fold, strength=strength),))


def staple_near_corner(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """A staple was left in the page. Strength: mm from the upper left square; 0 is across it."""
    x, y = _corner_mm(sheet)
    return replace(sheet, on_paper=(partial(staple, distance_mm=strength, corner_mm=(x, y)),))


def torn_corner(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """A corner of the page is gone, the lid behind it white or black. Strength: mm along its edges."""
    return replace(sheet, on_paper=(partial(tear, legs_mm=strength),))


def dust(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """Fine dust lies on the page. Strength: number of grains at most, each up to 0.6 mm."""
    return replace(sheet, damage=replace(sheet.damage, specks=round(strength)))


def crumbs(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """Two hundred crumbs at most lie on the page. Strength: diameter of the largest, mm."""
    return replace(sheet, damage=replace(sheet.damage, specks=200, speck_size=strength / 0.57))


def _streak(sheet: SpoiltSheet, chance: Chance, *, width_px: int, light: float) -> Soil:
    across = [float(chance.choice(sorted(places))) for places in _columns_mm(sheet)]
    return partial(streak, across_mm=across, width_px=width_px, strength=light)


def _columns_mm(sheet: SpoiltSheet) -> Iterator[set[float]]:
    """Give for each block where its columns of bubbles are."""
    for block in sheet.template.blocks:
        yield {bubble.x / units_in_mm(sheet.template) for field in block.fields for bubble in field.bubbles}


def _corner_mm(sheet: SpoiltSheet) -> tuple[float, float]:
    if sheet.template.fiducials is None:
        return 0.0, 0.0
    x, y = sheet.template.fiducials.centres[0]
    return x / units_in_mm(sheet.template), y / units_in_mm(sheet.template)
