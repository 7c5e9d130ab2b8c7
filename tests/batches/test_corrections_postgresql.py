"""Corrections with PostgreSQL: many at the same instant, and a batch that is loaded again."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import psycopg
import pytest

from tests.batches.archives import cover, doubtful_sheet
from tests.batches.postgresql import programs, running_server
from tests.pages import a_zip
from tests.site import Site, wait_until

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.skipif(
        programs() is None and os.environ.get("CI") != "true",
        reason="no PostgreSQL is installed: apt-get install postgresql",
    ),
]

SCREENS = 4
JSON = {"Content-Type": "application/json"}


LOAD_AGAIN = """
from batches.models import Batch, BatchStatus
Batch.objects.update(status=BatchStatus.FAILED, finished_stages=["extracting"])
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with PostgreSQL, where two transactions can see the same row at the same time, and five read sheets."""
    folder = tmp_path_factory.mktemp("office")
    sheets = {f"{number}.jpg": doubtful_sheet(f"0000000{number}") for number in range(3, 3 + SCREENS)}
    scans = a_zip(folder / "scans.zip", {"1.jpg": cover(), "2.jpg": doubtful_sheet()} | sheets)
    with running_server() as url:
        site = Site(folder / "var", {"DATABASE_URL": url})
        site.var.mkdir()
        site.manage("migrate", "-v", "0")
        site.add_user("root", superuser=True)
        site.manage("process_batch", str(scans), "--template", "standard-150", "--processes", "1", check=False)
        yield site


@pytest.fixture(scope="module")
def root(office: Site) -> Iterator[httpx.Client]:
    """Who may do everything."""
    with office.serve() as url:
        login = httpx.post(f"{url}/api/auth/login", json={"username": "root", "password": "correct horse"}, timeout=30)
        headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            yield client


@pytest.fixture(scope="module")
def batch_id(office: Site) -> str:
    (results,) = (office.var / "results").iterdir()
    return results.name


@pytest.fixture(scope="module")
def sheets(root: httpx.Client, batch_id: str) -> list[str]:
    """The addresses of the sheets of the one batch."""
    found = root.get(f"/api/batches/{batch_id}/sheets").json()["results"]
    return [f"/api/batches/{batch_id}/sheets/{sheet['id']}" for sheet in found]


@pytest.fixture(scope="module")
def sheet(sheets: list[str]) -> str:
    return sheets[0]


def test_of_corrections_at_the_same_instant_one_is_taken_and_all_others_are_told(
    root: httpx.Client, sheet: str
) -> None:
    start = Barrier(SCREENS)

    def correct(value: str) -> httpx.Response:
        start.wait()
        return root.patch(sheet, json={"corrections": [{"field": "q9", "value": value, "saw": "A"}]})

    with ThreadPoolExecutor(SCREENS) as screens:
        answers = list(screens.map(correct, "ABCD"))
    end = root.get(sheet).json()

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: SCREENS - 1}
    (kept,) = end["corrections"]
    assert end["answers"][8]["answer"] == kept["after"]
    told = {answer.json()["conflicts"][0]["now"] for answer in answers if answer.status_code == 409}
    assert told == {kept["after"]}


def test_of_sheets_that_are_settled_at_the_same_instant_none_is_counted_any_more(
    root: httpx.Client, batch_id: str, sheets: list[str]
) -> None:
    start = Barrier(SCREENS)

    def settle(sheet: str) -> int:
        start.wait()
        said = {"corrections": [{"field": "q9", "value": "A", "saw": "A"}]}
        return int(root.patch(sheet, json=said).json()["corrections"][-1]["id"])

    def take_back(correction: int) -> None:
        start.wait()
        root.delete(f"/api/batches/{batch_id}/corrections/{correction}").raise_for_status()

    before = root.get(f"/api/batches/{batch_id}").json()["counts"]["review"]
    with ThreadPoolExecutor(SCREENS) as screens:
        for _ in range(3):
            settled = list(screens.map(settle, sheets[1:]))
            assert root.get(f"/api/batches/{batch_id}").json()["counts"]["review"] == before - SCREENS
            list(screens.map(take_back, settled))
            assert root.get(f"/api/batches/{batch_id}").json()["counts"]["review"] == before


def test_loading_again_keeps_what_people_have_said(office: Site, root: httpx.Client, batch_id: str, sheet: str) -> None:
    now = root.get(sheet).json()["answers"][0]["answer"]
    said = {
        "corrections": [{"field": "q1", "value": "E", "saw": now}, {"field": "candidate1", "value": "7", "saw": "0"}]
    }
    assert root.patch(sheet, json=said).status_code == 200
    before = root.get(sheet).json()

    office.manage("shell", "--no-imports", "-c", LOAD_AGAIN)
    office.manage("process_batch", batch_id, "--processes", "1", check=False)

    after = root.get(sheet).json()
    assert (after["identity"], after["status"]) == ({"candidate": "70412345"}, before["status"])
    assert (after["answers"], after["corrections"]) == (before["answers"], before["corrections"])


def test_an_address_with_a_nul_is_refused_before_the_database_is_asked(root: httpx.Client) -> None:
    answers = [root.get(f"/api/batches?{name}=%00") for name in ("search", "owner")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "nul_character")] * 2


def test_half_a_letter_comes_to_no_template(root: httpx.Client) -> None:
    answer = root.put("/api/templates/standard-150", content='{"name": "\\ud800"}', headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


def test_while_a_batch_is_deleted_its_sheets_are_neither_corrected_nor_downloaded(
    office: Site, root: httpx.Client, batch_id: str, sheets: list[str]
) -> None:
    below = f"/api/batches/{batch_id}"
    said = {"corrections": [{"field": "q100", "value": "B", "saw": ""}]}

    with ThreadPoolExecutor(1) as other, psycopg.connect(office.environment["DATABASE_URL"]) as reader:
        reader.execute(
            "SELECT FROM batches_sheet LIMIT 1 FOR UPDATE"
        )  # so the deletion stops when the answers are gone
        deletion = other.submit(root.delete, below)
        wait_until(lambda: is_waited_for(reader))
        meanwhile = [root.patch(sheets[-1], json=said), root.get(f"{below}/results/answers.csv")]
        reader.rollback()
        assert deletion.result().status_code == 204
    later = [root.patch(sheets[-1], json=said), root.get(f"{below}/results/answers.csv")]

    assert [(answer.status_code, answer.json()["code"]) for answer in meanwhile] == [(409, "wrong_state")] * 2
    assert [(answer.status_code, answer.json()["code"]) for answer in later] == [(404, "not_found")] * 2


def is_waited_for(holder: psycopg.Connection[Any]) -> bool:
    """Return whether somebody waits for a row that ``holder`` has locked."""
    asked = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
    row = holder.execute(asked).fetchone()
    return bool(row and row[0])
