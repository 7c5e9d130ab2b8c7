"""What goes wrong with sheets, each fault alone and in growing strength, with the truth that is still there.

A limit says how far a careful person can tell what was meant, looking at the page as scanned at 200 dpi: beyond it
no reader can be asked to. What it looks like on both sides of the limit is drawn by ``benchmarks stress --picture``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from omr.printing import mishaps, mistakes
from omr.printing.spoilt import FAULT, SpoiltSheet, fill_ordinary
from omr.template import Template

Apply = Callable[[SpoiltSheet, float, np.random.Generator], SpoiltSheet]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    apply: Apply  # its docstring says what happens on paper and what the strength is
    strengths: tuple[float, ...]  # from hardly seen to hopeless
    limit: float  # one of the strengths: the last at which a person can tell
    is_of_page: bool = False  # seen on the page as a whole, not on a mark

    @property
    def name(self) -> str:
        return self.apply.__name__

    @property
    def within_limit(self) -> tuple[float, ...]:
        return self.strengths[: self.strengths.index(self.limit) + 1]

    def spoil(self, template: Template, strength: float, *, serial: int = 0, seed: int = 1) -> SpoiltSheet:
        """Return a sheet with this fault: the same candidate and the same chance at every strength."""
        chance = (seed, crc32(self.name.encode()), serial)
        sheet = fill_ordinary(template, serial, chance)
        return self.apply(sheet, strength, np.random.default_rng([*chance, FAULT]))


# A single mark as light as at the limit of ``faint``, or as small as at those of ``half_size`` and ``small``, would say
# nothing; that all marks of a sheet are like it does.
FAULTS: tuple[Fault, ...] = (
    Fault(apply=mistakes.faint, strengths=(90, 130, 160, 175, 195, 205, 212, 220, 228, 236, 242, 248), limit=242),
    Fault(apply=mistakes.half_size, strengths=(0.9, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.12), limit=0.2),
    Fault(apply=mistakes.small, strengths=(0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02), limit=0.05),
    Fault(apply=mistakes.off_centre, strengths=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6), limit=0.4),
    Fault(apply=mistakes.tick, strengths=(1.0, 0.7, 0.5, 0.35, 0.25), limit=0.25),
    Fault(apply=mistakes.cross, strengths=(1.0, 0.7, 0.5, 0.35, 0.25), limit=0.25),
    Fault(apply=mistakes.ring, strengths=(50, 110, 150, 190, 215, 235), limit=215),
    Fault(apply=mistakes.crossed_out, strengths=(2.2, 1.9, 1.6, 1.4, 1.2, 1.0), limit=1.2),
    Fault(apply=mistakes.rubbed_out, strengths=(0.04, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3), limit=0.2),
    Fault(apply=mistakes.changed, strengths=(0.04, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.4), limit=0.25),
    Fault(apply=mistakes.blank, strengths=(3, 8, 15, 25, 40), limit=40),
    Fault(apply=mistakes.all_filled, strengths=(0.25, 0.5, 0.75, 1.0), limit=1.0, is_of_page=True),
    Fault(apply=mishaps.gradient, strengths=(0.15, 0.3, 0.45, 0.6, 0.75, 0.9), limit=0.75, is_of_page=True),
    Fault(apply=mishaps.pale_copy, strengths=(0.8, 0.6, 0.45, 0.3, 0.2, 0.12, 0.08, 0.05), limit=0.08),
    Fault(apply=mishaps.other_side, strengths=(0.05, 0.1, 0.2, 0.3, 0.45, 0.6), limit=0.45),
    Fault(apply=mishaps.rotation, strengths=(0.4, 1, 2, 3, 4, 5, 6, 8, 12), limit=8, is_of_page=True),
    Fault(apply=mishaps.upside_down, strengths=(0, 1, 3, 5, 8), limit=8, is_of_page=True),
    Fault(apply=mishaps.shift, strengths=(2, 4, 6, 9, 12), limit=12, is_of_page=True),
    Fault(apply=mishaps.scale, strengths=(1, 2, 4, 6, 8, 12), limit=12, is_of_page=True),
    Fault(apply=mishaps.perspective, strengths=(0.003, 0.01, 0.02, 0.04, 0.08), limit=0.08, is_of_page=True),
    Fault(apply=mishaps.jpeg_quality, strengths=(60, 40, 25, 15, 8, 4, 2), limit=2),
    Fault(apply=mishaps.noise, strengths=(5, 10, 20, 30, 45, 60, 90, 130), limit=90),
    Fault(apply=mishaps.black_streak, strengths=(1, 2, 3, 5, 8, 14, 24), limit=14),
    Fault(apply=mishaps.gray_streak, strengths=(0.1, 0.2, 0.3, 0.45, 0.6, 0.8), limit=0.8),
    Fault(apply=mishaps.broad_streak, strengths=(0.1, 0.2, 0.3, 0.45, 0.6, 0.8), limit=0.6),
    Fault(apply=mishaps.stain, strengths=(0.1, 0.2, 0.3, 0.45, 0.6, 0.75), limit=0.6, is_of_page=True),
    Fault(apply=mishaps.fold_shadow, strengths=(0.1, 0.25, 0.4, 0.6, 0.8), limit=0.8, is_of_page=True),
    Fault(apply=mishaps.staple_near_corner, strengths=(15, 10, 6, 3, 0), limit=0, is_of_page=True),
    Fault(apply=mishaps.torn_corner, strengths=(5, 10, 16, 25, 40), limit=40, is_of_page=True),
    Fault(apply=mishaps.dust, strengths=(100, 300, 1000, 3000, 10000), limit=10000),
    Fault(apply=mishaps.crumbs, strengths=(0.5, 1.0, 1.5, 2.0, 3.0), limit=1.5),
)
