"""Reads one environment variable and stops the start when its value cannot be used."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

ENV = environ.Env()


def read(name: str, cast: Callable[[str], T], default: str, *, expects: str) -> T:
    """Return the variable ``name``, converted by ``cast``; ``default`` when it is not set or empty.

    Raises:
        SystemExit: the value cannot be converted; its one sentence names the variable, the value and what
            was expected. No traceback: who reads it has a wrong line in an environment, not in the code.
    """
    raw = ENV.str(name, default="") or default
    try:
        return cast(raw)
    except (ValueError, KeyError, TypeError, OSError, ImproperlyConfigured) as error:
        raise SystemExit(f"{name} is {raw!r}; expected {expects}") from error


def flag(raw: str) -> bool:
    """Return whether ``raw`` says yes."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words[raw.strip().lower()]


def names(raw: str) -> list[str]:
    """Return the comma-separated names in ``raw``."""
    return [name.strip() for name in raw.split(",") if name.strip()]


def origins(raw: str) -> list[str]:
    """Return the comma-separated origins in ``raw``, each as a browser says it: scheme and host, and a port if odd."""
    said = [name.lower() for name in names(raw)]
    for origin in said:
        parts = urlsplit(origin)
        usual = {"http": 80, "https": 443}[parts.scheme]
        if not _ORIGIN.fullmatch(origin) or parts.port == usual:
            raise ValueError(origin)
    return said


_ORIGIN = re.compile(r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]+)?")


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


def writable_folder(raw: str) -> Path:
    """Return the folder ``raw``, made when it is not there."""
    folder = Path(raw).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(raw)
    return folder


def database_config(raw: str) -> dict[str, Any]:
    """Return Django's description of the database that the address ``raw`` names."""
    if urlsplit(raw).scheme not in ("sqlite", "postgres", "postgresql"):
        raise ValueError(raw)
    config: dict[str, Any] = ENV.db_url_config(raw)
    return config


def redis_address(raw: str) -> str:
    """Return ``raw`` if it is empty or the address of a Redis."""
    if raw and urlsplit(raw).scheme not in ("redis", "rediss", "unix"):
        raise ValueError(raw)
    return raw


def bucket_address(raw: str) -> str:
    """Return ``raw`` if it is empty or names a bucket, and perhaps a folder in it."""
    if raw and not _BUCKET.fullmatch(raw):
        raise ValueError(raw)
    return raw.rstrip("/")


_BUCKET = re.compile(r"s3://[a-zA-Z0-9._-]+(/[^/?#@:]+)*/?")


def archive_storage(address: str, folder: Path) -> dict[str, Any]:
    """Return Django's description of the storage at the bucket's ``address``; of one in ``folder`` when it is empty."""
    if not address:
        options: dict[str, Any] = {"location": folder, "allow_overwrite": True}
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    return {"BACKEND": "batches.storage_bucket.ArchiveBucket", "OPTIONS": {"bucket_name": bucket, "location": prefix}}


def time_zone(raw: str) -> str:
    """Return ``raw`` if it names a time zone (ZoneInfoNotFoundError is a KeyError)."""
    return ZoneInfo(raw).key
