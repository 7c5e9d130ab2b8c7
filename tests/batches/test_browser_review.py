"""Review in a real browser, before a real server: a batch that was really read, decided key by key."""

import csv
import io
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from uuid import UUID, uuid5

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser import a_browser, a_page, needs_chromium
from tests.pages import a_cover, a_sheet, a_white_page, a_zip
from tests.site import Site

pytestmark = pytest.mark.browser

DPI = 120
PEOPLE = """
from tests.batches.builders import a_user
for name in ("ada", "ben", "vera"):
    a_user(name)
"""
SHARE = """
from batches.models import *
from tests.batches.builders import a_user, shared_with
shared_with(Batch.objects.get(), a_user("ben"), Right.OPERATOR)
shared_with(Batch.objects.get(), a_user("vera"), Right.VIEWER)
"""


def a_digit_too_many() -> bytes:
    digits = {f"candidate{place}": digit for place, digit in enumerate("0041230", 1)}
    return a_sheet().marked(**digits, candidate8="37").scanned(dpi=DPI)


def pages() -> dict[str, bytes]:
    """Groups, one for each test that changes it; every sheet waits for a person."""
    pair = a_sheet().marked(candidate="00000003", q5="B", q6="B")
    return {
        "page_1.jpg": a_cover("14900113").scanned(dpi=DPI),
        "page_2.jpg": a_sheet().marked(candidate="00000001", q1="B", q2="B").faint(q9="A").scanned(dpi=DPI),
        "page_3.jpg": a_digit_too_many(),
        "page_4.jpg": a_white_page(dpi=DPI),
        "page_5.jpg": a_cover("14900114").scanned(dpi=DPI),
        "page_6.jpg": pair.faint(q9="A", q10="D").scanned(dpi=DPI),
        "page_7.jpg": a_cover("14900115").scanned(dpi=DPI),
        "page_8.jpg": a_sheet().marked(candidate="00000004", q5="B").faint(q9="A").scanned(dpi=DPI, tilt_degrees=180),
        "page_9.jpg": a_cover("14900116").scanned(dpi=DPI),
        "page_10.jpg": a_sheet().marked(candidate="00000005").faint(q9="A", q10="B", q11="C", q12="D").scanned(dpi=DPI),
    }


@dataclass(frozen=True)
class Office:
    """A site with one batch, and people before their screens."""

    url: str
    batch_id: str
    browser: Browser

    @contextmanager
    def at_desk(self, name: str, group: str) -> Iterator[Page]:
        """Give the review page of ``name``; nothing may be wrong in its console at the end."""
        complaints: list[str] = []
        with a_page(self.browser) as page:
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(f"{self.url}/batches/{self.batch_id}/review?group={group}")
            page.get_by_label("User name").fill(name)
            page.get_by_label("Password").fill("correct horse")
            page.get_by_role("button", name="Log in").click()
            expect(page.locator("#desk")).to_have_attribute("aria-busy", "false")
            yield page
        assert complaints == []

    def sheet_id(self, file_name: str) -> str:
        return str(uuid5(UUID(self.batch_id), f"{file_name}#1"))

    def sheet(self, file_name: str) -> str:
        """Return the sheet's address in the API."""
        return f"{self.url}/api/batches/{self.batch_id}/sheets/{self.sheet_id(file_name)}"

    def signed_in(self, name: str) -> dict[str, str]:
        """Return the headers by which a program says that it is ``name``."""
        login = httpx.post(f"{self.url}/api/auth/login", json={"username": name, "password": "correct horse"})
        return {"Authorization": f"Bearer {login.json()['access_token']}"}

    def rows(self, page: Page, table: str, group: str) -> list[dict[str, str]]:
        answer = page.request.get(f"{self.url}/api/batches/{self.batch_id}/results/{table}.csv?group={group}")
        return list(csv.DictReader(io.StringIO(answer.text(), newline="")))


