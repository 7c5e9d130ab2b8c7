"""A sheet's printed layout: Template, FieldBlock, Bubble, and the JSON they come from.

The JSON is OMRChecker's ``template.json`` with one preprocessor of ours, ``CornerFiducials``.
Lengths are in template units: ``pageDimensions`` says how many there are across and down.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omr.code_places import CodePlace, parse_candidate_columns, parse_code_places
from omr.corners import CornerFiducials, parse_fiducials
from omr.errors import TemplateError
from omr.nodes import Node, shown
from omr.plain_json import decode_json
from omr.preprocessors import Preprocessor, parse_preprocessors

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

PROCESSING_WIDTH = 666.0
"""OMRChecker's own default."""


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


@dataclass(frozen=True, kw_only=True)
class Template:
    """The printed layout of a sheet."""

    page_width: float  # template units
    page_height: float
    blocks: tuple[FieldBlock, ...]
    columns: tuple[Column, ...]
    fiducials: CornerFiducials | None
    codes: tuple[CodePlace, ...] = ()  # printed on the sheet, beside its bubbles
    candidate_columns: tuple[str, ...] = ()  # of identity: those that say whose sheet it is
    steps: tuple[Preprocessor, ...] = ()  # OMRChecker's preprocessors, in order
    is_foreign: bool = False  # other print than this project's: black letters, boxes, shaded columns
    processing_width: float = PROCESSING_WIDTH  # of the picture that the steps' lengths are meant for, pixels

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
    def field_names(self) -> tuple[str, ...]:
        """The names of ``fields``."""
        return tuple(field.name for field in self.fields)

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

    def columns_of(self, block: FieldBlock) -> tuple[Column, ...]:
        """The columns that fields of ``block`` belong to, each once, in print order; a field may belong to none."""
        columns = {name: column for column in self.columns for name in column.fields}
        return tuple(dict.fromkeys(columns[field.name] for field in block.fields if field.name in columns))


def load_template(path: Path) -> Template:
    """Return the template in the file ``path``.

    Raises:
        TemplateError: the file is not JSON, or not a template.
    """
    try:
        document = decode_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TemplateError(path.name, f"not readable as JSON ({error})", "give a template.json") from error
    return parse_template(document)


def parse_template(document: Any) -> Template:
    """Return the template that ``document``, decoded JSON, describes.

    Raises:
        TemplateError: names the path of the key that is wrong, what was seen and what to do.
    """
    page = Node(document)
    page_width, page_height = page.pair("pageDimensions")
    bubble_size = page.pair("bubbleDimensions") if "bubbleDimensions" in page.members() else None
    empty_value = page.text("emptyValue", "")
    blocks = tuple(_parse_block(node, bubble_size, empty_value) for node in page.child("fieldBlocks").children())
    if not blocks:
        raise TemplateError("fieldBlocks", "is empty", "describe at least one block of bubbles")
    _refuse_repeated(blocks)
    steps, fiducials = parse_preprocessors(page), parse_fiducials(page)
    codes = parse_code_places(page.members())
    columns = _with_codes(_parse_columns(page, blocks), codes)
    template = Template(
        page_width=page_width,
        page_height=page_height,
        blocks=blocks,
        columns=columns,
        codes=codes,
        candidate_columns=parse_candidate_columns(page.members(), _identity_names(columns)),
        fiducials=fiducials,
        steps=steps,
        is_foreign=page.flag("foreignPrint", default=bool(steps) and fiducials is None),
        processing_width=_parse_processing_width(page),
    )
    _refuse_outside(template)
    return template


def _parse_block(node: Node, page_bubble: tuple[float, float] | None, page_empty: str) -> FieldBlock:
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


def _values_and_direction(node: Node) -> tuple[tuple[str, ...], str]:
    kind = node.text("fieldType", "")
    if kind and kind not in FIELD_TYPES:
        raise TemplateError(f"{node.path}.fieldType", f"is {shown(kind)}", f"give one of {', '.join(FIELD_TYPES)}")
    values, direction = FIELD_TYPES.get(kind, ((), "horizontal"))
    if "bubbleValues" in node.members():
        values = node.texts("bubbleValues")
    if not values:
        raise TemplateError(node.path, "has neither fieldType nor bubbleValues", "give one of them")
    if len(set(values)) != len(values):
        raise TemplateError(f"{node.path}.bubbleValues", f"is {shown(list(values))}", "give each value once")
    direction = node.text("direction", direction)
    if direction not in ("horizontal", "vertical"):
        raise TemplateError(f"{node.path}.direction", f"is {shown(direction)}", 'give "horizontal" or "vertical"')
    return values, direction


