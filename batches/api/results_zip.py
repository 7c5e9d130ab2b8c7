"""The results of several batches as one ZIP, streamed from the database: nothing of it is written to a disk first."""

import io
import re
import time
import zipfile
from collections.abc import Iterable, Iterator

from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from batches.api.downloads import (
    CHUNK_CHARACTERS,
    EXCEL,
    AnswersCsvView,
    CsvResponse,
    ResponsesCsvView,
    SheetsCsvView,
    TableView,
    is_for_excel,
    write_csv,
)
from batches.errors import WrongState
from batches.models import Batch
from batches.permissions import get_batch_for
from batches.results import ResultTables
from omr.template import parse_template

TABLES: tuple[type[TableView], ...] = (SheetsCsvView, AnswersCsvView, ResponsesCsvView)

BATCHES_NAMED_MOST = 100

COMPRESSION = 1
"""The quickest: answers shrink to a twentieth at any level, and the database is slower than this one."""

File = tuple[str, Iterator[bytes]]
"""A name inside the ZIP, and what is in the file, in parts."""


class ResultsZipView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("batch", OpenApiTypes.UUID, many=True, required=True, description="100 at most"),
            EXCEL,
        ],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
        tags=["results"],
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Download the result files of several batches, a folder for each, as they are now: corrections included."""
        named = list(dict.fromkeys(request.query_params.getlist("batch")))
        if not 1 <= len(named) <= BATCHES_NAMED_MOST:
            raise ValidationError(f"{len(named)} batches are named; name 1 to {BATCHES_NAMED_MOST}: ?batch=ID&batch=ID")
        batches = [get_batch_for(request.user, batch_id) for batch_id in named]
        for batch in batches:
            if not batch.has_results:
                raise WrongState(f"{batch} is {batch.status}: it has no results yet; leave it out")
        excel = is_for_excel(request)
        files = (file for batch in batches for file in _files(batch, for_excel=excel))
        response = CsvResponse(write_zip(files), content_type="application/zip")
        name = f"{batches[0].name}.zip" if len(batches) == 1 else f"results-{len(batches)}-batches.zip"
        response["Content-Disposition"] = content_disposition_header(True, name) or ""
        response["X-Accel-Buffering"] = "no"
        return response


def _files(batch: Batch, *, for_excel: bool) -> Iterator[File]:
    """Give the result files of ``batch``, in a folder that no other batch has."""
    tables = ResultTables.of(batch.pk, parse_template(batch.template.document))
    # A name is free text: what could lead out of the folder, or what Windows refuses, has no place in a path.
    name = re.sub(r"[^\w -]", "_", batch.name)[:80].strip()
    for table in TABLES:
        lines = table().lines(tables, batch, None)
        yield f"{name}-{str(batch.pk)[:8]}/{table.table}.csv", write_csv(lines, for_excel=for_excel)


class _Outlet(io.RawIOBase):
    """Takes what is written until it is fetched; it cannot be wound back, and ``zipfile`` does without that."""

    def __init__(self) -> None:
        self.pending = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        before = len(self.pending)
        self.pending += piece  # type: ignore[arg-type]  # any buffer
        return len(self.pending) - before

    def fetch(self) -> bytes:
        fetched, self.pending = bytes(self.pending), bytearray()
        return fetched


def write_zip(files: Iterable[File]) -> Iterator[bytes]:
    """Give a ZIP of ``files`` in parts as it is made; none of them is empty."""
    outlet, now = _Outlet(), time.localtime()[:6]
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
        for name, parts in files:
            info = zipfile.ZipInfo(name, now)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with archive.open(info, "w", force_zip64=True) as member:
                for part in parts:
                    member.write(part)
                    if len(outlet.pending) >= CHUNK_CHARACTERS:
                        yield outlet.fetch()
    yield outlet.fetch()
