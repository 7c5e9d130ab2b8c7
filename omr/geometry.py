"""Template ↔ pixels: the one place where points ``(x, y)`` meet arrays ``(H, W)``.

A pixel's coordinates name its centre: the first pixel of an image lies at (0, 0), its outer corner at (-0.5, -0.5).
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from omr.arrays import Gray, Matrix, Points
from omr.types import Move

Indices = npt.NDArray[np.intp]
"""Places in a flattened image."""


def fit_perspective(template_points: Points, pixels: Points) -> Matrix:
    """Return the homography that takes four template points to four pixels exactly; each (4, 2), same order."""
    return np.array(cv2.getPerspectiveTransform(template_points, pixels), dtype=np.float64)


def scale_matrix(scale_x: float, scale_y: float) -> Matrix:
    """Return the homography of a page that fills its picture: ``scale`` is pixels per template unit.

    The half pixel is there because the page begins at the first pixel's outer corner.
    """
    return np.array([[scale_x, 0.0, -0.5], [0.0, scale_y, -0.5], [0.0, 0.0, 1.0]])


def turn_matrix(matrix: Matrix, page_width: float, page_height: float) -> Matrix:
    """Return ``matrix`` for the same page lying upside down."""
    turned: Matrix = matrix @ np.array([[-1.0, 0.0, page_width], [0.0, -1.0, page_height], [0.0, 0.0, 1.0]])
    return turned


def as_scanned(matrix: Matrix, shrink: float) -> Matrix:
    """Return ``matrix``, which leads to a picture decoded ``shrink`` times smaller, leading to the page as scanned."""
    shift = (shrink - 1) / 2  # centre of the shrink × shrink pixels that one decoded pixel stands for
    scaled: Matrix = matrix * ((shrink,), (shrink,), (1.0,))
    scaled[:2] += shift * matrix[2]
    return scaled


def to_pixels(matrix: Matrix, points: Points) -> Points:
    """Return where ``matrix`` puts ``points``: (N, 2) template units → (N, 2) pixels."""
    if not len(points):  # for which OpenCV returns None
        return points
    # One pass for what takes numpy seven times as long.
    return np.asarray(cv2.perspectiveTransform(points[None], matrix)[0], dtype=np.float32)


def complete_corners(template_points: Points, found: Sequence[tuple[float, float] | None]) -> Points:
    """Return four pixels for four template points, (4, 2); a single one that was not found lies where the others say.

    Three points allow shift, turn, scale and shear, and no perspective.
    """
    seen = [i for i, pixel in enumerate(found) if pixel is not None]
    pixels = np.array([pixel or (0.0, 0.0) for pixel in found], dtype=np.float32)
    if len(seen) == len(found):
        return pixels
    affine = cv2.getAffineTransform(template_points[seen], pixels[seen])
    (missing,) = set(range(len(found))) - set(seen)
    pixels[missing] = affine @ np.array([*template_points[missing], 1.0])
    return pixels


def quarter_turn_matrix(quarters: int, width: int, height: int) -> Matrix:
    """Return the way back from ``numpy.rot90(picture, quarters)`` to the picture, ``width`` × ``height`` pixels."""
    left, top = (width - 1.0, height - 1.0)
    back = {
        0: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        1: [[0.0, -1.0, left], [1.0, 0.0, 0.0]],
        2: [[-1.0, 0.0, left], [0.0, -1.0, top]],
        3: [[0.0, 1.0, 0.0], [-1.0, 0.0, top]],
    }
    return np.array([*back[quarters % 4], [0.0, 0.0, 1.0]])


def find_moves(start: Points, end: Points, blocks: npt.NDArray[np.intp]) -> tuple[Move, ...]:
    """Return how each block was moved from ``start`` to ``end``, both (N, 2); ``blocks`` (N,) numbers them from 0.

    A block of one row, or one column, says nothing of the direction across it: that one is left as it is.
    """
    moves = []
    for number in range(int(blocks.max()) + 1):
        members = np.flatnonzero(blocks == number)
        middle = start[members].mean(axis=0, dtype=np.float64)
        places = np.column_stack((start[members] - middle, np.ones(len(members))))
        (a, d), (b, e), (c, f) = np.linalg.lstsq(places, end[members] - start[members], rcond=1e-6)[0].tolist()
        x, y = middle.tolist()
        moves.append((a, b, c - a * x - b * y, d, e, f - d * x - e * y))
    return tuple(moves)


def measure_residual(template_points: Points, pixels: Points) -> float:
    """Return how far, at worst, four ``pixels`` lie from the best affine image of ``template_points``, in pixels.

    A homography through four points always fits; what is left over when only shift, turn, scale and shear are
    allowed tells a page (little perspective) from four dark spots that happen to lie near the corners.

    Four points have one degree of freedom more than an affine map: a weight for each, such that the weighted sum of
    the points and of the weights is zero. These are the areas of the triangles of the other three, with changing sign.
    """
    a, b, c, d = (complex(x, y) for x, y in template_points.tolist())
    weights = (_area(b, c, d), -_area(a, c, d), _area(a, b, d), -_area(a, b, c))
    left_over = sum(weight * complex(x, y) for weight, (x, y) in zip(weights, pixels.tolist(), strict=True))
    return abs(left_over) * max(map(abs, weights)) / sum(weight**2 for weight in weights)


def _area(a: complex, b: complex, c: complex) -> float:
    """Return twice the area of a triangle, negative when its corners run the other way round."""
    return ((b - a).conjugate() * (c - a)).imag


def measure_scale(matrix: Matrix, x: float, y: float) -> float:
    """Return pixels per template unit around (x, y), template units: the root of the local change of area."""
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return float(abs(determinant / (g * x + h * y + i) ** 3) ** 0.5)


def measure_lean(matrix: Matrix, corners: npt.NDArray[np.float64]) -> float:
    """Return how far the picture of a rectangle is from one that lies straight and has square units.

    Args:
        matrix: template units → pixels.
        corners: of the rectangle, (4, 2) template units: top left, top right, bottom right, bottom left.

    Returns:
        The worst difference between an edge and what it would be at the mean scale, as a share of the edge's length.
    """
    pixels = to_pixels(matrix, np.asarray(corners, np.float32)).astype(np.float64)
    ways = np.array([(corners[b] - corners[a], pixels[b] - pixels[a]) for a, b in ((0, 1), (1, 2), (3, 2), (0, 3))])
    numbers = ways[:, :, 0] + 1j * ways[:, :, 1]
    known, seen = numbers[:, 0], numbers[:, 1]
    ratios = seen[np.abs(known) > 0] / known[np.abs(known) > 0]
    if len(ratios) == 0:
        return 0.0
    scale = float(np.abs(ratios).mean())
    return float(np.abs(ratios / scale - 1).max())


def flat_indices(points: Points, width: int) -> Indices:
    """Return the place of the pixel nearest to each point in a flattened image ``width`` pixels wide."""
    nearest = np.rint(points).astype(np.intp)  # the type numpy looks up with: another one would be converted each time
    return nearest[:, 1] * width + nearest[:, 0]


def are_inside(points: Points, gray: Gray, margin: float) -> bool:
    """Whether every point lies in the picture with ``margin`` pixels of it around."""
    height, width = gray.shape
    x, y = points.T  # each by itself: numpy takes ten times as long for both at once
    return bool(
        x.min() >= margin and y.min() >= margin and x.max() <= width - 1 - margin and y.max() <= height - 1 - margin
    )


def crop(gray: Gray, centre: tuple[float, float], reach: tuple[float, float]) -> tuple[Gray, tuple[int, int]]:
    """Return the part of the picture within ``reach`` = (x, y) pixels of ``centre``, and the (x, y) of its corner."""
    height, width = gray.shape
    left, top = max(0, round(centre[0] - reach[0])), max(0, round(centre[1] - reach[1]))
    right, bottom = min(width, round(centre[0] + reach[0]) + 1), min(height, round(centre[1] + reach[1]) + 1)
    return gray[top : max(top, bottom), left : max(left, right)], (left, top)
