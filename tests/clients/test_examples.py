"""The examples of docs/stream.md, run as they stand there: only the server's address is another one."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser import a_page
from tests.clients.node import node
from tests.clients.proxy import Proxy
from tests.progress.live import Live, numbered
from tests.site import ROOT, wait_until

PAGE = ROOT / "docs" / "stream.md"
HERE, ELSEWHERE = "http://localhost:8000", "https://omr.example.org"


def examples(language: str) -> list[str]:
    """Return the blocks of ``language`` in the order of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def example(language: str, part: str) -> str:
    """Return the only block of ``language`` that has ``part`` in it."""
    (found,) = [block for block in examples(language) if part in block]
    return found


def test_the_commands_for_a_shell_print_the_log_the_rest_and_where_the_batch_is(live: Live, tmp_path: Path) -> None:
    live.site.add_user("pat", "correct horse")
    batch = live.writer.add_batch("pat")
    live.writer.publish(batch, *numbered(4))
    live.writer.publish(batch, "end", stage="completed")
    blocks = [block.replace("username=ann", "username=pat") for block in examples("sh") if "node " not in block]

    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\necho ---\n".join(blocks).replace(HERE, live.url)],
        env=os.environ | {"BATCH": batch},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    whole, rest, ticket, polled, all_batches = done.stdout.split("---\n")
    assert [int(seq) for seq in re.findall(r"^id: (\d+)$", whole, re.MULTILINE)] == [1, 2, 3, 4, 5]
    assert re.findall(r"^event: (\w+)$", rest, re.MULTILINE) == ["progress", "complete"]
    assert json.loads(ticket)["expires_in"] > 0
    progress, events = polled.replace("}{", "}\n{").splitlines()
    assert json.loads(progress)["current"]["seq"] == 5
    assert [event["seq"] for event in json.loads(events)["events"]] == [4, 5]
    assert [(event["batch_id"], event["seq"]) for event in json.loads(all_batches)["events"]] == [(batch, 5)]


@pytest.mark.parametrize("name", ["watch.py", "watch.mjs", "follow.mjs"])
def test_a_program_prints_each_event_once_through_a_lost_connection_and_ends(
    name: str, live: Live, batch: str, proxy: Proxy, workshop: Path, tmp_path: Path
) -> None:
    folder = tmp_path
    (folder / "node_modules").symlink_to((workshop / "node_modules").resolve())
    shutil.copytree(ROOT / "static" / "progress", folder / "progress")
    language = "python" if name.endswith(".py") else "js"
    (folder / name).write_text(example(language, f" {name}\n").replace(HERE, proxy.url))
    out = folder / "out"
    program = sys.executable if language == "python" else node()
    environment = os.environ | {"BATCH": batch, "TOKEN": live.token, "PYTHONUNBUFFERED": "1"}
    live.writer.publish(batch, *numbered(3))

    with out.open("w") as file, subprocess.Popen([program, name], cwd=folder, env=environment, stdout=file) as process:
        try:
            wait_until(lambda: out.read_text().endswith("3 event 3\n"))
            proxy.cut()
            live.writer.publish(batch, *numbered(2, start=4))
            live.writer.publish(batch, "end", stage="completed")
            assert process.wait(30) == 0
        finally:
            process.kill()

    assert out.read_text().splitlines() == [*(f"{number} event {number}" for number in range(1, 6)), "6 end"]


@pytest.mark.browser
@pytest.mark.parametrize("part", ['from "/static/progress/batch-stream.js"', "new EventSource"])
def test_a_page_of_the_site_shows_each_event_once_through_a_lost_connection(
    part: str, live: Live, batch: str, proxy: Proxy, browser: Browser
) -> None:
    live.writer.publish(batch, *numbered(3))
    with a_page(browser) as page:
        page.context.add_cookies([{"name": "sessionid", "value": live.session, "url": proxy.url}])
        lines = lines_of(page, f"{proxy.url}/healthz", with_script_apart(page, example("html", part)), batch)
        wait_until(lambda: numbers_in(page, lines) == [1, 2, 3])
        proxy.cut()
        live.writer.publish(batch, *numbered(2, start=4))
        live.writer.publish(batch, "it failed", stage="failed")
        wait_until(lambda: "6 it failed" in looked_at(page, lines))

    assert [line for line in lines if line[0].isdigit()] == [*(f"{n} event {n}" for n in range(1, 6)), "6 it failed"]


@pytest.mark.browser
def test_three_lines_are_enough_on_a_page_of_the_site(live: Live, batch: str, browser: Browser) -> None:
    live.writer.publish(batch, *numbered(2))
    code = 'const batch = new URLSearchParams(location.search).get("batch");' + examples("js")[0]
    with a_page(browser) as page:
        page.context.add_cookies([{"name": "sessionid", "value": live.session, "url": live.url}])
        html = with_script_apart(page, f'<script type="module">{code}</script>')
        lines = lines_of(page, f"{live.url}/healthz", html, batch)
        wait_until(lambda: looked_at(page, lines) == ["live", "event 1", "event 2"])


@pytest.mark.browser
def test_a_page_elsewhere_follows_by_tickets_from_its_own_back_end(
    live: Live, batch: str, browser: Browser, front_end: str
) -> None:
    live.writer.publish(batch, *numbered(3))
    html = example("html", ELSEWHERE).replace(ELSEWHERE, live.url)

    def give_ticket(route: Route) -> None:
        answer = httpx.post(f"{live.url}/api/tickets", headers=live.bearer, json={"batch": batch})
        route.fulfill(body=answer.json()["ticket"])

    with a_page(browser) as page:
        page.route("**/my-back-end/ticket*", give_ticket)
        lines = lines_of(page, front_end, html, batch)
        wait_until(lambda: numbers_in(page, lines) == [1, 2, 3])


def with_script_apart(page: Page, html: str) -> str:
    """Give ``html`` with its script in a file of the site: the policy of its pages runs none that stands in them."""
    script = re.compile('<script type="module">(.*?)</script>', re.DOTALL)
    (code,) = script.findall(html)
    page.route("**/static/example.js", lambda route: route.fulfill(body=code, content_type="text/javascript"))
    return script.sub('<script type="module" src="/static/example.js"></script>', html)


def lines_of(page: Page, url: str, html: str, batch: str) -> list[str]:
    """Show ``html`` as the page at ``url``; gives what its console says, as it comes."""
    lines: list[str] = []
    page.on("console", lambda line: lines.append(line.text) if line.type == "log" else None)
    page.goto(f"{url}?batch={batch}")
    page.set_content(html)
    return lines


def looked_at(page: Page, lines: list[str]) -> list[str]:
    page.evaluate("0")  # lets playwright hand on what the console said
    return lines


def numbers_in(page: Page, lines: list[str]) -> list[int]:
    return [int(line.split()[0]) for line in looked_at(page, lines) if line[0].isdigit()]
