"""What people say of sheets: written down with who, when, before and after, and done to the sheet's rows.

A correction names what its author saw. If somebody else has said something of the same field meanwhile, nothing is
changed, and both values are given back. Loading a batch again writes its rows anew; ``reapply`` then says again
what people had said.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from batches.errors import BatchNotFound, CorrectionConflict, CorrectionRefused, Disagreement, WrongState
from batches.models import WAITING, Batch, Correction, Sheet, SheetStatus
from batches.said import NOT_APPLIED, Decision, History, Said
from batches.sheet_values import SheetValues
from batches.targets import Target
from omr.template import Template, parse_template

logger = structlog.get_logger(__name__)

BLANK = "blank"
"""In a sentence, what is written as nothing."""


def correct_sheet(
    batch: Batch,
    sheet_id: UUID,
    *,
    said: Sequence[Said] = (),
    decision: Decision | None = None,
    by: AbstractUser,
) -> Sheet:
    """Write what ``by`` says of a sheet; all of it, or nothing. Fields that are not named stay as they are.

    Raises:
        WrongState: the batch is being processed, or the decision does not fit the sheet.
        CorrectionRefused: there is no such field, or nothing that can be marked says that.
        CorrectionConflict: somebody else has said something of it meanwhile.
        Sheet.DoesNotExist: the batch has no such sheet.
    """
    with transaction.atomic():
        _hold(batch)
        values, history = _open(parse_template(batch.template.document), _lock(batch, sheet_id))
        sheet = values.sheet
        _refuse_misfit(sheet, history, said, decision)
        targets = [values.target(item.field) for item in said]
        _refuse_conflicts(values, history, said, targets, decision)
        answers_before = values.answer_count
        for item, target in zip(said, targets, strict=True):
            _say(values, history, item, target, by)
        if decision:
            _decide(values, history, decision, by)
        _save(batch, values, history, answers_before)
    logger.info("corrected", batch_id=str(batch.pk), sheet_id=str(sheet_id), fields=len(said), by=by.get_username())
    return sheet


def take_back(batch: Batch, correction_id: int, *, by: AbstractUser) -> Sheet:
    """Undo one correction: the field says again what it said before, and is doubtful again if it was.

    Raises:
        WrongState: the batch is being processed.
        CorrectionConflict: somebody has corrected the same field since.
        Correction.DoesNotExist: there is no such correction, or it was taken back before.
    """
    with transaction.atomic():
        _hold(batch)
        found = batch.corrections.standing().get(pk=correction_id)
        values, history = _open(parse_template(batch.template.document), _lock(batch, found.sheet_id))
        correction = next(row for row in history.rows if row.pk == correction_id)
        answers_before = values.answer_count
        _undo(values, history, correction, by)
        _save(batch, values, history, answers_before)
    logger.info("taken_back", batch_id=str(batch.pk), correction=correction_id, by=by.get_username())
    return values.sheet


def reapply(batch: Batch) -> None:
    """Say again, of rows that were just loaded, what people had said of them; counts of ``batch`` are set, not saved.

    Corrections of a page that is no sheet any more stay in the list and do nothing; one that cannot be said of what
    was read now stays too, and the sheet waits for a person, who is told which it is. Can be repeated.
    """
    template = parse_template(batch.template.document)
    by_sheet: dict[UUID, list[Correction]] = {}
    for row in batch.corrections.standing().order_by("pk"):
        by_sheet.setdefault(row.sheet_id, []).append(row)
    for sheet in batch.sheets.filter(pk__in=by_sheet):
        with transaction.atomic():
            values = SheetValues(template, sheet)
            answers_before = values.answer_count
            history = History(values, by_sheet[sheet.pk])
            for row in history.rows:
                _repeat(values, history, row)
            _save_values(values, history)
            batch.answer_count += values.answer_count - answers_before
    if by_sheet:
        _count(batch)


def _repeat(values: SheetValues, history: History, row: Correction) -> None:
    is_unreadable = bool(values.sheet.error_code)
    if is_unreadable and not history.is_typed:
        return  # it could be read when this was said of it: single fields do not make a sheet
    if row.field and row.is_applied:
        try:
            target = values.target(row.field)
            first = next((earlier.was for earlier in history.of_column(target) if earlier.pk < row.pk), None)
            row.was = values.say(target, row.after, first=first)  # what was read may be something else now
        except CorrectionRefused as error:
            row.refuse(str(error))
        row.save(update_fields=["was"])
    elif is_unreadable and row.after == Decision.TYPED:
        values.fill_blank()


def _hold(batch: Batch) -> None:
    """Keep the row of ``batch`` until the transaction ends: nobody counts its sheets meanwhile, or has it go on.

    Raises:
        WrongState: the batch is being processed.
        BatchNotFound: it was deleted.
    """
    held = Batch.objects.select_for_update(no_key=True)
    try:
        batch.refresh_from_db(fields=["status", "finished_stages", "second_reading"], from_queryset=held)
    except Batch.DoesNotExist as error:
        raise BatchNotFound from error
    if not (batch.is_finished and batch.has_results):
        sentence = _("%(batch)s is %(status)s: sheets can be corrected once the database is loaded")
        raise WrongState(sentence % {"batch": batch, "status": _(batch.status)})


def _lock(batch: Batch, sheet_id: UUID) -> Sheet:
    sheet = Sheet.objects.select_for_update().get(batch_id=batch.pk, pk=sheet_id)
    sheet.batch = batch
    return sheet


def _open(template: Template, sheet: Sheet) -> tuple[SheetValues, History]:
    values = SheetValues(template, sheet)
    rows = Correction.objects.standing().filter(batch_id=sheet.batch_id, sheet_id=sheet.pk).order_by("pk")
    return values, History(values, rows)


def _refuse_misfit(sheet: Sheet, history: History, said: Sequence[Said], decision: Decision | None) -> None:
    """Refuse what cannot be said of this sheet."""
    if not said and decision is None:
        raise CorrectionRefused('nothing is said: give "corrections", a "decision", or both')
    if len({item.field for item in said}) < len(said):
        raise CorrectionRefused("a field is named twice; say one thing of each")
    if sheet.error_code and said and not (decision is Decision.TYPED or history.is_typed):
        sentence = _("%(sheet)s could not be read: type in all that is on it, with the decision typed")
        raise WrongState(sentence % {"sheet": sheet})
    if decision and not decision.fits(sheet):
        unreadable = _("%(sheet)s could not be read: of such a sheet the decision can only be typed or ignored")
        read = _("%(sheet)s was read: of such a sheet the decision can only be confirmed")
        raise WrongState((unreadable if sheet.error_code else read) % {"sheet": sheet})


def _refuse_conflicts(
    values: SheetValues,
    history: History,
    said: Sequence[Said],
    targets: Sequence[Target],
    decision: Decision | None,
) -> None:
    found = []
    for item, target in zip(said, targets, strict=True):
        latest, now = history.latest(target), values.value(target)
        if now != item.saw or (latest.pk if latest else None) != item.seen:
            found.append(_disagreement(item.field, item.saw, now, item.value, latest))
    if decision and (earlier := history.decision) and not history.refused:
        found.append(_disagreement("", earlier.before, earlier.after, decision, earlier))
    if found:
        raise CorrectionConflict(found)


def _disagreement(field: str, saw: str, now: str, yours: str, first: Correction | None) -> Disagreement:
    more: dict[str, Any] = {"correction": None, "by": "", "at": None}
    if first:
        more = {"correction": first.pk, "by": first.by_name, "at": first.at}
    return Disagreement(field=field, saw=saw, now=now, yours=yours, **more)


def _say(values: SheetValues, history: History, item: Said, target: Target, by: AbstractUser) -> None:
    """Write one correction; where a second reading is wanted, it counts once another person has read the same."""
    before, is_applied = values.value(target), True
    if _wants_second(values.sheet, target):
        others = history.readings(target)
        if mine := others.pop(by.pk, None):
            _mark_undone(history, mine, by)
        is_applied = any(row.after == item.value for row in others.values())
    values.refuse(target, item.value)
    first = next((row.was for row in history.of_column(target)), None)
    was = values.say(target, item.value, first=first) if is_applied else {}
    _write(
        values, history, {"field": item.field, "before": before, "after": item.value}, was, by, is_applied=is_applied
    )


def _wants_second(sheet: Sheet, target: Target) -> bool:
    """Whether ``target`` waits for two people who read the same: what was typed in or is not doubtful does not."""
    is_open = not {field.name for field in target.fields}.isdisjoint(sheet.doubtful_fields)
    return sheet.batch.second_reading and is_open


def _decide(values: SheetValues, history: History, decision: Decision, by: AbstractUser) -> None:
    before = values.sheet.status
    if decision is Decision.TYPED:
        values.fill_blank()
    _write(values, history, {"field": "", "before": before, "after": decision.value}, {}, by, is_applied=True)


def _write(
    values: SheetValues,
    history: History,
    what: Mapping[str, str],
    was: Mapping[str, Any],
    by: AbstractUser,
    *,
    is_applied: bool,
) -> None:
    sheet = values.sheet
    who = {"by_id": by.pk, "by_name": by.get_username()}
    row = Correction.objects.create(
        batch_id=sheet.batch_id, sheet_id=sheet.pk, was=was, is_applied=is_applied, **what, **who
    )
    history.rows.append(row)


def _undo(values: SheetValues, history: History, correction: Correction, by: AbstractUser) -> None:
    is_unreadable = bool(values.sheet.error_code)
    if not correction.field:
        if correction.after == Decision.TYPED and is_unreadable:  # with all that was typed
            values.clear()
            for row in list(history.rows):
                _mark_undone(history, row, by)
            return
    elif correction.is_in_effect and (history.is_typed or not is_unreadable):  # otherwise nothing of it is in the rows
        if (later := history.later(correction)) is not None:
            yours = correction.before
            raise CorrectionConflict([_disagreement(correction.field, correction.after, later.after, yours, later)])
        target = values.target(correction.field)
        others = [row for row in history.of_column(target) if row.pk != correction.pk]
        values.put_back(target, correction.was, still_corrected=bool(others))
    _mark_undone(history, correction, by)


def _mark_undone(history: History, row: Correction, by: AbstractUser) -> None:
    row.undone_at, row.undone_by_name = timezone.now(), by.get_username()
    row.save(update_fields=["undone_at", "undone_by_name"])
    history.rows.remove(row)


def _save_values(values: SheetValues, history: History) -> None:
    decision, refused = history.decision, history.refused
    touched = any(row.is_in_effect and (row.field or row is decision) for row in history.rows)
    others = [reason for reason in values.sheet.review_reasons if reason["code"] != NOT_APPLIED]
    values.sheet.review_reasons = others + [{"code": NOT_APPLIED, "message": _open_sentence(row)} for row in refused]
    values.save(decided=decision is not None and not refused, touched=touched)


def _open_sentence(row: Correction) -> str:
    """Return what a person has to know of a correction that could not be said again."""
    what = f"{row.field}: {row.by_name} corrected {row.before or BLANK} to {row.after or BLANK}"
    return f"{what}, which cannot be said of what was read now ({row.refusal}); correct it again, or take it back"


def _save(batch: Batch, values: SheetValues, history: History, answers_before: int) -> None:
    """Write the sheet, and what follows from it for the counts of its batch."""
    _save_values(values, history)
    _count(batch)
    more = {"review_count": batch.review_count, "unreadable_count": batch.unreadable_count}
    Batch.objects.filter(pk=batch.pk).update(
        **more, answer_count=F("answer_count") + values.answer_count - answers_before
    )


def _count(batch: Batch) -> None:
    """Count anew which sheets wait: a sum that is added to would never find back from an error."""
    batch.review_count = batch.sheets.filter(status__in=WAITING).count()
    batch.unreadable_count = batch.sheets.filter(status=SheetStatus.UNREADABLE).count()
