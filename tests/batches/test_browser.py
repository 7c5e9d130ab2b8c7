"""The page of a batch in a real browser, before a real server."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import a_browser, a_page, needs_chromium
from tests.site import Site

pytestmark = pytest.mark.browser

A4_WIDTH_PX = 1240  # at the 150 dpi of the scans in these tests

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


@dataclass(frozen=True)
class Watched:
    """A batch of a site, and what happens to it."""

    site: Site
    batch_id: UUID

    def tell(self, code: str) -> None:
        """Run ``code`` in a process of the site, as a runner would be one."""
        self.site.manage("shell", "--no-imports", "-c", f"{PRELUDE}BATCH = UUID({str(self.batch_id)!r})\n{code}")

    def open(self, page: Page, url: str) -> None:
        """Log in and show the batch on ``page``."""
        page.goto(f"{url}/batches/{self.batch_id}")
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One site for all tests of this module: each has a batch of its own."""
    needs_chromium()
    var = tmp_path_factory.mktemp("site") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    return Site(var)


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    with site.serve("daphne") as address:
        yield address


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    with a_browser() as chromium:
        yield chromium


@pytest.fixture
def watched(site: Site) -> Watched:
    """A batch that has begun."""
    watched = Watched(site, uuid4())
    watched.tell("""
a_batch(a_user("ada"), id=BATCH, status="processing", archive_kind="local")
publish((S.EXTRACTING, "Extracting ZIP", 0), (S.EXTRACTING, "Extracted 303 files from ZIP", 100))
""")
    return watched


@pytest.fixture
def page(watched: Watched, url: str, browser: Browser) -> Iterator[Page]:
    """The page of the batch, live; nothing may be wrong in its console at the end."""
    complaints: list[str] = []
    with a_page(browser, timezone_id="America/New_York", locale="en-GB") as opened:
        opened.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        watched.open(opened, url)
        expect(opened.locator("#connection")).to_have_text("live")
        yield opened
    assert complaints == []


def seqs(page: Page) -> list[int]:
    lines: list[str] = page.locator("#log li").evaluate_all("lines => lines.map(line => line.dataset.seq)")
    return [int(seq) for seq in lines]


def test_the_page_shows_every_event_live_once_and_ends_finished(watched: Watched, page: Page) -> None:
    watched.tell("""
change(sheet_count=300)
publish((S.ORGANIZING_QR, "Organized into 3 groups, 300 files total", 100),
        (S.PROCESSING_SHEETS, "Progress: 150/300 tasks completed", 50))
""")
    expect(page.locator("#message")).to_have_text("Progress: 150/300 tasks completed")
    expect(page.locator("#percent")).to_have_text("50 %")
    expect(page.locator("#processed")).to_have_text("150")
    expect(page.locator('[data-stage="extracting"]')).to_have_attribute("data-state", "done")
    expect(page.locator('[data-stage="processing_sheets"]')).to_have_attribute("data-state", "now")
    assert page.get_by_role("link", name="for Excel").count() == 0

    watched.tell("""
change(status="completed", stage="completed", stage_seconds={"processing_sheets": 3.6}, group_count=3)
publish((S.COMPLETED, "BATCH COMPLETED SUCCESSFULLY", 100))
""")
    expect(page.locator("#connection")).to_have_text("finished")
    expect(page.locator("#status")).to_have_text("completed")  # painted anew by the server
    expect(page.get_by_role("link", name="for Excel").first).to_be_visible()
    expect(page.locator('[data-stage="processing_sheets"] small')).to_have_text("3.6 s")
    assert seqs(page) == [1, 2, 3, 4, 5]


