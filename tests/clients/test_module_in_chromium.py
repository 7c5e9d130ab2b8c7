"""Our own module on pages: what only a browser has, and what our own page shows of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import a_page
from tests.clients.conftest import STREAMS_PER_USER
from tests.clients.proxy import Fault, Proxy
from tests.clients.records import PageRecord
from tests.progress.live import Live, numbered
from tests.site import wait_until

pytestmark = pytest.mark.browser

FOLLOW = """
async ({ server, batch, tickets, ...options }) => {
  const { follow } = await import(`${server}/static/progress/batch-stream.js`);
  const ticket = async () => {
    const headers = { Authorization: `Bearer ${tickets}`, "Content-Type": "application/json" };
    const answer = await fetch(`${server}/api/tickets`, { method: "POST", headers, body: JSON.stringify({ batch }) });
    return (await answer.json()).ticket;
  };
  const record = (window.record = []);
  window.following = follow(batch, {
    ...options, ...(tickets && { ticket }), server,
    onEvent: ({ seq, stage }) => record.push({ seq, stage }),
    onState: (state, status) => record.push({ state, status }),
  });
}
"""
HIDE = """
isHidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


@pytest.fixture
def page(browser: Browser, live: Live, proxy: Proxy) -> Iterator[Page]:
    """A page of the site behind the proxy, where ann is signed in."""
    with a_page(browser) as page:
        page.context.add_cookies([{"name": "sessionid", "value": live.session, "url": proxy.url}])
        page.goto(f"{proxy.url}/healthz")
        yield page


def follow(page: Page, batch: str, server: str = "", **options: Any) -> PageRecord:
    page.evaluate(FOLLOW, {"server": server, "batch": batch, **options})
    return PageRecord(page)


def test_by_the_sessions_cookie_it_sees_all_through_a_lost_connection(
    live: Live, batch: str, proxy: Proxy, page: Page
) -> None:
    live.writer.publish(batch, *numbered(3))
    record = follow(page, batch)
    wait_until(lambda: record.seqs == [1, 2, 3])
    proxy.cut()
    live.writer.publish(batch, *numbered(2, start=4))
    live.writer.publish(batch, "it failed", stage="failed")
    wait_until(lambda: record.states[-1] == "finished")

    assert record.seqs == [1, 2, 3, 4, 5, 6]
    assert record.states == ["live", "reconnecting", "live", "finished"]


@pytest.mark.parametrize("by", ["token", "tickets"])
def test_on_a_page_elsewhere_it_follows_by_header_and_by_ticket(
    by: str, live: Live, batch: str, browser: Browser, front_end: str
) -> None:
    live.writer.publish(batch, *numbered(3))
    with a_page(browser) as page:
        page.goto(front_end)
        record = follow(page, batch, live.url, **{by: live.token})
        live.writer.publish(batch, "end", stage="completed")
        wait_until(lambda: record.states == ["live", "finished"])

        assert record.seqs == [1, 2, 3, 4]


def test_a_page_that_nobody_sees_gives_its_connection_up_and_misses_nothing(
    live: Live, batch: str, proxy: Proxy, page: Page
) -> None:
    record = follow(page, batch, timing={"hidden": 100, "pollHidden": 100})
    wait_until(lambda: record.states == ["live"])

    page.evaluate(HIDE, True)
    wait_until(lambda: record.states == ["live", "polling"] and proxy.open_streams == 0)
    live.writer.publish(batch, *numbered(3))
    wait_until(lambda: record.seqs == [1, 2, 3])
    page.evaluate(HIDE, False)
    wait_until(lambda: record.states == ["live", "polling", "live"])
    live.writer.publish(batch, "event 4")
    wait_until(lambda: record.seqs == [1, 2, 3, 4])


def test_a_page_that_is_back_on_the_net_connects_at_once(live: Live, batch: str, proxy: Proxy, page: Page) -> None:
    record = follow(page, batch)
    wait_until(lambda: record.states == ["live"])
    proxy.fault = Fault.SWALLOW
    live.writer.publish(batch, "event 1")
    wait_until(lambda: proxy.pieces > 1)
    proxy.fault = Fault.NONE
    page.evaluate("dispatchEvent(new Event('online'))")

    wait_until(lambda: record.seqs == [1], within_seconds=5)  # the silence of a dead connection is 45 s long


def test_a_page_that_is_left_holds_no_connection_and_goes_on_when_somebody_comes_back(
    live: Live, batch: str, proxy: Proxy, page: Page
) -> None:
    record = follow(page, batch)
    wait_until(lambda: record.states == ["live"])

    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    wait_until(lambda: proxy.open_streams == 0)
    live.writer.publish(batch, "event 1")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    wait_until(lambda: record.seqs == [1])


def test_where_there_are_too_many_streams_it_polls_and_comes_back_when_it_was_told_to(
    live: Live, proxy: Proxy, browser: Browser
) -> None:
    kim, batch = live.writer.add_user("kim"), live.writer.add_batch("kim")
    with a_page(browser) as crowd:
        crowd.context.add_cookies([{"name": "sessionid", "value": kim["session"], "url": proxy.url}])
        crowd.goto(f"{proxy.url}/healthz")
        for number in range(1, STREAMS_PER_USER + 1):
            follow(crowd, live.writer.add_batch("kim"))
            wait_until(lambda wanted=number: proxy.open_streams == wanted)
        page = crowd.context.new_page()
        page.clock.install()
        page.goto(f"{proxy.url}/healthz")
        record = follow(page, batch)
        wait_until(lambda: record.states == ["polling"])
        live.writer.publish(batch, "event 1")
        page.clock.fast_forward(8_000)  # Retry-After says 10 s, and up to half as much is added
        wait_until(lambda: record.seqs == [1])
        page.evaluate("dispatchEvent(new Event('online'))")  # no reason to come sooner
        page.evaluate("fetch('/healthz').then(({ status }) => status)")
        assert len(proxy.stream_times) == STREAMS_PER_USER + 1

        crowd.evaluate("following.stop()")
        wait_until(lambda: proxy.open_streams == STREAMS_PER_USER - 1)
        page.clock.fast_forward(8_000)
        wait_until(lambda: record.states == ["polling", "live"])


# --- The batch's own page ---------------------------------------------------------------------------------------------


def test_the_page_of_a_batch_says_that_it_polls_and_is_live_again(
    live: Live, batch: str, proxy: Proxy, page: Page
) -> None:
    live.writer.publish(batch, "event 1")
    proxy.fault = Fault.BUFFER
    page.clock.install()
    page.goto(f"{proxy.url}/batches/{batch}")
    wait_until(lambda: proxy.open_streams == 1)
    page.clock.fast_forward(46_000)
    expect(page.locator("#connection")).to_have_text("polling")
    live.writer.publish(batch, "event 2")
    expect(page.locator("#message")).to_have_text("event 2", timeout=15_000)
    proxy.fault = Fault.NONE
    page.clock.fast_forward(60_000)
    expect(page.locator("#connection")).to_have_text("live", timeout=15_000)


def test_the_page_of_a_batch_says_that_one_was_signed_out(live: Live, proxy: Proxy, browser: Browser) -> None:
    bob = live.writer.add_user("bob")
    batch = live.writer.add_batch("bob")
    with a_page(browser) as page:
        page.context.add_cookies([{"name": "sessionid", "value": bob["session"], "url": proxy.url}])
        page.goto(f"{proxy.url}/batches/{batch}")
        expect(page.locator("#connection")).to_have_text("live")
        live.writer.ask("deactivate", user="bob")
        proxy.cut()
        expect(page.locator("#connection")).to_have_text("signed out")
