"""Batches for the shell: list, show, cancel, retry, prioritize."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from batches import services
from batches.errors import CodesRefused, WrongState
from batches.management.arguments import FAILED, WRONG_USAGE, cover_code, find_batch, require_database
from batches.management.display import duration
from batches.management.output import reader_may_leave
from batches.models import Batch, BatchStatus, Priority

LISTED = 30


class Command(BaseCommand):
    help = "Lists, shows, cancels, retries or prioritizes batches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|cancel|retry|prioritize")
        listing = actions.add_parser("list", help="the latest batches")
        listing.add_argument("--status", choices=BatchStatus.values)
        purposes = {
            "show": "one batch",
            "cancel": "stop a batch",
            "retry": "queue a failed batch",
            "prioritize": "give a batch a larger or smaller share of the workers",
        }
        for name, purpose in purposes.items():
            action = actions.add_parser(name, help=purpose)
            action.add_argument("batch", metavar="BATCH_ID")
            if name == "show":
                action.add_argument("--json", action="store_true")
            if name == "prioritize":
                action.add_argument("priority", choices=Priority.labels)
            if name == "retry":
                action.add_argument(
                    "--cover", action="append", default=[], type=cover_code, metavar="FILE=CODE", dest="covers"
                )

    def handle(self, *_: Any, action: str, **options: Any) -> None:
        require_database()
        with reader_may_leave(options.get("stdout") or sys.stdout):
            self._do(action, options)

    def _do(self, action: str, options: dict[str, Any]) -> None:
        if action == "list":
            self._list(options["status"])
            return
        batch = find_batch(options["batch"])
        try:
            if action == "show":
                self._show(batch, as_json=options["json"])
            elif action == "cancel":
                services.cancel_batch(batch, by=batch.owner)
                self.stdout.write(f"{batch}: will be cancelled within seconds")
            elif action == "prioritize":
                services.set_priority(batch, Priority[options["priority"].upper()])
                self.stdout.write(f"{batch}: {options['priority']} priority")
            else:
                services.retry_batch(batch, by=batch.owner, covers=dict(options["covers"]))
                self.stdout.write(f"{batch}: queued, attempt {batch.attempt}")
        except WrongState as error:
            returncode = WRONG_USAGE if isinstance(error, CodesRefused) else FAILED
            raise CommandError(str(error), returncode=returncode) from error

    def _list(self, status: str | None) -> None:
        batches: QuerySet[Batch] = Batch.objects.select_related("owner")
        if status:
            batches = batches.filter(status=status)
        for batch in batches[:LISTED]:
            counts = f"{batch.processed_count}/{batch.sheet_count} sheets, {batch.review_count} for review"
            created = batch.created_at.strftime("%Y-%m-%d %H:%M")
            self.stdout.write(f"{batch.pk}  {created}  {batch.status:<11}{counts:<36}{batch.owner}  {batch.name}")

    def _show(self, batch: Batch, *, as_json: bool) -> None:
        facts = {
            "id": str(batch.pk),
            "name": batch.name,
            "owner": batch.owner.get_username(),
            "template": batch.template.slug,
            "archive": batch.archive_path,
            "status": batch.status,
            "stage": batch.stage,
            "priority": Priority(batch.priority).label,
            "attempt": batch.attempt,
            "sheets": batch.sheet_count,
            "processed": batch.processed_count,
            "review": batch.review_count,
            "unreadable": batch.unreadable_count,
            "answers": batch.answer_count,
            "worked": duration(batch.worked_seconds),
            "seconds_by_stage": batch.stage_seconds,
            "error": batch.error_message,
            "unreadable_covers": batch.unreadable_covers,
        }
        if as_json:
            self.stdout.write(json.dumps(facts, ensure_ascii=False))
            return
        for name, value in facts.items():
            if value not in ("", [], {}):
                self.stdout.write(f"{name.replace('_', ' '):<18}{_text(value)}")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {number}" for key, number in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
