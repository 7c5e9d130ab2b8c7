"""How fast doubtful fields can be decided: a browser that presses Enter as soon as the next one is to be seen.

What a person takes to look comes on top; 40 fields a minute leave 1,500 ms for each.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

from tests.browser import a_browser, a_page
from tests.pages import a_cover, a_sheet, a_zip
from tests.site import Site

DOUBTFUL = {"q9": "A", "q40": "C", "q100": "E"}

NEXT_IS_SEEN = """(before) => new Promise((seen) => {
  const looks = () => {
    const image = document.querySelector("#window image");
    const isNext = document.querySelector("#field").textContent + document.querySelector("#page").textContent !== before
      && document.querySelector("#desk").ariaBusy === "false";
    const isOver = !document.querySelector("#finished").hidden;
    if (isOver) return seen();
    if (!isNext) return requestAnimationFrame(looks);
    // The picture of this very page is there and on the screen.
    const picture = new Image();
    picture.src = image.href.baseVal;
    picture.decode().then(() => requestAnimationFrame(() => requestAnimationFrame(seen)));
  };
  looks();
})"""


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks review", description=__doc__)
    parser.add_argument("--sheets", type=int, default=30, help="each has three doubtful fields")
    parser.add_argument("--dpi", type=int, default=200)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), sheets=options.sheets, dpi=options.dpi)))


def measure(folder: Path, *, sheets: int, dpi: int) -> dict[str, object]:
    """Read a batch of ``sheets``, decide all that is doubtful, and return the figures."""
    site = Site(folder / "var")
    site.var.mkdir()
    site.manage("migrate", "-v", "0")
    site.add_user("ada", superuser=True)
    scans = a_zip(folder / "scans.zip", _pages(sheets, dpi))
    site.manage("process_batch", str(scans), "--template", "standard-150", check=False, timeout=600)
    (results,) = (site.var / "results").iterdir()
    with site.serve() as url, a_browser() as browser, a_page(browser) as page:
        _sign_in(page, f"{url}/batches/{results.name}/review")
        times = _decide_all(page)
    milliseconds = sorted(1000 * seconds for seconds in times)
    return {
        "benchmark": "review",
        "fields": len(times),
        "page_kb": round(scans.stat().st_size / (sheets + 1) / 1024),
        "fields_a_minute": round(60 * len(times) / sum(times)),
        "ms_p50": round(statistics.median(milliseconds)),
        "ms_p95": round(milliseconds[int(0.95 * len(milliseconds))]),
        "ms_most": round(milliseconds[-1]),
    }


def _pages(sheets: int, dpi: int) -> dict[str, bytes]:
    pages = {"page_0000.jpg": a_cover().scanned(dpi=dpi)}
    for number in range(1, sheets + 1):
        sheet = a_sheet().marked(candidate=f"{number:08}", q1="B", q2="C").faint(**DOUBTFUL)
        pages[f"page_{number:04}.jpg"] = sheet.scanned(dpi=dpi, seed=number)
    return pages


def _sign_in(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector("#desk[aria-busy=false]")


def _decide_all(page: Page) -> list[float]:
    """Press Enter until nothing waits; return how long each took until the next was to be seen, seconds."""
    times: list[float] = []
    while page.locator("#finished").is_hidden():
        before = page.locator("#field").inner_text() + page.locator("#page").text_content()
        started_at = time.perf_counter()
        page.keyboard.press("Enter")
        page.evaluate(NEXT_IS_SEEN, before)
        times.append(time.perf_counter() - started_at)
    return times
