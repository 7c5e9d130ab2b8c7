"""A sheet's printed layout: Template, FieldBlock, Bubble, and the JSON they come from.

The JSON is OMRChecker's ``template.json`` with one preprocessor of ours, ``CornerFiducials``.
Lengths are in template units: ``pageDimensions`` says how many there are across and down.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omr.errors import TemplateError

SHIPPED = Path(__file__).parent / "sheets"
"""Templates that come with the project, a folder each with its ``template.json``."""

FIELD_TYPES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "QTYPE_INT": (tuple("0123456789"), "vertical"),
    "QTYPE_INT_FROM_1": (tuple("1234567890"), "vertical"),
    "QTYPE_MCQ4": (tuple("ABCD"), "horizontal"),
    "QTYPE_MCQ5": (tuple("ABCDE"), "horizontal"),
    "QTYPE_MCQ4_RTL": (tuple("DCBA"), "horizontal"),
    "QTYPE_MCQ5_RTL": (tuple("EDCBA"), "horizontal"),
}

_RANGE = re.compile(r"(?P<stem>.*?)(?P<first>\d+)\.{2,3}(?P<last>\d+)")
_QUESTION = re.compile(r"q(\d+)")
MOST_LABELS_IN_A_RANGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One printed circle."""

    field: str
    value: str  # what a mark here means: "A", "7"
    x: float  # centre, template units
    y: float
    width: float  # template units
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The bubbles of which one is to be marked, in print order."""

    name: str
    bubbles: tuple[Bubble, ...]
    empty_value: str = ""  # what a blank field is worth in the results


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldBlock:
    """One printed grid of bubbles."""

    name: str
    direction: str  # "horizontal": the bubbles of a field lie side by side; "vertical": one under the other
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the results: a field, or several joined in this order."""

    name: str
    fields: tuple[str, ...]

    @property
    def question(self) -> int | None:
        """The number of the question, or None for a column of identity."""
        match = _QUESTION.fullmatch(self.name)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CornerFiducials:
    """Four filled squares near the corners of the page."""

    size: float  # edge of a square, template units
    centres: tuple[tuple[float, float], ...]  # (x, y), template units: top left, top right, bottom right, bottom left
    on_covers: bool = False  # whether the covers of this template carry them too


@dataclass(frozen=True, kw_only=True)
class Template:
    """The printed layout of a sheet."""

    page_width: float  # template units
    page_height: float
    blocks: tuple[FieldBlock, ...]
    columns: tuple[Column, ...]
    fiducials: CornerFiducials | None

    def __getstate__(self) -> dict[str, Any]:
        """Return what defines the template, not what was computed from it.

        Process pools pickle in a thread of their own: a property computed meanwhile would change the dictionary
        under the pickler's hands.
        """
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Every field, block by block, in print order."""
        return tuple(field for block in self.blocks for field in block.fields)

    @cached_property
    def bubbles(self) -> tuple[Bubble, ...]:
        """Every bubble, field by field, in print order."""
        return tuple(bubble for field in self.fields for bubble in field.bubbles)

    @cached_property
    def questions(self) -> tuple[Column, ...]:
        """The columns that are questions, by number."""
        return tuple(sorted((c for c in self.columns if c.question is not None), key=lambda c: c.question or 0))

    @cached_property
    def identity(self) -> tuple[Column, ...]:
        """The columns that are not questions, in the template's order."""
        return tuple(column for column in self.columns if column.question is None)


