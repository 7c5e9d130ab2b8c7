"""A batch to try the system with: realistic scans whose answers are known."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from batches.management.templates import find_template
from omr.printing.errors import PrintingError
from omr.printing.sample import Sample, write_sample
from omr.printing.scan import DAMAGES

SHOWN_EVERY_PAGES = 16


class Command(BaseCommand):
    help = "Writes a ZIP of scanned covers and sheets, and what is marked on them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("archive", type=Path, metavar="OUT.zip", help="the ZIP to write")
        parser.add_argument("--sheets", type=int, required=True, metavar="N", help="answer sheets in all")
        parser.add_argument("--groups", type=int, required=True, metavar="G", help="groups, each under a cover")
        parser.add_argument("--template", default="standard-150", metavar="SLUG")
        parser.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed gives the same batch")
        parser.add_argument("--dpi", type=int, default=200)
        parser.add_argument("--damage", choices=list(DAMAGES), default="scan", help="how bad the scans are")
        parser.add_argument("--truth", type=Path, required=True, metavar="OUT.csv", help="the answers, to compare with")

    def handle(self, *_: Any, archive: Path, truth: Path, template: str, damage: str, **options: Any) -> None:
        printed = find_template(template)
        wanted = {name: options[name] for name in ("sheets", "groups", "seed", "dpi")}
        try:
            sample = Sample(template=printed, damage=DAMAGES[damage], **wanted)
            write_sample(sample, archive, truth, report=self._progress(sample.pages))
        except PrintingError as error:
            raise CommandError(str(error), returncode=2) from error
        except OSError as error:
            raise CommandError(_sentence(error, archive, truth), returncode=2) from error
        except KeyboardInterrupt as error:
            raise CommandError("interrupted; nothing was written", returncode=130) from error
        self.stdout.write(f"{archive}: {sample.sheets} sheets in {sample.groups} groups, truth in {truth}")

    def _progress(self, pages: int) -> Callable[[int], None]:
        """Return what shows the progress, on a terminal only."""
        if not self.stderr.isatty():
            return lambda _: None

        def show(written: int) -> None:
            if written % SHOWN_EVERY_PAGES == 0 or written == pages:
                self.stderr.write(f"\r{written}/{pages} pages", self.style.SUCCESS, ending="")
            if written == pages:
                self.stderr.write("", ending="\n")
            self.stderr.flush()

        return show


def _sentence(error: OSError, archive: Path, truth: Path) -> str:
    """Say which folder could not be written; a full disk names no file, and then it is the ZIP that is large."""
    folder = Path(error.filename).parent if error.filename else archive.parent
    name = archive.name if folder == archive.parent else truth.name
    return f"{name} cannot be written into {folder}: {error.strerror}; give a folder that has room and is yours"
