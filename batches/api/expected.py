"""The list of expected candidates of a batch, and how the batch stands beside it."""

from collections.abc import Iterable, Iterator
from typing import IO, Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.api.authentication import WithTicket
from batches.api.completeness import CompletenessDetail, describe
from batches.api.downloads import EXCEL, CsvResponse, is_for_excel, write_csv
from batches.completeness import Completeness, SeenSheet, check_completeness, told_groups
from batches.errors import WrongState
from batches.expected import MOST_LIST_BYTES, expect_candidates
from batches.models import Batch, ExpectedCandidates, Right
from batches.permissions import get_batch_for
from batches.results import Cells

CSV_TYPE = "text/csv"

WHICH = "the identity field that names a candidate, where several could"
FIELD = OpenApiParameter("field", str, description=WHICH)


class CsvParser(BaseParser):
    """Takes a body that is a CSV for a form with that file in it."""

    media_type = CSV_TYPE

    def parse(self, stream: IO[bytes], _type: str | None = None, context: Any = None) -> "DataAndFiles[Any, Any]":
        content = stream.read(MOST_LIST_BYTES + 1)  # one more is enough to refuse it by
        listed = SimpleUploadedFile("expected.csv", content, CSV_TYPE)
        return DataAndFiles(context["request"].query_params.copy(), MultiValueDict({"list": [listed]}))


class GivenList(serializers.Serializer[Any]):
    """A list of expected candidates as it is sent."""

    list = serializers.FileField(help_text="CSV: group_code and the identity field that names a candidate")
    field = serializers.CharField(required=False, allow_blank=True, help_text=WHICH)


class ExpectedView(APIView):
    parser_classes = (CsvParser, MultiPartParser)

    @extend_schema(responses=CompletenessDetail, tags=["results"])
    def get(self, request: Request, batch_id: str) -> Response:
        """Return how the batch stands beside its list: everybody who is missing, surplus or there twice."""
        batch = get_batch_for(request.user, batch_id)
        return Response(describe(batch, find_list(batch), most=None))

    @extend_schema(
        request={CSV_TYPE: OpenApiTypes.STR, "multipart/form-data": GivenList},
        responses=CompletenessDetail,
        parameters=[FIELD],
        tags=["results"],
    )
    def put(self, request: Request, batch_id: str) -> Response:
        """Give the list of expected candidates by group, in the place of an earlier one; a wrong one changes nothing.

        A CSV with a header: `group_code` and the identity field that names a candidate, a line for each of them.
        """
        batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
        given = GivenList(data=request.data)
        given.is_valid(raise_exception=True)
        file, field = given.validated_data["list"], given.validated_data.get("field", "")
        content = file.read(MOST_LIST_BYTES + 1)
        expect_candidates(batch, content, by=request.user, field=field, file_name=file.name)
        return Response(describe(batch, find_list(batch)))

    @extend_schema(responses={204: None}, tags=["results"])
    def delete(self, request: Request, batch_id: str) -> Response:
        """Take the list away."""
        batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
        ExpectedCandidates.objects.filter(batch=batch).delete()
        return Response(status=204)


class CompletenessCsvView(WithTicket):
    @extend_schema(
        parameters=[EXCEL],
        responses={(200, CSV_TYPE): OpenApiTypes.STR},
        tags=["results"],
    )
    def get(self, request: Request, batch_id: str) -> HttpResponseBase:
        """Download who is missing, surplus, there twice or not known, as CSV."""
        batch = get_batch_for(request.user, batch_id)
        expected = find_list(batch)
        if not batch.has_results:
            raise WrongState(f"The batch is {batch.status}; it is compared once the database is loaded")
        excel = is_for_excel(request)
        content = write_csv(findings(check_completeness(batch, expected)), for_excel=excel)
        response = CsvResponse(content, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = content_disposition_header(True, f"{batch.name}-completeness.csv") or ""
        return response


def find_list(batch: Batch) -> ExpectedCandidates:
    """Return the list that is kept for ``batch``.

    Raises:
        NotFound: there is none.
    """
    expected = ExpectedCandidates.objects.filter(batch=batch).first()
    if expected is None:
        raise NotFound("Nobody has said yet who is expected in this batch; PUT a CSV here", "no_list")
    return expected


def findings(result: Completeness) -> Iterator[Cells]:
    """Give the lines of completeness.csv, the header first."""
    yield ("finding", "group_code", result.field, "sheet_number", "file_name", "other_groups")
    for gone in result.missing:
        yield ("missing", gone.group, gone.candidate, "", "", _told(gone.found_in))
    for strange in result.surplus:
        yield ("surplus", *_sheet_cells(strange.sheet), _told(strange.expected_in))
    for twice in result.duplicate:
        for sheet in twice.sheets:
            yield ("duplicate", *_sheet_cells(sheet), _told(twice.groups_beside(sheet)))
    for unknown in result.unidentified:
        yield ("unidentified", *_sheet_cells(unknown), "")


def _told(groups: Iterable[str]) -> str:
    return " ".join(told_groups(groups))


def _sheet_cells(sheet: SeenSheet) -> Cells:
    return (sheet.group, sheet.candidate, sheet.number, sheet.file_name)
