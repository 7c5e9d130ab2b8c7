"""Other people's clients through a misfortune: the web server is killed, another takes its place, the batch fails."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import a_page
from tests.clients.node import MODULE, node
from tests.clients.records import PageRecord, Record, running
from tests.progress.live import numbered, server_pid, writing
from tests.site import Site, free_port, wait_until

pytestmark = pytest.mark.browser

LAST = 12
IN_CHROMIUM = """
url => {
  window.record = [];
  const source = new EventSource(url);
  for (const name of ["progress", "complete", "error"]) {
    source.addEventListener(name, (message) => {
      const { data, lastEventId: id } = message;
      if (typeof data === "string") record.push({ name, seq: JSON.parse(data).seq, id });
      else record.push(source.readyState === EventSource.CLOSED ? { refused: true, over: true } : { lost: true });
    });
  }
}
"""

Notes = list[dict[str, object]]


@contextmanager
def everybody(url: str, token: str, page: Page, workshop: Path) -> Iterator[dict[str, Record]]:
    """Let every client watch ``url``; ``page`` is one of the site, signed in."""
    python, script = (sys.executable, "-m", "tests.clients.watch"), str(workshop / "watch.mjs")
    programs = {
        "curl": (*python, "curl"),
        "httpx-sse": (*python, "httpx-sse"),
        "eventsource": (node(), script, "eventsource"),
        "event-source-polyfill": (node(), script, "polyfill"),
    }
    server, _, batch = url.removesuffix("/stream").partition("/api/batches/")
    ours = (str(workshop / "follow.mjs"), MODULE, json.dumps({"server": server, "batch": batch, "token": token}))
    with ExitStack() as stack:
        records: dict[str, Record] = {
            name: stack.enter_context(running(*program, url, token, folder=workshop))
            for name, program in programs.items()
        }
        page.evaluate(IN_CHROMIUM, url)
        yield records | {
            "chromium": PageRecord(page),
            "our module": stack.enter_context(running(node(), *ours, folder=workshop)),
        }


@pytest.fixture(scope="module")
def story(
    migrated: Path, tmp_path_factory: pytest.TempPathFactory, workshop: Path, browser: Browser
) -> dict[str, Notes]:
    """What each client noticed: five events, a SIGKILL, five more in the dark, the other server, the end."""
    var = tmp_path_factory.mktemp("story") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var)
    port = free_port()
    with ExitStack() as stack:
        writer, page = stack.enter_context(writing(site)), stack.enter_context(a_page(browser))
        ann, batch = writer.add_user("ann"), writer.add_batch()
        with site.serve("daphne", port) as url:
            page.context.add_cookies([{"name": "sessionid", "value": ann["session"], "url": url}])
            page.goto(f"{url}/healthz")
            stream = f"{url}/api/batches/{batch}/stream"
            records = stack.enter_context(everybody(stream, ann["token"], page, workshop))
            writer.publish(batch, *numbered(5))
            wait_until(lambda: all(record.seqs[-1:] == [5] for record in records.values()))
            os.kill(server_pid(url), signal.SIGKILL)
        writer.publish(batch, *numbered(5, start=6))
        wait_until(lambda: all(record.all("lost") or "reconnecting" in record.states for record in records.values()))
        with site.serve("uvicorn", port):
            writer.publish(batch, "event 11")
            wait_until(lambda: all(record.seqs[-1:] == [11] for record in records.values()))
            writer.publish(batch, "it failed", stage="failed")
            wait_until(lambda: all(record.all("over") for record in records.values()))
            return {name: record.lines for name, record in records.items()}


@pytest.fixture(params=["curl", "httpx-sse", "eventsource", "event-source-polyfill", "chromium"])
def noticed(request: pytest.FixtureRequest, story: dict[str, Notes]) -> Notes:
    return story[request.param]


def test_a_client_sees_every_event_once_in_order_through_a_killed_server(noticed: Notes) -> None:
    assert [line["seq"] for line in noticed if "seq" in line] == list(range(1, LAST + 1))
    assert any("lost" in line for line in noticed)


def test_the_id_of_an_event_is_its_position(noticed: Notes) -> None:
    assert all(line["id"] == str(line["seq"]) for line in noticed if "seq" in line)


def test_a_failed_batch_is_told_from_a_lost_connection(noticed: Notes) -> None:
    assert [line["name"] for line in noticed if "seq" in line] == ["progress"] * (LAST - 1) + ["error"]


@pytest.mark.parametrize("client", ["curl", "httpx-sse", "eventsource", "chromium"])
def test_a_client_that_comes_back_after_the_end_is_told_to_stop(client: str, story: dict[str, Notes]) -> None:
    assert sum("refused" in line for line in story[client]) == 1


def test_our_own_module_sees_the_same_and_says_how_it_stands(story: dict[str, Notes]) -> None:
    noticed = story["our module"]
    states = [line["state"] for line in noticed if "state" in line]

    assert [line["seq"] for line in noticed if "seq" in line] == list(range(1, LAST + 1))
    assert (states[0], states[1], states[-2:]) == ("live", "reconnecting", ["live", "finished"])
    assert noticed[-1] == {"over": "finished", "last": "failed"}
