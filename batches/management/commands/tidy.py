"""Lets go of what has been kept for as long as the site wants, at once; a runner does it once an hour."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from batches.management.arguments import require_database
from batches.retention import Ages, Due, Kept, count_spared, find_due, site_ages, tidy

VARIABLES = {Kept.ARCHIVE: "KEEP_ARCHIVES_DAYS", Kept.CSV: "KEEP_CSV_DAYS", Kept.LOG: "KEEP_LOGS_DAYS"}
UNITS = ((2**30, "GB"), (2**20, "MB"), (2**10, "KB"))


class Command(BaseCommand):
    help = "Deletes the ZIPs, result files and logs of batches that ended longer ago than KEEP_…_DAYS says."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would go, how large it is, and why")

    def handle(self, *_: Any, dry_run: bool, **__: Any) -> None:
        require_database()
        ages = site_ages()
        for kind, name in VARIABLES.items():
            self.stdout.write(_setting(name, ages.of(kind)))
        if ages == Ages():
            return
        self._show(find_due(ages) if dry_run else tidy(ages), ages, word="would go" if dry_run else "gone")
        if spared := count_spared(ages):
            self.stdout.write(
                f"{_counted(spared, 'ZIP')} of batches that failed or were cancelled stay, however old: nothing else "
                "holds what is in them. Delete such a batch to let go of it."
            )

    def _show(self, things: Iterable[Due], ages: Ages, *, word: str) -> None:
        sizes: Counter[Kept] = Counter()
        counts: Counter[Kept] = Counter()
        for due in things:
            self.stdout.write(_line(due, ages))
            sizes[due.kind] += due.size_bytes
            counts[due.kind] += 1
        for kind, number in counts.items():
            self.stdout.write(f"{word}: {_counted(number, kind.value)}, {_size(sizes[kind])}")
        if not counts:
            self.stdout.write(f"{word}: nothing")


def _setting(name: str, age: timedelta | None) -> str:
    return f"{name}={age.days if age else 0}" + ("" if age else " (for ever)")


def _line(due: Due, ages: Ages) -> str:
    """Return what goes, how large it is, and why."""
    batch, age = due.batch, ages.of(due.kind) or timedelta()
    ended = timezone.localtime(batch.finished_at).date()
    lines = f"all but the last of {due.lines + 1} lines, " if due.kind is Kept.LOG else ""
    waiting = f"; {_counted(batch.review_count, 'sheet')} for review" if _is_missed(due) else ""
    why = f"{lines}{batch.status} on {ended}, more than {age.days} days ago{waiting}"
    return f"{due.kind.value:<8}{_size(due.size_bytes):>9}  {batch.pk}  {batch.name}: {why}"


def _is_missed(due: Due) -> bool:
    """Whether somebody will want to look at the pages, and cannot any more."""
    return due.kind is Kept.ARCHIVE and due.batch.review_count > 0


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 or noun == Kept.CSV else f"{number} {noun}s"


def _size(size_bytes: int) -> str:
    factor, unit = next(((factor, unit) for factor, unit in UNITS if size_bytes >= factor), (1, "B"))
    return f"{size_bytes / factor:.1f} {unit}" if factor > 1 else f"{size_bytes} B"
