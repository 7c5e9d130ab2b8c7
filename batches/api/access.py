"""Who else may see or operate a batch: said by its owner."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.api.serializers import AccessLine
from batches.models import Batch, BatchAccess, Right
from batches.permissions import get_batch_for


class Someone(serializers.Serializer[Any]):
    """A user or a group of users, by name."""

    user = serializers.SlugRelatedField(
        "username", queryset=get_user_model().objects.all(), required=False, help_text="user name"
    )
    group = serializers.SlugRelatedField(
        "name", queryset=Group.objects.all(), required=False, help_text="name of a group of users"
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if ("user" in given) == ("group" in given):
            raise serializers.ValidationError('give either "user" or "group"')
        return given


class Grant(Someone):
    right = serializers.ChoiceField(Right.choices, default=Right.VIEWER)


class AccessView(APIView):
    @extend_schema(responses=AccessLine(many=True), tags=["access"])
    def get(self, request: Request, batch_id: str) -> Response:
        """List who else may see or operate the batch."""
        return Response(_listed(get_batch_for(request.user, batch_id, as_owner=True)))

    @extend_schema(request=Grant, responses={201: AccessLine(many=True)}, tags=["access"])
    def post(self, request: Request, batch_id: str) -> Response:
        """Let a user or a group see or operate the batch; who has a right already gets this one instead."""
        batch = get_batch_for(request.user, batch_id, as_owner=True)
        given = Grant(data=request.data)
        given.is_valid(raise_exception=True)
        who = dict(given.validated_data)
        chosen = {"right": who.pop("right"), "granted_by": request.user}
        BatchAccess.objects.update_or_create(batch=batch, **who, defaults=chosen)
        return Response(_listed(batch), status=201)

    @extend_schema(request=Someone, responses={204: None}, tags=["access"])
    def delete(self, request: Request, batch_id: str) -> Response:
        """Withdraw what a user or a group may do; the body or the query names who."""
        batch = get_batch_for(request.user, batch_id, as_owner=True)
        given = Someone(data=request.data or request.query_params)
        given.is_valid(raise_exception=True)
        batch.access.filter(**given.validated_data).delete()
        return Response(status=204)


def _listed(batch: Batch) -> Any:
    granted = batch.access.select_related("user", "group", "granted_by").order_by("granted_at", "pk")
    return AccessLine(granted, many=True).data
