"""By which template each page of a run is read: nearly always the batch's, of some sheets another one."""

import json
from dataclasses import dataclass
from uuid import UUID

from batches.models import Batch, Rereading, SheetTemplate
from batches.workers.base import Chunk
from batches.workers.records import BLANK, Choice, Form, PageRecord
from omr.template import parse_template


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """A template to read pages with."""

    document: str  # JSON, its keys as they are: records tell fields by their position in it
    form: Form

    @classmethod
    def of(cls, template: SheetTemplate) -> "Layout":
        """Raises: TemplateError."""
        return cls(json.dumps(template.document), Form(parse_template(template.document)))

    @property
    def prefix(self) -> bytes:
        """How the names of the chunks begin that are read with it."""
        return Chunk.name_prefix(self.document).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody's wish that a sheet be read with a template."""

    number: int  # of the wish; a later one is larger
    layout: Layout


def read_asked(batch: Batch, own: Layout) -> dict[UUID, Asked]:
    """Return sheet → the last wish about it, for all of which there is one.

    Raises:
        TemplateError: a template that was asked for cannot be used.
    """
    layouts = {batch.template_id: own}
    asked: dict[UUID, Asked] = {}
    rows = Rereading.objects.filter(batch_id=batch.pk).order_by("pk").values_list("pk", "sheet_id", "template_id")
    for number, sheet_id, template_id in rows.iterator():
        if template_id not in layouts:
            layouts[template_id] = Layout.of(SheetTemplate.objects.get(pk=template_id))
        asked[sheet_id] = Asked(number, layouts[template_id])
    return asked


def translate(record: PageRecord, source: Form, target: Form) -> PageRecord:
    """Return ``record``, made by ``source``, as ``target`` would have made it: fields and bubbles at its positions.

    Both mean the same by the same names: see ``rereading.refuse_other_results``.
    """
    if not record.is_read or source is target:
        return record
    places = [source.position[field.name] for field in target.template.fields]
    doubts = record.doubts or {}
    return PageRecord(
        index=record.index,
        choices=tuple(
            _choice(record.choices[old], source.values[old], target.values[new]) for new, old in enumerate(places)
        ),
        confidences=bytes(record.confidences[old] for old in places),
        doubts={new: doubts[old] for new, old in enumerate(places) if old in doubts},
        fit=record.fit,
        codes=record.codes,
    )


def _choice(choice: Choice, source: tuple[str, ...], target: tuple[str, ...]) -> Choice:
    """Return ``choice``, positions in ``source``, as positions in ``target``, in its order."""
    if isinstance(choice, tuple):
        return tuple(sorted(target.index(source[p]) for p in choice))
    return BLANK if choice == BLANK else target.index(source[choice])
