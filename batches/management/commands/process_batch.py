"""Processes a local ZIP, an uploaded batch, or whatever is queued."""

import logging
import shlex
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from batches import services
from batches.covers import CODE, NO_COVER
from batches.errors import BatchError, CodesRefused, LeaseHeld, WrongState
from batches.folders import site_folders
from batches.management.arguments import (
    FAILED,
    WRONG_USAGE,
    cover_code,
    find_batch,
    is_batch_id,
    likely_covers,
    require_database,
)
from batches.management.display import choose_display
from batches.management.metrics_port import metrics_port
from batches.management.output import say
from batches.models import Batch, BatchStatus, SheetTemplate
from batches.pipeline.faults import known_fault
from batches.pipeline.run import Interrupted
from batches.pipeline.runner import Runner
from batches.pipeline.watching import Watch
from batches.receiving.expiry import end_expired
from batches.retention import Tidying, site_ages
from batches.services import GivenArchive, create_batch
from batches.uploads.store import UploadStore
from batches.workers.base import Workers
from batches.workers.choose import KINDS, WorkersUnavailable, choose_workers
from batches.workers.messages import Exchange
from progress import connection, log
from progress.events import ProcessingStage

NEEDS_REVIEW, HELD, INTERRUPTED = 3, 4, 130

MOST_COVERS_SHOWN = 20
"""In a line to be pasted."""


class Command(BaseCommand):
    help = "Processes a local ZIP (PATH.zip --template SLUG), a batch (BATCH_ID), or whatever is queued (--watch)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", nargs="?", metavar="PATH.zip | BATCH_ID")
        parser.add_argument("--watch", action="store_true", help="be the runner: take queued batches until stopped")
        parser.add_argument("--template", metavar="SLUG", help="how the sheets of a local ZIP are printed")
        parser.add_argument("--owner", metavar="USER", help="whose batch it is; default: the only superuser")
        parser.add_argument("--name", default="", help="of a new batch; default: the ZIP's name")
        parser.add_argument("--cover", action="append", default=[], type=cover_code, metavar="FILE=CODE", dest="covers")
        parser.add_argument("--workers", choices=KINDS, default="local")
        parser.add_argument("--processes", type=int, default=None, metavar="N", help="0: one for each core")
        parser.add_argument("--json", action="store_true", help="one event a line on standard output")

    def handle(self, *_: Any, target: str | None, watch: bool, **options: Any) -> None:
        if bool(target) == watch:
            raise CommandError("Give a ZIP, a batch's id, or --watch.", returncode=WRONG_USAGE)
        if watch:
            _refuse_of_one(options)
        require_database()
        _require_redis()
        workers = _workers(options)
        with closing(workers), _told_to_stop() as stop:
            if watch:
                self._watch(workers, stop, options)
            else:
                self._process(str(target), workers, stop, options)

    def _watch(self, workers: Workers, stop: threading.Event, options: dict[str, Any]) -> None:
        runner = Runner(workers=workers, stop=stop)
        if options["json"]:
            runner = replace(runner, listener=choose_display(_output(options), as_json=True).show)
        with metrics_port(settings.RUNNER_METRICS_PORT, token=settings.METRICS_TOKEN):
            Watch(runner, settings.BATCHES_AT_ONCE, chores=[_end_expired, Tidying(site_ages())]).run()

    def _process(self, target: str, workers: Workers, stop: threading.Event, options: dict[str, Any]) -> None:
        with _full_disk_said():
            batch, covers = self._batch(target, options)
        if batch.status == BatchStatus.COMPLETED and not covers:
            self.stderr.write(f"{batch} is completed already.")
            _exit_as(batch)
            return
        # What is shown here anyway need not be said twice.
        logging.getLogger().setLevel(logging.WARNING)
        output, as_json = _output(options), options["json"]
        if not as_json:
            say(output, f"Batch {batch.pk}: {batch.name}")
        with choose_display(output, as_json=as_json) as display:
            failure = _run(Runner(workers=workers, stop=stop, listener=display.show), batch, covers)
        if failure:
            raise failure
        if not as_json:
            say(output, f"Results: {site_folders().results(batch.pk)} (sheets.csv, answers.csv, responses.csv)")
        if batch.unreadable_covers:
            self.stderr.write(_tell_suspects(batch))
        _exit_as(batch)

    def _batch(self, target: str, options: dict[str, Any]) -> tuple[Batch, dict[str, str] | None]:
        """Return the batch, and the codes to try it again with; None when it only has to go on."""
        covers = dict(options["covers"])
        _refuse_codes(covers)
        if not is_batch_id(target):
            batch = _new_batch(Path(target), options)
            batch.cover_codes = covers
            batch.save(update_fields=["cover_codes"])
            return batch, None
        return _known_batch(find_batch(target), covers)