def test_a_batch_that_fails_is_told_apart_from_a_lost_connection(watched: Watched, page: Page) -> None:
    watched.tell("""
from tests.batches.archives import a_zip, unreadable_cover
archive = a_zip(settings.VAR_DIR / f"{BATCH}.zip", {"page_0102.jpg": unreadable_cover()})
change(status="failed", stage="failed", error_code="cover_unreadable", failed_stage="organizing_qr",
       archive_path=str(archive),
       error_message="QR code read failed: Chunk 2/3", unreadable_covers=["page_0102.jpg"])
publish((S.FAILED, "QR code read failed: Chunk 2/3", 33))
""")

    expect(page.locator("#connection")).to_have_text("finished")
    expect(page.locator("#message")).to_have_text("QR code read failed: Chunk 2/3")
    expect(page.locator('[data-stage="organizing_qr"]')).to_have_attribute("data-state", "failed")
    expect(page.get_by_label("page_0102.jpg")).to_be_visible()
    expect(page.get_by_role("img", name="page_0102.jpg")).to_have_js_property("naturalWidth", A4_WIDTH_PX)
    assert seqs(page) == [1, 2, 3]


def test_a_page_that_came_as_the_batch_ended_is_painted_to_its_end(
    watched: Watched, url: str, browser: Browser
) -> None:
    watched.tell('publish((S.COMPLETED, "BATCH COMPLETED SUCCESSFULLY", 100))')  # its row says so a moment later

    with a_page(browser) as page:
        watched.open(page, url)
        expect(page.locator("#connection")).to_have_text("finished")
        watched.tell('change(status="completed", stage="completed")')
        expect(page.locator("#status")).to_have_text("completed")


def test_times_are_shown_in_the_readers_zone_with_the_exact_value_in_the_title(page: Page) -> None:
    shown = page.locator("#log time").first

    exact = shown.get_attribute("title") or ""
    assert exact.endswith("+00:00")
    expected = page.evaluate(
        "moment => new Intl.DateTimeFormat('en-GB', {timeStyle: 'medium', timeZone: 'America/New_York'})"
        ".format(new Date(moment))",
        exact,
    )
    expect(shown).to_have_text(expected)


def test_the_page_comes_back_by_itself_when_the_server_does(watched: Watched, browser: Browser) -> None:
    with a_page(browser) as page:
        with watched.site.serve("daphne") as url:
            watched.open(page, url)
            expect(page.locator("#connection")).to_have_text("live")
        expect(page.locator("#connection")).to_have_text("reconnecting")
        watched.tell('publish((S.ORGANIZING_QR, "Organizing by QR codes", 0))')

        with watched.site.serve("daphne", port=int(url.rpartition(":")[2])):
            expect(page.locator("#connection")).to_have_text("live", timeout=40_000)
            expect(page.locator("#message")).to_have_text("Organizing by QR codes")
            assert seqs(page) == [1, 2, 3]


def test_the_page_can_be_read_without_javascript(site: Site, url: str, browser: Browser) -> None:
    watched = Watched(site, uuid4())
    watched.tell('a_read_batch(a_user("ada"), id=BATCH)\npublish((S.COMPLETED, "BATCH COMPLETED SUCCESSFULLY", 100))')

    with a_page(browser, java_script_enabled=False) as page:
        watched.open(page, url)

        expect(page.locator("#message")).to_have_text("BATCH COMPLETED SUCCESSFULLY")
        expect(page.locator("#connection")).to_have_text("finished")
        with page.expect_download() as download:
            page.get_by_role("row", name="Answers").get_by_role("link", name="CSV").click()
        assert download.value.suggested_filename == "Mathematics-answers.csv"


def test_a_page_that_hears_nothing_finds_out_that_the_batch_was_interrupted(page: Page, watched: Watched) -> None:
    watched.tell("change(lease_until=timezone.now() + timedelta(minutes=5))")
    page.clock.install()
    page.reload()
    expect(page.locator("#status")).to_have_text("processing")

    watched.tell("change(lease_until=None)")
    page.clock.fast_forward(21_000)
    page.clock.run_for(3_000)

    expect(page.locator("#status")).to_have_text("interrupted")
    expect(page.locator("#trouble")).to_contain_text("nobody works on this batch now")
    expect(page.locator("#rate")).to_have_text("–")
