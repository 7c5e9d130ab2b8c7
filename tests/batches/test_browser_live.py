"""The page of a batch while real batches run, and while servers, networks and rights come and go."""

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
from tests.clients.proxy import Fault, Proxy
from tests.site import Site

pytestmark = pytest.mark.browser

RUN_MS = 60_000

QUEUED = """
from batches.services import submit_batch
batch = a_batch(a_user("ada"), id=BATCH, finished_stages=["uploading"])
batch.archive.parent.mkdir(parents=True, exist_ok=True)
batch.size_bytes = a_zip(batch.archive, members).stat().st_size
batch.save()
submit_batch(batch)
"""


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return a_site_for_pages(migrated, tmp_path_factory.mktemp("live"), STREAM_RIGHTS_SECONDS="1")


@pytest.fixture
def watched(insider: Insider) -> Watched:
    return Watched(insider)


def is_finished(page: Page, *, status: str, timeout: int = RUN_MS) -> None:
    expect(page.locator("#connection")).to_have_text("finished", timeout=timeout)
    expect(page.locator("#status")).to_have_text(status)


def test_a_real_batch_is_shown_from_its_wait_to_its_end_in_two_tabs_and_through_a_reload(
    watched: Watched, site: Site, url: str, browser: Browser
) -> None:
    watched.tell(f"from tests.batches.archives import *\nmembers = two_groups()\n{QUEUED}")
    with a_faultless_page(browser) as page:
        watched.open(page, url)
        expect(page.locator("#message")).to_have_text("Waiting: no runner is active")
        expect(page.locator("#trouble")).to_contain_text("process_batch --watch")
        expect(page.locator("#connection")).to_have_text("live")
        other = page.context.new_page()
        other.goto(watched.address(url))
        expect(other.locator("#connection")).to_have_text("live")
        addresses = requests_of(other)

        with site.runner("--processes", "1"):
            expect(page.locator('[data-stage="extracting"]')).not_to_have_attribute("data-state", "ahead")
            page.reload()
            for tab in (page, other):
                is_finished(tab, status="completed")

        for tab in (page, other):
            assert seqs(tab) == list(range(1, len(seqs(tab)) + 1))
            expect(tab.locator("#log li").last).to_contain_text("BATCH COMPLETED SUCCESSFULLY")
            expect(tab.locator("#groups tr")).to_have_count(2)
            expect(tab.locator("#groups [data-done]").first).to_have_text("2")
            expect(tab.locator("#steps [data-state=done]")).to_have_count(8)
            expect(tab.locator("#trouble")).to_have_text("")
        assert other.title().startswith("✓ Mathematics")
        assert polls(addresses) == []


def test_a_cover_that_cannot_be_read_is_typed_from_its_picture_and_the_batch_goes_on(
    watched: Watched, site: Site, url: str, browser: Browser
) -> None:
    watched.tell(f"""
from tests.batches.archives import *
members = two_groups() | {{"page_4.jpg": unreadable_cover()}}
{QUEUED}""")
    with a_faultless_page(browser) as page, site.runner("--processes", "1"):
        watched.open(page, url)
        is_finished(page, status="failed")
        expect(page.locator("#message")).to_have_text("QR code read failed: Chunk 2/2")
        picture = page.get_by_role("img", name="Page page_4.jpg, as it was scanned")
        expect(picture).to_have_js_property("complete", value=True)
        assert picture.evaluate("picture => picture.naturalWidth") > 0

        page.get_by_label("page_4.jpg", exact=True).fill("14900114")
        page.get_by_role("button", name="Go on with these codes").click()

        is_finished(page, status="completed")
        expect(page.locator("#groups code")).to_have_text(["14900113", "14900114"])


