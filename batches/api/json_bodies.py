"""JSON as the API takes it."""

import codecs
from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

from omr.plain_json import decode_json

MOST_JSON_BYTES = 64 * 2**20
"""Of one body: a template with all the pictures that a ZIP may bring, in Base64."""


class BodyTooLarge(APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"


class PlainJSONParser(JSONParser):
    """Refuses with a sentence what could not be stored, and a body without end."""

    def parse(self, stream: IO[bytes], _type: str | None = None, context: Mapping[str, Any] | None = None) -> Any:
        content = stream.read(MOST_JSON_BYTES + 1)  # one more is enough to refuse it by
        if len(content) > MOST_JSON_BYTES:
            raise BodyTooLarge(f"The body has more than {MOST_JSON_BYTES} bytes; no call needs so many")
        encoding = (context or {}).get("encoding", settings.DEFAULT_CHARSET)
        try:
            return decode_json(codecs.decode(content, encoding))
        except (ValueError, LookupError) as error:
            raise ParseError(f"The body cannot be read as JSON: {error}") from error
