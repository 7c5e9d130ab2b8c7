"""A page of another origin that uses all of the API, in a real browser; and one that may not."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import a_page, needs_chromium
from tests.elsewhere import a_front_end
from tests.site import Site
from tests.tus import BYTES, metadata

pytestmark = pytest.mark.browser

PRELUDE = """
from uuid import UUID
from progress.events import ProcessingStage as S, Report
from progress.publisher import publish_progress
from tests.batches.builders import *

def publish(*messages):
    for message in messages:
        publish_progress(BATCH, Report(stage=S.COMPLETED if message == "end" else S.EXTRACTING, message=message))
"""

# Every function gets {api, token, …} and gives what the page could see; a refusal by the browser is "TypeError".
SCRIPTS = {
    "login": """async ({api}) => {
        const answer = await fetch(`${api}/api/auth/login`, {
            method: "POST",
            headers: {"Content-Type": "application/json"},
            body: JSON.stringify({username: "ada", password: "correct horse"}),
        });
        return (await answer.json()).access_token;
    }""",
    "get": """async ({api, token, path}) => {
        try {
            const answer = await fetch(`${api}${path}`, {headers: token ? {Authorization: `Bearer ${token}`} : {}});
            return {status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text()};
        } catch (error) {
            return error.name;
        }
    }""",
    "get_with_cookies": """async ({api, path}) => {
        try {
            return (await fetch(`${api}${path}`, {credentials: "include"})).status;
        } catch (error) {
            return error.name;
        }
    }""",
    "stream": """async ({api, token, path, after}) => {
        const headers = {Authorization: `Bearer ${token}`, "Last-Event-ID": String(after)};
        const answer = await fetch(`${api}${path}`, {headers});
        return {status: answer.status, text: await answer.text()};
    }""",
    "event_source": """async ({api, token, batch}) => {
        const headers = {Authorization: `Bearer ${token}`, "Content-Type": "application/json"};
        const asked = await fetch(`${api}/api/tickets`, {method: "POST", headers, body: JSON.stringify({batch})});
        const {ticket} = await asked.json();
        const source = new EventSource(`${api}/api/batches/${batch}/stream?ticket=${encodeURIComponent(ticket)}`);
        const seen = [];
        return await new Promise((resolve, reject) => {
            const note = ({lastEventId, data}) => seen.push([lastEventId, JSON.parse(data).message]);
            source.addEventListener("progress", note);
            source.addEventListener("complete", event => {
                source.close();
                resolve([...seen, [event.lastEventId, "complete"]]);
            });
            source.onerror = () => reject(new Error("the connection was lost or refused"));
        });
    }""",
    "tus": """async ({api, token, metadata, bytes}) => {
        const content = new Uint8Array(300000).fill(7);
        const known = {Authorization: `Bearer ${token}`, "Tus-Resumable": "1.0.0", "X-Request-ID": "seven"};
        const ask = async (method, path, more, body) => {
            const answer = await fetch(`${api}${path}`, {method, headers: {...known, ...more}, body});
            const seen = name => answer.headers.get(name);
            return {
                status: answer.status, location: seen("Location"), offset: seen("Upload-Offset"),
                length: seen("Upload-Length"), expires: seen("Upload-Expires"), version: seen("Tus-Resumable"),
            };
        };
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content.slice(0, 100000)));
        const checksum = `sha256 ${btoa(String.fromCharCode(...digest))}`;
        const part = offset => ({"Content-Type": bytes, "Upload-Offset": String(offset)});
        const made = await ask("POST", "/api/uploads", {"Upload-Length": "300000", "Upload-Metadata": metadata});
        return [
            made,
            await ask("PATCH", made.location, {...part(0), "Upload-Checksum": checksum}, content.slice(0, 100000)),
            await ask("HEAD", made.location, {}),
            await ask("POST", made.location, {...part(100000), "X-HTTP-Method-Override": "PATCH"}, content.slice(0, 5)),
            await ask("DELETE", made.location, {}),
        ];
    }""",
}


@dataclass(frozen=True)
class Elsewhere:
    """A page of another origin, and the API that it talks to."""

    page: Page
    url: str

    def run(self, script: str, **given: Any) -> Any:
        return self.page.evaluate(SCRIPTS[script], {"api": self.url, **given})

    def login(self) -> str:
        return str(self.run("login"))


@pytest.fixture(scope="module")
def friend() -> Iterator[str]:
    with a_front_end() as origin:
        yield origin


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory, friend: str) -> Site:
    needs_chromium()
    var = tmp_path_factory.mktemp("elsewhere") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var, {"FRONT_END_ORIGINS": friend})
    tell(site, "a_user('ada')")
    return site


def tell(site: Site, code: str) -> None:
    """Run ``code`` in a process of the site, as a runner would be one."""
    site.manage("shell", "--no-imports", "-c", PRELUDE + code)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def url(request: pytest.FixtureRequest, site: Site) -> Iterator[str]:
    with site.serve(request.param) as address:
        yield address


@pytest.fixture
def elsewhere(browser: Browser, url: str, friend: str) -> Iterator[Elsewhere]:
    with a_page(browser) as page:
        page.goto(friend)
        yield Elsewhere(page, url)


@pytest.fixture
def stranger(browser: Browser, url: str) -> Iterator[Elsewhere]:
    with a_front_end() as origin, a_page(browser) as page:
        page.goto(origin)
        yield Elsewhere(page, url)


def test_a_page_elsewhere_logs_in_and_lists_its_batches(elsewhere: Elsewhere) -> None:
    answer = elsewhere.run("get", token=elsewhere.login(), path="/api/batches")

    assert answer["status"] == 200
    assert "results" in json.loads(answer["text"])


def test_a_page_elsewhere_follows_a_batch_from_where_it_was(elsewhere: Elsewhere, site: Site) -> None:
    batch = uuid4()
    tell(site, f"BATCH = UUID('{batch}')\na_batch(id=BATCH, status='completed')\npublish('one', 'two', 'three', 'end')")

    seen = elsewhere.run("stream", token=elsewhere.login(), path=f"/api/batches/{batch}/stream", after=2)

    assert seen["status"] == 200
    assert [line for line in seen["text"].splitlines() if line.startswith("id:")] == ["id: 3", "id: 4"]


def test_an_event_source_elsewhere_opens_with_a_ticket(elsewhere: Elsewhere, site: Site) -> None:
    batch = uuid4()
    tell(site, f"BATCH = UUID('{batch}')\na_batch(id=BATCH, status='completed')\npublish('one', 'two', 'end')")

    seen = elsewhere.run("event_source", token=elsewhere.login(), batch=str(batch))

    assert seen == [["1", "one"], ["2", "two"], ["3", "complete"]]


def test_a_page_elsewhere_reads_why_it_is_refused(elsewhere: Elsewhere) -> None:
    token, lost = elsewhere.login(), f"/api/batches/{uuid4()}/stream"

    assert elsewhere.run("get", token=token, path=lost)["status"] == 404
    assert elsewhere.run("get", token="", path=lost)["status"] == 401
    assert "detail" in elsewhere.run("get", token="worn out", path="/api/batches")["text"]


def test_a_page_elsewhere_uploads_in_parts_and_reads_how_far_it_is(elsewhere: Elsewhere) -> None:
    told = metadata(filename="exam.zip", template="standard-150")

    made, part, asked, rest, ended = elsewhere.run("tus", token=elsewhere.login(), metadata=told, bytes=BYTES)

    assert (made["status"], made["offset"], made["version"]) == (201, "0", "1.0.0")
    assert made["location"].startswith("/api/uploads/")
    assert made["expires"]
    assert (part["status"], part["offset"]) == (204, "100000")
    assert (asked["status"], asked["offset"], asked["length"]) == (200, "100000", "300000")
    assert (rest["status"], rest["offset"]) == (204, "100005")
    assert ended["status"] == 204


def test_a_page_elsewhere_downloads_answers_and_learns_their_file_name(elsewhere: Elsewhere, site: Site) -> None:
    batch = uuid4()
    tell(site, f"a_read_batch(id=UUID('{batch}'))")

    answer = elsewhere.run("get", token=elsewhere.login(), path=f"/api/batches/{batch}/results/answers.csv")

    assert answer["status"] == 200
    assert ".csv" in answer["headers"]["content-disposition"]
    assert answer["text"].startswith("batch_id,group_code")


def test_an_origin_that_is_not_named_is_refused_by_the_browser(stranger: Elsewhere) -> None:
    assert stranger.run("get", token="", path="/api/batches") == "TypeError"
    assert stranger.run("get", token="any", path="/api/batches") == "TypeError"


def test_the_cookies_of_the_site_are_worth_nothing_elsewhere(elsewhere: Elsewhere, friend: str) -> None:
    page = elsewhere.page
    page.goto(elsewhere.url)
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").wait_for()
    at_home = elsewhere.run("get_with_cookies", path="/api/batches")

    page.goto(friend)

    assert (at_home, elsewhere.run("get_with_cookies", path="/api/batches")) == (200, "TypeError")
