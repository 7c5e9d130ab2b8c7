"""What the sheets of a batch are worth, by an answer key that comes with the request or lives with the template."""

from collections import Counter

from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from batches.api.downloads import EXCEL, CsvResponse, is_for_excel, read_sheets_and_answers, write_csv
from batches.api.sheets import GROUP, wanted_group
from batches.errors import WrongState
from batches.models import SheetTemplate
from batches.permissions import get_batch_for
from batches.results import ResultTables
from batches.scores import ScoreTable
from batches.template_folders import key_of, parse_given_key
from omr.scoring import AnswerKey
from omr.template import parse_template


class GivenKey(serializers.Serializer[AnswerKey]):
    """An answer key as it is sent."""

    key = serializers.JSONField(
        required=False, help_text="OMRChecker's evaluation.json; the one that lives with the template when left out"
    )
    files = serializers.DictField(
        child=serializers.CharField(max_length=2**20, trim_whitespace=False),
        required=False,
        help_text="the CSV file that the key names: name → text",
    )

    def parse(self, template: SheetTemplate) -> AnswerKey:
        """Return the key; BatchError when it cannot be used with ``template``."""
        self.is_valid(raise_exception=True)
        said = self.validated_data
        if "key" in said:
            return parse_given_key(said["key"], said.get("files", {}), parse_template(template.document))
        kept = key_of(template)
        if kept is None:
            raise serializers.ValidationError({"key": ["is missing, and no key lives with the template; give one"]})
        return kept


class ScoresView(APIView):
    @extend_schema(
        request=GivenKey, responses={(200, "text/csv"): OpenApiTypes.STR}, parameters=[GROUP, EXCEL], tags=["results"]
    )
    def post(self, request: Request, batch_id: str) -> HttpResponseBase:
        """Score the sheets by an answer key, as CSV. Doubtful answers leave a score open. Changes and keeps nothing.

        Without a key in the body, by the one that lives with the template.
        """
        batch = get_batch_for(request.user, batch_id)
        template = parse_template(batch.template.document)
        key = GivenKey(data=request.data).parse(batch.template)
        if not batch.has_results:
            raise WrongState(f"The batch is {batch.status}; its results are there once the database is loaded")
        table = ScoreTable(ResultTables.of(batch.pk, template), key)
        lines = table.lines(read_sheets_and_answers(batch, wanted_group(request, batch)), Counter())
        excel = is_for_excel(request)
        response = CsvResponse(write_csv(lines, for_excel=excel), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = content_disposition_header(True, f"{batch.name}-scores.csv") or ""
        response["X-Accel-Buffering"] = "no"
        return response
