"""Batches: the list, one batch, and what can be done with it."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches import services
from batches.api.paging import Pages
from batches.api.serializers import BatchDetail, BatchLine
from batches.covers import NO_COVER
from batches.models import Batch, BatchStatus, Right
from batches.permissions import get_batch_for, signed_in

LONGEST_CODE = 200


class BatchFilter(django_filters.FilterSet):  # type: ignore[misc]  # it has no types
    status = django_filters.MultipleChoiceFilter(choices=BatchStatus.choices)
    owner = django_filters.CharFilter(field_name="owner__username", label="user name of the owner")
    archived = django_filters.BooleanFilter(
        method="pick", label="true: those that lists leave out; without it they are left out"
    )
    search = django_filters.CharFilter(method="find", label="in the names of batch and ZIP, or the whole id")
    ordering = django_filters.OrderingFilter(
        fields=["created_at", "finished_at", "name", "status", "sheet_count", "review_count"]
    )

    def find(self, batches: Any, _name: str, text: str) -> Any:
        return batches.search(text)

    def pick(self, batches: Any, _name: str, archived: bool) -> Any:
        return batches.exclude(archived_at=None) if archived else batches.listed()

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        return found.listed() if self.form.cleaned_data["archived"] is None else found


@extend_schema_view(get=extend_schema(tags=["batches"]))
class BatchListView(generics.ListAPIView[Batch]):
    """List the batches that you may watch, the newest first."""

    serializer_class = BatchLine
    pagination_class = Pages
    filterset_class = BatchFilter
    queryset = Batch.objects.none()  # its model is what the schema needs

    def get_queryset(self) -> QuerySet[Batch]:
        return Batch.objects.visible_to(signed_in(self.request.user)).select_related("owner", "template")


def _detail(request: Request, batch_id: str) -> Response:
    return Response(BatchDetail(get_batch_for(request.user, batch_id), context={"request": request}).data)


class BatchView(APIView):
    @extend_schema(responses=BatchDetail, tags=["batches"])
    def get(self, request: Request, batch_id: str) -> Response:
        """Return all that is known of a batch."""
        return _detail(request, batch_id)

    @extend_schema(request=BatchDetail, responses=BatchDetail, tags=["batches"])
    def patch(self, request: Request, batch_id: str) -> Response:
        """Rename a batch."""
        batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
        changed = BatchDetail(batch, data=request.data, partial=True)
        changed.is_valid(raise_exception=True)
        # Only the name: a runner may be writing the other columns of this row now.
        Batch.objects.filter(pk=batch.pk).update(name=changed.validated_data.get("name", batch.name))
        return _detail(request, batch_id)

    @extend_schema(responses={204: None}, tags=["batches"])
    def delete(self, request: Request, batch_id: str) -> Response:
        """Delete a batch and all that came of it; for its owner."""
        services.delete_batch(get_batch_for(request.user, batch_id, as_owner=True), by=signed_in(request.user))
        return Response(status=204)


class CancelView(APIView):
    @extend_schema(request=None, responses=BatchDetail, tags=["batches"])
    def post(self, request: Request, batch_id: str) -> Response:
        """Stop a batch within seconds; it can be continued later."""
        services.cancel_batch(get_batch_for(request.user, batch_id, right=Right.OPERATOR), by=signed_in(request.user))
        return _detail(request, batch_id)


class Retry(serializers.Serializer[Any]):
    covers = serializers.DictField(
        child=serializers.CharField(max_length=LONGEST_CODE, allow_null=True),
        default=dict,
        help_text='pages that may be covers: file name → code; null or "-" says that the page is not a cover',
    )


class RetryView(APIView):
    @extend_schema(request=Retry, responses=BatchDetail, tags=["batches"])
    def post(self, request: Request, batch_id: str) -> Response:
        """Go on from the last finished stage, without a new upload; with codes of covers, also when completed."""
        batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
        given = Retry(data=request.data)
        given.is_valid(raise_exception=True)
        covers = {name: NO_COVER if code is None else code for name, code in given.validated_data["covers"].items()}
        services.retry_batch(batch, by=signed_in(request.user), covers=covers)
        return _detail(request, batch_id)
