"""The results of a batch as CSV, streamed from the database: memory does not grow with the batch."""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db.models import CharField
from django.db.models.functions import Cast
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from batches.api.authentication import WithTicket
from batches.api.sheets import GROUP, wanted_group
from batches.errors import ResultsChanged, WrongState
from batches.models import Answer, Batch, CoverGroup, Sheet
from batches.permissions import get_batch_for
from batches.results import AnswerLine, Cells, ResultTables, SheetLine
from omr.template import parse_template

SHEETS_AT_ONCE = 100
"""Read from the database at a time; with 150 questions each, some 5 MB of rows."""

ROWS_AT_ONCE = 2_000

CHUNK_CHARACTERS = 64 * 1024
"""Sent at a time: a hop between threads for each line would cost more than the line."""

# What a spreadsheet takes for a formula, wherever it may see a cell begin: it may split at commas too.
_FORMULA = re.compile(r"^(?=[\t\r\n])|(?:^|(?<=[,;\t\r\n]))([ ]*)(?=[=+\-@＝＋－＠])")

EXCEL = OpenApiParameter(
    "excel",
    bool,
    description="1: for spreadsheets: with a byte order mark and semicolons, and an apostrophe before what they would "
    "take for a formula. Without it every value is what was read, letter for letter: for programs",
)

Sheets = Iterable[tuple[SheetLine, list[AnswerLine]]]
"""Sheets in order, each with its answers by question."""


class CsvResponse(StreamingHttpResponse):
    """Streams a plain iterator; a server that runs an event loop takes each part in the request's own thread.

    Django would make a list of a plain iterator there before it sends the first byte.
    """

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = iter(self)
        while part := await sync_to_async(lambda: next(parts, b""))():
            yield part


