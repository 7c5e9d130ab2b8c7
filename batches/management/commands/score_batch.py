"""What the sheets of a batch are worth by an answer key. It changes nothing of what was read."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from batches.api.downloads import read_sheets_and_answers, write_csv
from batches.management.arguments import FAILED, WRONG_USAGE, find_batch, require_database
from batches.management.keys import find_kept_key, find_key
from batches.results import Cells, ResultTables
from batches.scores import ScoreTable
from omr.scoring import AnswerKey, points_text
from omr.template import parse_template


class Command(BaseCommand):
    help = "Writes a score for each sheet of a batch, from the answers in the database, corrections included."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("batch", metavar="BATCH_ID")
        parser.add_argument(
            "--key", type=Path, metavar="JSON", help="OMRChecker's evaluation.json; the template's own when left out"
        )
        parser.add_argument("--out", type=Path, required=True, metavar="CSV", help="the file to write: a line a sheet")
        parser.add_argument("--explain", type=Path, metavar="CSV", help="one more file: a line for each question")

    def handle(self, *_: Any, batch: str, key: Path | None, out: Path, explain: Path | None, **__: Any) -> None:
        require_database()
        scored = find_batch(batch)
        template = parse_template(scored.template.document)
        used = find_key(key, template, questions_only=True) if key else find_kept_key(scored.template)
        if not scored.has_results:
            sentence = f"batch {scored} is {scored.status}; its answers are there once the database is loaded"
            raise CommandError(sentence, returncode=FAILED)
        for name in used.rewarded_faults:
            self.stderr.write(f"section {name} gives points for wrong answers; name it BONUS_… if that is meant")
        table = ScoreTable(ResultTables.of(scored.pk, template), used)
        counts: Counter[str] = Counter()
        _write(out, table.lines(read_sheets_and_answers(scored, None), counts))
        if explain:
            _write(explain, table.explained_lines(read_sheets_and_answers(scored, None)))
        self.stdout.write(_summary(out, used, counts))


def _write(path: Path, lines: Iterator[Cells]) -> None:
    """Write a file aside and rename it: nobody takes half of it for all."""
    aside = path.with_name(f"{path.name}.part")
    try:
        with aside.open("wb") as file:
            file.writelines(write_csv(lines, for_excel=False))
        aside.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", returncode=WRONG_USAGE) from error


def _summary(out: Path, key: AnswerKey, counts: Counter[str]) -> str:
    least, most = map(points_text, key.bounds)
    sheets = "sheet" if counts["scored"] == 1 else "sheets"
    told = f"{out}: {counts['scored']} {sheets} scored ({least} to {most} points possible)"
    if counts["open"]:
        told += f", {counts['open']} without a score until their doubtful answers are decided"
    if counts["unreadable"]:
        told += f", {counts['unreadable']} unreadable"
    return told
