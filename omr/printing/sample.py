"""A sample batch: a ZIP of scanned covers and sheets, and what is really marked on them."""

import csv
import io
import os
import signal
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import IO, TextIO

import cv2
import numpy as np

from omr.arrays import Gray
from omr.printing.candidates import fill_sheet
from omr.printing.cover import draw_cover
from omr.printing.errors import PrintingError
from omr.printing.files import written_aside
from omr.printing.raster import rasterize
from omr.printing.scan import Damage, chance_placement, fill_in, scan_page
from omr.printing.sheet import draw_sheet
from omr.template import Template

FIRST_CODE = 14_900_113
LARGEST_STEP_OF_CODES = 60
CHUNK_PAGES = 16
MOST_PROCESSES = 4
CHUNKS_AHEAD = 2  # for each process: what is made and not yet written stays small
MEMBER_TIME = (2026, 1, 1, 0, 0, 0)  # always the same, so that the same seed gives the same ZIP
TRUTH_HEADER = ("batch_id", "group_code", "sheet_number", "question", "answer", "confidence", "status")
DPI_RANGE = (50, 600)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is wanted."""

    template: Template
    sheets: int
    groups: int
    damage: Damage
    seed: int = 1
    dpi: int = 200

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise PrintingError(f"{self.groups} groups wanted; give 1 or more")
        if self.sheets < self.groups:
            raise PrintingError(f"{self.sheets} sheets for {self.groups} groups; give a sheet or more for each group")
        if self.seed < 0:
            raise PrintingError(f"seed {self.seed} is negative; give 0 or more")
        if not DPI_RANGE[0] <= self.dpi <= DPI_RANGE[1]:
            raise PrintingError(f"{self.dpi} dpi wanted; give {DPI_RANGE[0]} to {DPI_RANGE[1]}")

    @property
    def pages(self) -> int:
        return self.sheets + self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a page stands in the batch. ``sheet_number`` None: it is the cover of its group."""

    page: int  # from 1
    group_code: str
    sheet_number: int | None  # in its group, from 1
    serial: int = 0  # of the sheet in the batch, from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A page and the truth about it."""

    place: _Place
    jpeg: bytes
    columns: dict[str, str]


def write_sample(
    sample: Sample, archive: Path, truth: Path, *, report: Callable[[int], None], processes: int | None = None
) -> None:
    """Write the ZIP ``archive``, the answers to ``truth`` and the identities beside it, each aside first.

    Memory does not grow with the number of sheets. The same sample gives the same bytes,
    with any number of processes.

    Args:
        sample: what is wanted.
        archive: the ZIP.
        truth: answers in the form of answers.csv.
        report: is called with the number of pages written so far.
        processes: 1 makes the pages here; None takes what the machine has.

    Raises:
        OSError: a file cannot be written.
    """
    if len({archive.resolve(), truth.resolve(), identity_path(truth).resolve()}) < 3:
        raise PrintingError(f"{archive.name} and {truth.name} would overwrite one another; give different names")
    with ExitStack() as stack:
        pages, answers, identities = (
            stack.enter_context(written_aside(path)) for path in (archive, truth, identity_path(truth))
        )
        zipped = stack.enter_context(zipfile.ZipFile(pages, "w", zipfile.ZIP_STORED))
        book = _Book(sample, zipped, _text(stack, answers), _text(stack, identities))
        for i, made in enumerate(_make_all(sample, processes or min(os.cpu_count() or 1, MOST_PROCESSES)), 1):
            book.add(made)
            report(i)


def identity_path(truth: Path) -> Path:
    """Return where the identities lie that belong to ``truth``."""
    return truth.with_name(f"{truth.name.removesuffix('.csv')}.identity.csv")


