"""Whether covers are told from sheets and read, whatever the scanner did to either.

For each way of scanning (benchmarks/_scans.py) a JSON line, then their sum. Pages go through the workers' own jobs, as
a batch's do: the first bytes of every page, then the whole of those that are not surely sheets. Times are CPU time.
"""

import argparse
import json
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from batches.archive import Page
from batches.directory import index_archive
from batches.workers.base import Chunk, Job, PageKind, Place, Verdict
from batches.workers.jobs import run_job
from benchmarks._scans import WAYS, Way
from omr.template import SHIPPED, parse_template

NOWHERE = Place(redis_url="", key="", lifetime_seconds=0)
"""Neither job puts anything into Redis."""


@dataclass(slots=True)
class Row:
    """What was counted of one way, or of all."""

    covers: int = 0
    found: int = 0  # as covers, with their own code
    wrong_code: int = 0
    not_read: int = 0  # covers, but the code is for a person to give: the batch stops and asks
    covers_taken_for_sheets: int = 0
    covers_set_aside: int = 0  # a person is asked, and the sheets after it are doubted
    sheets: int = 0
    sheets_taken_for_covers: int = 0
    sheets_set_aside: int = 0
    gate_ms: float = 0.0  # of all pages: their first bytes
    cover_ms: float = 0.0
    missed: list[str] = field(default_factory=list)

    def add_cover(self, code: str, verdict: Verdict) -> bool:
        """Count one cover; return whether all is well."""
        is_cover = verdict.kind is PageKind.COVER
        self.covers += 1
        self.found += is_cover and verdict.code == code
        self.wrong_code += is_cover and verdict.code not in ("", code)
        self.not_read += is_cover and not verdict.code
        self.covers_taken_for_sheets += verdict.kind is PageKind.SHEET
        self.covers_set_aside += verdict.kind is PageKind.SET_ASIDE
        return is_cover and verdict.code == code

    def add_sheet(self, verdict: Verdict) -> bool:
        """Count one sheet; return whether all is well."""
        self.sheets += 1
        self.sheets_taken_for_covers += verdict.kind is PageKind.COVER
        self.sheets_set_aside += verdict.kind is PageKind.SET_ASIDE
        return verdict.kind is not PageKind.COVER

    def add_row(self, row: "Row") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(row, name))

    def as_line(self) -> dict[str, object]:
        pages = max(self.covers + self.sheets, 1)
        counts = {name: getattr(self, name) for name in self.__slots__ if not name.endswith("_ms")}
        times = {
            "ms_per_cover": round(self.cover_ms / max(self.covers, 1), 2),
            "ms_per_head": round(self.gate_ms / pages, 2),
        }
        return {**counts, **times, "missed": self.missed}

    @property
    def is_right(self) -> bool:
        return self.found == self.covers and not (self.wrong_code or self.sheets_taken_for_covers)


def main(argv: Sequence[str]) -> None:
    """Print the rows, then the totals; leave with 1 unless every cover was read and no sheet was taken for one."""
    options = _parse(argv)
    cv2.setNumThreads(0)
    ways = [way for way in WAYS if not options.kind or way.name in options.kind]
    covers = _share(options.covers, [bool(way.cover_strengths) for way in ways])
    sheets = _share(options.sheets, [True] * len(ways))
    total = Row()
    for way, number_of_covers, number_of_sheets in zip(ways, covers, sheets, strict=True):
        row = measure(way, number_of_covers, number_of_sheets, options)
        print(json.dumps({"benchmark": "covers", "kind": way.name} | row.as_line()), flush=True)
        total.add_row(row)
    recall = round(total.found / total.covers, 4) if total.covers else None
    print(json.dumps({"benchmark": "covers", "recall": recall} | total.as_line()))
    sys.exit(0 if total.is_right else 1)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks covers", description=__doc__)
    parser.add_argument("--covers", type=int, default=500, help="in all")
    parser.add_argument("--sheets", type=int, default=500, help="in all")
    parser.add_argument("--kind", action="append", choices=[way.name for way in WAYS], help="only this; repeat")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dpi", type=int, default=200)
    parser.add_argument("--template", default="standard-150")
    parser.add_argument("--keep", type=Path, help="folder for the pages that were taken for something else")
    return parser.parse_args(argv)


def _share(number: int, takes: Sequence[bool]) -> list[int]:
    """Divide ``number`` evenly among those that take some; the first ones get what is left over."""
    among = sum(takes)
    shares = iter([number // among + (i < number % among) for i in range(among)])
    return [next(shares) if taking else 0 for taking in takes]


def measure(way: Way, covers: int, sheets: int, options: argparse.Namespace) -> Row:
    """Return what becomes of this many covers and sheets."""
    document = (SHIPPED / options.template / "template.json").read_text(encoding="utf-8")
    template, row = parse_template(json.loads(document)), Row()
    chance = {"seed": options.seed, "dpi": options.dpi}
    made = [way.scan_cover(template, number, **chance) for number in range(covers)]
    pages = [page for _, page in made] + [way.scan_sheet(template, number, **chance) for number in range(sheets)]
    verdicts = _judge(row, pages, covers, document)
    for number, (page, verdict) in enumerate(zip(pages, verdicts, strict=True)):
        code = made[number][0] if number < covers else None
        is_right = row.add_cover(code, verdict) if code else row.add_sheet(verdict)
        if not is_right:
            name = f"{way.name}-cover-{number}" if code else f"{way.name}-sheet-{number - covers}"
            _tell(row, name, verdict, page, options.keep)
    return row


def _judge(row: Row, pages: Sequence[bytes], covers: int, document: str) -> list[Verdict]:
    """Return what the workers say of ``pages``, of which the first ones are covers; their time goes to ``row``."""
    if not pages:
        return []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pages.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for number, page in enumerate(pages):
                archive.writestr(f"{number:06}.jpg", page)
        places = list(enumerate(index_archive(path)))
        verdicts, row.gate_ms = _run(Job.GATE, path, places, document)
        unsure = [i for i, verdict in enumerate(verdicts) if verdict.kind is not PageKind.SHEET]
        for part in ([i for i in unsure if i < covers], [i for i in unsure if i >= covers]):
            judged, ms = _run(Job.CANDIDATES, path, [places[i] for i in part], document)
            row.cover_ms += ms if part and part[0] < covers else 0.0
            for i, verdict in zip(part, judged, strict=True):
                verdicts[i] = verdict
    return verdicts


def _run(job: Job, path: Path, places: Sequence[tuple[int, Page]], document: str) -> tuple[list[Verdict], float]:
    begin = time.process_time()
    verdicts = run_job(job, Chunk(archive=str(path), template=document, pages=tuple(places), results=NOWHERE))
    return list(verdicts), (time.process_time() - begin) * 1000


def _tell(row: Row, name: str, verdict: Verdict, page: bytes, keep: Path | None) -> None:
    row.missed.append(f"{name}: {verdict.kind} {verdict.code or verdict.error_code}".strip())
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{name}.jpg").write_bytes(page)
