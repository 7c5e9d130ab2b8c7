"""OMRChecker's template folders, taken as they are."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_slug

from batches.errors import WrongState
from batches.models import SheetTemplate
from omr.errors import TemplateError
from omr.folders import read_template_folder
from omr.template import parse_template


class Command(BaseCommand):
    help = "Takes a sheet template: a folder with template.json and the pictures that it names, or that file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="the folder, or the template.json in it")
        parser.add_argument("--slug", help="what batches call it; the folder's name when left out")
        parser.add_argument("--name", default="", help="what people see; the slug when left out")

    def handle(self, *_: Any, path: Path, slug: str | None, name: str, **__: Any) -> None:
        folder, file = (path, "template.json") if path.is_dir() else (path.parent, path.name)
        slug = slug or folder.resolve().name
        template = SheetTemplate.objects.filter(slug=slug).first() or SheetTemplate(slug=slug)
        try:
            validate_slug(slug)
            document = read_template_folder(folder, file)
            template.refuse_document(document)
        except ValidationError as error:
            expected = "letters, digits, hyphens and underscores"
            raise CommandError(f"--slug is {slug!r}; expected {expected}", returncode=2) from error
        except TemplateError as error:
            raise CommandError(f"{path}: {error}", returncode=2) from error
        except WrongState as error:
            raise CommandError(str(error), returncode=2) from error
        is_new = template.pk is None
        template.document, template.name = document, name or template.name or slug
        template.save()
        self.stdout.write(
            f"template {slug} {'added' if is_new else 'changed'}: {len(parse_template(document).fields)} fields"
        )
