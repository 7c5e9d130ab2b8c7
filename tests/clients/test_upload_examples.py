"""The examples of docs/uploads.md, run as they stand there: only the server's address is another one."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from batches.wording import MB
from tests.browser import a_page
from tests.clients.node import node
from tests.site import ROOT, Site
from tests.tus import Tus, a_zip

PAGE = ROOT / "docs" / "uploads.md"
HERE, ELSEWHERE = "http://localhost:8000", "https://omr.example.org"


def example(language: str, part: str) -> str:
    """Return the only block of ``language`` that has ``part`` in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if part in block]
    return str(found)


@dataclass(frozen=True)
class Office:
    """A served site, ann, and a ZIP of hers."""

    site: Site
    url: str
    ann: Tus
    scans: Path

    @property
    def token(self) -> str:
        return str(self.ann.http.headers["Authorization"]).removeprefix("Bearer ")

    def run(self, *command: str, folder: Path) -> str:
        given = {"ZIP": str(self.scans), "TOKEN": self.token, "VAR_DIR": str(folder / "var")}
        done = subprocess.run(
            command, cwd=folder, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def has_all(self, said: str) -> bool:
        """Return whether the batch that ``said`` names has every byte, and is queued."""
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", said)
        assert found, said
        arrived = (self.site.var / "uploads" / f"{found[0]}.zip").read_bytes()
        return arrived == self.scans.read_bytes() and self.ann.batch(found[0])["status"] == "queued"


@pytest.fixture(scope="module")
def office(migrated: Path, tmp_path_factory: pytest.TempPathFactory, front_end: str) -> Iterator[Office]:
    var = tmp_path_factory.mktemp("examples") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var, {"FRONT_END_ORIGINS": front_end})
    site.add_user("ann")
    (var / "exam.zip").write_bytes(a_zip(20 * MB))
    with site.serve("uvicorn") as url, closing(Tus.login(url, "ann")) as ann:
        yield Office(site, url, ann, var / "exam.zip")


def test_curl_sends_all(office: Office, tmp_path: Path) -> None:
    script = example("sh", "curl").replace(HERE, office.url)

    assert office.has_all(office.run("bash", "-e", "-o", "pipefail", "-c", script, folder=tmp_path))


def test_the_command_sends_all(office: Office, tmp_path: Path) -> None:
    script = example("sh", "upload_batch").replace(HERE, office.url).replace("scans.zip", str(office.scans))
    script = script.replace("python manage.py", f"{sys.executable} {ROOT / 'manage.py'}")

    assert office.has_all(office.run("bash", "-e", "-c", script, folder=tmp_path))


def test_tuspy_sends_all(office: Office, tmp_path: Path) -> None:
    (tmp_path / "upload.py").write_text(example("python", "# upload.py").replace(HERE, office.url))

    assert office.has_all(office.run(sys.executable, "upload.py", folder=tmp_path))


def test_tus_js_client_sends_all(office: Office, tmp_path: Path, workshop: Path) -> None:
    (tmp_path / "node_modules").symlink_to((workshop / "node_modules").resolve())
    (tmp_path / "upload.mjs").write_text(example("js", "// upload.mjs").replace(HERE, office.url))

    said = office.run(node(), "upload.mjs", folder=tmp_path)

    assert said.splitlines()[-1] == "done"
    assert office.has_all(said)


@pytest.mark.browser
def test_a_page_elsewhere_sends_all_by_the_sites_own_module(office: Office, browser: Browser, front_end: str) -> None:
    with a_page(browser) as page:
        said: list[str] = []
        page.on("console", lambda line: said.append(line.text) if line.type == "log" else None)
        page.goto(f"{front_end}?token={office.token}")
        page.set_content(example("html", "BatchUpload").replace(ELSEWHERE, office.url), wait_until="networkidle")
        page.locator("#scans").set_input_files(office.scans)
        expect(page.locator("#state")).to_contain_text("done", timeout=20_000)

    assert office.has_all(json.dumps(said))
