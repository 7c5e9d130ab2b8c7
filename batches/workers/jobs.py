"""What a worker does with one chunk. Loaded by workers only: this is where numpy and OpenCV come in."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from batches.archive import Page
from batches.workers.base import Chunk, Job, PageKind, Verdict, Verdicts
from batches.workers.outcomes import store_records
from batches.workers.pictures import Pictures
from batches.workers.records import Form, PageRecord
from omr.errors import PageError
from omr.gate import HEAD_FRACTION, Kind, looks_like_sheet, read_candidate
from omr.reader import read_page
from omr.template import Template, parse_template


def run_job(job: Job, chunk: Chunk) -> Verdicts:
    """Do ``job`` with ``chunk``.

    Raises:
        RedisUnreachable: the readings could not be put anywhere.
    """
    work: dict[Job, Callable[[Chunk], Verdicts]] = {
        Job.GATE: gate_chunk,
        Job.CANDIDATES: judge_candidates,
        Job.SHEETS: read_sheets,
    }
    return work[job](chunk)


def gate_chunk(chunk: Chunk) -> Verdicts:
    """Return for each member whether its first bytes show that it is surely a sheet, and how many pages it has."""
    template = _form(chunk.template).template
    with _opened(chunk) as pictures:
        return tuple(_gate(pictures, page, template) for _, page in chunk.pages)


def _gate(pictures: Pictures, page: Page, template: Template) -> Verdict:
    try:
        if pictures.may_have_several(page):
            return Verdict(kind=PageKind.CANDIDATE, pages=pictures.count_pages(page))
        surely = looks_like_sheet(pictures.archive.read_head(page, HEAD_FRACTION), template)
    except PageError:  # it will say so again when it is read
        surely = False
    return Verdict(kind=PageKind.SHEET if surely else PageKind.CANDIDATE)


def judge_candidates(chunk: Chunk) -> Verdicts:
    """Return for each page, read whole, whether it is a cover, a sheet or neither."""
    template = _form(chunk.template).template
    with _opened(chunk) as pictures:
        return tuple(_judge(pictures, page, template) for _, page in chunk.pages)


def _judge(pictures: Pictures, page: Page, template: Template) -> Verdict:
    try:
        content = pictures.read(page)
        # A page of several in one file could not be looked at by its first bytes before.
        if page.pages > 1 and looks_like_sheet(content[: int(len(content) * HEAD_FRACTION)], template):
            return Verdict(kind=PageKind.SHEET)
        candidate = read_candidate(content, template)
        if candidate.kind is Kind.COVER and not (template.codes and _is_sheet(content, template)):
            return Verdict(kind=PageKind.COVER, code=candidate.code or "")
        if candidate.kind is Kind.NEITHER:
            read_page(content, template)  # says what is wrong with it, or that it is a sheet after all
    except PageError as error:
        return Verdict(kind=PageKind.SET_ASIDE, error_code=error.code, error_message=str(error))
    return Verdict(kind=PageKind.SHEET)


def _is_sheet(content: bytes, template: Template) -> bool:
    """Whether a page with a code on it is a sheet all the same: for templates whose sheets have codes too."""
    try:
        read_page(content, template)
    except PageError:
        return False
    return True


def read_sheets(chunk: Chunk) -> Verdicts:
    """Read each page and put the records into Redis, in the chunk's own field."""
    form = _form(chunk.template)
    with _opened(chunk) as pictures:
        records = [_read(pictures, index, page, form) for index, page in chunk.pages]
    store_records(chunk, records)
    return tuple(
        Verdict(kind=PageKind.SHEET if record.is_read else PageKind.SET_ASIDE, needs_review=form.needs_review(record))
        for record in records
    )


def _read(pictures: Pictures, index: int, page: Page, form: Form) -> PageRecord:
    try:
        return form.record(index, read_page(pictures.read(page), form.template))
    except PageError as error:
        return PageRecord.of_error(index, error)


@contextmanager
def _opened(chunk: Chunk) -> Iterator[Pictures]:
    with Pictures(chunk.archive) as pictures:
        pictures.archive.expect(page for _, page in chunk.pages)
        yield pictures


@lru_cache(maxsize=8)
def _form(template: str) -> Form:
    return Form(parse_template(json.loads(template)))
