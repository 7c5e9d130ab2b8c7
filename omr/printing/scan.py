"""What a scanner makes of a page: turned, shaded, noisy, JPEG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from omr.arrays import Gray, Matrix
from omr.printing.pencil import Kind, Touch, apply_touch
from omr.printing.shapes import PAPER

LARGEST_TILT_DEGREES = 3.0
NOISE_STOCK = 4  # prepared noise images of each page size
NOISE_MARGIN_PX = 64  # they are larger than the page by this, so that each page sees another part


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """How far paper, pencil, eraser and scanner are from perfect. Darkness is 0.0–1.0 of a bubble's inner disc."""

    name: str
    tilt_degrees: float = 0.0  # standard deviation
    stretch: float = 0.0  # scale is 1 ± this
    lean: float = 0.0  # how far a corner may be out of place, as a fraction of the page's width
    paper: int = 0  # gray levels that paper is below white
    shading: float = 0.0  # gray levels from the lightest to the darkest part of the page
    noise: float = 0.0  # standard deviation, gray levels
    specks: int = 0  # grains of dust at most
    speck_size: float = 1.0  # 1: up to 0.6 mm across
    quality: int = 88  # of the JPEG
    marks: tuple[float, float] = (0.7, 0.7)  # darkness of marks, from the faintest hand to the strongest
    rubbed: tuple[float, float] = (0.0, 0.0)  # what an eraser leaves
    mark_kind: Kind = Kind.MARK