def _end_expired() -> None:
    kept = timedelta(hours=settings.UPLOAD_KEPT_HOURS)
    end_expired(UploadStore(site_folders().upload), kept=kept)


def _output(options: dict[str, Any]) -> TextIO:
    # Django's own wrapper around it ends every write with a new line, which a display in place cannot use.
    stream: TextIO = options.get("stdout") or sys.stdout
    return stream


def _refuse_of_one(options: dict[str, Any]) -> None:
    """Refuse, beside --watch, what is said of one batch."""
    given = [f"--{name.removesuffix('s')}" for name in ("template", "owner", "name", "covers") if options[name]]
    if given:
        sentence = f"--watch takes whatever is queued; {', '.join(given)} can be said of one ZIP or batch only"
        raise CommandError(sentence, returncode=WRONG_USAGE)


def _new_batch(path: Path, options: dict[str, Any]) -> Batch:
    if not path.is_file():
        raise CommandError(f"{path}: there is no such file (and it is no batch's id)", returncode=WRONG_USAGE)
    template = _template(options["template"])
    archive = GivenArchive(file_name=path.name, size_bytes=path.stat().st_size, path=path.resolve())
    return create_batch(_owner(options["owner"]), template, archive=archive, name=options["name"])


def _template(slug: str | None) -> SheetTemplate:
    template = SheetTemplate.objects.filter(slug=slug).first()
    if template is None:
        seen = f"there is no template {slug!r}" if slug else "a local ZIP needs --template"
        known = ", ".join(SheetTemplate.objects.values_list("slug", flat=True))
        raise CommandError(f"{seen}; there are: {known}", returncode=WRONG_USAGE)
    return template


def _owner(name: str | None) -> User:
    if name:
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"there is no user {name!r}", returncode=WRONG_USAGE)
        return user
    superusers = list(User.objects.filter(is_superuser=True, is_active=True)[:2])
    if len(superusers) != 1:
        seen = "there is more than one superuser" if superusers else "there is no superuser"
        raise CommandError(f"{seen}; say whose batch it is: --owner USER", returncode=WRONG_USAGE)
    return superusers[0]


def _known_batch(batch: Batch, covers: dict[str, str]) -> tuple[Batch, dict[str, str] | None]:
    """Return ``batch``, and the codes to try it again with; None when it only has to go on."""
    if batch.status == BatchStatus.UPLOADING:
        raise CommandError(f"{batch} is still being uploaded", returncode=WRONG_USAGE)
    has_stopped = batch.status in (BatchStatus.FAILED, BatchStatus.CANCELLED)
    try:
        if has_stopped or (batch.status == BatchStatus.COMPLETED and covers):
            services.refuse_retry(batch, covers)
        named = services.name_covers(batch, covers)
    except CodesRefused as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error
    except WrongState as error:
        raise CommandError(str(error), returncode=FAILED) from error
    return batch, named if has_stopped else named or None


