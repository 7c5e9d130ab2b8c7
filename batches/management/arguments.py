"""What several commands are given, and what they need before they can begin."""

import uuid
from argparse import ArgumentTypeError
from collections.abc import Collection, Sequence

from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from batches.covers import NO_COVER
from batches.directory import natural_key
from batches.models import Batch

FAILED, WRONG_USAGE = 1, 2
"""Exit codes."""


def cover_code(text: str) -> tuple[str, str]:
    file_name, separator, code = text.rpartition("=")
    if not separator or not file_name or not code.strip():
        sentence = f"{text!r} is not FILE=CODE, such as page_04711.jpg=14900113; FILE={NO_COVER} says: no cover"
        raise ArgumentTypeError(sentence)
    return file_name, code.strip()


def likely_covers(pages: Sequence[str], without_cover: Collection[str]) -> list[str]:
    """Return those of ``pages`` that most likely need a code.

    The sheets after a page that may be a cover need none when it is one.

    Args:
        pages: of which a person has to say something.
        without_cover: of these, the sheets that are the first before which no cover stands.
    """
    covers = [page for page in pages if page not in without_cover]
    first = min(map(natural_key, covers), default=None)
    return [*covers, *(page for page in without_cover if first is None or natural_key(page) < first)]


def is_batch_id(text: str) -> bool:
    """Return whether ``text`` can be a batch's id; everything else is a path."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def find_batch(text: str) -> Batch:
    """Return the batch with the id ``text``; CommandError when there is none."""
    batch = Batch.objects.select_related("owner", "template").filter(pk=text).first() if is_batch_id(text) else None
    if batch is None:
        raise CommandError(f"there is no batch {text}; see: manage.py batches list", returncode=WRONG_USAGE)
    return batch


def require_database() -> None:
    """Raise CommandError, with what to do, unless the database is set up for this version."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError("The database is not set up for this version: run manage.py migrate", returncode=FAILED)
