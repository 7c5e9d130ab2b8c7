"""The log on the page of a batch: it follows, keeps still, is searched, and stays quick when it is long."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.batches.batch_page import Insider, Watched, a_faultless_page, a_site_for_pages, seqs
from tests.site import Site

pytestmark = pytest.mark.browser

MOST_NODES = 2_000
LONGEST_TASK_MS = 200
TRIES = 3

WATCH_LONG_TASKS = """() => {
    window.longTasks = [];
    const note = list => longTasks.push(...list.getEntries().map(({duration}) => Math.round(duration)));
    new PerformanceObserver(note).observe({entryTypes: ["longtask"]});
}"""


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return a_site_for_pages(migrated, tmp_path_factory.mktemp("log"))


@pytest.fixture
def watched(insider: Insider) -> Watched:
    """A batch whose log has 50 lines."""
    watched = Watched(insider)
    watched.tell('a_batch(a_user("ada"), id=BATCH, status="processing", archive_kind="local")\na_long_log(BATCH, 50)')
    return watched


@pytest.fixture
def page(watched: Watched, url: str, browser: Browser) -> Iterator[Page]:
    with a_faultless_page(browser) as page:
        watched.open(page, url)
        expect(page.locator("#connection")).to_have_text("live")
        yield page


def write(watched: Watched, lines: int, *, after: int) -> None:
    """Add so many lines behind ``after``; who listens hears of the last and reads the others."""
    watched.tell(f"""
a_long_log(BATCH, {lines - 1}, after={after})
publish((S.PROCESSING_SHEETS, "line {after + lines}", 50))""")


def is_seen(page: Page, seq: int) -> bool:
    """Whether the line ``seq`` is in view in its box."""
    seen: bool = page.locator("#log-box").evaluate(
        """(box, seq) => {
            const both = [box, box.querySelector(`[data-seq="${seq}"]`)];
            const [around, line] = both.map(element => element.getBoundingClientRect());
            return line.top >= around.top - 1 && line.bottom <= around.bottom + 1;
        }""",
        seq,
    )
    return seen


def test_the_log_begins_at_its_end_and_follows_it(watched: Watched, page: Page) -> None:
    assert is_seen(page, 50)

    write(watched, 30, after=50)
    expect(page.locator("#log li")).to_have_count(80)

    assert is_seen(page, 80)
    assert seqs(page) == list(range(1, 81))


def test_the_log_keeps_still_for_one_who_reads_and_tells_how_many_lines_are_new(watched: Watched, page: Page) -> None:
    page.locator("#log-box").evaluate("box => { box.scrollTop = -box.scrollHeight; }")
    assert is_seen(page, 1)

    write(watched, 12, after=50)
    news = page.get_by_role("button", name="12 new lines")
    expect(news).to_be_visible()
    assert is_seen(page, 1)
    assert seqs(page) == list(range(1, 51))

    news.click()
    expect(news).to_be_hidden()
    assert is_seen(page, 62)
    assert seqs(page) == list(range(1, 63))


def test_the_log_is_searched_and_lines_that_come_are_searched_too(watched: Watched, page: Page) -> None:
    page.get_by_label("Only lines with").fill("LINE 4")
    assert seqs(page) == [4, *range(40, 50)]

    page.get_by_label("Only lines with").fill("line 6")
    write(watched, 15, after=50)
    expect(page.locator("#log li")).to_have_count(7)
    assert seqs(page) == [6, 60, 61, 62, 63, 64, 65]

    page.get_by_label("Only lines with").fill("")
    assert seqs(page) == list(range(1, 66))


def test_ten_thousand_lines_leave_the_page_quick(watched: Watched, page: Page) -> None:
    page.evaluate(WATCH_LONG_TASKS)
    longest = []
    for again in range(TRIES):  # another process may take the machine away once, but our own slowness comes each time
        page.evaluate("() => { longTasks.length = 0; }")
        last = 50 + 10_000 * (again + 1)
        write(watched, 10_000, after=last - 10_000)
        expect(page.locator("#log li").last).to_contain_text(f"line {last}", timeout=60_000)
        longest.append(page.evaluate("Math.max(0, ...longTasks)"))
        if longest[-1] <= LONGEST_TASK_MS:
            break

    assert seqs(page) == list(range(last - MOST_NODES + 1, last + 1))
    assert is_seen(page, last)
    assert min(longest) <= LONGEST_TASK_MS
