"""The stage that finds the covers and puts every sheet under its own."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from batches import wording
from batches.errors import CoversUnusable
from batches.models import Answer, CoverGroup
from batches.pipeline.run import Run
from batches.pipeline.workspace import ArchiveIndex, Plan, PlannedGroup, PlannedSheet
from batches.workers.base import Job, PageKind, Verdict

REMEDY = "give the code yourself: FILE=CODE"
MOST_NAMES = 200
"""Of files, in the details of an error: enough to act on, and short enough for a log."""


@dataclass(frozen=True, slots=True)
class _Cover:
    index: int
    file_name: str
    code: str  # empty: could not be read


def organize(run: Run) -> None:
    """Decode the candidates and plan which sheet belongs to which group.

    Reads the list of pages and the codes that a person gave; leaves the plan in the workspace and the groups as rows.
    A page that is neither sheet nor cover is planned as a sheet that was set aside; one before the first cover
    belongs to the first group.

    Raises:
        CoversUnusable: a cover cannot be read, is missing or is there twice; every file concerned is named.
    """
    run.begin(wording.ORGANIZING)
    index = run.workspace.read_index()
    verdicts = _judge(run, index)
    covers = [
        _Cover(position, index.pages[position].name, verdict.code)
        for position, verdict in enumerate(verdicts)
        if verdict.kind is PageKind.COVER
    ]
    _refuse_missing(run, index, verdicts, covers)
    _tell_covers(run, covers)
    _refuse_unreadable(run, covers)
    _refuse_repeated(run, covers)
    plan = _plan(verdicts, covers)
    _write_groups(run, plan)
    run.workspace.write_plan(plan)
    run.batch.group_count, run.batch.sheet_count = len(plan.groups), len(plan.sheets)
    run.finish(wording.organized(len(plan.groups), len(plan.sheets)))


def _judge(run: Run, index: ArchiveIndex) -> list[Verdict]:
    """Return the verdict on every page of the archive; what a person said comes before what was seen."""
    names = [page.name for page in index.pages]
    verdicts = {i: Verdict(kind=PageKind.COVER, code=code) for i, code in _given_codes(names, run).items()}
    unsure = [(i, page) for i, page in enumerate(index.pages) if i not in verdicts and not index.surely_sheets[i]]
    for chunk, judged in run.workers.run(Job.CANDIDATES, run.chunks(unsure), on_wait=run.check):
        verdicts |= {i: verdict for (i, _), verdict in zip(chunk.pages, judged, strict=True)}
    return [verdicts.get(i, Verdict(kind=PageKind.SHEET)) for i in range(len(names))]


def _given_codes(names: Sequence[str], run: Run) -> dict[int, str]:
    """Return the codes that a person gave, by position of the page.

    Raises:
        CoversUnusable: a file that was named is not in the archive, or its short name is there more than once.
    """
    codes: dict[int, str] = {}
    for wanted, code in run.batch.cover_codes.items():
        found = [i for i, name in enumerate(names) if name == wanted]
        found = found or [i for i, name in enumerate(names) if PurePosixPath(name).name == wanted]
        if len(found) != 1:
            seen = f"{len(found)} files of that name" if found else "no file of that name"
            raise CoversUnusable(f"{wanted}={code}: the ZIP has {seen}; give the file's full name", code="no_such_page")
        codes[found[0]] = code
    return codes


def _refuse_missing(run: Run, index: ArchiveIndex, verdicts: Sequence[Verdict], covers: Sequence[_Cover]) -> None:
    """Refuse sheets that no cover stands before."""
    first = covers[0].index if covers else len(verdicts)
    orphans = [index.pages[i].name for i in range(first) if verdicts[i].kind is PageKind.SHEET]
    if not covers:
        seen = f"No cover found: none of the {len(verdicts)} pages has a QR code"
        raise _unusable(run, f"{seen}, the first is {index.pages[0].name}; {REMEDY}", "no_cover", orphans)
    if orphans:
        seen = f"{len(orphans)} sheets lie before the first cover {covers[0].file_name}"
        raise _unusable(run, f"{seen}, the first is {orphans[0]}; {REMEDY}", "sheets_before_cover", orphans)


def _tell_covers(run: Run, covers: Sequence[_Cover]) -> None:
    for number, cover in enumerate(covers, 1):
        message = wording.cover_read(number, len(covers), cover.code)
        if cover.code and message not in run.said:
            run.check()
            run.report(message, 100 * number / len(covers))


def _refuse_unreadable(run: Run, covers: Sequence[_Cover]) -> None:
    unreadable = [(number, cover) for number, cover in enumerate(covers, 1) if not cover.code]
    if unreadable:
        files = [cover.file_name for _, cover in unreadable]
        message = wording.covers_unreadable([number for number, _ in unreadable], len(covers))
        details = [wording.cover_unreadable_detail(file) for file in files]
        raise _unusable(run, message, "cover_unreadable", files, details)


def _refuse_repeated(run: Run, covers: Sequence[_Cover]) -> None:
    by_code: defaultdict[str, list[str]] = defaultdict(list)
    for cover in covers:
        by_code[cover.code].append(cover.file_name)
    repeated = {code: files for code, files in by_code.items() if len(files) > 1}
    if repeated:
        details = [f"QR code {code}: {', '.join(files)}" for code, files in repeated.items()]
        files = [file for files in repeated.values() for file in files]
        message = f"{details[0].replace(': ', ' is on more than one cover: ', 1)}; {REMEDY}"
        raise _unusable(run, message, "cover_repeated", files, details)


def _unusable(
    run: Run, message: str, code: str, files: Sequence[str], details: Sequence[str] | None = None
) -> CoversUnusable:
    run.batch.unreadable_covers = list(files[:MOST_NAMES])
    run.batch.save(update_fields=["unreadable_covers"])
    return CoversUnusable(message, code=code, details="\n".join((details or files)[:MOST_NAMES]))


def _plan(verdicts: Sequence[Verdict], covers: Sequence[_Cover]) -> Plan:
    sheets: list[PlannedSheet] = []
    counts = [0] * len(covers)
    group = 0
    starts: Mapping[int, int] = {cover.index: number for number, cover in enumerate(covers)}
    for i, verdict in enumerate(verdicts):
        if i in starts:
            group = starts[i]
            continue
        counts[group] += 1
        sheets.append(PlannedSheet(i, group, counts[group], verdict.error_code, verdict.error_message))
    groups = tuple(PlannedGroup(c.code, c.file_name, n) for c, n in zip(covers, counts, strict=True))
    return Plan(groups=groups, sheets=tuple(sheets))


def _write_groups(run: Run, plan: Plan) -> None:
    """Write the groups as rows, in the place of those of an earlier attempt and of what hung on them."""
    batch = run.batch
    Answer.objects.filter(batch_id=batch.pk).delete()
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