def load_template(path: Path) -> Template:
    """Return the template in the file ``path``.

    Raises:
        TemplateError: the file is not JSON, or not a template.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TemplateError(path.name, f"not readable as JSON ({error})", "give a template.json") from error
    return parse_template(document)


def parse_template(document: Any) -> Template:
    """Return the template that ``document``, decoded JSON, describes.

    Raises:
        TemplateError: names the path of the key that is wrong, what was seen and what to do.
    """
    page = _Node(document, "template")
    page_width, page_height = page.pair("pageDimensions")
    bubble_size = page.pair("bubbleDimensions") if "bubbleDimensions" in page.members() else None
    empty_value = page.text("emptyValue", "")
    blocks = tuple(_parse_block(node, bubble_size, empty_value) for node in page.child("fieldBlocks").children())
    if not blocks:
        raise TemplateError("fieldBlocks", "is empty", "describe at least one block of bubbles")
    _refuse_repeated(blocks)
    template = Template(
        page_width=page_width,
        page_height=page_height,
        blocks=blocks,
        columns=_parse_columns(page, blocks),
        fiducials=_parse_fiducials(page),
    )
    _refuse_outside(template)
    return template


class _Node:
    """A value in the JSON together with the path that leads to it, for the error's sentence."""

    def __init__(self, value: Any, path: str) -> None:
        self.value, self.path = value, path

    def members(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise TemplateError(self.path, f"is {_shown(self.value)}", "give an object")
        return self.value

    def child(self, key: str) -> "_Node":
        if key not in self.members():
            raise TemplateError(self._below(key), "is missing", "add it")
        return _Node(self.value[key], self._below(key))

    def children(self) -> Iterator["_Node"]:
        return (self.child(key) for key in self.members())

    def number(self, key: str) -> float:
        node = self.child(key)
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise TemplateError(node.path, f"is {_shown(node.value)}", "give a number")
        return float(node.value)

    def pair(self, key: str) -> tuple[float, float]:
        node = self.child(key)
        if not _is_pair(node.value):
            raise TemplateError(node.path, f"is {_shown(node.value)}", "give two positive numbers: [width, height]")
        return float(node.value[0]), float(node.value[1])

    def text(self, key: str, default: str) -> str:
        value = self.members().get(key, default)
        if not isinstance(value, str):
            raise TemplateError(self._below(key), f"is {_shown(value)}", "give a string")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        node = self.child(key)
        if not isinstance(node.value, list) or not node.value or not all(isinstance(v, str) for v in node.value):
            raise TemplateError(node.path, f"is {_shown(node.value)}", "give a list of strings")
        return tuple(node.value)

    def _below(self, key: str) -> str:
        return key if self.path == "template" else f"{self.path}.{key}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) and v >= 0 for v in value)
    )


def _parse_block(node: _Node, page_bubble: tuple[float, float] | None, page_empty: str) -> FieldBlock:
    values, direction = _values_and_direction(node)
    bubble_size = node.pair("bubbleDimensions") if "bubbleDimensions" in node.members() else page_bubble
    if bubble_size is None:
        raise TemplateError("bubbleDimensions", "is missing", "give [width, height] for the page or for each block")
    origin_x, origin_y = node.pair("origin")
    bubbles_gap, labels_gap = node.number("bubblesGap"), node.number("labelsGap")
    along, across = ((bubbles_gap, 0.0), (0.0, labels_gap))
    if direction == "vertical":
        along, across = ((0.0, bubbles_gap), (labels_gap, 0.0))
    width, height = bubble_size
    fields = tuple(
        Field(
            name=name,
            empty_value=node.text("emptyValue", page_empty),
            bubbles=tuple(
                Bubble(
                    field=name,
                    value=value,
                    x=origin_x + width / 2 + along[0] * j + across[0] * i,
                    y=origin_y + height / 2 + along[1] * j + across[1] * i,
                    width=width,
                    height=height,
                )
                for j, value in enumerate(values)
            ),
        )
        for i, name in enumerate(_labels(node, "fieldLabels"))
    )
    return FieldBlock(name=node.path.rpartition(".")[2], direction=direction, fields=fields)


def _values_and_direction(node: _Node) -> tuple[tuple[str, ...], str]:
    kind = node.text("fieldType", "")
    if kind and kind not in FIELD_TYPES:
        raise TemplateError(f"{node.path}.fieldType", f"is {_shown(kind)}", f"give one of {', '.join(FIELD_TYPES)}")
    values, direction = FIELD_TYPES.get(kind, ((), "horizontal"))
    if "bubbleValues" in node.members():
        values = node.texts("bubbleValues")
    if not values:
        raise TemplateError(node.path, "has neither fieldType nor bubbleValues", "give one of them")
    if len(set(values)) != len(values):
        raise TemplateError(f"{node.path}.bubbleValues", f"is {_shown(list(values))}", "give each value once")
    direction = node.text("direction", direction)
    if direction not in ("horizontal", "vertical"):
        raise TemplateError(f"{node.path}.direction", f"is {_shown(direction)}", 'give "horizontal" or "vertical"')
    return values, direction