def test_a_batch_that_is_cancelled_ends_in_every_tab_and_can_go_on(
    watched: Watched, url: str, browser: Browser
) -> None:
    watched.tell(BEGUN)
    with a_faultless_page(browser) as page:
        watched.open(page, url)
        other = page.context.new_page()
        other.goto(watched.address(url))
        expect(other.locator("#connection")).to_have_text("live")

        page.get_by_text("Cancel this batch…").click()
        page.get_by_role("button", name="Cancel the batch").click()

        for tab in (page, other):
            is_finished(tab, status="cancelled")
            expect(tab.locator("#message")).to_have_text("BATCH CANCELLED")
            expect(tab.get_by_role("button", name="Go on from where it stopped")).to_be_visible()


def test_a_page_of_a_batch_that_has_ended_lives_again_when_somebody_has_it_go_on(
    watched: Watched, url: str, browser: Browser
) -> None:
    watched.tell(
        f"{BEGUN}\nfrom batches.services import cancel_batch\nbatch = Batch.objects.get(pk=BATCH)\n"
        "cancel_batch(batch, by=batch.owner)"
    )
    with a_faultless_page(browser) as page:
        watched.open(page, url)
        expect(page.locator("#connection")).to_have_text("finished")

        watched.tell("""
from batches.services import retry_batch
archive = settings.VAR_DIR / f"{BATCH}.zip"
archive.touch()
change(archive_path=str(archive))
retry_batch(Batch.objects.get(pk=BATCH), by=User.objects.get(username="ada"))
""")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # whoever has been away comes back

        expect(page.locator("#connection")).to_have_text("live")
        watched.tell('publish((S.EXTRACTING, "Extracting ZIP", 0))')
        expect(page.locator("#message")).to_have_text("Extracting ZIP")


def test_when_the_network_is_back_the_page_goes_on_at_once_where_it_was(
    watched: Watched, browser: Browser, proxy: Proxy
) -> None:
    watched.tell(BEGUN)
    with a_page(browser) as page:
        watched.open(page, proxy.url)
        expect(page.locator("#connection")).to_have_text("live")
        addresses = requests_of(page)

        page.context.set_offline(True)
        proxy.cut(Fault.REFUSE)
        expect(page.locator("#connection")).to_have_text("reconnecting")
        watched.tell('publish(*((S.ORGANIZING_QR, f"Processing chunk {n}/9", n) for n in range(1, 9)))')
        proxy.fault = Fault.NONE
        page.context.set_offline(False)

        expect(page.locator("#connection")).to_have_text("live")
        expect(page.locator("#message")).to_have_text("Processing chunk 8/9")
        assert seqs(page) == list(range(1, 11))
        assert polls(addresses) == []


def test_behind_a_proxy_that_keeps_streams_back_the_page_polls_and_says_so(
    watched: Watched, browser: Browser, proxy: Proxy
) -> None:
    watched.tell(BEGUN)
    with a_page(browser) as page:
        page.clock.install()
        proxy.fault = Fault.BUFFER
        watched.open(page, proxy.url)
        page.clock.run_for(50_000)  # so long may a stream be silent
        expect(page.locator("#connection")).to_have_text("polling")
        watched.tell('publish((S.ORGANIZING_QR, "Organizing by QR codes", 0))')
        page.clock.run_for(10_000)

        expect(page.locator("#message")).to_have_text("Organizing by QR codes")
        assert seqs(page) == [1, 2, 3]


def test_who_loses_the_right_to_watch_is_told_and_sees_nothing_more(
    watched: Watched, url: str, browser: Browser
) -> None:
    watched.tell(f"{BEGUN}\nshared_with(Batch.objects.get(pk=BATCH), a_user('eve'), Right.VIEWER)")
    with a_page(browser) as page:
        watched.open(page, url, user="eve")
        expect(page.locator("#connection")).to_have_text("live")
        expect(page.get_by_text("Cancel this batch…")).to_have_count(0)

        watched.tell("BatchAccess.objects.filter(batch=BATCH).delete()")
        expect(page.locator("#connection")).to_have_text("access denied")
        watched.tell('publish((S.ORGANIZING_QR, "Organizing by QR codes", 0))')

        expect(page.get_by_text("You cannot watch this batch any more")).to_be_visible()
        assert seqs(page) == [1, 2]
