"""Where tickets are given."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.api.tickets import LIFETIME_SECONDS, make_ticket
from batches.permissions import get_batch_for, signed_in


class TicketOrder(serializers.Serializer[Any]):
    batch = serializers.CharField(
        allow_null=True, max_length=100, help_text="id of the batch to read; null: all batches that you may see"
    )


class TicketGiven(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="goes into an address as ?ticket=…")
    expires_in = serializers.IntegerField(help_text="seconds until it opens nothing new")


class TicketView(APIView):
    @extend_schema(request=TicketOrder, responses={201: TicketGiven}, tags=["auth"])
    def post(self, request: Request) -> Response:
        """Get a ticket: it stands in for a header where a client cannot send one, for reading and watching alone."""
        order = TicketOrder(data=request.data)
        order.is_valid(raise_exception=True)
        wanted = order.validated_data["batch"]
        batch = None if wanted is None else get_batch_for(request.user, wanted)
        ticket = make_ticket(signed_in(request.user), batch.pk if batch else None)
        answer = Response({"ticket": ticket, "expires_in": LIFETIME_SECONDS}, status=201)
        answer["Cache-Control"] = "no-store"
        return answer
