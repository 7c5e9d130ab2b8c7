"""Uploads a ZIP to a site, on this machine or another one, and goes on with an upload that broke off."""

import os
import shlex
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from getpass import getpass
from pathlib import Path
from typing import Any, TextIO
from zipfile import is_zipfile

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from batches.management.arguments import FAILED, WRONG_USAGE
from batches.management.output import say
from batches.management.sending.delivery import Delivery, FileChanged, Listener, Parcel
from batches.management.sending.display import Pace, choose_display
from batches.management.sending.memory import Memory
from batches.management.sending.site import Account, Refused, RemoteSite, Unreachable
from batches.wording import file_size

PASSWORD_VARIABLE = "OMR_PASSWORD"  # noqa: S105 - its name
INTERRUPTED = 130
MENDED = "Upload the mended ZIP: it will be a new batch"
THE_TELLERS_FAULT = frozenset({"unknown_template", "metadata_missing", "bad_metadata", "empty_file", "moved"})
"""Codes of refusals that another command line would mend."""


class Command(BaseCommand):
    help = "Uploads a ZIP to a site; run again after a break, it goes on where it stopped."
    requires_system_checks = []  # nothing of this machine's own site is used

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("scans", type=Path, metavar="PATH.zip")
        parser.add_argument("--server", required=True, metavar="URL", help="such as https://omr.example.org")
        parser.add_argument(
            "--user", default="", help=f"who uploads; the password is asked for, or {PASSWORD_VARIABLE}"
        )
        parser.add_argument("--token", default="", help="an access token, instead of --user")
        parser.add_argument("--template", default="", metavar="SLUG", help="default: the only one that the site has")
        parser.add_argument("--name", default="", help="of the batch; default: the ZIP's name")

    def handle(self, *_: Any, scans: Path, **options: Any) -> None:
        if not scans.is_file():
            raise CommandError(f"{scans}: there is no such file", returncode=WRONG_USAGE)
        if not is_zipfile(scans):  # the server would say so too, but after its last byte
            sentence = f"{scans.name} is not a ZIP file, or not all of one; give the scanned pages as one ZIP"
            raise CommandError(sentence, returncode=WRONG_USAGE)
        site = _site(options)
        with closing(site), _ended_by_sigterm(), _failures_said(_to_go_on(scans, options)):
            template = options["template"] or _only_template(site)
            parcel = Parcel(scans, template, options["name"])
            memory = Memory.of(scans, settings.VAR_DIR / "cache" / "uploads", site.address, options["user"], template)
            _deliver(site, parcel, memory, options.get("stdout") or sys.stdout)


def _deliver(site: RemoteSite, parcel: Parcel, memory: Memory, output: TextIO) -> None:
    pace = Pace(parcel.scans.stat().st_size)

    def begun(batch_id: str, offset: int) -> None:
        pace.begin(offset)
        where = f"{site.address}/batches/{batch_id}"
        display.tell(f"goes on after {file_size(offset)}: {where}" if offset else f"watch it at {where}")

    def moved(offset: int) -> None:
        pace.move(offset)
        display.moved()

    with choose_display(output, pace) as display:
        batch = Delivery(site, parcel, memory, Listener(begun, moved, display.tell)).run()
    if batch["error"] and batch["status"] in ("failed", "cancelled"):
        raise CommandError(f"{batch['error']['message']}\n{MENDED}", returncode=FAILED)
    say(output, f"Batch {batch['id']}: {file_size(pace.size)} uploaded, now {batch['status']}")
    for other in batch.get("same_as", []):  # older sites do not tell
        say(output, f"The same ZIP was uploaded before: batch {other['id']}, {other['name']}, {other['status']}")


def _site(options: dict[str, Any]) -> RemoteSite:
    try:
        return RemoteSite(options["server"], _account(options))
    except ValueError as error:
        raise CommandError(f"--server: {error}", returncode=WRONG_USAGE) from error


def _account(options: dict[str, Any]) -> Account:
    user, token = options["user"], options["token"]
    if bool(user) == bool(token):
        raise CommandError("Give --user, or --token: one of the two", returncode=WRONG_USAGE)
    if token:
        return Account(token=token)
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password and not sys.stdin.isatty():
        raise CommandError(f"No password: set {PASSWORD_VARIABLE}, or give --token", returncode=WRONG_USAGE)
    return Account(user=user, password=password or getpass(f"Password of {user}: "))


def _only_template(site: RemoteSite) -> str:
    slugs = [template["slug"] for template in site.ask("GET", "/api/templates").json()["results"]]
    if len(slugs) == 1:
        return str(slugs[0])
    seen = f"there are: {', '.join(slugs)}" if slugs else "the site has none yet"
    raise CommandError(
        f"say from which template the sheets are printed: --template SLUG; {seen}", returncode=WRONG_USAGE
    )


def _to_go_on(scans: Path, options: dict[str, Any]) -> str:
    """Return the command line that goes on; the token is not repeated."""
    said = [
        ("--server", options["server"]),
        ("--user", options["user"]),
        ("--token", "TOKEN" if options["token"] else ""),
    ]
    said += [("--template", options["template"]), ("--name", options["name"])]
    parts = [str(scans), *(part for name, value in said if value for part in (name, value))]
    return f"To go on: manage.py upload_batch {shlex.join(parts)}"


@contextmanager
def _failures_said(to_go_on: str) -> Iterator[None]:
    """Turn what ended the upload into its sentence and exit code."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise CommandError(f"\nInterrupted. {to_go_on}", returncode=INTERRUPTED) from error
    except Refused as refusal:
        is_usage = refusal.code in THE_TELLERS_FAULT
        then = "" if is_usage else MENDED if refusal.is_of_zip else to_go_on
        raise CommandError(f"{refusal}\n{then}".rstrip(), returncode=WRONG_USAGE if is_usage else FAILED) from refusal
    except Unreachable as error:
        raise CommandError(f"{error}\n{to_go_on}", returncode=FAILED) from error
    except (FileChanged, OSError) as error:
        raise CommandError(
            f"{error}\nRun the command again when the file is whole: it will be a new upload", returncode=FAILED
        ) from error


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: what was sent is there, and the next run goes on."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
