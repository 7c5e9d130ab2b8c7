"""Every page of the site, one after another in one browser: it loads nothing it should not, and keeps nobody out."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.batches.batch_page import PRELUDE, a_site_for_pages
from tests.browser import a_page
from tests.clients.node import installed_packages
from tests.pages import a_cover, a_sheet, a_white_page, a_zip
from tests.site import Site

pytestmark = pytest.mark.browser

DPI = 120
WIDE, TELEPHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
GRAVE = ("serious", "critical")

OTHERS = """
from batches.models import *
read = Batch.objects.get()
ada = read.owner
a_failed_batch(ada, name="Failed", unreadable_covers=["page_4.jpg"], archive_path=read.archive_path)
a_batch(ada, name="Waiting", status="queued")
shared_with(read, a_user("ben"), Right.OPERATOR)
list_of = {"14900113": ["00000001", "00000007"]}
ExpectedCandidates.objects.create(batch=read, groups=list_of, field="candidate", given_by=ada, file_name="who.csv")
sheets = {status: Sheet.objects.filter(status=status).first() for status in ("review", "unreadable", "read")}
print(json.dumps({
    "read": str(read.pk),
    "failed": str(Batch.objects.get(name="Failed").pk),
    "waiting": str(Batch.objects.get(name="Waiting").pk),
    "sheets": [str(sheet.pk) for sheet in sheets.values() if sheet],
    "ada": ada.pk,
}))
"""

# Before the first byte of a page is read: an event is the only sure sign of what the policy has refused.
LISTEN = """() => {
    window.refused = [];
    addEventListener("securitypolicyviolation", (event) => {
        window.refused.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
}"""

LOOK_OVER = """async (rules) => {
    const options = { resultTypes: ["violations"], ...(rules && { runOnly: rules }) };
    const { violations } = await axe.run(document, options);
    const places = (nodes) => nodes.map(({ target }) => target.join(" "));
    return violations.map(({ id, impact, nodes }) => ({ id, impact, where: places(nodes) }));
}"""

FOCUS = """() => {
    const { outlineWidth, outlineStyle } = getComputedStyle(document.activeElement);
    return { at: document.activeElement.outerHTML.slice(0, 80), width: parseFloat(outlineWidth), style: outlineStyle };
}"""

WIDER = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass
class Seen:
    """What was seen of the pages; each entry names its page."""

    complaints: list[str] = field(default_factory=list)
    barriers: list[str] = field(default_factory=list)
    too_wide: list[str] = field(default_factory=list)
    languages: set[str] = field(default_factory=set)


def pages() -> dict[str, bytes]:
    """A group with a sheet that is read, one in doubt, and a page that nobody can read."""
    return {
        "page_1.jpg": a_cover("14900113").scanned(dpi=DPI),
        "page_2.jpg": a_sheet().marked(candidate="00000001", q1="B", q2="B", q3="AC").scanned(dpi=DPI),
        "page_3.jpg": a_sheet().marked(candidate="00000002", q5="B").faint(q9="A").scanned(dpi=DPI),
        "page_4.jpg": a_white_page(dpi=DPI),
    }


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site on which a batch was read."""
    folder = tmp_path_factory.mktemp("everywhere")
    site = a_site_for_pages(migrated, folder)
    site.add_user("ada", superuser=True)
    scans = a_zip(folder / "scans.zip", pages())
    options = ("--template", "standard-150", "--name", "Mathematics", "--processes", "1")
    assert site.manage("process_batch", str(scans), *options, check=False).returncode == 3  # sheets need review
    return site


@pytest.fixture(scope="module")
def addresses(site: Site) -> list[str]:
    """Every page, with a batch in each state that looks different."""
    done = site.manage("shell", "--no-imports", "-c", f"import json\n{PRELUDE}\n{OTHERS}")
    made = json.loads(done.stdout)
    batch = f"/batches/{made['read']}"
    parts = ("", "/results", "/groups/1", "/completeness", "/review", "/sharing")
    admin = "/admin/batches"
    return [
        *("/", "/?search=nothing+like+this", "/upload", "/sharing", "/templates", "/templates/standard-150"),
        *(batch + part for part in parts),
        *(f"{batch}/sheets/{sheet}" for sheet in made["sheets"]),
        *(f"/batches/{made[name]}" for name in ("failed", "waiting")),
        *("/api/docs", "/nothing-here"),
        *("/admin/", f"{admin}/batch/", f"{admin}/batch/{made['read']}/change/", f"{admin}/sheet/"),
        *(f"{admin}/batchaccess/add/", f"{admin}/sheettemplate/", f"{admin}/runner/", "/admin/progress/progressevent/"),
        *(f"/admin/auth/user/{made['ada']}/change/", "/admin/password_change/"),
        "/templates/standard-150/sheet.svg",
    ]


@pytest.fixture(scope="module")
def seen(browser: Browser, url: str, addresses: list[str]) -> Seen:
    """What there is to say of all pages: one walk, since to come there costs more than to look."""
    axe = (installed_packages() / "axe-core" / "axe.min.js").read_text()
    seen = Seen()
    with a_page(browser, viewport=WIDE, locale="en") as page:
        page.add_init_script(f"({LISTEN})()")
        page.on("console", lambda line: _note(seen.complaints, page, line.text, line.type in ("error", "warning")))
        page.on("pageerror", lambda error: _note(seen.complaints, page, str(error), True))
        look_at(page, f"{url}/login", axe, seen)
        sign_in(page)
        for address in addresses:
            look_at(page, url + address, axe, seen)
    return seen


def _note(complaints: list[str], page: Page, text: str, is_one: bool) -> None:
    if is_one and "404" not in text:  # that there is no such page is what one of them is there for
        complaints.append(f"{page.url}: {text}")


def sign_in(page: Page) -> None:
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/")


def look_at(page: Page, address: str, axe: str, seen: Seen) -> None:
    """Look at one page: light, dark, and as narrow as a telephone."""
    page.goto(address)
    if not address.endswith(".svg"):
        seen.languages.add(page.locator("html").get_attribute("lang") or "")
    if "/admin/" not in address and not address.endswith(".svg"):
        page.evaluate(axe)
        _note_barriers(seen, page, "light", None)
        page.emulate_media(color_scheme="dark")
        _note_barriers(seen, page, "dark", ["color-contrast"])
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(TELEPHONE)
        if page.evaluate(WIDER):
            seen.too_wide.append(address)
        page.set_viewport_size(WIDE)
    seen.complaints += [f"{address}: {refusal}" for refusal in page.evaluate("() => window.refused")]


def _note_barriers(seen: Seen, page: Page, scheme: str, rules: list[str] | None) -> None:
    found: list[dict[str, Any]] = page.evaluate(LOOK_OVER, rules)
    seen.barriers += [
        f"{page.url} ({scheme}): {one['id']} {one['where'][:5]}" for one in found if one["impact"] in GRAVE
    ]


def test_no_page_not_even_of_the_admin_wants_what_the_content_policy_refuses(seen: Seen) -> None:
    assert seen.complaints == []


def test_a_page_that_holds_a_script_is_seen_and_the_script_does_not_run(browser: Browser, url: str) -> None:
    with a_page(browser) as page:
        page.add_init_script(f"({LISTEN})()")
        page.goto(f"{url}/login")

        page.evaluate(
            "() => document.body.append(Object.assign(document.createElement('script'), { text: 'hit = 1' }))"
        )

        page.wait_for_function("() => window.refused.length === 1")
        assert page.evaluate("() => typeof hit") == "undefined"


def test_no_page_keeps_anybody_out_neither_light_nor_dark(seen: Seen) -> None:
    assert seen.barriers == []


def test_in_german_a_page_says_nothing_else_and_is_no_wider(browser: Browser, url: str, addresses: list[str]) -> None:
    results = next(address for address in addresses if address.endswith("/results"))
    with a_page(browser, viewport=TELEPHONE, locale="de-DE") as page:
        page.goto(f"{url}/login")
        page.get_by_label("Benutzername").fill("ada")
        page.get_by_label("Passwort").fill("correct horse")
        page.get_by_role("button", name="Anmelden").click()
        page.wait_for_url(f"{url}/")

        page.goto(url + results)

        expect(page.locator("html")).to_have_attribute("lang", "de")
        expect(page.get_by_role("heading", name="Ergebnisse von Mathematics")).to_be_visible()
        expect(page.get_by_role("columnheader", name="Zweifelhaft").first).to_be_visible()
        assert not page.evaluate(WIDER)
        page.goto(f"{url}/upload")
        assert page.evaluate("async () => (await import('/static/words.js')).say('Try now')") == "Jetzt versuchen"

        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("heading", name="Upload", exact=True)).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_whoever_goes_by_keys_sees_where_they_are(browser: Browser, url: str) -> None:
    with a_page(browser, locale="en") as page:
        page.goto(f"{url}/login")
        sign_in(page)
        page.goto(f"{url}/upload")
        for _ in range(10):
            page.keyboard.press("Tab")
            at = page.evaluate(FOCUS)
            assert at["width"] >= 2, at
            assert at["style"] != "none", at


def test_no_page_is_wider_than_a_small_telephone(seen: Seen) -> None:
    assert seen.too_wide == []
