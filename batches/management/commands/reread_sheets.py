"""Has some sheets of a completed batch read again with another template."""

import uuid
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from batches import services
from batches.errors import WrongState
from batches.management.arguments import FAILED, WRONG_USAGE, find_batch, is_batch_id, require_database
from batches.models import SheetTemplate
from batches.rereading import Choice


def _sheet_id(text: str) -> uuid.UUID:
    if not is_batch_id(text):
        raise ArgumentTypeError(f"{text!r} is no id of a sheet; ids are in the address of its page and in the API")
    return uuid.UUID(text)


class Command(BaseCommand):
    help = (
        "Queues a completed batch to have some of its sheets read again with another template that has the same "
        "questions; what people corrected stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("batch", metavar="BATCH_ID")
        parser.add_argument("--template", required=True, metavar="SLUG", help="to read them with")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--sheet", nargs="+", default=[], type=_sheet_id, metavar="ID", dest="sheets")
        which.add_argument("--group", default="", metavar="CODE", help="all sheets under this cover")
        which.add_argument("--unreadable", action="store_true", help="all that could not be read")
        which.add_argument("--all", action="store_true", help="every sheet of the batch")

    def handle(self, *_: Any, batch: str, template: str, **options: Any) -> None:
        require_database()
        chosen = find_batch(batch)
        choice = Choice(
            ids=options["sheets"], group=options["group"], unreadable=options["unreadable"], all=options["all"]
        )
        try:
            count = services.reread_sheets(chosen, choice, _find_template(template), by=chosen.owner)
        except WrongState as error:
            raise CommandError(str(error), returncode=FAILED) from error
        sheets = "1 sheet" if count == 1 else f"{count} sheets"
        self.stdout.write(f"{chosen}: queued, attempt {chosen.attempt}: {sheets} to be read with {template}")


def _find_template(slug: str) -> SheetTemplate:
    if template := SheetTemplate.objects.filter(slug=slug).first():
        return template
    known = ", ".join(SheetTemplate.objects.values_list("slug", flat=True))
    sentence = f"there is no template {slug!r} in the database; import it, or give one of {known}"
    raise CommandError(sentence, returncode=WRONG_USAGE)
