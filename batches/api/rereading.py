"""Sheets of a completed batch that are to be read again with another template."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches import services
from batches.api.serializers import BatchDetail
from batches.models import Right, SheetTemplate
from batches.permissions import get_batch_for, signed_in
from batches.rereading import Choice

MOST_SHEETS = 10_000


class Reread(serializers.Serializer[Any]):
    """With which template, and which sheets: one of the four is given."""

    template = serializers.SlugRelatedField(slug_field="slug", queryset=SheetTemplate.objects.all())
    sheets = serializers.ListField(
        child=serializers.UUIDField(), max_length=MOST_SHEETS, default=list, help_text="their ids"
    )
    group = serializers.CharField(default="", allow_blank=True, help_text="all sheets under the cover with this code")
    unreadable = serializers.BooleanField(default=False, help_text="all that could not be read")
    all = serializers.BooleanField(default=False, help_text="every sheet of the batch")


class RereadView(APIView):
    @extend_schema(request=Reread, responses=BatchDetail, tags=["batches"])
    def post(self, request: Request, batch_id: str) -> Response:
        """Read some sheets of a completed batch again with another template that has the same questions.

        What was read of the others stays, and so does what people corrected on any. 409 when the ZIP is not there any
        more, or the template has other questions.
        """
        batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
        given = Reread(data=request.data)
        given.is_valid(raise_exception=True)
        said = dict(given.validated_data)
        template, ids = said.pop("template"), said.pop("sheets")
        services.reread_sheets(batch, Choice(ids=ids, **said), template, by=signed_in(request.user))
        return Response(BatchDetail(batch, context={"request": request}).data)
