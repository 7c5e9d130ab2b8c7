"""What OMRChecker's ``preProcessors`` say: how the template is found on a page, and how its pixels are changed first.

The files that they name (a marker, a reference) are given as bytes and travel with the template.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omr.errors import TemplateError
from omr.nodes import Node, shown

OWN = "CornerFiducials"
"""The preprocessor of ours; ``omr.corners`` reads it."""

MOST_KERNEL = 99
USUAL_MARKER = "omr_marker.jpg"
"""The picture of a marker where the template names none: OMRChecker's own default."""

MARKER_RATIO = 17.0
"""Width of the sheet, in markers, where the template does not say it: OMRChecker's own default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropPage:
    """The template covers the paper, whose outline is seen against what lies under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropOnMarkers:
    """The template's corners are the middles of four equal printed markers, one in each corner of the sheet."""

    marker: bytes  # its picture
    sheet_to_marker_width: float  # how many markers the sheet is wide


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureBasedAlignment:
    """The template covers a reference picture, with whose print the page's is matched."""

    reference: bytes
    most_features: int
    is_affine: bool  # no perspective: what a scanner makes


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianBlur:
    """Smooth; ``kernel`` in pixels of the processed picture, odd."""

    kernel: tuple[int, int]
    sigma: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianBlur:
    """Take away specks; ``kernel`` in pixels of the processed picture, odd."""

    kernel: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Stretch the gray levels between ``low`` and ``high``, fractions of white, to all levels."""

    low: float
    high: float
    gamma: float


Preprocessor = CropPage | CropOnMarkers | FeatureBasedAlignment | GaussianBlur | MedianBlur | Levels

Files = Mapping[str, bytes]
"""The files of a template's folder by name."""


def parse_preprocessors(page: Node) -> tuple[Preprocessor, ...]:
    """Return the steps under ``preProcessors``, in their order and without our own one.

    Raises:
        TemplateError: an unknown step, a wrong option, a file that is not there.
    """
    files = _parse_files(page)
    steps = page.optional("preProcessors", []).elements()
    return tuple(_parse_step(step, files) for step in steps if step.text("name", "") != OWN)


def _parse_files(page: Node) -> Files:
    files = page.optional("files", {})
    return {node.path.partition(".")[2]: _decode_file(node) for node in files.children()}


def _decode_file(node: Node) -> bytes:
    try:
        return base64.b64decode(node.value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise node.refuse("give the file's bytes in Base64") from error


def _parse_step(step: Node, files: Files) -> Preprocessor:
    name, options = step.text("name", ""), step.optional("options", {})
    match name:
        case "CropPage":
            return CropPage()
        case "CropOnMarkers":
            ratio = options.number_between("sheetToMarkerWidthRatio", (2, 200), MARKER_RATIO)
            marker = _file(options, "relativePath", USUAL_MARKER, files)
            return CropOnMarkers(marker=marker, sheet_to_marker_width=ratio)
        case "FeatureBasedAlignment":
            return FeatureBasedAlignment(
                reference=_file(options, "reference", "", files),
                most_features=int(options.number_between("maxFeatures", (50, 20_000), 500)),
                is_affine=bool(options.optional("2d", False).value),
            )
        case "GaussianBlur":
            sigma = options.number_between("sigmaX", (0, MOST_KERNEL), 0)
            return GaussianBlur(kernel=_kernel_pair(options), sigma=sigma)
        case "MedianBlur":
            return MedianBlur(kernel=_odd(options.optional("kSize", 5)))
        case "Levels":
            return _parse_levels(options)
    known = "CropPage, CropOnMarkers, FeatureBasedAlignment, GaussianBlur, MedianBlur, Levels, CornerFiducials"
    raise TemplateError(f"{step.path}.name", f"is {shown(name)}", f"give one of {known}")


def _file(options: Node, key: str, default: str, files: Files) -> bytes:
    name = options.text(key, default)
    if name not in files:
        seen = f"names the file {shown(name)}, which is not with the template"
        raise TemplateError(options.below(key), seen, "put it into the template's folder")
    return files[name]


def _kernel_pair(options: Node) -> tuple[int, int]:
    node = options.optional("kSize", [3, 3])
    sides = node.elements()
    if len(sides) != 2:
        raise node.refuse("give two odd numbers: [width, height]")
    return _odd(sides[0]), _odd(sides[1])


def _odd(node: Node) -> int:
    value: Any = node.value
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_KERNEL or value % 2 == 0:
        raise node.refuse(f"give an odd number from 1 to {MOST_KERNEL}")
    return value


def _parse_levels(options: Node) -> Levels:
    low, high = options.number_between("low", (0, 1), 0), options.number_between("high", (0, 1), 1)
    if low >= high:
        raise TemplateError(options.below("low"), f"is {low:g}, and high is {high:g}", "give a low below the high")
    return Levels(low=low, high=high, gamma=options.number_between("gamma", (0.01, 100), 1))
