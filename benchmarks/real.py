"""What becomes of scans and photographs that nobody here made: one JSON line for each image, then their sum.

The folder named by OMR_REAL_SCANS holds ``omrchecker/`` (with truth.json, and a template in or above the folder of
each image) and ``openmcr/`` (with truth.csv; its template is shipped).
"""

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omr.errors import PageError
from omr.folders import load_template_folder
from omr.reader import read_page
from omr.template import SHIPPED, Template, load_template
from omr.types import Mark, Reading

VARIABLE = "OMR_REAL_SCANS"

OPENMCR_COLUMNS = {
    "Last Name": "last_name",
    "First Name": "first_name",
    "Middle Name": "middle_name",
    "Test Form Code": "form_code",
    "Student ID": "student_id",
    "Course ID": "course_id",
}


@dataclass(frozen=True, kw_only=True)
class Scan:
    """An image with its template and its true columns; columns in ``doubtful`` may also have one of these values."""

    name: str
    path: Path
    template: Template
    truth: Mapping[str, str]
    doubtful: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Score:
    """What was counted of one image, or of all."""

    fields: int = 0
    wrong: int = 0
    silent: int = 0  # wrong and not flagged
    flagged: int = 0
    ms: float = 0.0
    misread: list[str] = field(default_factory=list)


def main(argv: Sequence[str]) -> None:
    """Print the scores; leave with 1 when an answer is silently wrong, with 2 when there are no scans."""
    argparse.ArgumentParser(prog="python -m benchmarks real", description=__doc__).parse_args(argv)
    folder = os.environ.get(VARIABLE)
    if not folder or not Path(folder).is_dir():
        seen = f"is {folder!r}, which is no folder" if folder else "is not set"
        print(f"{VARIABLE} {seen}; set it to the folder with the real scans", file=sys.stderr)
        sys.exit(2)
    images, total = 0, Score()
    for scan in find_scans(Path(folder)):
        score = read_scan(scan)
        images += 1
        print(json.dumps({"image": scan.name} | _counts(score) | {"ms": round(score.ms, 1), "misread": score.misread}))
        for name in ("fields", "wrong", "silent", "flagged", "ms"):
            setattr(total, name, getattr(total, name) + getattr(score, name))
    ms_per_page = round(total.ms / max(images, 1), 1)
    print(json.dumps({"benchmark": "real", "images": images} | _counts(total) | {"ms_per_page": ms_per_page}))
    sys.exit(1 if total.silent else 0)


def find_scans(folder: Path) -> Iterator[Scan]:
    """Give every image in ``folder`` whose truth is known."""
    yield from _omrchecker_scans(folder / "omrchecker")
    yield from _openmcr_scans(folder / "openmcr")


def read_scan(scan: Scan) -> Score:
    """Return what reading ``scan`` gives, in CPU time; a page that is refused is flagged in all its columns."""
    data = scan.path.read_bytes()
    begin = time.process_time()
    try:
        reading: Reading | PageError = read_page(data, scan.template)
    except PageError as error:
        reading = error
    score = Score(ms=(time.process_time() - begin) * 1000)
    fields_of = {column.name: column.fields for column in scan.template.columns}
    for name, truth in scan.truth.items():
        marks = [] if isinstance(reading, PageError) else [reading.mark(label) for label in fields_of[name]]
        _count(score, name, (truth, *scan.doubtful.get(name, ())), marks)
    if isinstance(reading, PageError):
        score.misread = [f"{reading.code}: {reading}"]
    return score


def _count(score: Score, name: str, right: Sequence[str], marks: Sequence[Mark]) -> None:
    value = "".join("".join(mark.choices) for mark in marks)
    is_flagged = not marks or any(mark.doubt for mark in marks)
    is_wrong = not marks or value not in right
    score.fields += 1
    score.flagged += is_flagged
    score.wrong += is_wrong
    score.silent += is_wrong and not is_flagged
    if is_wrong or is_flagged:
        doubts = ", ".join(f"{mark.field} {mark.doubt}" for mark in marks if mark.doubt)
        score.misread.append(f"{name}: {value!r} read, {' or '.join(map(repr, right))} true ({doubts or 'sure'})")


def _counts(score: Score) -> dict[str, object]:
    return {name: getattr(score, name) for name in ("fields", "wrong", "silent", "flagged")}


def _omrchecker_scans(folder: Path) -> Iterator[Scan]:
    for name, entry in json.loads((folder / "truth.json").read_text(encoding="utf-8")).items():
        path = folder / name
        home = next(parent for parent in path.parents if (parent / "template.json").exists())
        doubtful: dict[str, tuple[str, ...]] = {}
        for column, values, _ in entry["doubtful"]:
            doubtful[column] = tuple(values) if isinstance(values, list) else (values,)
        template = load_template_folder(home)
        yield Scan(name=name, path=path, template=template, truth=entry["fields"], doubtful=doubtful)


def _openmcr_scans(folder: Path) -> Iterator[Scan]:
    template = load_template(SHIPPED / "openmcr-75" / "template.json")
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = row["Source File"]
            truth = {column: row[title] for title, column in OPENMCR_COLUMNS.items()}
            truth |= {column.name: row.get(column.name.upper()) or "" for column in template.questions}
            yield Scan(name=f"openmcr/{name}", path=folder / "scans" / name, template=template, truth=truth)
