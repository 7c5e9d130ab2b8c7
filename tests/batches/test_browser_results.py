"""The pages of results in a real browser: real sheets, read from a real ZIP, before a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.batches.batch_page import a_faultless_page, a_site_for_pages
from tests.site import Site

pytestmark = pytest.mark.browser

LIST = "group_code,candidate\\n14900113,00000000\\n"

DROP = f"""() => {{
    const carried = new DataTransfer();
    carried.items.add(new File(["{LIST}"], "who.csv", {{ type: "text/csv" }}));
    for (const type of ["dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(type, {{ dataTransfer: carried, bubbles: true, cancelable: true }}));
}}"""

PLACES = """() => ["a img", ".overlay"].map((picture) => {
    const { x, y, width, height } = document.querySelector(`.layers ${picture}`).getBoundingClientRect();
    return [x, y, width, height].map(Math.round);
})"""


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site on which a batch of four sheets in two groups was read."""
    folder = tmp_path_factory.mktemp("results")
    site = a_site_for_pages(migrated, folder)
    site.add_user("ada", superuser=True)
    scans, truth = str(folder / "scans.zip"), str(folder / "truth.csv")
    site.manage("make_sample_batch", scans, "--sheets", "4", "--groups", "2", "--truth", truth)
    site.manage("process_batch", scans, "--template", "standard-150", "--name", "Mathematics", "--processes", "1")
    return site


@pytest.fixture(scope="module")
def page(url: str, browser: Browser) -> Iterator[Page]:
    """One page for all tests of the module: to sign in costs more than they do."""
    with a_faultless_page(browser) as opened:
        opened.goto(f"{url}/login")
        opened.get_by_label("User name").fill("ada")
        opened.get_by_label("Password").fill("correct horse")
        opened.get_by_role("button", name="Log in").click()
        opened.get_by_role("link", name="Mathematics").click()
        yield opened


@pytest.fixture(scope="module")
def home(page: Page) -> str:
    """The address of the batch's results."""
    page.get_by_role("navigation", name="This batch").get_by_role("link", name="Results").click()
    return page.url


@pytest.fixture(autouse=True)
def results(page: Page, home: str) -> None:
    """The results are on the page when a test begins."""
    page.goto(home)


def test_from_the_results_one_comes_to_a_group_to_a_sheet_and_on_by_the_arrow_keys(page: Page) -> None:
    expect(page.locator(".questions tbody tr")).to_have_count(150)
    page.locator("code", has_text="149").first.click()
    page.locator("table").first.locator("tbody a").first.click()
    page.wait_for_load_state("networkidle")
    first = page.locator("h1").inner_text()

    page.keyboard.press("ArrowRight")
    expect(page.get_by_text(", 2 of 4 in the batch")).to_be_visible()
    page.keyboard.press("ArrowLeft")

    expect(page.locator("h1")).to_have_text(first)
    expect(page.locator(".answers li")).to_have_count(150)


def test_what_was_read_lies_exactly_on_the_page_and_can_be_taken_off(page: Page) -> None:
    page.locator("code", has_text="149").first.click()
    page.locator("table").first.locator("tbody a").first.click()
    page.wait_for_load_state("networkidle")

    scanned, drawn = page.evaluate(PLACES)
    assert scanned == drawn
    assert page.locator(".overlay").evaluate("picture => picture.naturalWidth > 1000")

    page.get_by_label("Show what was read").uncheck()
    expect(page.locator(".overlay")).to_be_hidden()


def test_a_list_dropped_anywhere_on_the_page_is_compared_at_once(page: Page) -> None:
    page.get_by_role("link", name="Completeness").click()
    page.wait_for_load_state("networkidle")

    page.evaluate(DROP)

    expect(page.get_by_role("heading", name="Missing")).to_have_text("Missing 1")
    expect(page.get_by_role("heading", name="Surplus")).to_have_text("Surplus 4")
    expect(page.get_by_text("who.csv: candidates by")).to_be_visible()


def test_on_paper_there_is_only_what_was_read(page: Page) -> None:
    page.emulate_media(media="print")

    expect(page.locator(".questions tbody tr").last).to_be_visible()
    for hidden in ("header.bar", ".tabs", ".downloads", ".crumb"):
        expect(page.locator(hidden)).to_be_hidden()
    assert page.locator(".scroll").evaluate("box => box.scrollHeight === box.clientHeight")
    page.emulate_media(media="screen")


def test_no_page_is_wider_than_a_telephone(page: Page, home: str, url: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.locator("code", has_text="149").first.click()
    group = page.url
    page.locator("table").first.locator("tbody a").first.click()

    for address in (page.url, group, home, f"{url}/templates", f"{url}/templates/standard-150"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, address