def _labels(node: _Node, key: str) -> tuple[str, ...]:
    """Return the labels under ``key`` with ranges such as ``q1..5`` written out."""
    return tuple(name for label in node.texts(key) for name in _expand(label, f"{node.path}.{key}"))


def _expand(label: str, path: str) -> Sequence[str]:
    match = _RANGE.fullmatch(label)
    if not match:
        return (label,)
    first, last = int(match["first"]), int(match["last"])
    if not first < last < first + MOST_LABELS_IN_A_RANGE:
        raise TemplateError(path, f"has the range {_shown(label)}", "write ranges as q1..5, the smaller number first")
    return [f"{match['stem']}{number}" for number in range(first, last + 1)]


def _parse_columns(page: _Node, blocks: tuple[FieldBlock, ...]) -> tuple[Column, ...]:
    names = [field.name for block in blocks for field in block.fields]
    custom = _parse_custom_labels(page, set(names))
    joined = {name for column in custom for name in column.fields}
    alone = [Column(name=name, fields=(name,)) for name in names if name not in joined]
    known = {column.name: column for column in (*custom, *alone)}
    if not page.members().get("outputColumns"):
        return tuple(known.values())
    wanted = [name for label in page.texts("outputColumns") for name in _expand(label, "outputColumns")]
    if unknown := [name for name in wanted if name not in known]:
        raise TemplateError("outputColumns", f"names {_shown(unknown)}", "name field labels or custom labels only")
    return tuple(known[name] for name in wanted)


def _parse_custom_labels(page: _Node, names: set[str]) -> list[Column]:
    if "customLabels" not in page.members():
        return []
    node = page.child("customLabels")
    columns = [Column(name=name, fields=_labels(node, name)) for name in node.members()]
    for column in columns:
        if missing := [name for name in column.fields if name not in names]:
            raise TemplateError(f"customLabels.{column.name}", f"names {_shown(missing)}", "name field labels only")
    return columns


def _parse_fiducials(page: _Node) -> CornerFiducials | None:
    steps = page.members().get("preProcessors", [])
    if not isinstance(steps, list):
        raise TemplateError("preProcessors", f"is {_shown(steps)}", "give a list")
    for i, step in enumerate(steps):
        node = _Node(step, f"preProcessors[{i}]")
        if node.text("name", "") == "CornerFiducials":
            return _parse_corner_fiducials(node.child("options"))
    return None


def _parse_corner_fiducials(options: _Node) -> CornerFiducials:
    centres = options.child("centres")
    if not isinstance(centres.value, list) or len(centres.value) != 4 or not all(map(_is_pair, centres.value)):
        remedy = "give four pairs [x, y]: top left, top right, bottom right, bottom left"
        raise TemplateError(centres.path, f"is {_shown(centres.value)}", remedy)
    return CornerFiducials(
        size=options.number("size"),
        centres=tuple((float(x), float(y)) for x, y in centres.value),
        on_covers=bool(options.members().get("onCovers", False)),
    )


def _refuse_repeated(blocks: tuple[FieldBlock, ...]) -> None:
    seen: dict[str, str] = {}
    for block in blocks:
        for field in block.fields:
            if field.name in seen:
                problem = f"repeats {_shown(field.name)} of {seen[field.name]}"
                raise TemplateError(f"fieldBlocks.{block.name}.fieldLabels", problem, "give each label once")
            seen[field.name] = block.name


def _refuse_outside(template: Template) -> None:
    for block in template.blocks:
        for field in block.fields:
            for bubble in field.bubbles:
                if not (0 <= bubble.x <= template.page_width and 0 <= bubble.y <= template.page_height):
                    problem = f"puts {field.name} {bubble.value} at ({bubble.x:g}, {bubble.y:g}), outside the page"
                    raise TemplateError(f"fieldBlocks.{block.name}", problem, "check origin and gaps")
