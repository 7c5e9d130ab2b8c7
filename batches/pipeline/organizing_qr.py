"""The stage that finds the covers and puts every sheet under its own."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from batches import wording
from batches.answer_rows import delete_answers
from batches.covers import NO_COVER, name_pages
from batches.errors import CoversUnusable
from batches.models import CoverGroup
from batches.page_index import ArchiveIndex
from batches.pipeline.run import Run
from batches.pipeline.workspace import Plan, PlannedGroup, PlannedSheet
from batches.workers.base import Job, PageKind, Verdict
from omr.errors import BlankPage

MOST_NAMES = 200
"""Of files, in the details of an error: enough to act on, and short enough for a log."""

MOST_CODES = 20
"""In a message, which is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What one page is: a cover, a sheet, or a sheet that a person calls a cover, and which then is both."""

    name: str
    code: str | None = None  # of a cover, empty when it could not be read; None: it is none
    is_sheet: bool = False  # also one that was set aside
    error_code: str = ""  # of one that was set aside
    error_message: str = ""
    may_be_cover: bool = False  # if it cannot be read as a sheet

    @property
    def is_suspect(self) -> bool:
        return self.may_be_cover and bool(self.error_code)

    @property
    def is_orphan(self) -> bool:
        """Whether it needs a cover before it."""
        return self.is_sheet and self.code is None and not self.error_code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """Something about covers that only a person can settle."""

    code: str
    message: str
    details: Sequence[str]
    files: Sequence[str]  # the pages of which a person has to say something


def organize(run: Run) -> None:
    """Decode the candidates and plan which sheet belongs to which group.

    Reads the list of pages and what a person said of covers; leaves the plan in the workspace and the groups as rows.
    A page that is neither sheet nor cover is planned as a sheet that was set aside; one before the first cover
    belongs to the first group. If it may be a cover, the sheets after it are read, and a person has to look at them.

    Raises:
        CoversUnusable: a cover cannot be read, is missing or is there twice, or a person named a page that is not
            there; every file concerned is named, and all at once.
    """
    run.begin(wording.ORGANIZING)
    index = run.workspace.read_index()
    said, wrong = name_pages([page.name for page in index.pages], run.batch.cover_codes)
    pages = _judge(run, index, said)
    _tell_covers(run, [page.code for page in pages if page.code is not None])
    _write_what_is_known(run, pages, said, wrong)
    plan = _plan(pages)
    _write_groups(run, plan)
    run.workspace.write_plan(plan)
    run.batch.group_count, run.batch.sheet_count = len(plan.groups), len(plan.sheets)
    run.finish(wording.organized(len(plan.groups), len(plan.sheets)))


def _judge(run: Run, index: ArchiveIndex, said: Mapping[str, str]) -> list[_Page]:
    """Return what every page of the archive is; what a person said comes before what was seen."""
    unsure = [i for i, surely in enumerate(index.surely_sheets) if not surely]
    verdicts = _ask_workers(run, index, Job.CANDIDATES, unsure)
    open_sheets = _tells_no_sheets(run)
    pages = [
        _page_of(page.name, verdicts.get(i, Verdict(kind=PageKind.SHEET)), open_sheets=open_sheets)
        for i, page in enumerate(index.pages)
    ]
    # Where a scribbled cover looks like a sheet, only reading it shows whether it is one as well.
    called = [i for i, page in enumerate(pages) if page.may_be_cover and _is_called_cover(page, said)]
    called = [i for i in called if not pages[i].error_code]
    for i, verdict in _ask_workers(run, index, Job.SHEETS, called).items():
        if verdict.kind is PageKind.SET_ASIDE:
            pages[i] = replace(pages[i], is_sheet=False)
    return [_corrected(page, said.get(page.name)) for page in pages]


def _is_called_cover(page: _Page, said: Mapping[str, str]) -> bool:
    return said.get(page.name, NO_COVER) != NO_COVER


def _ask_workers(run: Run, index: ArchiveIndex, job: Job, positions: Sequence[int]) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    pages = [(i, index.pages[i]) for i in positions]
    for chunk, judged in run.workers.run(job, run.chunks(pages), on_wait=run.check):
        verdicts |= {i: verdict for (i, _), verdict in zip(chunk.pages, judged, strict=True)}
    return verdicts


def _tells_no_sheets(run: Run) -> bool:
    """Whether a page without a code is taken for a sheet though it may be a cover: fiducials do not tell."""
    fiducials = run.form.template.fiducials
    return fiducials is None or fiducials.on_covers


def _page_of(name: str, verdict: Verdict, *, open_sheets: bool) -> _Page:
    if verdict.kind is PageKind.COVER:
        return _Page(name=name, code=verdict.code)
    is_aside = verdict.kind is PageKind.SET_ASIDE
    return _Page(
        name=name,
        is_sheet=True,
        error_code=verdict.error_code,
        error_message=verdict.error_message,
        may_be_cover=verdict.error_code != BlankPage.code if is_aside else open_sheets,
    )


def _corrected(page: _Page, said: str | None) -> _Page:
    """Return ``page`` as a person sees it."""
    if said is None:
        return page
    if said == NO_COVER:
        return replace(page, code=None, is_sheet=True, may_be_cover=False)
    return replace(page, code=said, is_sheet=page.is_sheet and not page.error_code, may_be_cover=False)


def _tell_covers(run: Run, codes: Sequence[str]) -> None:
    for number, code in enumerate(codes, 1):
        message = wording.cover_read(number, len(codes), code)
        if code and message not in run.said:
            run.check()
            run.report(message, 100 * number / len(codes))


def _write_what_is_known(run: Run, pages: Sequence[_Page], said: Mapping[str, str], wrong: Mapping[str, str]) -> None:
    """Keep in the batch which pages may be covers, and of what was said only that which names a page.

    Raises:
        CoversUnusable: there is something that only a person can settle, all of it at once.
    """
    covers = [page for page in pages if page.code is not None]
    orphans = _find_orphans(pages)
    found = (_unreadable(covers), _missing(pages, covers, orphans), _repeated(covers), _misnamed(wrong))
    problems = [problem for problem in found if problem] or _no_sheets(pages)
    files = [file for problem in problems for file in problem.files]
    suspects = [page.name for page in pages if page.is_suspect]
    run.batch.unreadable_covers = list(dict.fromkeys([*files, *suspects]))
    run.batch.sheets_without_cover, run.batch.cover_codes = orphans, dict(said)
    run.batch.save(update_fields=["unreadable_covers", "sheets_without_cover", "cover_codes"])
    if problems:
        raise _unusable(problems)


def _unusable(problems: Sequence[_Problem]) -> CoversUnusable:
    details = [line for problem in problems for line in problem.details]
    message = "; ".join(problem.message for problem in problems)
    return CoversUnusable(message, code=problems[0].code, details="\n".join(details[:MOST_NAMES]))


def _before_covers(pages: Sequence[_Page]) -> Sequence[_Page]:
    return pages[: next((i for i, page in enumerate(pages) if page.code is not None), len(pages))]


def _find_orphans(pages: Sequence[_Page]) -> dict[str, int]:
    """Return the sheets before the first cover: the first of each run → how many; what may be a cover ends a run."""
    runs: dict[str, int] = {}
    first = ""
    for page in _before_covers(pages):
        if page.is_suspect:
            first = ""
        elif page.is_orphan:
            first = first or page.name
            runs[first] = runs.get(first, 0) + 1
    return runs


def _unreadable(covers: Sequence[_Page]) -> _Problem | None:
    unreadable = [(number, cover.name) for number, cover in enumerate(covers, 1) if not cover.code]
    if not unreadable:
        return None
    return _Problem(
        code="cover_unreadable",
        message=wording.covers_unreadable([number for number, _ in unreadable], len(covers)),
        details=[wording.cover_unreadable_detail(name) for _, name in unreadable],
        files=[name for _, name in unreadable],
    )


def _missing(pages: Sequence[_Page], covers: Sequence[_Page], orphans: Mapping[str, int]) -> _Problem | None:
    if covers and not orphans:
        return None
    suspects = [page.name for page in _before_covers(pages) if page.is_suspect]
    if covers:
        message = wording.sheets_before_cover(sum(orphans.values()), covers[0].name, first=next(iter(orphans)))
    else:
        message = wording.no_cover(len(pages), first=pages[0].name)
    return _Problem(
        code="sheets_before_cover" if covers else "no_cover",
        message=message,
        details=[
            *(wording.may_be_cover_detail(name) for name in suspects),
            *(wording.sheets_without_cover_detail(name, count) for name, count in orphans.items()),
        ],
        files=[*suspects, *orphans],
    )


def _repeated(covers: Sequence[_Page]) -> _Problem | None:
    by_code: defaultdict[str, list[str]] = defaultdict(list)
    for cover in covers:
        if cover.code:
            by_code[cover.code].append(cover.name)
    repeated = {code: names for code, names in by_code.items() if len(names) > 1}
    if not repeated:
        return None
    said = [wording.cover_repeated(code, names) for code, names in repeated.items()]
    more = [f"and {len(said) - MOST_CODES} more codes"] if len(said) > MOST_CODES else []
    return _Problem(
        code="cover_repeated",
        message="; ".join([*said[:MOST_CODES], *more, "give each cover a code of its own"]),
        details=[f"QR code {code}: {', '.join(names)}" for code, names in repeated.items()],
        files=[name for names in repeated.values() for name in names],
    )


def _misnamed(wrong: Mapping[str, str]) -> _Problem | None:
    if not wrong:
        return None
    sentences = list(wrong.values())
    return _Problem(code="no_such_page", message="; ".join(sentences[:MOST_CODES]), details=sentences, files=[])


def _no_sheets(pages: Sequence[_Page]) -> list[_Problem]:
    """Refuse an archive of nothing but covers: most likely the sheets were left out of it."""
    if any(page.is_sheet for page in pages):
        return []
    return [_Problem(code="no_sheets", message=wording.no_sheets(len(pages)), details=[], files=[])]


def _plan(pages: Sequence[_Page]) -> Plan:
    sheets: list[PlannedSheet] = []
    covers = [(i, page) for i, page in enumerate(pages) if page.code is not None]
    counts = [0] * len(covers)
    group, opened = 0, 0
    for i, page in enumerate(pages):
        if page.code is not None:
            group, opened = opened, opened + 1
        if page.is_sheet:
            counts[group] += 1
            aside = (page.error_code, page.error_message, page.may_be_cover)
            sheets.append(PlannedSheet(i, group, counts[group], *aside))
    groups = (PlannedGroup(c.code or "", c.name, n, i) for (i, c), n in zip(covers, counts, strict=True))
    return Plan(groups=tuple(groups), sheets=tuple(sheets))


def _write_groups(run: Run, plan: Plan) -> None:
    """Write the groups as rows, in the place of those of an earlier attempt and of what hung on them."""
    batch = run.batch
    delete_answers(batch.pk)
    batch.sheets.all().delete()
    batch.groups.all().delete()
    CoverGroup.objects.bulk_create(
        CoverGroup(
            batch=batch,
            number=number,
            code=group.code,
            cover_file_name=group.cover_file_name,
            sheet_count=group.sheet_count,
        )
        for number, group in enumerate(plan.groups, 1)
    )