def _refuse_codes(covers: dict[str, str]) -> None:
    try:
        services.refuse_codes(covers)
    except CodesRefused as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error


def _run(runner: Runner, batch: Batch, covers: dict[str, str] | None) -> CommandError | None:
    """Process ``batch``; return what is to be said when it did not come to its end."""
    try:
        with _full_disk_said(then=_to_go_on(batch)):
            runner.process(batch, retry_with=covers)
    except CommandError as error:
        return error
    except LeaseHeld as error:
        return CommandError(error.message, returncode=HELD)
    except BatchError as error:
        reason = f"{error.message}\n{error.details}" if error.details else error.message
        return CommandError(f"{reason}\n{_to_go_on(batch)}", returncode=FAILED)
    except Interrupted:
        return CommandError(f"Interrupted. {_to_go_on(batch)}", returncode=INTERRUPTED)
    return None


def _to_go_on(batch: Batch) -> str:
    command = f"manage.py process_batch {batch.pk}{_covers_to_give(batch)}"
    if batch.has_refused_upload:
        return "It cannot go on with this ZIP: upload the mended one"
    if batch.has_refused_archive and batch.has_finished(ProcessingStage.EXTRACTING):
        return "It cannot go on with this ZIP: give the mended one as a new batch"
    if batch.has_refused_archive:
        return f"To go on: put a good ZIP at {batch.archive_path}, then: {command}"
    return f"To go on: {command}"


def _covers_to_give(batch: Batch) -> str:
    """Return the arguments that say what is needed of covers; a person has to put the codes in."""
    needs_them = batch.failed_stage == ProcessingStage.ORGANIZING_QR or batch.status == BatchStatus.COMPLETED
    files = likely_covers(batch.unreadable_covers, batch.sheets_without_cover) if needs_them else []
    given = "".join(f" --cover {shlex.quote(f'{file}={CODE}')}" for file in files[:MOST_COVERS_SHOWN])
    return given if len(files) <= MOST_COVERS_SHOWN else f"{given} …"


def _tell_suspects(batch: Batch) -> str:
    files = batch.unreadable_covers
    may_be = "1 page may be a cover" if len(files) == 1 else f"{len(files)} pages may be covers"
    named = ", ".join(files[:MOST_COVERS_SHOWN]) + (" …" if len(files) > MOST_COVERS_SHOWN else "")
    return f"{may_be}: {named}. {_to_go_on(batch)}\n{NO_COVER} in the place of a code says: this is no cover."


@contextmanager
def _full_disk_said(*, then: str = "") -> Iterator[None]:
    """Turn a disk too full even to write down what happened into the one sentence that helps."""
    try:
        yield
    except (DatabaseError, OSError) as error:
        known = known_fault(error)
        if known is None:
            raise
        raise CommandError(f"{known.message}\n{then}".rstrip(), returncode=FAILED) from error


def _exit_as(batch: Batch) -> None:
    if batch.review_count:
        raise SystemExit(NEEDS_REVIEW)


def _require_redis() -> None:
    try:
        connection.client().ping()
    except redis.RedisError as error:
        raise CommandError(f"Redis cannot be reached: {error}", returncode=FAILED) from error


def _workers(options: dict[str, Any]) -> Workers:
    processes = settings.PROCESSES if options["processes"] is None else options["processes"]
    if processes < 0:
        raise CommandError(f"--processes is {processes}; give 0 (one for each core) or more", returncode=WRONG_USAGE)
    try:
        return choose_workers(options["workers"], processes, exchange=_exchange())
    except WorkersUnavailable as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error


def _exchange() -> Exchange:
    return Exchange(redis_url=settings.REDIS_URL, name_key=log.orders_key, lifetime_seconds=log.ORDERS_SECONDS)


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Give what is set by Ctrl-C or SIGTERM: the stages look at it and end where they can be continued."""
    stop = threading.Event()
    before = {sign: signal.signal(sign, lambda *_: stop.set()) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
