"""What becomes of answers when one thing goes wrong, and more and more so.

For each fault of omr/printing/faults.py and each of its strengths a JSON line. *wrong* differs from what a careful
person reads, *silent* is wrong and not doubtful, *refused* counts pages, whose answers all go to a person. The last
line sums up and says how many of the answers that the reader is sure of (confidence 0.9 and more) are right.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from benchmarks._picture import write_picture
from omr.errors import PageError
from omr.printing.faults import FAULTS, Fault
from omr.printing.spoilt import SpoiltSheet, Truth
from omr.reader import read_page
from omr.template import SHIPPED, Template, load_template
from omr.types import Mark

SURE = 0.9


@dataclass(slots=True)
class Row:
    """What was counted of one fault at one strength."""

    answers: int = 0
    wrong: int = 0
    silent: int = 0
    doubtful: int = 0
    refused: int = 0
    sure: int = 0  # answers with confidence SURE and more
    sure_and_right: int = 0

    def add(self, mark: Mark, truth: Truth) -> bool:
        """Count one answer; return whether it is silently wrong."""
        is_wrong = "".join(mark.choices) != truth.answer
        is_silent = mark.doubt is None and (is_wrong or truth.must_be_flagged)
        self.answers += 1
        self.wrong += is_wrong
        self.silent += is_silent
        self.doubtful += mark.doubt is not None
        self.sure += mark.confidence >= SURE
        self.sure_and_right += mark.confidence >= SURE and not is_silent
        return is_silent

    def add_row(self, row: "Row") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(row, name))


def main(argv: Sequence[str]) -> None:
    """Print the rows, then the totals; leave with 1 when an answer within a limit is silently wrong."""
    options = _parse(argv)
    cv2.setNumThreads(0)
    template = load_template(SHIPPED / options.template / "template.json")
    faults = [fault for fault in FAULTS if not options.fault or fault.name in options.fault]
    if options.picture:
        write_picture(options.picture, faults, template, options.seed)
    within, beyond = Row(), Row()
    for fault in faults:
        for strength in fault.strengths:
            row = _run(template, fault, strength, options)
            print(json.dumps(_line(fault, strength, row)), flush=True)
            (within if strength in fault.within_limit else beyond).add_row(row)
    print(json.dumps(_totals(within, beyond)))
    sys.exit(1 if within.silent else 0)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks stress", description=__doc__)
    parser.add_argument("--sheets", type=int, default=4, help="for each strength")
    parser.add_argument("--fault", action="append", choices=[fault.name for fault in FAULTS], help="only this; repeat")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dpi", type=int, default=200)
    parser.add_argument("--template", default="standard-150")
    parser.add_argument("--picture", type=Path, help="PNG that shows each fault at each strength")
    parser.add_argument("--keep", type=Path, help="folder for pages with silent answers, named for fault and strength")
    return parser.parse_args(argv)


def _run(template: Template, fault: Fault, strength: float, options: argparse.Namespace) -> Row:
    row = Row()
    for number in range(options.sheets):
        sheet = fault.spoil(template, strength, serial=number, seed=options.seed)
        page = sheet.scanned(dpi=options.dpi)
        silent = list(_count(row, sheet, page))
        if silent and options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            name = f"{fault.name}-{strength:g}-{number}"
            (options.keep / f"{name}.jpg").write_bytes(page)
            (options.keep / f"{name}.txt").write_text("\n".join(silent) + "\n", encoding="utf-8")
    return row


def _count(row: Row, sheet: SpoiltSheet, page: bytes) -> Iterator[str]:
    """Count one page; give a line for each silent answer."""
    try:
        reading = read_page(page, sheet.template)
    except PageError:
        row.refused += 1
        return
    for mark in reading.marks:
        truth = sheet.truth[mark.field]
        if row.add(mark, truth):
            seen = f"{mark.field}: {''.join(mark.choices) or 'blank'} read with confidence {mark.confidence:.2f}"
            meant = "a person asks" if truth.must_be_flagged else f"{truth.answer or 'blank'} meant"
            yield f"{seen}, {meant}"


def _line(fault: Fault, strength: float, row: Row) -> dict[str, object]:
    return {
        "benchmark": "stress",
        "fault": fault.name,
        "strength": strength,
        "within_limit": strength in fault.within_limit,
        "answers": row.answers,
        "wrong": row.wrong,
        "silent": row.silent,
        "doubtful": row.doubtful,
        "refused": row.refused,
        "sure_wrong": row.sure - row.sure_and_right,
    }


def _totals(within: Row, beyond: Row) -> dict[str, object]:
    return {
        "benchmark": "stress",
        "answers": within.answers + beyond.answers,
        "silent_within_limits": within.silent,
        "silent_beyond": beyond.silent,
        "refused": within.refused + beyond.refused,
        "sure": within.sure,
        "sure_right_share": round(within.sure_and_right / within.sure, 6) if within.sure else None,
    }
