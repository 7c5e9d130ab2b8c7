"""Answer sheets and covers, ready to print."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from batches.management.templates import find_template
from omr.printing.cover import draw_cover
from omr.printing.errors import PrintingError
from omr.printing.pdf import write_pdf
from omr.printing.sheet import draw_sheet


class Command(BaseCommand):
    help = "Writes a PDF of answer sheets and of covers with QR codes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--template", default="standard-150", metavar="SLUG", help="the sheets' template")
        parser.add_argument("--out", required=True, type=Path, metavar="PDF", help="the file to write")
        parser.add_argument("--copies", type=int, default=1, metavar="N", help="how many sheets; 1 by default")
        parser.add_argument("--covers", nargs="+", default=[], metavar="CODE", help="a cover for each of these codes")

    def handle(self, *_: Any, template: str, out: Path, copies: int, covers: list[str], **__: Any) -> None:
        if copies < 0 or not (copies or covers):
            raise CommandError(f"--copies is {copies}; give 1 or more, or 0 with --covers", returncode=2)
        printed = find_template(template)
        try:
            drawings = [draw_cover(printed, code) for code in covers]
            drawings += [draw_sheet(printed)] * copies
            pages = write_pdf(out, drawings, title=f"Answer sheets {template}")
        except PrintingError as error:
            raise CommandError(str(error), returncode=2) from error
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}", returncode=2) from error
        self.stdout.write(f"{out}: {pages} {'page' if pages == 1 else 'pages'}")
