"""The list of batches in a real browser: it lives over one connection, and nothing in it moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import a_page
from tests.clients.proxy import Fault, Proxy
from tests.progress.live import Live
from tests.site import wait_until

pytestmark = pytest.mark.browser

numbers = count()


def now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass
class Clerk:
    """Somebody with batches of their own and the list of them before their eyes."""

    live: Live
    name: str
    page: Page

    def add_batch(self, **columns: object) -> str:
        batch = self.live.writer.add_batch(self.name)
        if columns:
            self.live.writer.ask("change_batch", batch=batch, **columns)
        return batch

    def row(self, batch: str) -> Locator:
        return self.page.locator(f'tr[data-batch="{batch}"]')

    def open(self, url: str, query: str = "") -> None:
        self.page.goto(f"{url}/{query}")
        expect(self.page.locator("#connection")).to_have_text("live")


@pytest.fixture
def clerk(live: Live, proxy: Proxy, browser: Browser) -> Iterator[Clerk]:
    """A new user behind the proxy; nothing may be wrong in the console at the end."""
    name = f"clerk-{next(numbers)}"
    complaints: list[str] = []
    with a_page(browser, viewport={"width": 1200, "height": 800}) as page:
        cookie = live.writer.add_user(name)["session"]
        page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": proxy.url}])
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield Clerk(live, name, page)
    assert complaints == []


def test_every_row_lives_over_one_connection_and_none_of_them_moves(clerk: Clerk, live: Live, proxy: Proxy) -> None:
    first, second = clerk.add_batch(status="processing"), clerk.add_batch(status="queued")
    clerk.open(proxy.url)
    heights = clerk.page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.getBoundingClientRect().top)")
    counts = {"progress_percentage": 40.0, "sheets_total": 1500, "sheets_processed": 600, "sheets_review": 7}

    live.writer.publish(first, "Progress: 600/1500 tasks completed", **counts)
    live.writer.publish(second, "Extracting ZIP", stage="extracting")

    expect(clerk.row(first).locator(".status")).to_have_text("processing")
    expect(clerk.row(first).locator(".number").first).to_have_text("600 / 1,500")
    expect(clerk.row(first).locator("[data-part=review]")).to_have_text("7")
    assert clerk.row(first).locator("progress").evaluate("bar => bar.value") == 40
    expect(clerk.row(second)).to_contain_text("Open the ZIP")
    assert len(proxy.stream_times) == 1
    assert heights == clerk.page.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect().top)"
    )


def test_a_batch_that_ends_is_painted_with_its_last_counts_and_lives_again_when_it_is_retried(
    clerk: Clerk, live: Live, proxy: Proxy
) -> None:
    batch = clerk.add_batch(status="processing")
    clerk.open(proxy.url)

    live.writer.publish(batch, "it failed", stage="failed")
    expect(clerk.row(batch).locator(".status")).to_have_text("failed")
    live.writer.ask("change_batch", batch=batch, status="failed", unreadable_count=4, finished_at=now())
    expect(clerk.row(batch).locator("td").nth(4)).to_have_text("4")
    live.writer.ask("change_batch", batch=batch, status="queued", finished_at=None)
    live.writer.publish(batch, "Waiting: 0 batches ahead", stage="uploading", progress_percentage=100.0)
    expect(clerk.row(batch).locator(".status")).to_have_text("queued")
    live.writer.publish(batch, "Extracting ZIP", stage="extracting")
    expect(clerk.row(batch).locator(".status")).to_have_text("processing")


def test_new_batches_are_told_of_quietly_and_shown_when_somebody_wants_them(
    clerk: Clerk, live: Live, proxy: Proxy
) -> None:
    clerk.add_batch()
    clerk.open(proxy.url)
    table = clerk.page.locator("table").bounding_box()

    for new in (clerk.add_batch(), clerk.add_batch()):
        live.writer.publish(new, "Chunk 1/9 uploaded (50.00MB)", stage="uploading")

    expect(clerk.page.get_by_role("link", name="2 new batches: show")).to_be_visible()
    assert clerk.page.locator("tbody tr").count() == 1
    assert clerk.page.locator("table").bounding_box() == table
    clerk.page.locator("#news").click()
    expect(clerk.page.locator("tbody tr")).to_have_count(3)
    expect(clerk.page.locator("#news")).to_be_hidden()


def test_a_new_batch_that_the_filter_leaves_out_is_not_told_of(clerk: Clerk, live: Live, proxy: Proxy) -> None:
    clerk.add_batch(name="Biology")
    clerk.open(proxy.url, "?search=bio")
    other, wanted = clerk.add_batch(name="Chemistry"), clerk.add_batch(name="Biochemistry")

    live.writer.publish(other, "Chunk 1/9 uploaded (50.00MB)", stage="uploading")
    live.writer.publish(wanted, "Chunk 1/9 uploaded (50.00MB)", stage="uploading")

    expect(clerk.page.locator("#news")).to_have_text("1 new batch: show")


def test_the_administrators_list_lives_over_one_connection_too(live: Live, proxy: Proxy, browser: Browser) -> None:
    name = f"root-{next(numbers)}"
    cookie = live.writer.add_user(name, superuser=True)["session"]
    first, second = live.writer.add_batch(name), live.writer.add_batch(name)
    with a_page(browser) as page:
        page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": proxy.url}])
        page.goto(f"{proxy.url}/admin/batches/batch/?q={name}")
        expect(page.locator("#connection")).to_have_text("live")

        live.writer.publish(first, "Progress: 600/1500 tasks completed", progress_percentage=40.0, sheets_processed=600)
        live.writer.publish(second, "it failed", stage="failed")

        row = page.locator("tr", has=page.locator(f'[data-batch="{first}"]'))
        expect(row).to_contain_text("Progress: 600/1500 tasks completed")
        expect(row.locator("progress")).to_have_js_property("value", 40)
        expect(row.locator('[data-part="processed"]')).to_have_text("600")
        failed = page.locator("tr", has=page.locator(f'[data-batch="{second}"]'))
        expect(failed.locator(".status")).to_have_text("failed")
        assert len(proxy.stream_times) == 1


def test_the_list_polls_where_streams_do_not_get_through_and_says_so(clerk: Clerk, live: Live, proxy: Proxy) -> None:
    batch = clerk.add_batch(status="processing")
    proxy.fault = Fault.BUFFER
    clerk.page.clock.install()
    clerk.page.goto(proxy.url)
    wait_until(lambda: proxy.open_streams == 1)
    clerk.page.clock.fast_forward(46_000)
    expect(clerk.page.locator("#connection")).to_have_text("polling")

    live.writer.publish(batch, "Progress: 1/2 tasks completed", progress_percentage=50.0)

    expect(clerk.row(batch).locator("progress")).to_have_js_property("value", 50, timeout=15_000)


def test_a_batch_that_is_not_theirs_to_see_any_more_is_said_to_be_gone(clerk: Clerk, live: Live, proxy: Proxy) -> None:
    mine, theirs = clerk.add_batch(), live.writer.add_batch()
    live.writer.ask("change_batch", batch=theirs, status="processing", lease_until="2100-01-01T00:00:00Z")
    live.writer.ask("grant", batch=theirs, user=clerk.name)
    clerk.page.clock.install()
    clerk.open(proxy.url)
    expect(clerk.row(theirs).locator(".status")).to_have_text("processing")

    live.writer.ask("revoke", batch=theirs, user=clerk.name)
    clerk.page.clock.fast_forward(26_000)
    clerk.page.clock.run_for(3_000)

    expect(clerk.row(theirs).locator(".status")).to_have_text("no longer here")
    expect(clerk.row(mine).locator(".status")).to_have_text("uploading")


def test_a_batch_of_which_nothing_is_heard_any_more_is_shown_as_interrupted(clerk: Clerk, proxy: Proxy) -> None:
    batch = clerk.add_batch(status="processing", lease_until="2100-01-01T00:00:00Z")
    clerk.page.clock.install()
    clerk.open(proxy.url)
    expect(clerk.row(batch).locator(".status")).to_have_text("processing")

    clerk.live.writer.ask("change_batch", batch=batch, lease_until=None)
    clerk.page.clock.fast_forward(26_000)
    clerk.page.clock.run_for(3_000)

    expect(clerk.row(batch).locator(".status")).to_have_text("interrupted")
