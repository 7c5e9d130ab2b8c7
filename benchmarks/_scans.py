"""The ways in which pages of any kind come out of scanners: those of omr/printing/faults.py, and the file's own."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from zlib import crc32

import numpy as np
from PIL import Image

from omr.arrays import Gray
from omr.printing import mistakes
from omr.printing.cover import draw_cover
from omr.printing.faults import FAULTS, Apply
from omr.printing.raster import rasterize
from omr.printing.scan import DAMAGES, LARGEST_TILT_DEGREES, Placement, chance_placement
from omr.printing.spoilt import SpoiltSheet, fill_ordinary
from omr.template import Template

Chance = np.random.Generator

FAULT, SCAN, FILE = range(10, 13)
"""What chance decides here, apart from what it decides about a sheet."""

PAPERS = ((255, 238, 150), (255, 190, 200), (170, 225, 255), (185, 240, 185))
"""Red, green and blue of coloured paper: covers are often printed on it, to be found in a pile."""

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way in which pages are scanned, at each of its strengths in turn."""

    name: str
    apply: Apply
    strengths: tuple[float, ...] = (0,)
    cover_strengths: tuple[float, ...] = (0,)  # those at which a code must be read; none: it happens to sheets alone
    dpi: int | None = None  # None: what the run is asked for
    convert: Callable[[bytes, Chance], bytes] = lambda jpeg, _: jpeg  # the scanner's JPEG → the file that is sent

    def scan_cover(self, template: Template, number: int, *, seed: int, dpi: int) -> tuple[str, bytes]:
        """Return the code of a cover and its page; ``number`` chooses code, strength and chance."""
        chance = (seed, crc32(self.name.encode()), number)
        strength = self.cover_strengths[number % len(self.cover_strengths)]
        code = _make_code(number, np.random.default_rng(chance))
        paper = SpoiltSheet(template=template, chance=chance, truth={}, touches=())
        paper = self.apply(_as_on_any_day(paper), strength, np.random.default_rng([*chance, FAULT]))
        printed = rasterize(draw_cover(template, code), self.dpi or dpi)
        jpeg = paper.spoil_print(printed, np.random.default_rng([*chance, SCAN]))
        return code, self.convert(jpeg, np.random.default_rng([*chance, FILE]))

    def scan_sheet(self, template: Template, number: int, *, seed: int, dpi: int) -> bytes:
        """Return the page of a sheet; ``number`` chooses candidate, strength and chance."""
        chance = (seed, crc32(self.name.encode()), number)
        strength = self.strengths[number % len(self.strengths)]
        sheet = _as_on_any_day(fill_ordinary(template, number, chance))
        sheet = self.apply(sheet, strength, np.random.default_rng([*chance, FAULT]))
        return self.convert(sheet.scanned(dpi=self.dpi or dpi), np.random.default_rng([*chance, FILE]))


def _as_on_any_day(sheet: SpoiltSheet) -> SpoiltSheet:
    """Return ``sheet`` as it lies when nothing else is said of it: a little askew."""
    rng = np.random.default_rng([*sheet.chance, FAULT, SCAN])
    return replace(sheet, placement=chance_placement(sheet.damage, rng))


