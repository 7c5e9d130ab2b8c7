"""Which template a command means."""

from pathlib import Path

from django.core.management.base import CommandError
from django.db import DatabaseError

from batches.models import SheetTemplate
from omr.errors import TemplateError
from omr.template import SHIPPED, Template, load_template, parse_template


def find_template(slug: str) -> Template:
    """Return the template ``slug``: the database's, or the shipped one where the database has none of this name.

    Raises:
        CommandError: there is no such template, or it cannot be used; exit code 2.
    """
    try:
        return _from_database(slug) or load_template(_shipped()[slug])
    except TemplateError as error:
        raise CommandError(f"template {slug}: {error}", returncode=2) from error
    except KeyError as error:
        known = ", ".join(_known_slugs())
        raise CommandError(f"there is no template {slug!r}; give one of {known}", returncode=2) from error


def _from_database(slug: str) -> Template | None:
    try:
        row = SheetTemplate.objects.filter(slug=slug).first()
    except DatabaseError:  # not migrated, or away: sheets can be printed all the same
        return None
    return parse_template(row.document) if row else None


def _shipped() -> dict[str, Path]:
    return {path.parent.name: path for path in SHIPPED.glob("*/template.json")}


def _known_slugs() -> list[str]:
    try:
        slugs = set(SheetTemplate.objects.values_list("slug", flat=True))
    except DatabaseError:
        slugs = set()
    return sorted(slugs | set(_shipped()))
