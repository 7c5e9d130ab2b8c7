"""The review queue as JSON: what waits for a person, with all that a page needs to show it."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.api.sheets import GROUP, find_sheet, wanted_group
from batches.models import Batch, Right, Sheet
from batches.permissions import get_batch_for, may, signed_in
from batches.readings import fit_of
from batches.review_queue import Queue
from omr.template import Template
from omr.window import whole_page

ITEMS_AT_ONCE = 40
"""A minute's work: whole sheets, until there are so many."""

AFTER = OpenApiParameter("after", int, description="position of the last sheet that you have")
SHEET = OpenApiParameter("sheet", str, description="only what waits on this sheet")


class BoxShape(serializers.Serializer[Any]):
    left = serializers.FloatField()
    top = serializers.FloatField()
    width = serializers.FloatField()
    height = serializers.FloatField()


class WindowShape(serializers.Serializer[Any]):
    """Where to look: the page's pixels, moved by ``matrix`` (as in SVG), as far as they lie in ``view``."""

    matrix = serializers.ListField(child=serializers.FloatField(), min_length=6, max_length=6)
    view = BoxShape()
    frame = BoxShape(allow_null=True)


class OpinionShape(serializers.Serializer[Any]):
    by = serializers.CharField()
    value = serializers.CharField()


class KnownShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField()
    seen = serializers.IntegerField(allow_null=True)


class ReviewSheet(serializers.ModelSerializer[Sheet]):
    """A sheet of which something waits."""

    group = serializers.CharField(source="group.code")
    image = serializers.SerializerMethodField()
    overlay = serializers.SerializerMethodField()
    size = serializers.SerializerMethodField(help_text="pixels of the page as scanned: width, height")
    window = serializers.SerializerMethodField(help_text="the whole page")

    class Meta:
        model = Sheet
        fields = [
            *("id", "file_name", "group", "number", "position", "status", "identity"),
            *("image", "overlay", "size", "window"),
        ]

    def get_image(self, sheet: Sheet) -> str:
        return reverse("api-image", args=[sheet.batch_id, sheet.pk])

    def get_overlay(self, sheet: Sheet) -> str | None:
        return reverse("api-overlay", args=[sheet.batch_id, sheet.pk]) if sheet.fit else None

    def get_size(self, sheet: Sheet) -> list[int] | None:
        return [sheet.fit["page_width_px"], sheet.fit["page_height_px"]] if sheet.fit else None

    @extend_schema(responses=WindowShape(allow_null=True))
    def get_window(self, sheet: Sheet) -> Any:
        template: Template = self.context["template"]
        return WindowShape(whole_page(template, fit_of(sheet.fit))).data if sheet.fit else None


class ReviewItem(serializers.Serializer[Any]):
    """One thing to decide: a field, or a whole sheet when ``field`` is empty."""

    sheet = serializers.UUIDField(source="sheet.pk")
    field = serializers.CharField()
    why = serializers.CharField(help_text="a stable code")
    sentence = serializers.CharField(help_text="the same, for people")
    value = serializers.CharField()
    confidence = serializers.FloatField()
    seen = serializers.IntegerField(allow_null=True)
    options = serializers.ListField(child=serializers.CharField())
    window = WindowShape(allow_null=True)
    opinions = OpinionShape(many=True, help_text="where two people have read different things")
    known = KnownShape(
        many=True, help_text="of a whole sheet: what its columns of identity say; with ?sheet= all of its columns"
    )
    waits = serializers.BooleanField(help_text="no: with ?sheet= the whole sheet comes even when nothing is left")


class FormColumn(serializers.Serializer[Any]):
    """A column to type in."""

    name = serializers.CharField()
    length = serializers.IntegerField(allow_null=True, help_text="how many fields it joins; null: one, or only a code")
    options = serializers.ListField(
        child=serializers.CharField(),
        help_text="what can be marked; none: a printed code says it, which may be any text",
    )


class Review(serializers.Serializer[Any]):
    left = serializers.IntegerField(help_text="things to decide in the whole batch")
    second_reading = serializers.BooleanField(help_text="two people have to read the same")
    may_correct = serializers.BooleanField()
    after = serializers.IntegerField(allow_null=True, help_text="where to go on from; null: this was the rest")
    sheets = ReviewSheet(many=True)
    items = ReviewItem(many=True)
    form = FormColumn(many=True, help_text="what can be typed in of a page that could not be read")


class ReviewChange(serializers.Serializer[Any]):
    second_reading = serializers.BooleanField()


class ReviewView(APIView):
    @extend_schema(parameters=[AFTER, SHEET, GROUP], responses=Review, tags=["review"])
    def get(self, request: Request, batch_id: str) -> Response:
        """Return what waits for a person, in the order of the ZIP, some forty things at a time."""
        batch = get_batch_for(request.user, batch_id)
        return Response(_review(request, batch))

    @extend_schema(request=ReviewChange, responses=Review, tags=["review"])
    def patch(self, request: Request, batch_id: str) -> Response:
        """Say whether what is doubtful has to be read by two people."""
        batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
        given = ReviewChange(data=request.data)
        given.is_valid(raise_exception=True)
        batch.second_reading = given.validated_data["second_reading"]
        batch.save(update_fields=["second_reading"])
        return Response(_review(request, batch))


def _review(request: Request, batch: Batch) -> Any:
    asked = ReviewQuery(data=request.query_params)
    asked.is_valid(raise_exception=True)
    queue = Queue(batch, signed_in(request.user), group=wanted_group(request, batch))
    if sheet_id := asked.validated_data["sheet"]:
        items = queue.items_of(find_sheet(batch, sheet_id))
    else:
        items = queue.items(after=asked.validated_data["after"], at_least=ITEMS_AT_ONCE)
    sheets = list({item.sheet.pk: item.sheet for item in items}.values())
    is_rest = bool(sheet_id) or len(items) < ITEMS_AT_ONCE
    found = {
        "left": queue.count(),
        "second_reading": batch.second_reading,
        "may_correct": batch.is_finished and may(request.user, batch, Right.OPERATOR),
        "after": None if is_rest else sheets[-1].position,
        "sheets": sheets,
        "items": items,
        "form": _form(queue.template) if sheet_id or any(sheet.error_code for sheet in sheets) else [],
    }
    return Review(found, context={"template": queue.template}).data


class ReviewQuery(serializers.Serializer[Any]):
    after = serializers.IntegerField(default=0, min_value=0)
    sheet = serializers.CharField(default="")


def _form(template: Template) -> list[dict[str, Any]]:
    fields = {field.name: field for field in template.fields}
    coded = {place.column for place in template.codes}
    columns = []
    for column in (*template.identity, *template.questions):
        own = [] if column.name in coded else [fields[name] for name in column.fields]
        options = list(dict.fromkeys(bubble.value for field in own for bubble in field.bubbles))
        columns.append({"name": column.name, "length": len(own) if len(own) > 1 else None, "options": options})
    return columns
