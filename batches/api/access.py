"""Who else may see or operate a batch: said by its owner, of one batch or of all that they will upload."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.api.serializers import AccessLine
from batches.models import Right
from batches.permissions import get_batch_for, signed_in
from batches.sharing import (
    Whom,
    defaults_of,
    rights_in,
    share,
    share_by_default,
    unshare,
    unshare_by_default,
)


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


class SomeoneEverywhere(Someone):
    existing = serializers.BooleanField(default=False, help_text="also in your batches that are there already")


class GrantEverywhere(SomeoneEverywhere):
    right = serializers.ChoiceField(Right.choices, default=Right.VIEWER)


class AccessView(APIView):
    @extend_schema(responses=AccessLine(many=True), tags=["access"])
    def get(self, request: Request, batch_id: str) -> Response:
        """List who else may see or operate the batch."""
        return Response(_lines(rights_in(get_batch_for(request.user, batch_id, as_owner=True))))

    @extend_schema(request=Grant, responses={201: AccessLine(many=True)}, tags=["access"])
    def post(self, request: Request, batch_id: str) -> Response:
        """Let a user or a group see or operate the batch; who has a right already gets this one instead."""
        batch = get_batch_for(request.user, batch_id, as_owner=True)
        given = _read(Grant, request.data)
        share(batch, _whom(given), given["right"], by=signed_in(request.user))
        return Response(_lines(rights_in(batch)), status=201)

    @extend_schema(request=Someone, responses={204: None}, tags=["access"])
    def delete(self, request: Request, batch_id: str) -> Response:
        """Withdraw what a user or a group may do; the body or the query names who."""
        batch = get_batch_for(request.user, batch_id, as_owner=True)
        given = _read(Someone, request.data or request.query_params)
        unshare(batch, _whom(given), by=signed_in(request.user))
        return Response(status=204)


class DefaultAccessView(APIView):
    @extend_schema(responses=AccessLine(many=True), tags=["access"])
    def get(self, request: Request) -> Response:
        """List who may see or operate each batch that you upload, by itself."""
        return Response(_lines(defaults_of(signed_in(request.user))))

    @extend_schema(request=GrantEverywhere, responses={201: AccessLine(many=True)}, tags=["access"])
    def post(self, request: Request) -> Response:
        """Let a user or a group see or operate each batch that you upload from now on."""
        owner, given = signed_in(request.user), _read(GrantEverywhere, request.data)
        share_by_default(owner, _whom(given), given["right"], also_existing=given["existing"])
        return Response(_lines(defaults_of(owner)), status=201)

    @extend_schema(request=SomeoneEverywhere, responses={204: None}, tags=["access"])
    def delete(self, request: Request) -> Response:
        """Let new batches no longer give a right to a user or a group; the body or the query names who."""
        given = _read(SomeoneEverywhere, request.data or request.query_params)
        unshare_by_default(signed_in(request.user), _whom(given), also_existing=given["existing"])
        return Response(status=204)


def _read(kind: type[Someone], said: Any) -> dict[str, Any]:
    given = kind(data=said)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _whom(given: dict[str, Any]) -> Whom:
    whom: Whom = given["user"] if "user" in given else given["group"]
    return whom


def _lines(rights: Any) -> Any:
    return AccessLine(rights, many=True).data
