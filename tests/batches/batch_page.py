"""The page of a batch for tests: a site's batch, what happens to it, and what the page shows of its log."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from playwright.sync_api import Browser, Page

from tests.browser import a_page, needs_chromium
from tests.site import ROOT, Site

PRELUDE = """
from datetime import timedelta
from django.conf import settings
from django.utils import timezone
from uuid import UUID
from batches.models import *
from django.contrib.auth.models import User
from progress.events import ProcessingStage as S, Report
from progress.publisher import publish_progress
from tests.batches.builders import *

def publish(*events):
    for stage, message, percent in events:
        report = Report(stage=stage, message=message, progress_percentage=percent, sheets_total=300,
                        sheets_processed=3 * percent, failed_stage=S.ORGANIZING_QR if stage is S.FAILED else None)
        publish_progress(BATCH, report)

def change(**columns):
    Batch.objects.filter(pk=BATCH).update(**columns)

"""

BEGUN = """
a_batch(a_user("ada"), id=BATCH, status="processing", archive_kind="local")
publish((S.EXTRACTING, "Extracting ZIP", 0), (S.EXTRACTING, "Extracted 303 files from ZIP", 100))
"""


LISTEN = f"""
import json, sys, traceback
for line in sys.stdin:
    try:
        exec({PRELUDE!r} + json.loads(line), {{}})
        said = ""
    except Exception:
        said = traceback.format_exc()
    print(json.dumps(said), flush=True)
"""


@dataclass(frozen=True)
class Insider:
    """A process of a site that does what it is told, as a runner would be one."""

    site: Site
    process: "subprocess.Popen[str]"

    def tell(self, code: str) -> None:
        """Run ``code`` there, behind what PRELUDE imports and defines."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(code) + "\n")
        stdin.flush()
        answer = stdout.readline()
        assert answer, "the process has ended; why stands in the site's var/logs"
        assert json.loads(answer) == ""


@contextmanager
def an_insider(site: Site) -> Iterator[Insider]:
    """Start a process of the site that does what it is told; it ends with this."""
    logs = site.var / "logs"
    logs.mkdir(exist_ok=True)
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", LISTEN]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        (logs / "insider.log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, env=site.env, stderr=log, **pipes) as process,
    ):
        yield Insider(site, process)  # leaving closes its input, which ends it


@dataclass(frozen=True)
class Watched:
    """A batch of a site, and what happens to it."""

    insider: Insider
    batch_id: UUID = field(default_factory=uuid4)

    @property
    def site(self) -> Site:
        return self.insider.site

    def tell(self, code: str) -> None:
        """Run ``code`` in a process of the site; BATCH is this batch's id."""
        self.insider.tell(f"BATCH = UUID({str(self.batch_id)!r})\n{code}")

    def open(self, page: Page, url: str, user: str = "ada") -> None:
        """Log in and show the batch on ``page``."""
        page.goto(self.address(url))
        page.get_by_label("User name").fill(user)
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(self.address(url))

    def address(self, url: str) -> str:
        return f"{url}/batches/{self.batch_id}"


def a_site_for_pages(migrated: Path, folder: Path, **environment: str) -> Site:
    """Return a site for all tests of a module: each has a batch of its own."""
    needs_chromium()
    var = folder / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    return Site(var, environment)


@contextmanager
def a_faultless_page(browser: Browser, **context: Any) -> Iterator[Page]:
    """Give a page; nothing may be wrong in its console at the end."""
    complaints: list[str] = []
    with a_page(browser, **context) as page:
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
    assert complaints == []


def seqs(page: Page) -> list[int]:
    """Return the numbers of the lines in the log, from its top."""
    lines: list[str] = page.locator("#log li").evaluate_all("lines => lines.map(line => line.dataset.seq)")
    return [int(seq) for seq in lines]


def requests_of(page: Page) -> list[str]:
    """Return a list that grows by the address of each request of ``page``."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    return addresses


def polls(addresses: list[str]) -> list[str]:
    """Return those of ``addresses`` that ask for what the stream tells."""
    return [address for address in addresses if "/progress?" in f"{address}?" or "/events?" in address]
