"""Chromium for tests of the pages: a clean one for each test, stopped at its end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
PATIENCE_MS = 15_000


def needs_chromium() -> None:
    """Skip the test where there is no Chromium; never where a skipped test would go unseen."""
    if CHROMIUM.exists():
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{CHROMIUM} is missing; install chromium, or name another one in CHROMIUM")
    pytest.skip(f"{CHROMIUM} is missing; install chromium, or name another one in CHROMIUM")


@contextmanager
def a_browser(**context: object) -> Iterator[Page]:
    """Give a page of a fresh browser; ``context`` is what playwright's ``new_context`` takes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        try:
            page = browser.new_context(**context).new_page()  # type: ignore[arg-type]
            page.set_default_timeout(PATIENCE_MS)
            yield page
        finally:
            browser.close()