def _labels(node: Node, key: str) -> tuple[str, ...]:
    """Return the labels under ``key`` with ranges such as ``q1..5`` written out."""
    return tuple(name for label in node.texts(key) for name in expand_label(label, f"{node.path}.{key}"))


def expand_label(label: str, path: str) -> Sequence[str]:
    """Return the labels that ``label`` stands for: ``q1..5`` is a range; ``path`` is for the error."""
    match = _RANGE.fullmatch(label)
    if not match:
        return (label,)
    first, last = int(match["first"]), int(match["last"])
    if not first < last < first + MOST_LABELS_IN_A_RANGE:
        raise TemplateError(path, f"has the range {shown(label)}", "write ranges as q1..5, the smaller number first")
    return [f"{match['stem']}{number}" for number in range(first, last + 1)]


def _parse_columns(page: Node, blocks: tuple[FieldBlock, ...]) -> tuple[Column, ...]:
    names = [field.name for block in blocks for field in block.fields]
    custom = _parse_custom_labels(page, set(names))
    joined = {name for column in custom for name in column.fields}
    alone = [Column(name=name, fields=(name,)) for name in names if name not in joined]
    known = {column.name: column for column in (*custom, *alone)}
    if not page.members().get("outputColumns"):
        return tuple(known.values())
    wanted = [name for label in page.texts("outputColumns") for name in expand_label(label, "outputColumns")]
    if unknown := [name for name in wanted if name not in known]:
        raise TemplateError("outputColumns", f"names {shown(unknown)}", "name field labels or custom labels only")
    return tuple(known[name] for name in wanted)


def _with_codes(columns: tuple[Column, ...], codes: tuple[CodePlace, ...]) -> tuple[Column, ...]:
    """Return ``columns`` and, after them, those that only a code tells."""
    names = {column.name for column in columns}
    for place in codes:
        if _QUESTION.fullmatch(place.column):
            raise TemplateError(f"codes.{place.column}", "is a question", "give codes to columns of identity only")
    return (*columns, *(Column(name=place.column, fields=()) for place in codes if place.column not in names))


def _identity_names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(column.name for column in columns if column.question is None)


def _parse_custom_labels(page: Node, names: set[str]) -> list[Column]:
    if "customLabels" not in page.members():
        return []
    node = page.child("customLabels")
    columns = [Column(name=name, fields=_labels(node, name)) for name in node.members()]
    for column in columns:
        if missing := [name for name in column.fields if name not in names]:
            raise TemplateError(f"customLabels.{column.name}", f"names {shown(missing)}", "name field labels only")
    return columns


def _parse_processing_width(page: Node) -> float:
    """Return what a folder's ``config.json`` says of the size at which OMRChecker processes a page."""
    dimensions = page.optional("config", {}).optional("dimensions", {})
    return dimensions.number_between("processing_width", (50, 20_000), PROCESSING_WIDTH)


def _refuse_repeated(blocks: tuple[FieldBlock, ...]) -> None:
    seen: dict[str, str] = {}
    for block in blocks:
        for field in block.fields:
            if field.name in seen:
                problem = f"repeats {shown(field.name)} of {seen[field.name]}"
                raise TemplateError(f"fieldBlocks.{block.name}.fieldLabels", problem, "give each label once")
            seen[field.name] = block.name


def _refuse_outside(template: Template) -> None:
    for block in template.blocks:
        for field in block.fields:
            for bubble in field.bubbles:
                if not (0 <= bubble.x <= template.page_width and 0 <= bubble.y <= template.page_height):
                    problem = f"puts {field.name} {bubble.value} at ({bubble.x:g}, {bubble.y:g}), outside the page"
                    raise TemplateError(f"fieldBlocks.{block.name}", problem, "check origin and gaps")
