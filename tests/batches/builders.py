"""Rows for tests: a builder takes what matters and defaults the rest."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from batches.folders import site_folders
from batches.models import (
    Answer,
    AnswerStatus,
    Batch,
    BatchAccess,
    BatchStatus,
    CoverGroup,
    Right,
    Sheet,
    SheetStatus,
    SheetTemplate,
)
from progress.events import BatchProgressEvent, ProcessingStage, Report
from progress.models import ProgressEvent

PASSWORD = "correct horse"


def a_user(name: str = "ada", **given: Any) -> User:
    """Return the user ``name``, made when there is none; the password is ``PASSWORD``."""
    return User.objects.filter(username=name).first() or User.objects.create_user(name, password=PASSWORD, **given)


def a_superuser(name: str = "root") -> User:
    return User.objects.create_superuser(name, password=PASSWORD)


def a_batch(owner: User | None = None, *, name: str = "Mathematics", **given: Any) -> Batch:
    """Return a batch of ``owner`` (of ada when nobody is named), with the shipped template, being uploaded."""
    template = SheetTemplate.objects.get(slug="standard-150")
    batch_id = given.pop("id", None) or uuid.uuid4()
    given = {
        "template": template,
        "file_name": f"{name}.zip",
        "archive_path": str(site_folders().upload(batch_id)),
    } | given
    return Batch.objects.create(id=batch_id, owner=owner or a_user(), name=name, **given)


def a_failed_batch(owner: User | None = None, *, unreadable_covers: Sequence[str] = (), **given: Any) -> Batch:
    """Return a batch that stopped while its covers were read."""
    failure = {
        "status": BatchStatus.FAILED,
        "stage": ProcessingStage.FAILED,
        "error_code": "cover_unreadable",
        "error_message": "QR code read failed: Chunk 2/3",
        "error_details": "\n".join(f"QR decode error: {name}: no code could be read" for name in unreadable_covers),
        "failed_stage": ProcessingStage.ORGANIZING_QR,
        "unreadable_covers": list(unreadable_covers),
    }
    return a_batch(owner, **failure | given)


def a_read_batch(owner: User | None = None, *, groups: Mapping[str, int] | None = None, **given: Any) -> Batch:
    """Return a completed batch; ``groups`` says how many sheets lie under each code.

    Each sheet has 150 answers: q1 "A", q2 blank, q3 "AC", q4 doubtful, and "B" from there on. The last sheet
    of the batch needs review, all others are read.
    """
    groups = {"14900113": 2, "14900114": 1} if groups is None else groups
    total = sum(groups.values())
    finished: dict[str, Any] = {"status": BatchStatus.COMPLETED, "stage": ProcessingStage.COMPLETED}
    counts = {"sheet_count": total, "processed_count": total, "group_count": len(groups), "review_count": 1}
    batch = a_batch(owner, **finished | counts | {"answer_count": total * 150, "finished_at": timezone.now()} | given)
    position = 0
    for number, (code, sheets) in enumerate(groups.items(), 1):
        group = CoverGroup.objects.create(
            batch=batch, number=number, code=code, cover_file_name=f"cover_{number}.jpg", sheet_count=sheets
        )
        for in_group in range(1, sheets + 1):
            position += 1
            status = SheetStatus.REVIEW if position == total else SheetStatus.READ
            a_sheet_row(group, number=in_group, position=position, status=status)
    return batch


def a_sheet_row(group: CoverGroup, *, number: int, position: int, **given: Any) -> Sheet:
    """Return a sheet of ``group`` with its 150 answers; an unreadable one has none."""
    file_name = f"page_{position:04}.jpg"
    read = {"answered": 147, "blank": 1, "multiple": 1, "doubtful": 1, "doubtful_fields": ["q4"]}
    if given.get("status") == SheetStatus.UNREADABLE:
        read = {"error_code": "fiducials_not_found", "error_message": "3 fiducials found, 4 needed"}
    else:
        read |= {"identity": {"candidate": f"{position:08}"}}
    sheet = Sheet.objects.create(
        id=group.batch.sheet_id(file_name),
        batch=group.batch,
        group=group,
        number=number,
        position=position,
        file_name=file_name,
        **{"status": SheetStatus.READ} | read | given,
    )
    if sheet.status != SheetStatus.UNREADABLE:
        Answer.objects.bulk_create(_answer(sheet, question) for question in range(1, 151))
    return sheet


def _answer(sheet: Sheet, question: int) -> Answer:
    special = {
        1: ("A", 0.99, AnswerStatus.SINGLE),
        2: ("", 0.98, AnswerStatus.BLANK),
        3: ("AC", 0.97, AnswerStatus.MULTIPLE),
        4: ("D", 0.41, AnswerStatus.DOUBTFUL),
    }
    answer, confidence, status = special.get(question, ("B", 1.0, AnswerStatus.SINGLE))
    key = {"batch_id": sheet.batch_id, "sheet_id": sheet.pk, "question": question}
    return Answer(**key, answer=answer, confidence=confidence, status=status)


def shared_with(batch: Batch, user: User, right: Right) -> BatchAccess:
    return BatchAccess.objects.create(batch=batch, user=user, right=right)


def a_long_log(batch_id: uuid.UUID, lines: int, *, after: int = 0) -> None:
    """Write that many lines into the log of a batch at once, ``line 1`` the first of all; nobody is told."""
    events = [
        BatchProgressEvent(
            stage=ProcessingStage.PROCESSING_SHEETS,
            message=f"line {seq}",
            batch_id=batch_id,
            seq=seq,
            timestamp=timezone.now().isoformat(timespec="milliseconds"),
        )
        for seq in range(after + 1, after + lines + 1)
    ]
    ProgressEvent.objects.bulk_create(
        ProgressEvent(
            batch_id=event.batch_id,
            seq=event.seq,
            stage=event.stage.value,
            message=event.message,
            timestamp=event.timestamp,
            data=event.as_dict(),
        )
        for event in events
    )


def a_report(stage: ProcessingStage, message: str, **given: Any) -> Report:
    return Report(stage=stage, message=message, **given)
