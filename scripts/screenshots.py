"""The pictures in docs/images/: every page, of a site in a folder of its own on which real batches were read.

`make screenshots` calls this. It needs Chromium; the variable CHROMIUM names another one than /usr/bin/chromium.
"""

import io
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo import DemoFailed, free_port, manage
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from serve import ROOT, running_site

IMAGES = ROOT / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
MOST_BYTES = 150 * 1024
COMMON, RARE = 192, 64  # colours of a picture
SHARES = (1, 0.85, 0.7, 0.6, 0.5)  # of a picture of a scan; the first that is small enough is kept

WIDE = {"width": 1280, "height": 800}
TELEPHONE = {"width": 390, "height": 844}
PATIENCE_MS = 60_000
SETTLED_MS = 500
NEEDS_REVIEW = 3  # the exit code of process_batch
LOOK_MS = 50

PEOPLE = """
import os
from django.contrib.auth.models import Group, User
User.objects.create_superuser("office", password=os.environ["SCREENSHOTS_PASSWORD"])
Group.objects.create(name="Examination office").user_set.add(User.objects.create_user("colleague"))
"""


def main() -> int:
    if not Path(CHROMIUM).exists():
        print(f"{CHROMIUM} is missing: install chromium, or name another one in CHROMIUM", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="omr-screenshots-") as folder:
        password = secrets.token_urlsafe(12)
        own = {"VAR_DIR": folder, "DATABASE_URL": "", "REDIS_URL": "", "LOG_LEVEL": "ERROR"}
        os.environ |= own | {"SCREENSHOTS_PASSWORD": password}
        with running_site(free_port(8000)) as (url, _processes), a_browser() as browser:
            candidates = read_batches(Path(folder))
            with signed_in(browser, url, password) as context:
                take_pictures(context.new_page(), url, candidates)
                with under_way(Path(folder)):
                    take_live(context.new_page(), url)
    return 0


# --- What is on the site ----------------------------------------------------------------------------------------------


def read_batches(folder: Path) -> str:
    """Make the people and two batches, the second read; return its list of expected candidates, as CSV."""
    manage("shell", "--no-imports", "-c", PEOPLE)
    make_sample(folder, "mathematics", sheets=80, groups=4, damage="harsh")
    make_sample(folder, "physics", sheets=400, groups=5, damage="scan")
    if process(folder, "mathematics", "Mathematics, June").wait() != NEEDS_REVIEW:
        raise DemoFailed("the sample was not read, or nothing in it is in doubt; what was said stands above")
    code = "from batches.models import *; [print(s.group.code, s.identity['candidate'], sep=',') for s in "
    code += "Sheet.objects.select_related('group').order_by('position') if s.identity.get('candidate', '').isdigit()]"
    rows = manage("shell", "--no-imports", "-c", code).split()
    absent = f"{rows[0].partition(',')[0]},00417230"
    return "\n".join(["group_code,candidate", *rows[2:], absent])


def make_sample(folder: Path, name: str, *, sheets: int, groups: int, damage: str) -> None:
    wanted = {"--sheets": sheets, "--groups": groups, "--damage": damage, "--truth": folder / f"{name}.csv"}
    manage("make_sample_batch", str(folder / f"{name}.zip"), *(str(part) for pair in wanted.items() for part in pair))


