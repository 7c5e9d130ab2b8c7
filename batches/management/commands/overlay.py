"""What was read from a page, drawn over it, for those who have no browser at hand."""

from argparse import ArgumentParser
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from batches.errors import PageGone
from batches.management.arguments import FAILED, WRONG_USAGE, find_batch, is_batch_id
from batches.management.keys import find_key
from batches.management.templates import find_template
from batches.models import Batch, Sheet
from batches.pages import find_page
from batches.readings import read_back
from batches.rereading import printed_on
from batches.workers.pictures import Pictures
from omr.errors import PageError
from omr.image import decode
from omr.overlay import Overlay, lay_out, write_svg
from omr.painting import paint_overlay
from omr.reader import read_page
from omr.scoring import AnswerKey, find_expected, score
from omr.spelling import spell
from omr.template import Template, parse_template
from omr.types import Reading


@dataclass(frozen=True, slots=True)
class _Read:
    """A page, what was read from it, and which fields a person has to look at."""

    content: bytes
    template: Template
    reading: Reading
    doubtful: Collection[str]


class Command(BaseCommand):
    help = "Draws what was read from a page over it: a PNG of the page, or an SVG to lay over it, or both."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("page", metavar="PAGE|BATCH_ID", help="a file with a scanned page, or a batch")
        parser.add_argument("sheet", nargs="?", help="of a batch: position, file name or id of the sheet")
        parser.add_argument("--template", default="standard-150", metavar="SLUG", help="of a page that is a file")
        parser.add_argument("--out", type=Path, metavar="PNG", help="the page with all that was read")
        parser.add_argument("--svg", type=Path, metavar="SVG", help="what was read alone")
        parser.add_argument("--key", type=Path, metavar="JSON", help="an answer key; wrong answers are then crossed")

    def handle(self, *_: Any, page: str, sheet: str | None, **options: Any) -> None:
        if not (options["out"] or options["svg"]):
            raise CommandError("say what to write: --out page.png, or --svg overlay.svg", returncode=WRONG_USAGE)
        try:
            read = _read_sheet(page, sheet) if is_batch_id(page) else _read_file(Path(page), options["template"])
            overlay = _lay_out(read, find_key(options["key"], read.template) if options["key"] else None)
            self._write(options["svg"], write_svg(overlay).encode())
            if options["out"]:
                self._write(options["out"], paint_overlay(decode(read.content, float("inf")).gray, overlay))
        except (PageError, PageGone) as error:
            raise CommandError(str(error), returncode=FAILED) from error

    def _write(self, path: Path | None, content: bytes) -> None:
        if path is None:
            return
        try:
            path.write_bytes(content)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}", returncode=WRONG_USAGE) from error
        self.stdout.write(f"{path}: {len(content) / 1024:.0f} KB")


def _lay_out(read: _Read, key: AnswerKey | None) -> Overlay:
    expected = None
    if key:
        doubtful = {*read.doubtful, *(mark.field for mark in read.reading.marks if mark.doubt)}
        unclear = {column.name for column in read.template.columns if doubtful & set(column.fields)}
        answers = spell(read.template.columns, read.reading.marks)
        expected = find_expected(key, read.template, score(key, answers, doubtful=unclear))
    return lay_out(read.template, read.reading.fit, read.reading.marks, doubtful=read.doubtful, expected=expected)


def _read_file(path: Path, slug: str) -> _Read:
    template = find_template(slug)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", returncode=WRONG_USAGE) from error
    return _Read(content, template, read_page(content, template), ())


def _read_sheet(batch_id: str, name: str | None) -> _Read:
    batch = find_batch(batch_id)
    sheet = _find_sheet(batch, name or "")
    reading = read_back(parse_template(batch.template.document), sheet)
    if reading is None:
        raise CommandError(
            f"{sheet} was set aside, so there is nothing to draw: {sheet.error_message}", returncode=FAILED
        )
    page = find_page(batch, sheet.file_name)
    with Pictures(batch.archive_path) as pictures:
        printed = parse_template(printed_on(batch, sheet.pk).document)
        return _Read(pictures.read(page), printed, reading, sheet.doubtful_fields)


def _find_sheet(batch: Batch, name: str) -> Sheet:
    named = Q(file_name=name)
    if name.isdecimal():
        named |= Q(position=name)
    if is_batch_id(name):
        named |= Q(pk=name)
    if sheet := batch.sheets.filter(named).first():
        return sheet
    remedy = f"give its position (1 to {batch.sheet_count}), file name or id"
    raise CommandError(f"batch {batch} has no sheet {name!r}; {remedy}", returncode=WRONG_USAGE)
