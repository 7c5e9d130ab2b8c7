"""A batch whose sheets have all been read: rows and files as the stages before leave them, from invented records."""

import random
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from django.contrib.auth.models import User
from django.utils import timezone

from batches.archive import Page
from batches.folders import site_folders
from batches.models import ArchiveKind, Batch, BatchStatus, CoverGroup, SheetTemplate
from batches.page_index import ArchiveIndex
from batches.pipeline.workspace import Plan, PlannedGroup, PlannedSheet, Workspace, fingerprint, write_aside
from batches.workers.records import BLANK, Choice, Form, PageRecord
from omr.template import parse_template
from omr.types import Doubt
from progress.events import ProcessingStage

DONE = ("extracting", "organizing_qr", "processing_sheets", "collecting_results")
FIT = (0.78733, -0.00934, 13.37960, 0.00861, 0.78844, -11.24470, -8.67960e-07, 3.50658e-07, 1.0, 0.92881, 1654, 2339)
"""Of a page as make_sample_batch scans it."""

BLANKS, MULTIPLES, DOUBTS = 0.03, 0.01, 0.002
"""How many of the answers."""

DIFFERENT_SHEETS = 500


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a batch is."""

    sheets: int
    groups: int

    def plan(self) -> Plan:
        counts = [self.sheets // self.groups + (i < self.sheets % self.groups) for i in range(self.groups)]
        groups, sheets, index = [], [], 0
        for number, count in enumerate(counts):
            groups.append(PlannedGroup(f"149{number:05}", f"page_{index + 1:05}.jpg", count, index))
            sheets += [PlannedSheet(index + i, number, i) for i in range(1, count + 1)]
            index += count + 1
        return Plan(groups=tuple(groups), sheets=tuple(sheets))


def make_batch(size: Size, *, seed: int) -> Batch:
    """Return a batch that goes on with ``generating_csv``."""
    owner, _ = User.objects.get_or_create(username="benchmark")
    batch = Batch(
        name=f"Batch {seed}",
        owner=owner,
        template=SheetTemplate.objects.get(slug="standard-150"),
        file_name=f"batch_{seed}.zip",
        archive_kind=ArchiveKind.LOCAL,
        started_at=timezone.now(),
        group_count=size.groups,
        sheet_count=size.sheets,
        processed_count=size.sheets,
        attempt=0,
    )
    batch.archive_path = str(site_folders().upload(batch.pk))
    batch.save()
    CoverGroup.objects.bulk_create(
        CoverGroup(batch=batch, number=i, code=g.code, cover_file_name=g.cover_file_name, sheet_count=g.sheet_count)
        for i, g in enumerate(size.plan().groups, 1)
    )
    leave_as_read(batch, size, seed=seed)
    return batch


def leave_as_read(batch: Batch, size: Size, *, seed: int) -> None:
    """Make a new attempt of ``batch``, whose sheets have just been read; the same ``seed`` reads the same marks."""
    plan = size.plan()
    workspace = Workspace(site_folders().work(batch.pk), site_folders().results(batch.pk))
    _write_files(workspace, plan, batch.archive)
    _write_readings(workspace, plan, Form(parse_template(batch.template.document)), random.Random(seed))
    batch.attempt += 1
    batch.status, batch.stage = BatchStatus.PROCESSING, ProcessingStage.COLLECTING_RESULTS
    batch.finished_stages = list(DONE)
    batch.save()


def _write_files(workspace: Workspace, plan: Plan, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w"):
        pass
    count = len(plan.groups) + len(plan.sheets)
    pages = tuple(Page(f"scans/page_{i + 1:05}.jpg", 0, 0, 0, zipfile.ZIP_STORED, 0) for i in range(count))
    sure = (False,) * count
    workspace.write_index(ArchiveIndex(pages=pages, surely_sheets=sure, fingerprint=fingerprint(archive)))
    workspace.write_plan(plan)
    workspace.write_duplicates([])


def _write_readings(workspace: Workspace, plan: Plan, form: Form, chance: random.Random) -> None:
    answered = [_record(form, chance) for _ in range(DIFFERENT_SHEETS)]
    who = [form.positions(column) for column in form.template.identity]
    with write_aside(workspace.readings) as file:
        for position, sheet in enumerate(plan.sheets):
            record = chance.choice(answered)
            choices = list(record.choices)
            for place, digit in zip((p for positions in who for p in positions), f"{position:08}", strict=False):
                choices[place] = form.values[place].index(digit)
            file.write(replace(record, index=sheet.index, choices=tuple(choices)).packed())


def _record(form: Form, chance: random.Random) -> PageRecord:
    """Return what could be read from a page; whose it is has still to be put in."""
    luck = [chance.random() for _ in form.template.fields]
    choices = [_choice(len(field.bubbles), luck[i], chance) for i, field in enumerate(form.template.fields)]
    doubts = {i: Doubt.FAINT for i, drawn in enumerate(luck) if drawn > 1 - DOUBTS}
    confidences = bytes(min(100, int(chance.gauss(96, 2))) for _ in choices)
    return PageRecord(index=0, choices=tuple(choices), confidences=confidences, doubts=doubts, fit=FIT)


def _choice(bubbles: int, luck: float, chance: random.Random) -> Choice:
    if luck < BLANKS:
        return BLANK
    if luck < BLANKS + MULTIPLES:
        return (0, bubbles - 1)
    return chance.randrange(bubbles)