class TableView(WithTicket):
    """One result file of a batch."""

    table = ""

    def lines(self, tables: ResultTables, batch: Batch, group: CoverGroup | None) -> Iterator[Cells]:
        """Return the header and every line after it."""
        raise NotImplementedError

    @extend_schema(
        parameters=[GROUP, EXCEL],
        responses={(200, "text/csv"): OpenApiTypes.STR},
        tags=["results"],
    )
    def get(self, request: Request, batch_id: str) -> HttpResponseBase:
        """Download a result file as CSV."""
        batch = get_batch_for(request.user, batch_id)
        if not batch.has_results:
            raise WrongState(f"The batch is {batch.status}; its results are there once the database is loaded")
        tables = ResultTables.of(batch.pk, parse_template(batch.template.document))
        lines = self.lines(tables, batch, wanted_group(request, batch))
        excel = is_for_excel(request)
        response = CsvResponse(write_csv(lines, for_excel=excel), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = content_disposition_header(True, f"{batch.name}-{self.table}.csv") or ""
        response["X-Accel-Buffering"] = "no"
        return response


class SheetsCsvView(TableView):
    table = "sheets"

    def lines(self, tables: ResultTables, batch: Batch, group: CoverGroup | None) -> Iterator[Cells]:
        sheets = (tables.sheet_cells(sheet_line(sheet)) for sheet in read_sheets(batch, group))
        return chain([tables.sheet_columns], sheets)


class AnswersCsvView(TableView):
    table = "answers"

    def lines(self, tables: ResultTables, batch: Batch, group: CoverGroup | None) -> Iterator[Cells]:
        read = read_sheets_and_answers(batch, group)
        lines = (
            (*head, *tables.answer_tail(answer))
            for head, answers in ((tables.answer_head(sheet), answers) for sheet, answers in read)
            for answer in answers
        )
        return chain([tables.answer_columns], lines)


class ResponsesCsvView(TableView):
    table = "responses"

    def lines(self, tables: ResultTables, batch: Batch, group: CoverGroup | None) -> Iterator[Cells]:
        read = read_sheets_and_answers(batch, group)
        return chain([tables.response_columns], (tables.response_cells(sheet, answers) for sheet, answers in read))


def read_sheets(batch: Batch, group: CoverGroup | None) -> Iterator[Sheet]:
    """Give the sheets in the order of the ZIP, some at a time by position.

    Each piece is a query of its own, so that a slow download keeps no transaction open.

    Raises:
        ResultsChanged: the batch was read anew, or deleted, before the last of them was given.
    """
    sheets = batch.sheets.select_related("group").order_by("position").defer("fit")
    if group is not None:
        sheets = sheets.filter(group=group)
    missing, position = sheets.count(), 0
    while piece := list(sheets.filter(position__gt=position)[:SHEETS_AT_ONCE]):
        yield from piece
        position, missing = piece[-1].position, missing - len(piece)
    if missing or not Batch.objects.filter(pk=batch.pk, attempt=batch.attempt).exists():
        raise ResultsChanged(f"{batch} was read anew or deleted while its results were sent; fetch them again")


def read_sheets_and_answers(batch: Batch, group: CoverGroup | None) -> Iterator[tuple[SheetLine, list[AnswerLine]]]:
    for piece in _pieces(read_sheets(batch, group), SHEETS_AT_ONCE):
        answers = _read_answers(batch, piece)
        for sheet in piece:
            yield sheet_line(sheet), answers.get(sheet.pk, [])


def _pieces(sheets: Iterator[Sheet], size: int) -> Iterator[list[Sheet]]:
    piece: list[Sheet] = []
    for sheet in sheets:
        piece.append(sheet)
        if len(piece) == size:
            yield piece
            piece = []
    if piece:
        yield piece


def _read_answers(batch: Batch, sheets: list[Sheet]) -> dict[UUID, list[AnswerLine]]:
    """Return the answers of ``sheets`` by question; a sheet without any is not there."""
    wanted = [sheet.pk for sheet in sheets]
    rows = Answer.objects.filter(batch_id=batch.pk, sheet_id__in=wanted).order_by("sheet_id", "question")
    # The id as text: to make a UUID of it costs more than all else of a row, and is needed once a sheet.
    rows = rows.annotate(key=Cast("sheet_id", CharField()))
    values = rows.values_list("key", "question", "answer", "confidence", "status")
    return {
        UUID(key): [
            AnswerLine(question=question, answer=answer, confidence=confidence, status=status)
            for _, question, answer, confidence, status in of_sheet
        ]
        for key, of_sheet in groupby(values.iterator(chunk_size=ROWS_AT_ONCE), itemgetter(0))
    }


def sheet_line(sheet: Sheet) -> SheetLine:
    return SheetLine(
        group_code=sheet.group.code,
        number=sheet.number,
        file_name=sheet.file_name,
        status=sheet.status,
        identity=sheet.identity,
        answered=sheet.answered,
        blank=sheet.blank,
        multiple=sheet.multiple,
        doubtful=sheet.doubtful,
    )


def is_for_excel(request: Request) -> bool:
    """Return whether ``request`` asks for files that spreadsheets open."""
    return request.query_params.get("excel", "") in ("1", "true", "yes")


def write_csv(lines: Iterable[Cells], *, for_excel: bool) -> Iterator[bytes]:
    """Give the file in parts: RFC 4180, UTF-8, each value as it is; ``for_excel`` see ``EXCEL``."""
    text = io.StringIO("\ufeff" if for_excel else "", newline="")
    text.seek(0, io.SEEK_END)
    write: Callable[[Iterable[object]], object] = csv.writer(text, delimiter=";" if for_excel else ",").writerow
    for cells in lines:
        write(map(_disarmed, cells) if for_excel else cells)
        if text.tell() >= CHUNK_CHARACTERS:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _disarmed(cell: str | int) -> str | int:
    """Return ``cell`` so that a spreadsheet shows it: a scanned code or a file name may look like a formula."""
    return _FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell
