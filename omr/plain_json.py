"""JSON from strangers: what can be decoded here can be walked through, stored and sent on."""

import json
import re
from typing import Any

MOST_DEPTH = 64
"""Of objects and lists in one another: a template has ten. What is deeper is meant to break who walks through it."""

# A NUL, which PostgreSQL takes in no text, and one half of a letter, which is none in UTF-8.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class NotPlain(json.JSONDecodeError):
    """It is JSON, and cannot be kept; of which line is not known."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, "", 0)

    def __str__(self) -> str:
        return self.msg


class PlainDecoder(json.JSONDecoder):
    """A decoder that refuses, as a syntax error, also what is JSON and could not be kept."""

    def decode(self, s: str, *given: Any) -> Any:
        """Return what ``s`` says.

        Raises:
            json.JSONDecodeError: it is no JSON.
            NotPlain: it is nested too deep, or has text or a number that cannot be stored.
        """
        try:
            decoded = super().decode(s, *given)
        except json.JSONDecodeError:
            raise
        except RecursionError as error:
            raise _too_deep() from error
        except ValueError as error:  # a number of thousands of digits
            raise NotPlain(str(error)) from error
        _refuse_unstorable(decoded)
        return decoded


def decode_json(content: str | bytes) -> Any:
    """Return what ``content`` says, bytes in UTF-8, 16 or 32.

    Raises:
        ValueError: see ``PlainDecoder``, or the bytes are no text.
    """
    return json.loads(content, cls=PlainDecoder)


def _refuse_unstorable(decoded: Any) -> None:
    """Look at every text and key, one level of nesting after the other."""
    level, depth = [decoded], 0
    while level:
        if depth > MOST_DEPTH:
            raise _too_deep()
        below: list[Any] = []
        for value in level:
            if isinstance(value, str) and (odd := _UNSTORABLE.search(value)):
                raise NotPlain(f"the text {value[:40]!a} has {odd[0]!a}, which cannot be stored; leave it out")
            if isinstance(value, dict):
                below += (*value.keys(), *value.values())
            elif isinstance(value, list):
                below += value
        level, depth = below, depth + 1


def _too_deep() -> NotPlain:
    return NotPlain(f"objects and lists are nested more than {MOST_DEPTH} deep; nothing here needs that")