class _Book:
    """The three files while they are written."""

    def __init__(self, sample: Sample, archive: zipfile.ZipFile, answers: TextIO, identities: TextIO) -> None:
        self.template = sample.template
        self.digits = max(5, len(str(sample.pages)))
        self.archive = archive
        self.answers, self.identities = csv.writer(answers), csv.writer(identities)
        self.answers.writerow(TRUTH_HEADER)
        names = [column.name for column in self.template.identity]
        self.identities.writerow(("group_code", "sheet_number", "file_name", *names))

    def add(self, made: _Made) -> None:
        place = made.place
        name = f"page_{place.page:0{self.digits}}.jpg"
        self.archive.writestr(zipfile.ZipInfo(name, MEMBER_TIME), made.jpeg)
        if place.sheet_number is None:
            return
        code, number = place.group_code, place.sheet_number
        self.answers.writerows(
            ("", code, number, column.name, made.columns[column.name], "", "") for column in self.template.questions
        )
        identity = (made.columns[column.name] for column in self.template.identity)
        self.identities.writerow((code, number, name, *identity))


def _text(stack: ExitStack, file: IO[bytes]) -> TextIO:
    """Return ``file`` as text; it is flushed, not closed, when the stack unwinds."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    stack.callback(text.detach)
    return text


def _places(sample: Sample) -> Iterator[_Place]:
    """Return every page in order: a cover, its sheets, the next cover."""
    steps = np.random.default_rng([sample.seed, 0]).integers(1, LARGEST_STEP_OF_CODES, sample.groups)
    code, page, serial = FIRST_CODE, 0, 0
    for group in range(sample.groups):
        count = sample.sheets // sample.groups + (group < sample.sheets % sample.groups)
        page += 1
        yield _Place(page=page, group_code=str(code), sheet_number=None)
        for number in range(1, count + 1):
            page += 1
            yield _Place(page=page, group_code=str(code), sheet_number=number, serial=serial)
            serial += 1
        code += int(steps[group])


def _chunks(sample: Sample) -> Iterator[list[_Place]]:
    chunk: list[_Place] = []
    for place in _places(sample):
        chunk.append(place)
        if len(chunk) == CHUNK_PAGES:
            yield chunk
            chunk = []
    yield chunk


def _make_all(sample: Sample, processes: int) -> Iterator[_Made]:
    """Return the pages in order."""
    if processes == 1 or sample.pages <= 2 * CHUNK_PAGES:
        for chunk in _chunks(sample):
            yield from _make_chunk(sample, chunk)
        return
    waiting: deque[Future[list[_Made]]] = deque()
    with ProcessPoolExecutor(processes, get_context("spawn"), _start_process) as pool:
        try:
            for chunk in _chunks(sample):
                waiting.append(pool.submit(_make_chunk, sample, chunk))
                if len(waiting) > processes * CHUNKS_AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _start_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent alone decides
    cv2.setNumThreads(0)  # processes are the parallelism; threads on top of them only fight


def _make_chunk(sample: Sample, chunk: list[_Place]) -> list[_Made]:
    printed = _printed_sheet(sample.template, sample.dpi)
    return [_make_page(sample, place, printed) for place in chunk]


def _make_page(sample: Sample, place: _Place, printed: Gray) -> _Made:
    rng = np.random.default_rng([sample.seed, place.page])
    columns: dict[str, str] = {}
    if place.sheet_number is None:
        pixels = rasterize(draw_cover(sample.template, place.group_code), sample.dpi)
    else:
        pixels = printed.copy()
        filled = fill_sheet(sample.template, place.serial, sample.damage, rng)
        fill_in(pixels, filled.touches, pixels.shape[1] / sample.template.page_width, rng)
        columns = dict(filled.columns)
    jpeg = scan_page(pixels, chance_placement(sample.damage, rng), sample.damage, rng)
    return _Made(place=place, jpeg=jpeg, columns=columns)


@lru_cache(maxsize=1)
def _printed_sheet(template: Template, dpi: int) -> Gray:
    return rasterize(draw_sheet(template), dpi)
