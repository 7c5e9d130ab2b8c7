"""Chromium for tests of the pages."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.parts import without

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
PATIENCE_MS = 15_000


def needs_chromium() -> None:
    """Skip the test where there is no Chromium; never where a skipped test would go unseen."""
    if not CHROMIUM.exists():
        without(str(CHROMIUM), "install chromium, or name another one in CHROMIUM")


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Start Chromium and stop it at the end, whatever happened."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def a_page(browser: Browser, **context: Any) -> Iterator[Page]:
    """Give a page without cookies; ``context`` is what playwright's ``new_context`` takes."""
    opened = browser.new_context(**context)
    try:
        page = opened.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page
    finally:
        opened.close()