@pytest.fixture(scope="module")
def office(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    needs_chromium()
    folder = tmp_path_factory.mktemp("office")
    shutil.copytree(migrated, folder / "var", ignore=shutil.ignore_patterns("redis"))
    site = Site(folder / "var")
    site.manage("shell", "--no-imports", "-c", PEOPLE)
    scans = a_zip(folder / "scans.zip", pages())
    done = site.manage(
        "process_batch", str(scans), "--template", "standard-150", "--owner", "ada", "--processes", "1", check=False
    )
    assert done.returncode == 3, done.stdout + done.stderr
    site.manage("shell", "--no-imports", "-c", SHARE)
    (results,) = (site.var / "results").iterdir()
    with site.serve("daphne") as url, a_browser() as browser:
        yield Office(url, results.name, browser)


def press(page: Page, key: str, *, then: str | re.Pattern[str]) -> None:
    """Press ``key`` and wait until ``then`` is what is to be decided."""
    page.keyboard.press(key)
    expect(page.locator("#field")).to_have_text(then)
    expect(page.locator("#desk")).to_have_attribute("aria-busy", "false")


def test_a_batch_is_reviewed_to_its_end_by_keys_alone(office: Office) -> None:
    group = "14900113"
    with office.at_desk("ada", group) as page:
        expect(page.locator("#field")).to_have_text("Question 9")
        expect(page.locator("#why")).to_contain_text("A faint mark")
        expect(page.locator("#read")).to_have_text("A")
        press(page, "c", then="candidate8")
        press(page, "Backspace", then="Question 9")
        page.keyboard.press("Shift+A")
        page.keyboard.press("Shift+C")
        press(page, "Enter", then="candidate8")
        press(page, "ArrowRight", then="A page that could not be read")  # later
        page.keyboard.press("t")
        page.keyboard.type("00000009")
        page.keyboard.press("Tab")
        page.keyboard.type("ab-d")
        press(page, "Enter", then="candidate8")  # what was put off comes once more
        page.keyboard.press("7")
        expect(page.locator("#finished")).to_contain_text("Nothing waits any more")
        expect(page.locator("#review-left")).to_have_text("0 left")

        sheets = office.rows(page, "sheets", group)
        answers = office.rows(page, "answers", group)

    assert [sheet["status"] for sheet in sheets] == ["reviewed"] * 3
    assert [sheet["candidate"] for sheet in sheets] == ["00000001", "00412307", "00000009"]
    assert (answers[8]["answer"], answers[8]["status"]) == ("AC", "corrected")
    assert (answers[0]["answer"], answers[0]["status"]) == ("B", "single")
    assert [line["answer"] for line in answers[300:305]] == ["A", "B", "", "D", ""]


def test_two_people_at_once_do_not_overwrite_each_other(office: Office) -> None:
    group = "14900114"
    with office.at_desk("ada", group) as ada, office.at_desk("ben", group) as ben:
        press(ada, "b", then="Question 10")

        ben.keyboard.press("c")

        expect(ben.locator("#conflict")).to_contain_text("ada: B; you: C")
        expect(ben.locator("#read")).to_have_text("B")
        press(ben, "Enter", then="Question 10")  # it stays as ada has it
        ben.keyboard.press("-")
        expect(ben.locator("#finished")).to_be_visible()
        ada.keyboard.press("e")
        expect(ada.locator("#conflict")).to_contain_text("ben: blank; you: E")
        ada.keyboard.press("e")  # she has seen what he says, and overrules it
        expect(ada.locator("#finished")).to_be_visible()

        answers = office.rows(ada, "answers", group)
        said = office.rows(ada, "corrections", group)

    assert (answers[8]["answer"], answers[9]["answer"]) == ("B", "E")
    assert [(row["field"], row["before"], row["after"], row["by"]) for row in said] == [
        ("q9", "A", "B", "ada"),
        ("q10", "D", "", "ben"),
        ("q10", "", "E", "ada"),
    ]


def test_two_who_say_the_same_are_not_asked_again_and_pass_by_what_the_other_has_settled(office: Office) -> None:
    group = "14900116"
    with office.at_desk("ada", group) as ada, office.at_desk("ben", group) as ben:
        press(ada, "Enter", then="Question 10")
        press(ben, "Enter", then="Question 10")
        expect(ben.locator("#said")).to_have_text("ada has said the same: Question 9: A")
        expect(ben.locator("#conflict")).to_be_hidden()
        press(ada, "Enter", then="Question 11")
        press(ada, "Enter", then="Question 12")

        press(ben, "ArrowRight", then="Question 12")

        expect(ben.locator("#said")).to_have_text("What others have settled meanwhile is passed by.")
        said = office.rows(ada, "corrections", group)

    assert [(row["field"], row["by"]) for row in said] == [("q9", "ada"), ("q10", "ada"), ("q11", "ada")]


def test_of_corrections_at_the_same_instant_one_is_taken(office: Office) -> None:
    ada, sheet, start = office.signed_in("ada"), office.sheet("page_8.jpg"), Barrier(3)

    def correct(value: str) -> int:
        start.wait()
        said = {"corrections": [{"field": "q5", "value": value, "saw": "B"}]}
        return httpx.patch(sheet, json=said, headers=ada, timeout=30).status_code

    with ThreadPoolExecutor(3) as screens:
        answers = list(screens.map(correct, "CDE"))

    assert sorted(answers) == [200, 409, 409]


def test_what_could_not_be_sent_is_said_to_be_unsaved_and_nothing_is_taken_for_done(office: Office) -> None:
    with office.at_desk("ada", "14900115") as page:
        page.context.set_offline(True)
        page.keyboard.press("c")
        expect(page.locator("#conflict")).to_contain_text("Not saved")
        expect(page.locator("#field")).to_have_text("Question 9")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#conflict")).to_contain_text("The site does not answer")
        page.context.set_offline(False)
        press(page, "ArrowRight", then="Question 9")

        assert office.rows(page, "sheets", "14900115")[0]["status"] == "review"


def test_a_viewer_sees_the_field_and_the_whole_page_and_decides_nothing(office: Office) -> None:
    group = "14900115"
    with office.at_desk("vera", group) as page:
        picture = page.locator("#window image").first
        assert picture.evaluate("image => fetch(image.href.baseVal).then((answer) => answer.status)") == 200
        near = page.locator("#window svg").get_attribute("viewBox")
        page.keyboard.press("Space")
        expect(page.locator("#window")).to_have_class(re.compile("all"))
        assert page.locator("#window svg").get_attribute("viewBox") == "0 0 2100 2970" != near

        page.keyboard.press("b")

        expect(page.locator("[data-act=accept]")).to_be_hidden()
        expect(page.locator("#field")).to_have_text("Question 9")
        assert office.rows(page, "sheets", group)[0]["status"] == "review"


def test_any_field_of_a_sheet_that_was_asked_for_can_be_corrected_and_taken_back(office: Office) -> None:
    with office.at_desk("ada", "14900114&sheet=" + office.sheet_id("page_6.jpg")) as page:
        expect(page.locator("#why")).to_contain_text("Nothing waits on this sheet")
        page.locator("#typing [name=q5]").focus()
        page.keyboard.press("e")
        page.keyboard.press("Enter")
        expect(page.locator("#finished")).to_be_visible()
        corrected = office.rows(page, "answers", "14900114")[4]
        page.keyboard.press("Backspace")
        expect(page.locator("#said")).to_contain_text("taken back")
        restored = office.rows(page, "answers", "14900114")[4]

    assert (corrected["answer"], corrected["status"]) == ("E", "corrected")
    assert (restored["answer"], restored["status"]) == ("B", "single")


def test_one_takes_back_what_one_said_oneself_whatever_others_say_of_the_sheet_at_that_moment(office: Office) -> None:
    group, ben, sheet = "14900115", office.signed_in("ben"), office.sheet("page_8.jpg")

    def let_ben_be_quick(route: Route) -> None:
        """Let ben correct another field between ada's correction and the answer to it."""
        route.fetch()
        said = {"corrections": [{"field": "q7", "value": "D", "saw": ""}]}
        route.fulfill(json=httpx.patch(sheet, json=said, headers=ben).raise_for_status().json())

    with office.at_desk("ada", group) as page:
        page.route(sheet, let_ben_be_quick)
        page.keyboard.press("c")
        expect(page.locator("#finished")).to_be_visible()
        page.unroute(sheet)
        press(page, "Backspace", then="Question 9")
        expect(page.locator("#said")).to_contain_text("taken back")

        said = office.rows(page, "corrections", group)

    assert [(row["field"], row["by"], row["taken_back_by"]) for row in said[-2:]] == [
        ("q9", "ada", "ada"),
        ("q7", "ben", ""),
    ]
