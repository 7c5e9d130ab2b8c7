"""What pages cost: for who opens one the time until something is seen and what is downloaded, and for the server.

A site of its own, served as people run it, with batches of 111 groups and 1,000 lines of log, in a list of 200.
Each page is opened several times in a Chromium that knows nothing yet: ``fcp_ms`` is the median time until the first
content is painted, ``transferred_kb`` all that came over the wire by then and a second later, with every file and
picture. ``queries``, ``server_ms`` and ``server_cpu_ms`` are of the page alone, asked for inside the site.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.streaming.protocol import helping
from tests.browser import a_browser, a_page
from tests.site import Site

SETTLE_MS = 1_000
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def main(argv: Sequence[str]) -> None:
    """Print a line for each page."""
    options = _parse(argv)
    with TemporaryDirectory(prefix="omr-benchmark-") as folder:
        for line in measure(Path(folder), options):
            print(json.dumps({"benchmark": "pages", **line}), flush=True)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks pages", description=__doc__)
    parser.add_argument("--server", choices=("daphne", "uvicorn"), default="daphne")
    parser.add_argument("--batches", type=int, default=200, help="in the list")
    parser.add_argument("--rounds", type=int, default=5, help="each page is opened so often")
    return parser.parse_args(argv)


def measure(folder: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measure each page of a site in ``folder``."""
    site = Site(folder, {"LOG_LEVEL": "WARNING"})
    site.manage("migrate", "-v", "0")
    with (
        helping("benchmarks.viewing.site", site.env) as helper,
        site.serve(options.server) as url,
        a_browser() as browser,
    ):
        made = helper.ask("fill", batches=options.batches)
        for name, path in made["pages"].items():
            seen = [_open(browser, f"{url}{path}", made["session"]) for _ in range(options.rounds)]
            yield {
                "page": name,
                "server": options.server,
                "fcp_ms": round(median(fcp_ms for fcp_ms, _, _ in seen)),
                "transferred_kb": round(median(size for _, size, _ in seen) / 1024, 1),
                "requests": median(requests for _, _, requests in seen),
                **helper.ask("measure", path=path, session=made["session"], rounds=options.rounds),
            }


def _open(browser: Browser, url: str, session: str) -> tuple[float, int, int]:
    """Open ``url`` without a cache; return when something was seen (ms), how many bytes came, in how many requests."""
    with a_page(browser) as page:
        if not url.endswith("/login"):
            page.context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        sizes, requests = _count_bytes(page)
        page.goto(url)
        page.wait_for_timeout(SETTLE_MS)
        first_paint = page.evaluate(FIRST_PAINT)
        assert first_paint is not None, f"{url} has painted nothing"
        return first_paint, sum(sizes), len(requests)


def _count_bytes(page: Page) -> tuple[list[int], list[str]]:
    """Return two lists that grow with what ``page`` downloads: bytes on the wire, and addresses."""
    sizes: list[int] = []
    requests: list[str] = []
    session = page.context.new_cdp_session(page)
    session.on("Network.loadingFinished", lambda told: sizes.append(int(told["encodedDataLength"])))
    session.on("Network.requestWillBeSent", lambda told: requests.append(told["request"]["url"]))
    session.send("Network.enable")
    return sizes, requests
