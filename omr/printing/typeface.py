"""The typeface of everything printed: Bitstream Vera, which comes with reportlab."""

from functools import cache
from pathlib import Path

import reportlab
from PIL import ImageFont
from reportlab.pdfbase.ttfonts import TTFontFile

CAPITAL_HEIGHT = 0.729  # of a capital or a digit, as a fraction of the type's size
_FOLDER = Path(reportlab.__file__).parent / "fonts"
_METRIC_SIZE = 256


def font_file(*, bold: bool) -> Path:
    """Return the TrueType file."""
    return _FOLDER / ("VeraBd.ttf" if bold else "Vera.ttf")


@cache
def raster_font(size_px: float, *, bold: bool) -> ImageFont.FreeTypeFont:
    """Return the face at ``size_px``, laid out without the machine's own shaping library, so alike everywhere."""
    return ImageFont.truetype(font_file(bold=bold), size_px, layout_engine=ImageFont.Layout.BASIC)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of ``text`` in the unit of ``size``."""
    return raster_font(_METRIC_SIZE, bold=bold).getlength(text) / _METRIC_SIZE * size


def fitting_size(text: str, size: float, width: float) -> float:
    """Return ``size``, or the smaller one at which ``text`` is no wider than ``width``."""
    wide = text_width(text, size)
    return size if wide <= width else size * width / wide


def baseline(middle: float, size: float) -> float:
    """Return the baseline of capitals or digits whose middle is at ``middle``."""
    return middle + CAPITAL_HEIGHT / 2 * size


def missing_characters(text: str) -> str:
    """Return the characters of ``text`` that the typeface has not, each once, in order."""
    return "".join(dict.fromkeys(character for character in text if ord(character) not in _characters()))


@cache
def _characters() -> frozenset[int]:
    return frozenset(TTFontFile(str(font_file(bold=False))).charToGlyph)