DAMAGES: Mapping[str, Damage] = {
    damage.name: damage
    for damage in (
        Damage(name="none", mark_kind=Kind.DISC),
        Damage(
            name="scan",
            tilt_degrees=0.8,
            stretch=0.01,
            lean=0.002,
            paper=14,
            shading=10,
            noise=3.0,
            quality=80,
            marks=(0.41, 0.72),
            rubbed=(0.03, 0.12),
        ),
        Damage(
            name="harsh",
            tilt_degrees=1.5,
            stretch=0.01,
            lean=0.003,
            paper=22,
            shading=45,
            noise=5.0,
            specks=60,
            quality=62,
            marks=(0.18, 0.62),
            rubbed=(0.05, 0.2),
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How the page lay under the scanner. Perfect by default."""

    tilt_degrees: float = 0.0  # clockwise is positive
    scale: float = 1.0
    lean: tuple[float, float] = (0.0, 0.0)  # how much wider the far side is: across, down; a fraction
    shift: tuple[float, float] = (0.0, 0.0)  # to the right, down; fractions of the page's width


STRAIGHT = Placement()


def chance_placement(damage: Damage, rng: np.random.Generator) -> Placement:
    """Return a placement as likely as ``damage`` makes it."""
    tilt = float(np.clip(rng.normal(0, damage.tilt_degrees), -LARGEST_TILT_DEGREES, LARGEST_TILT_DEGREES))
    scale = 1 + float(rng.uniform(-damage.stretch, damage.stretch))
    across, down = (float(lean) for lean in rng.uniform(-damage.lean, damage.lean, 2))
    return Placement(tilt_degrees=tilt, scale=scale, lean=(across, down))


def fill_in(page: Gray, touches: Sequence[Touch], scale: float, rng: np.random.Generator) -> None:
    """Lay ``touches`` on a printed ``page`` in place; ``scale`` is pixels in a template unit."""
    choices = rng.integers(0, 1 << 30, len(touches))
    for touch, choice in zip(touches, choices.tolist(), strict=True):
        apply_touch(page, touch, scale, choice)


def scan_page(page: Gray, placement: Placement, damage: Damage, rng: np.random.Generator) -> bytes:
    """Return ``page``, (H, W) uint8 with paper at 255, as a JPEG of the same size."""
    return digitize(lay_page(page, placement), damage, rng)


def lay_page(page: Gray, placement: Placement) -> Gray:
    """Return ``page`` as it lay; what lies beside it is as white as paper."""
    if placement == STRAIGHT:
        return page
    matrix, size = _placement_matrix(placement, page.shape), page.shape[::-1]
    placed = cv2.warpPerspective(page, matrix, size, borderMode=cv2.BORDER_CONSTANT, borderValue=(PAPER,))
    return np.asarray(placed, np.uint8)


def digitize(page: Gray, damage: Damage, rng: np.random.Generator) -> bytes:
    """Return what the scanner sends of a page that lies on its glass: dust, shading, noise, JPEG."""
    if damage.specks:
        page = _with_specks(page, damage, rng)
    if damage.paper:
        page = np.asarray(cv2.subtract(page, _chance_noise(page.shape, damage, rng)), np.uint8)
    return _encode(page, damage.quality)


def _encode(page: Gray, quality: int) -> bytes:
    plane = np.ascontiguousarray(page)[:, :, None]
    return bytes(simplejpeg.encode_jpeg(plane, quality=quality, colorspace="GRAY", fastdct=True))


def _placement_matrix(placement: Placement, shape: tuple[int, ...]) -> Matrix:
    """Return the homography from the page as printed to the page as scanned, about its middle."""
    height, width = shape
    angle = np.deg2rad(placement.tilt_degrees)
    cos, sin = placement.scale * np.cos(angle), placement.scale * np.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    lean = np.array([[1, 0, 0], [0, 1, 0], [placement.lean[0] / width, placement.lean[1] / height, 1]])
    to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    from_middle = np.linalg.inv(to_middle)
    from_middle[:2, 2] += width * placement.shift[0], width * placement.shift[1]
    matrix: Matrix = from_middle @ lean @ turn @ to_middle
    return matrix


def _with_specks(page: Gray, damage: Damage, rng: np.random.Generator) -> Gray:
    page = page.copy()
    height, width = page.shape
    count = int(rng.integers(damage.specks // 3, damage.specks))
    size = max(height / 2300, 0.3) * damage.speck_size
    for x, y, radius, gray in zip(
        rng.integers(0, width, count).tolist(),
        rng.integers(0, height, count).tolist(),
        (rng.uniform(0.6, 2.2, count) * size * 16).astype(int).tolist(),
        rng.integers(40, 190, count).tolist(),
        strict=True,
    ):
        cv2.circle(page, (x * 16, y * 16), max(radius, 1), (gray,), cv2.FILLED, cv2.LINE_AA, 4)
    return page


def _chance_noise(shape: tuple[int, ...], damage: Damage, rng: np.random.Generator) -> Gray:
    """Return what is taken from a page of ``shape``: tint of the paper, shading, noise."""
    height, width = shape
    which, x, y = rng.integers(0, (NOISE_STOCK, NOISE_MARGIN_PX, NOISE_MARGIN_PX)).tolist()
    return _noise(height, width, damage, which)[y : y + height, x : x + width]


@lru_cache(maxsize=2 * NOISE_STOCK)
def _noise(height: int, width: int, damage: Damage, which: int) -> Gray:
    rng = np.random.default_rng([height, width, which])
    full = (height + NOISE_MARGIN_PX, width + NOISE_MARGIN_PX)
    levels = rng.standard_normal(full, np.float32)
    levels *= damage.noise
    levels += _shading(full, damage, rng)
    levels += damage.paper
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _shading(full: tuple[int, int], damage: Damage, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return a slope over the page, a darker binding edge and the cloudiness of paper, gray levels."""
    y, x = np.mgrid[-1:1:32j, -1:1:24j].astype(np.float32)
    towards = rng.uniform(0, 2 * np.pi)
    slope = (x * np.cos(towards) + y * np.sin(towards)) / 2.9 + 0.5
    edge = np.clip(np.abs(x) * 3 - 2, 0, 1) * rng.uniform(0, 0.5)
    clouds = rng.standard_normal(x.shape).astype(np.float32) * 0.08
    shade = ((slope + edge + clouds) * damage.shading / 1.5).astype(np.float32)
    return np.asarray(cv2.resize(np.maximum(shade, 0), full[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