def _make_code(number: int, rng: Chance) -> str:
    """Return what offices write on covers: mostly a number, but also letters, sentences, and as much as fits."""
    digits = str(rng.integers(1, 10**8))
    letters = "".join(rng.choice(list(LETTERS), LONGEST))
    others = (digits[:2], f"{letters[:4]}-{digits[:3]}", f"Prüfung {digits[:4]}, Süd", letters[:40], letters)
    return others[number // 2 % len(others)] if number % 2 else digits


def _damaged(sheet: SpoiltSheet, _: float, chance: Chance, *, damage: str) -> SpoiltSheet:
    return replace(sheet, damage=DAMAGES[damage], placement=chance_placement(DAMAGES[damage], chance))


def _unspoilt(sheet: SpoiltSheet, _: float, __: Chance) -> SpoiltSheet:
    return sheet


def _turned(sheet: SpoiltSheet, quarters: float, chance: Chance) -> SpoiltSheet:
    """The page was fed with another edge first, and lies askew. Strength: quarters of a turn."""
    tilt = float(chance.uniform(-LARGEST_TILT_DEGREES, LARGEST_TILT_DEGREES))
    turn = partial(_turn, quarters=round(quarters))
    return replace(sheet, placement=Placement(tilt_degrees=tilt), on_glass=(turn,))


def _turn(page: Gray, _mm: float, _rng: Chance, *, quarters: int) -> Gray:
    return np.ascontiguousarray(np.rot90(page, quarters))


def _everything(sheet: SpoiltSheet, _: float, chance: Chance) -> SpoiltSheet:
    """A bad day: a poor scanner, upside down or not, and the page too far to one side."""
    harsh = DAMAGES["harsh"]
    lying = chance_placement(harsh, chance)
    turned = replace(
        lying,
        tilt_degrees=lying.tilt_degrees + 180 * float(chance.integers(2)),
        shift=tuple(chance.uniform(-0.03, 0.03, 2).tolist()),
    )
    return replace(sheet, damage=harsh, placement=turned)


def _as_file(jpeg: bytes, _: Chance, **options: object) -> bytes:
    return _save(Image.open(io.BytesIO(jpeg)), options)


def _on_coloured_paper(jpeg: bytes, rng: Chance) -> bytes:
    gray = np.asarray(Image.open(io.BytesIO(jpeg)), np.uint16)[:, :, None]
    paper = np.array(PAPERS[rng.integers(len(PAPERS))], np.uint16)
    return _save(Image.fromarray((gray * paper // 255).astype(np.uint8)), {"format": "JPEG", "quality": 75})


def _in_colour(jpeg: bytes, _: Chance) -> bytes:
    return _save(Image.open(io.BytesIO(jpeg)).convert("RGB"), {"format": "JPEG", "quality": 80})


def _black_and_white(jpeg: bytes, _: Chance) -> bytes:
    bits = Image.open(io.BytesIO(jpeg)).point(lambda level: 255 * (level > 128)).convert("1")
    return _save(bits, {"format": "TIFF", "compression": "group4"})


def _save(image: Image.Image, options: Mapping[str, object]) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)  # type: ignore[arg-type]
    return file.getvalue()


WAYS: tuple[Way, ...] = (
    Way(name="as_printed", apply=partial(_damaged, damage="none")),
    Way(name="scan", apply=partial(_damaged, damage="scan")),
    Way(name="harsh", apply=partial(_damaged, damage="harsh")),
    Way(name="bad_day", apply=_everything),
    *(
        Way(name=f"turned_{90 * quarters}", apply=_turned, strengths=(quarters,), cover_strengths=(quarters,))
        for quarters in range(4)
    ),
    *(Way(name=f"{dpi}_dpi", apply=partial(_damaged, damage="scan"), dpi=dpi) for dpi in (100, 150, 240, 300)),
    Way(name="harsh_100_dpi", apply=partial(_damaged, damage="harsh"), dpi=100),
    Way(name="colour", apply=_unspoilt, convert=_in_colour),
    Way(name="coloured_paper", apply=_unspoilt, convert=_on_coloured_paper),
    Way(name="progressive_jpeg", apply=_unspoilt, convert=partial(_as_file, format="JPEG", progressive=True)),
    Way(name="png", apply=_unspoilt, convert=partial(_as_file, format="PNG")),
    Way(name="black_and_white_tiff", apply=_unspoilt, convert=_black_and_white),
    *(
        Way(
            name=fault.name,
            apply=fault.apply,
            strengths=fault.strengths,
            cover_strengths=() if hasattr(mistakes, fault.name) else fault.within_limit,
        )
        for fault in FAULTS
    ),
)
"""Sheets meet every fault at every strength; covers what may befall any page, as far as a person could read a sheet."""
