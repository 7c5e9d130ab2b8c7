"""Where a sheet has a QR code or a barcode that says whose it is, and which columns say so: two keys of ours.

    "codes": {"candidate": {"region": [1300, 150, 600, 150], "formats": ["Code128"], "prefix": "C-"}},
    "candidateColumns": ["candidate"]

``codes`` names columns of the results. A column that has bubbles too gets its value from both; one that has none is
added after the others. ``region`` is left, top, width and height in template units, the quiet zone included; without
it the whole page is searched. ``formats`` are those of FORMATS. A text that does not begin with ``prefix`` is not
meant; the rest of it is the value. ``candidateColumns`` are the columns by which two sheets of one candidate are
found; without it those with a code, and without codes all columns of identity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omr.errors import TemplateError

SAFE_FORMATS = ("QRCode", "DataMatrix", "Code128")
"""Those with a check of their own that print beside a code does not pass by chance; looked for when none are named."""

FORMATS = (*SAFE_FORMATS, "Aztec", "PDF417", "Code39", "Code93", "ITF", "Codabar", "EAN13", "EAN8")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePlace:
    """Where one code is printed, and what it is good for."""

    column: str  # of identity, whose value it says
    region: tuple[float, float, float, float] | None  # left, top, width, height, template units; None: anywhere
    formats: tuple[str, ...]  # of FORMATS
    prefix: str = ""  # what the code's text has before the value

    def value(self, text: str) -> str:
        """Return the value in ``text``; empty when another code was seen."""
        text = text.strip()
        return text.removeprefix(self.prefix).strip() if text.startswith(self.prefix) else ""


def parse_code_places(document: Mapping[str, Any]) -> tuple[CodePlace, ...]:
    """Return what ``document``, a template's JSON, says under ``codes``.

    Raises:
        TemplateError: names the path of the key that is wrong.
    """
    codes = document.get("codes", {})
    if not isinstance(codes, dict):
        raise TemplateError("codes", "is no object", "give an object: column → where its code is")
    return tuple(_parse_place(column, place) for column, place in codes.items())


def parse_candidate_columns(document: Mapping[str, Any], identity: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that say whose sheet it is; ``identity`` are those there are.

    Raises:
        TemplateError: a column is named that is none of identity.
    """
    named = document.get("candidateColumns")
    if named is None:
        return tuple(place.column for place in parse_code_places(document)) or tuple(identity)
    if not isinstance(named, list) or not named or not set(map(str, named)) <= set(identity):
        problem = f"is {str(named)[:60]}"
        raise TemplateError("candidateColumns", problem, f"give a list of some of {', '.join(identity)}")
    return tuple(named)


def _parse_place(column: str, place: Any) -> CodePlace:
    path = f"codes.{column}"
    if not isinstance(place, dict):
        raise TemplateError(path, "is no object", "give an object; {} means anywhere on the page")
    if unknown := set(place) - {"region", "formats", "prefix"}:
        raise TemplateError(f"{path}.{min(unknown)}", "is not known", "use region, formats and prefix")
    formats, prefix = place.get("formats", list(SAFE_FORMATS)), place.get("prefix", "")
    if not isinstance(formats, list) or not formats or not all(name in FORMATS for name in formats):
        raise TemplateError(
            f"{path}.formats", f"is {str(formats)[:60]}", f"give a list of some of {', '.join(FORMATS)}"
        )
    if not isinstance(prefix, str):
        raise TemplateError(f"{path}.prefix", f"is {str(prefix)[:60]}", "give a string")
    region = _parse_region(f"{path}.region", place.get("region"))
    return CodePlace(column=column, region=region, formats=tuple(formats), prefix=prefix)


def _parse_region(path: str, region: Any) -> tuple[float, float, float, float] | None:
    if region is None:
        return None
    is_list = isinstance(region, list) and len(region) == 4
    if not is_list or not all(isinstance(v, int | float) and not isinstance(v, bool) and v >= 0 for v in region):
        raise TemplateError(path, f"is {str(region)[:60]}", "give [left, top, width, height] in template units")
    left, top, width, height = map(float, region)
    if not width or not height:
        raise TemplateError(path, "has no area", "give [left, top, width, height] in template units")
    return left, top, width, height
