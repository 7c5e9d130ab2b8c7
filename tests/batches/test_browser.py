"""The page of a batch in a real browser, before a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.batches.batch_page import (
    BEGUN,
    Insider,
    Watched,
    a_faultless_page,
    a_site_for_pages,
    polls,
    requests_of,
    seqs,
)
from tests.browser import a_page
from tests.site import Site, wait_until

pytestmark = pytest.mark.browser

A4_WIDTH_PX = 1240  # at the 150 dpi of the scans in these tests


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return a_site_for_pages(migrated, tmp_path_factory.mktemp("batch-page"))


@pytest.fixture
def watched(insider: Insider) -> Watched:
    """A batch that has begun."""
    watched = Watched(insider)
    watched.tell(BEGUN)
    return watched


@pytest.fixture
def page(watched: Watched, url: str, browser: Browser) -> Iterator[Page]:
    """The page of the batch, live."""
    with a_faultless_page(browser, timezone_id="America/New_York", locale="en-GB") as opened:
        watched.open(opened, url)
        expect(opened.locator("#connection")).to_have_text("live")
        yield opened


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


def test_while_the_stream_is_live_nothing_is_asked_for_that_it_tells(watched: Watched, page: Page) -> None:
    addresses = requests_of(page)
    page.clock.install()
    watched.tell('publish((S.PROCESSING_SHEETS, "Progress: 30/300 tasks completed", 10))')
    expect(page.locator("#percent")).to_have_text("10 %")
    page.clock.run_for(14_000)
    watched.tell('publish((S.PROCESSING_SHEETS, "Progress: 60/300 tasks completed", 20))')
    expect(page.locator("#percent")).to_have_text("20 %")
    page.clock.run_for(3_000)

    assert addresses  # the parts that only the server can paint
    assert polls(addresses) == []


def test_the_groups_fill_while_sheets_are_read(watched: Watched, page: Page) -> None:
    watched.tell("""
for number in (1, 2):
    CoverGroup.objects.create(batch_id=BATCH, number=number, code=number, cover_file_name="c", sheet_count=150)
change(finished_stages=["extracting", "organizing_qr"])
publish((S.PROCESSING_SHEETS, "Dispatched 300 tasks to workers", 0))
""")
    first, second = (page.locator("#groups tr").nth(position) for position in (0, 1))
    expect(first.locator("[data-done]")).to_have_text("–")
    watched.tell("""
from batches.tallies import Tally, write_tallies
write_tallies(BATCH, {1: Tally(150, 4), 2: Tally(30, 0)})
publish((S.PROCESSING_SHEETS, "Progress: 180/300 tasks completed", 60))
""")

    expect(first.locator("[data-done]")).to_have_text("150")
    expect(first.locator("[data-review]")).to_have_text("4")
    expect(second.locator("progress")).to_have_js_property("value", 30)


def test_a_screen_reader_hears_of_each_stage_once_and_the_tab_tells_how_far_it_is(watched: Watched, page: Page) -> None:
    page.evaluate("""() => {
        window.heard = [];
        const spoken = document.getElementById("spoken");
        new MutationObserver(() => heard.push(spoken.textContent)).observe(spoken, {childList: true});
    }""")
    watched.tell("""
publish((S.ORGANIZING_QR, "Organizing by QR codes", 0), (S.ORGANIZING_QR, "Processing chunk 1/2", 50))""")
    expect(page.locator("#percent")).to_have_text("50 %")
    watched.tell("""
publish(*((S.PROCESSING_SHEETS, f"Progress: {n}/300 tasks completed", n) for n in range(40)))""")
    expect(page.locator("#percent")).to_have_text("39 %")

    assert page.evaluate("heard") == ["Sort by covers", "Read sheets"]
    assert page.title().startswith("39 % · Mathematics")
    assert page.locator("[aria-live]").count() == 0


def test_no_bar_goes_back_when_a_batch_fails(watched: Watched, page: Page) -> None:
    watched.tell('publish((S.PROCESSING_SHEETS, "Progress: 150/300 tasks completed", 50))')
    expect(page.locator("#whole-percent")).to_have_text("46 %")

    watched.tell("""
change(status="failed", stage="failed", error_code="no_space", failed_stage="processing_sheets")
publish_progress(BATCH, Report(stage=S.FAILED, message="disk full", failed_stage=S.PROCESSING_SHEETS))
""")

    expect(page.locator('[data-stage="processing_sheets"]')).to_have_attribute("data-state", "failed")
    expect(page.locator("#whole-percent")).to_have_text("46 %")
    assert page.title().startswith("✗ Mathematics")


def test_who_wants_to_is_notified_of_the_end(watched: Watched, url: str, browser: Browser) -> None:
    with a_page(browser, permissions=["notifications"]) as page:
        page.add_init_script("""
            window.shown = [];
            window.Notification = class extends Notification {
                constructor(title, options) { super(title, options); shown.push([title, options.body]); }
            };
        """)
        watched.open(page, url)
        page.get_by_label("Tell me when this batch has ended").check()
        watched.tell('publish((S.COMPLETED, "BATCH COMPLETED SUCCESSFULLY", 100))')
        wait_until(lambda: bool(page.evaluate("shown.length")))

        assert page.evaluate("shown") == [["Mathematics · OMR", "BATCH COMPLETED SUCCESSFULLY"]]


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


def test_the_page_can_be_read_without_javascript(insider: Insider, url: str, browser: Browser) -> None:
    watched = Watched(insider)
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
