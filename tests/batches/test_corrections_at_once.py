"""The same field is corrected on many screens at the same instant: one is taken, all others are told."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from tests.batches.archives import cover, doubtful_sheet
from tests.batches.postgresql import programs, running_server
from tests.pages import a_zip
from tests.site import Site

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.skipif(
        programs() is None and os.environ.get("CI") != "true",
        reason="no PostgreSQL is installed: apt-get install postgresql",
    ),
]

SCREENS = 4


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Site]:
    """A site with PostgreSQL, where two transactions can see the same row at the same time."""
    with running_server() as url:
        site = Site(tmp_path / "var", {"DATABASE_URL": url})
        site.var.mkdir()
        site.manage("migrate", "-v", "0")
        yield site


def test_of_corrections_at_the_same_instant_one_is_taken_and_all_others_are_told(office: Site, tmp_path: Path) -> None:
    office.add_user("root", superuser=True)
    scans = a_zip(tmp_path / "scans.zip", {"1.jpg": cover(), "2.jpg": doubtful_sheet()})
    office.manage("process_batch", str(scans), "--template", "standard-150", "--processes", "1", check=False)
    start = Barrier(SCREENS)

    with office.serve() as url, _signed_in(url) as root:
        sheet = _only_sheet(office, root)

        def correct(value: str) -> httpx.Response:
            start.wait()
            return root.patch(sheet, json={"corrections": [{"field": "q9", "value": value, "saw": "A"}]}, timeout=30)

        with ThreadPoolExecutor(SCREENS) as screens:
            answers = list(screens.map(correct, "ABCD"))
        end = root.get(sheet).json()

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: SCREENS - 1}
    (kept,) = end["corrections"]
    assert end["answers"][8]["answer"] == kept["after"]
    told = {answer.json()["conflicts"][0]["now"] for answer in answers if answer.status_code == 409}
    assert told == {kept["after"]}


def _signed_in(url: str) -> httpx.Client:
    login = httpx.post(f"{url}/api/auth/login", json={"username": "root", "password": "correct horse"}, timeout=30)
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {login.json()['access_token']}"})


def _only_sheet(office: Site, root: httpx.Client) -> str:
    """Return the address of the one sheet of the one batch."""
    (results,) = (office.var / "results").iterdir()
    (found,) = root.get(f"/api/batches/{results.name}/sheets").json()["results"]
    return f"/api/batches/{results.name}/sheets/{found['id']}"
