"""Logging in: a user name and a password for a pair of tokens, and an old pair for a new one."""

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import AbstractBaseUser
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken

SHOW_HOW = 'Bearer realm="api"'


class Credentials(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False, style={"input_type": "password"})


class Refresh(serializers.Serializer[Any]):
    refresh_token = serializers.CharField()


class TokenPair(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField(help_text="always bearer")
    expires_in = serializers.IntegerField(help_text="seconds until the access token ends")


class TokenView(APIView):
    """Gives tokens to people who are not known yet."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, _request: Request) -> str:
        return SHOW_HOW


class LoginView(TokenView):
    @extend_schema(request=Credentials, responses=TokenPair, tags=["auth"])
    def post(self, request: Request) -> Response:
        """Log in. Wrong user name or password: 401; too many wrong ones: 429 with Retry-After."""
        given = Credentials(data=request.data)
        given.is_valid(raise_exception=True)
        # Django's own request, not the framework's: the lockout is marked on it and read by the middleware.
        user = authenticate(request._request, **given.validated_data)
        if user is None:
            raise AuthenticationFailed("Wrong user name or password", "wrong_credentials")
        return Response(token_pair(user))


class RefreshView(TokenView):
    @extend_schema(request=Refresh, responses=TokenPair, tags=["auth"])
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair, as long as the user is active and the password the same."""
        given = Refresh(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            token = RefreshToken(given.validated_data["refresh_token"])
        except TokenError as error:
            raise AuthenticationFailed("The refresh token is invalid or has expired", "token_not_valid") from error
        return Response(token_pair(JWTAuthentication().get_user(token)))


def token_pair(user: AbstractBaseUser) -> dict[str, Any]:
    """Return a new pair of tokens for ``user``, as the API gives it."""
    refresh: RefreshToken = RefreshToken.for_user(user)
    return {
        "access_token": str(refresh.access_token),
        "refresh_token": str(refresh),
        "token_type": "bearer",
        "expires_in": round(api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
    }
