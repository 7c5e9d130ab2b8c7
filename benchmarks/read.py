"""What reading a page costs beyond decoding it, and how many answers are wrong.

Both are measured page by page in turn, in the same process and in CPU time, so that a busy machine disturbs both alike.
"""

import argparse
import csv
import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from omr.errors import PageError
from omr.printing.sample import Sample, identity_path, write_sample
from omr.printing.scan import DAMAGES
from omr.reader import read_page
from omr.template import SHIPPED, Template, load_template
from omr.types import Reading

WARM_UP_PAGES = 3
"""Read before the clock runs: the first page makes the plan of the template."""


@dataclass(slots=True)
class Score:
    """What was counted so far."""

    pages: int = 0
    read_seconds: float = 0.0
    decode_seconds: float = 0.0
    answers: int = 0
    wrong: int = 0
    silent: int = 0  # wrong and not flagged
    doubtful: int = 0
    refused: list[str] = field(default_factory=list)  # whole pages, which go to a person: never silent


def main(argv: Sequence[str]) -> None:
    """Print the score as one JSON line."""
    options = _parse(argv)
    cv2.setNumThreads(0)
    template = load_template(SHIPPED / options.template / "template.json")
    sample = Sample(
        template=template,
        sheets=options.pages + WARM_UP_PAGES,
        groups=1,
        damage=DAMAGES[options.damage],
        seed=options.seed,
        dpi=options.dpi,
    )
    score = Score()
    with TemporaryDirectory() as folder:
        archive, truth = Path(folder) / "sample.zip", Path(folder) / "truth.csv"
        write_sample(sample, archive, truth, report=lambda _: None)
        for number, (data, columns) in enumerate(_pages(archive, truth)):
            if number < WARM_UP_PAGES:
                _read(data, template)
            else:
                _measure(score, data, columns, template)
    print(json.dumps(_summary(score)))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks read", description=__doc__)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--damage", choices=sorted(DAMAGES), default="scan")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dpi", type=int, default=200)
    parser.add_argument("--template", default="standard-150")
    return parser.parse_args(argv)


def _pages(archive: Path, truth: Path) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Give each sheet's bytes and its true columns."""
    columns: dict[tuple[str, str], dict[str, str]] = {}
    with truth.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            columns.setdefault((row["group_code"], row["sheet_number"]), {})[row["question"]] = row["answer"]
    with identity_path(truth).open(encoding="utf-8", newline="") as file, zipfile.ZipFile(archive) as members:
        for row in csv.DictReader(file):
            yield members.read(row["file_name"]), columns[row["group_code"], row["sheet_number"]]


def _measure(score: Score, data: bytes, columns: dict[str, str], template: Template) -> None:
    begin = time.process_time()
    cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_2)
    middle = time.process_time()
    reading = _read(data, template)
    score.decode_seconds += middle - begin
    score.read_seconds += time.process_time() - middle
    score.pages += 1
    if isinstance(reading, PageError):
        score.refused.append(f"{reading.code}: {reading}")
    else:
        _count(score, reading, columns, template)


def _read(data: bytes, template: Template) -> Reading | PageError:
    try:
        return read_page(data, template)
    except PageError as error:
        return error


def _count(score: Score, reading: Reading, columns: dict[str, str], template: Template) -> None:
    empty = {field.name: field.empty_value for field in template.fields}
    for column in template.questions:
        marks = [reading.mark(name) for name in column.fields]
        answer = "".join("".join(mark.choices) or empty[mark.field] for mark in marks)
        is_doubtful = any(mark.doubt for mark in marks)
        score.answers += 1
        score.doubtful += is_doubtful
        score.wrong += answer != columns[column.name]
        score.silent += answer != columns[column.name] and not is_doubtful


def _summary(score: Score) -> dict[str, object]:
    pages = max(score.pages, 1)
    return {
        "benchmark": "read",
        "pages": score.pages,
        "cpu_ms_per_page": round(score.read_seconds / pages * 1000, 2),
        "decode_only_ms_per_page": round(score.decode_seconds / pages * 1000, 2),
        "ratio": round(score.read_seconds / score.decode_seconds, 3) if score.decode_seconds else None,
        "answers": score.answers,
        "wrong": score.wrong,
        "silent": score.silent,
        "doubtful": score.doubtful,
        "refused": len(score.refused),
    }
