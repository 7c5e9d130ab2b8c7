"""Reads one environment variable and stops the start when its value cannot be used."""

from collections.abc import Callable
from typing import TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

ENV = environ.Env()


def read(name: str, cast: Callable[[str], T], default: str, *, expects: str) -> T:
    """Return the variable ``name``, converted by ``cast``; ``default`` when it is not set or empty.

    Raises:
        ImproperlyConfigured: the value cannot be converted; the sentence names
            the variable, the value and what was expected.
    """
    raw = ENV.str(name, default="") or default
    try:
        return cast(raw)
    except (ValueError, KeyError, TypeError) as error:
        raise ImproperlyConfigured(f"{name} is {raw!r}; expected {expects}") from error


def flag(raw: str) -> bool:
    """Return whether ``raw`` says yes."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words[raw.strip().lower()]


def names(raw: str) -> list[str]:
    """Return the comma-separated names in ``raw``."""
    return [name.strip() for name in raw.split(",") if name.strip()]


def whole(*, at_least: int, at_most: int | None = None) -> Callable[[str], int]:
    """Return a converter to a whole number within the bounds."""

    def convert(raw: str) -> int:
        number = int(raw)
        if number < at_least or (at_most is not None and number > at_most):
            raise ValueError(raw)
        return number

    return convert


def one_of(*allowed: str) -> Callable[[str], str]:
    """Return a converter that takes only the ``allowed`` words."""

    def convert(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(raw)
        return raw

    return convert
