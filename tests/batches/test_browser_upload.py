"""The upload page in a real browser, before a real server and behind a network that breaks."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from batches.wording import MB
from tests.batches.archives import cover, sheet
from tests.browser import a_page, needs_chromium
from tests.clients.proxy import Fault, Proxy
from tests.pages import a_zip as a_zip_of
from tests.site import Site, wait_until
from tests.tus import a_zip

pytestmark = pytest.mark.browser

SLOW_SECONDS = 0.02  # a piece of 64 KB: some three MB a second
STRICT = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    needs_chromium()
    var = tmp_path_factory.mktemp("upload-page") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var)
    site.add_user("ann")
    return site


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    with site.serve("uvicorn") as address:
        yield address


@pytest.fixture(scope="module")
def cookies(url: str, browser: Browser) -> Any:
    """What says that ann is signed in."""
    with a_page(browser) as page:
        sign_in(page, f"{url}/")
        return page.context.cookies()


@pytest.fixture
def page(browser: Browser, proxy: Proxy, cookies: Any) -> Iterator[Page]:
    """The upload page under a strict policy, where ann is signed in; nothing may be wrong in its console at the end."""
    complaints: list[str] = []
    with a_page(browser) as page:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
        page.on("dialog", lambda dialog: dialog.accept())
        page.context.add_cookies(cookies)  # for any port
        page.route(re.compile("/upload$"), under_a_strict_policy)
        page.goto(f"{proxy.url}/upload")
        yield page
    assert complaints == []


def sign_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(url)


def under_a_strict_policy(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": STRICT})


def scans(folder: Path, name: str = "summer exam.zip", size: int = 8 * MB) -> Path:
    path = folder / name
    path.write_bytes(a_zip(size))
    return path


def choose(page: Page, *paths: Path) -> None:
    page.get_by_label("ZIPs", exact=True).set_input_files(list(paths))


def begin(page: Page, path: Path) -> Locator:
    """Choose ``path`` and upload it; return its row."""
    choose(page, path)
    send(page)
    return row(page, path)


def send(page: Page) -> None:
    for template in page.get_by_label("Template").all():
        template.select_option("standard-150")
    page.locator("#start").click()


def row(page: Page, path: Path) -> Locator:
    return page.locator("#uploads > li").filter(has_text=path.name)


def state(row: Locator) -> Locator:
    return row.locator(".status")


def is_past(row: Locator, percent: float) -> None:
    wait_until(lambda: row.locator("progress").evaluate("bar => bar.value") > percent)


def arrived(site: Site, row: Locator) -> Path:
    address = row.get_by_role("link", name="Watch the batch").get_attribute("href") or ""
    return site.var / "uploads" / f"{address.rpartition('/')[2]}.zip"


def test_several_zips_are_uploaded_one_after_another_and_each_page_of_a_batch_can_be_opened_meanwhile(
    page: Page, proxy: Proxy, site: Site, tmp_path: Path
) -> None:
    first, second = scans(tmp_path), scans(tmp_path, "winter exam.zip", 2 * MB)
    proxy.slow_seconds = SLOW_SECONDS
    choose(page, first, second)
    page.get_by_label("Name").first.fill("Summer")
    send(page)

    expect(state(row(page, second))).to_have_text("waits its turn")
    expect(row(page, first).locator(".pace")).to_contain_text(re.compile(r"MB/s · 0:0\d left"))
    with page.context.expect_page() as opened:
        row(page, first).get_by_role("link", name="Watch the batch").click(modifiers=["ControlOrMeta"])
    expect(opened.value.locator("h1")).to_have_text("Summer")
    expect(opened.value.locator("#status")).to_have_text("uploading")
    opened.value.close()
    proxy.slow_seconds = 0.0

    for path in (first, second):
        expect(state(row(page, path))).to_have_text("uploaded")
        assert arrived(site, row(page, path)).read_bytes() == path.read_bytes()


def test_after_a_reload_the_same_file_chosen_again_goes_on_and_is_processed(
    page: Page, proxy: Proxy, site: Site, tmp_path: Path
) -> None:
    pages = {"page_0001.jpg": cover("14900113")} | {f"page_{n:04}.jpg": sheet(q1="A") for n in range(2, 14)}
    path = a_zip_of(tmp_path / "real exam.zip", pages)
    proxy.slow_seconds = SLOW_SECONDS
    upload = begin(page, path)
    is_past(upload, 20)
    address = upload.get_by_role("link", name="Watch the batch").get_attribute("href")
    page.reload()

    unfinished = page.locator("#unfinished li")
    expect(unfinished).to_contain_text("real exam.zip")
    choose(page, path)
    expect(unfinished).to_be_hidden()
    again = row(page, path)
    expect(again.get_by_role("link", name="Watch the batch")).to_have_attribute("href", address or "")
    proxy.slow_seconds = 0.0
    expect(state(again)).to_have_text("uploaded")
    page.reload()
    expect(page.locator("#unfinished")).to_be_hidden()

    assert (site.var / "uploads" / f"{(address or '').rpartition('/')[2]}.zip").read_bytes() == path.read_bytes()
    with site.runner("--processes", "1"):
        page.goto(f"{proxy.url}{address}")
        expect(page.locator("#status")).to_have_text("completed", timeout=40_000)


def test_an_upload_is_paused_and_goes_on_by_the_keyboard(page: Page, proxy: Proxy, site: Site, tmp_path: Path) -> None:
    path = scans(tmp_path)
    proxy.slow_seconds = SLOW_SECONDS
    upload = begin(page, path)
    is_past(upload, 10)

    upload.get_by_role("button", name="Pause").press("Enter")
    expect(state(upload)).to_have_text("paused")
    expect(upload.get_by_role("button", name="Go on")).to_be_focused()
    proxy.slow_seconds = 0.0
    page.keyboard.press("Enter")

    expect(state(upload)).to_have_text("uploaded")
    assert arrived(site, upload).read_bytes() == path.read_bytes()


def test_a_lost_connection_is_tried_again_by_itself(page: Page, proxy: Proxy, site: Site, tmp_path: Path) -> None:
    path = scans(tmp_path)
    proxy.slow_seconds = SLOW_SECONDS
    upload = begin(page, path)
    is_past(upload, 10)

    proxy.cut(Fault.REFUSE)
    expect(upload.locator(".sentence")).to_contain_text(re.compile("The connection is lost; trying again (in|now)"))
    proxy.fault, proxy.slow_seconds = Fault.NONE, 0.0

    expect(state(upload)).to_have_text("uploaded")
    assert arrived(site, upload).read_bytes() == path.read_bytes()


def test_a_cancelled_upload_leaves_a_cancelled_batch_and_nothing_to_go_on_with(
    page: Page, proxy: Proxy, site: Site, tmp_path: Path
) -> None:
    proxy.slow_seconds = SLOW_SECONDS
    upload = begin(page, scans(tmp_path))
    is_past(upload, 10)

    upload.get_by_text("Cancel this upload…").click()
    upload.get_by_role("button", name="Cancel the upload").click()

    expect(state(upload)).to_have_text("cancelled")
    assert not arrived(site, upload).exists()
    page.reload()
    expect(page.locator("#drop")).to_be_visible()
    expect(page.locator("#unfinished")).to_be_hidden()


def test_whoever_is_signed_out_in_the_middle_is_told_so_and_goes_on_after_signing_in_again(
    page: Page, proxy: Proxy, site: Site, tmp_path: Path
) -> None:
    path = scans(tmp_path)
    proxy.slow_seconds = SLOW_SECONDS
    upload = begin(page, path)
    is_past(upload, 10)
    page.context.clear_cookies()

    expect(upload.locator(".sentence")).to_have_text(
        "You are signed out: sign in again in another tab, then go on here."
    )
    sign_in(page.context.new_page(), f"{proxy.url}/")
    proxy.slow_seconds = 0.0
    upload.get_by_role("button", name="Go on").click()

    expect(state(upload)).to_have_text("uploaded")
    assert arrived(site, upload).read_bytes() == path.read_bytes()


def test_what_goes_on_in_another_window_stops_here_and_can_be_taken_back(
    page: Page, proxy: Proxy, site: Site, tmp_path: Path
) -> None:
    path = scans(tmp_path)
    proxy.slow_seconds = SLOW_SECONDS
    upload = begin(page, path)
    is_past(upload, 10)
    other = page.context.new_page()
    other.goto(f"{proxy.url}/upload")
    choose(other, path)

    expect(state(row(other, path))).to_have_text("uploading")
    expect(upload.locator(".sentence")).to_have_text("This upload goes on in another window.")
    proxy.slow_seconds = 0.0
    upload.get_by_role("button", name="Go on").click()

    expect(state(upload)).to_have_text("uploaded")
    assert arrived(site, upload).read_bytes() == path.read_bytes()


def test_what_is_no_zip_or_only_half_of_one_is_refused_before_a_byte_goes_out(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "half.zip"
    path.write_bytes(a_zip(MB)[: MB // 2])

    upload = begin(page, path)

    expect(state(upload)).to_have_text("refused")
    expect(upload.locator(".sentence")).to_have_text(
        "half.zip is not a ZIP file, or not all of one; give the scanned pages as one ZIP."
    )
    expect(upload.locator(".live")).to_be_hidden()


def test_what_the_server_refuses_is_told_by_its_own_sentence(page: Page, tmp_path: Path) -> None:
    path = a_zip_of(tmp_path / "sly.zip", {"../../page_0001.jpg": b"no page"})

    upload = begin(page, path)

    expect(state(upload)).to_have_text("refused")
    expect(upload.locator(".sentence")).to_contain_text("../../page_0001.jpg")
    upload.get_by_role("button", name="Remove").click()
    expect(page.locator("#uploads > li")).to_have_count(0)


def test_a_file_that_was_changed_while_it_is_sent_has_to_be_chosen_again(
    page: Page, proxy: Proxy, tmp_path: Path
) -> None:
    path = scans(tmp_path)
    proxy.slow_seconds = SLOW_SECONDS
    upload = begin(page, path)
    is_past(upload, 10)

    path.write_bytes(b"another file")

    expect(upload.locator(".sentence")).to_contain_text("The file was changed or moved", timeout=30_000)