def process(folder: Path, name: str, title: str) -> "subprocess.Popen[bytes]":
    """Start reading a sample, by one process: there is time to look."""
    options = ["--template", "standard-150", "--name", title, "--owner", "office", "--processes", "1"]
    command = [sys.executable, "manage.py", "process_batch", str(folder / f"{name}.zip"), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


@contextmanager
def under_way(folder: Path) -> Iterator[None]:
    """Have a batch read meanwhile, and wait for its end."""
    process_ = process(folder, "physics", "Physics, June")
    try:
        yield
    finally:
        process_.wait()


# --- The browser ------------------------------------------------------------------------------------------------------


@contextmanager
def a_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def signed_in(browser: Browser, url: str, password: str) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=WIDE, locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{url}/login")
    shoot(page, "login")
    page.get_by_label("User name").fill("office")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/")
    page.close()
    yield context
    context.close()


def shoot(page: Page, name: str) -> None:
    """Keep what is on the screen as docs/images/NAME.png, small enough for a page that shows many."""
    if is_live(page):
        page.wait_for_timeout(SETTLED_MS)
    else:
        page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = IMAGES / f"{name}.png"
    for share in SHARES:
        smaller = picture.resize(
            (round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS
        )
        in_few_colours(smaller).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            break
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1024} KB", flush=True)


def in_few_colours(picture: Image.Image) -> Image.Image:
    """Return ``picture`` in 256 colours: those that cover much of it, and those that are rare but bright, as links."""
    common = picture.quantize(COMMON, Image.Quantize.MEDIANCUT).getpalette() or []
    rare = picture.quantize(RARE, Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(common[: 3 * COMMON] + rare[: 3 * RARE])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def is_live(page: Page) -> bool:
    """Whether the page holds a stream open, so that its network is never idle."""
    return page.locator("#connection").count() > 0


# --- The pictures -----------------------------------------------------------------------------------------------------


def take_pictures(page: Page, url: str, candidates: str) -> None:
    """Take all pages that show what was read, the review half done."""
    page.goto(f"{url}/")
    page.get_by_role("link", name="Mathematics, June").click()
    batch = page.url
    review_half(page, batch)
    expect_candidates(page, batch, candidates)
    for name, address in pages_of(page, batch).items():
        page.goto(address)
        shoot(page, name)
    for name in ("upload", "sharing", "templates"):
        page.goto(f"{url}/{name}")
        shoot(page, name)
    page.goto(f"{url}/templates/standard-150")
    shoot(page, "template")
    take_variants(page, batch)


def pages_of(page: Page, batch: str) -> dict[str, str]:
    """Return the pages of a batch by the names of their pictures."""
    page.goto(f"{batch}/groups/2")
    sheet = page.locator("table a[href*='/sheets/']").first.get_attribute("href") or ""
    return {
        "batch-read": batch,
        "results": f"{batch}/results",
        "group": f"{batch}/groups/2",
        "sheet": f"{batch}/sheets/{sheet.rpartition('/')[2]}",
        "completeness": f"{batch}/completeness",
        "review": f"{batch}/review",
        "batch-sharing": f"{batch}/sharing",
    }


def review_half(page: Page, batch: str) -> None:
    """Decide half of what is in doubt, as a person does: by the Enter key, whenever the page listens."""
    page.goto(f"{batch}/review")
    ready = page.locator("#desk[aria-busy=false]")
    ready.wait_for()
    waiting = left(page)
    for _ in range(5 * waiting):
        if left(page) <= waiting // 2:
            return
        ready.wait_for()
        page.keyboard.press("Enter")
        page.wait_for_timeout(LOOK_MS)


def left(page: Page) -> int:
    """Return how much still waits for a person."""
    return int(re.sub(r"\D", "", page.locator("#review-left").inner_text()))


def expect_candidates(page: Page, batch: str, candidates: str) -> None:
    page.goto(f"{batch}/completeness")
    file = {"name": "candidates.csv", "mimeType": "text/csv", "buffer": candidates.encode()}
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("heading", name="Missing").wait_for()


def take_variants(page: Page, batch: str) -> None:
    """Take some pages again: dark, on a telephone, and in German."""
    page.emulate_media(color_scheme="dark")
    page.goto(f"{batch}/results")
    shoot(page, "results-dark")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(TELEPHONE)
    shoot(page, "results-telephone")
    page.goto(batch)
    shoot(page, "batch-telephone")
    page.set_viewport_size(WIDE)
    page.get_by_role("button", name="Deutsch").click()
    page.wait_for_selector("html[lang=de]")
    shoot(page, "batch-german")
    page.get_by_role("button", name="English").click()
    page.wait_for_selector("html[lang=en]")


def take_live(page: Page, url: str) -> None:
    """Take the pages on which something moves: one batch is read, the other is being read."""
    page.goto(f"{url}/")
    while page.get_by_role("link", name="Physics, June").count() == 0:
        page.reload()
    page.wait_for_function("() => parseInt(document.querySelector('[data-part=processed]').textContent) >= 60")
    shoot(page, "list")
    page.get_by_role("link", name="Physics, June").click()
    page.wait_for_function("() => parseInt(document.getElementById('processed').textContent) >= 100")
    shoot(page, "batch")
    page.goto(f"{url}/admin/batches/batch/")
    shoot(page, "admin")


if __name__ == "__main__":
    sys.exit(main())
