"""OMRChecker's template folders, taken as they are."""

import tempfile
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_slug

from batches.errors import BatchError, WrongState
from batches.models import SheetTemplate
from batches.template_folders import LAYOUT, take_folder, unpack_folder
from omr.errors import TemplateError
from omr.template import parse_template


class Command(BaseCommand):
    help = "Takes a sheet template: a folder with template.json and the files that it needs, that file, or a ZIP."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="the folder, the template.json in it, or a ZIP of the folder")
        parser.add_argument("--slug", help="what batches call it; the folder's or the ZIP's name when left out")
        parser.add_argument("--name", default="", help="what people see; the slug when left out")

    def handle(self, *_: Any, path: Path, slug: str | None, name: str, **__: Any) -> None:
        is_zip = path.suffix.lower() == ".zip" and path.is_file()
        folder, file = (path, LAYOUT) if path.is_dir() else (path.parent, path.name)
        slug = slug or (path.stem if is_zip else folder.resolve().name)
        template = SheetTemplate.objects.filter(slug=slug).first() or SheetTemplate(slug=slug)
        is_new = template.pk is None
        with ExitStack() as stack:
            try:
                validate_slug(slug)
                if is_zip:
                    place = stack.enter_context(tempfile.TemporaryDirectory(prefix="template-"))
                    folder, file = unpack_folder(path, Path(place)), LAYOUT
                take_folder(template, folder, file=file, name=name)
            except ValidationError as error:
                expected = "letters, digits, hyphens and underscores"
                raise CommandError(f"--slug is {slug!r}; expected {expected}", returncode=2) from error
            except (TemplateError, BatchError) as error:
                raise CommandError(f"{path}: {error}", returncode=2) from error
            except WrongState as error:
                raise CommandError(str(error), returncode=2) from error
        self.stdout.write(_summary(template, is_new=is_new))


def _summary(template: SheetTemplate, *, is_new: bool) -> str:
    fields = len(parse_template(template.document).fields)
    others = template.files[1:]
    told = f"template {template.slug} {'added' if is_new else 'changed'}: {fields} fields"
    return f"{told}, with {', '.join(others)}" if others else told
