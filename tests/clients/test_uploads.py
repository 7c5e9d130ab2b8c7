"""Other people's clients of uploads, through a network that cuts them off, against both servers."""

import json
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tusclient.client import TusClient

from batches.wording import MB
from tests.clients.node import node
from tests.clients.proxy import Proxy, a_proxy
from tests.clients.records import ProgramRecord, running
from tests.site import Site, wait_until
from tests.tus import Tus, a_zip

CHUNK_BYTES = 350_000
CUTS = 13  # for each of two clients at each of two servers: more than fifty in all


@dataclass(frozen=True)
class Office:
    """A served site behind a proxy, ann's scans, and where they arrive."""

    site: Site
    proxy: Proxy
    ann: Tus
    scans: Path
    workshop: Path

    @property
    def token(self) -> str:
        return str(self.ann.http.headers["Authorization"]).removeprefix("Bearer ")

    def begin(self) -> str:
        """Return the address of a new upload, behind the proxy."""
        return f"{self.proxy.url}{self.ann.begin(self.scans.stat().st_size)}"

    def with_tus_js(self, **options: Any) -> Any:
        known = {"token": self.token, "file": str(self.scans), "chunkSize": CHUNK_BYTES}
        given = json.dumps(known | {"endpoint": f"{self.proxy.url}/api/uploads"} | options)
        return running(node(), str(self.workshop / "upload.mjs"), given, folder=self.workshop)

    def with_tuspy(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        client = TusClient(f"{self.proxy.url}/api/uploads", headers=headers)
        patience = {"retries": 100, "retry_delay": 0.02}
        with self.scans.open("rb") as file:
            client.uploader(file_stream=file, url=url, chunk_size=CHUNK_BYTES, **patience).upload()

    def has_all(self, url: str) -> bool:
        """Return whether what arrived is what was sent, and is a batch that waits for a runner."""
        name = url.rpartition("/")[2]
        arrived = (self.site.var / "uploads" / f"{name}.zip").read_bytes()
        return arrived == self.scans.read_bytes() and self.ann.batch(name)["status"] == "queued"


@pytest.fixture(scope="module")
def site(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    var = tmp_path_factory.mktemp("tus") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var)
    site.add_user("ann")
    (var / "scans.zip").write_bytes(a_zip(6 * MB))
    return site


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def office(request: pytest.FixtureRequest, site: Site, workshop: Path) -> Iterator[Office]:
    with (
        site.serve(request.param) as url,
        a_proxy(int(url.rpartition(":")[2])) as proxy,
        closing(Tus.login(url, "ann")) as ann,
    ):
        yield Office(site, proxy, ann, site.var / "scans.zip", workshop)


@pytest.fixture
def cuts(office: Office) -> Iterator[None]:
    office.proxy.cut_after.extend(random.Random(7).randrange(1_000, 300_000) for _ in range(CUTS))
    yield
    assert not office.proxy.cut_after  # all of them happened


@pytest.mark.usefixtures("cuts")
def test_tus_js_client_is_cut_off_at_random_places_and_every_byte_arrives_once(office: Office) -> None:
    url = office.begin()

    with office.with_tus_js(uploadUrl=url) as record:
        wait_until(lambda: record.has_ended)

    assert record.lines[-1] == {"over": "done"}
    assert office.has_all(url)


@pytest.mark.usefixtures("cuts")
def test_tuspy_is_cut_off_at_random_places_and_every_byte_arrives_once(office: Office) -> None:
    url = office.begin()

    office.with_tuspy(url)

    assert office.has_all(url)


def test_tus_js_client_is_killed_again_and_again_and_finds_its_upload_by_the_file(office: Office) -> None:
    memory = str(office.workshop / "uploads.json")
    office.proxy.slow_seconds = 0.004
    urls = set()
    for least in (1, 2, 3):
        with office.with_tus_js(memory=memory) as record:
            wait_until(lambda record=record, least=least: accepted(record) > least * MB)
            urls |= set(record.all("url"))
    office.proxy.slow_seconds = 0.0

    with office.with_tus_js(memory=memory) as record:
        wait_until(lambda: record.has_ended)

    assert record.lines[-1] == {"over": "done"}
    assert len(urls) == 1
    assert office.has_all(urls.pop())
    Path(memory).unlink()


def accepted(record: ProgramRecord) -> int:
    return max(record.all("accepted"), default=0)


def test_two_clients_on_one_upload_take_it_from_each_other_and_no_byte_is_there_twice(office: Office) -> None:
    url = office.begin()
    tuspy = threading.Thread(target=office.with_tuspy, args=(url,))

    with office.with_tus_js(uploadUrl=url) as record:
        tuspy.start()
        wait_until(lambda: record.has_ended)
        tuspy.join()

    assert record.lines[-1] == {"over": "done"}
    assert office.has_all(url)
    messages = office.ann.messages(url)
    assert messages.count("Reassembling upload") == 1
    assert messages[0] == "Chunk 1/1 uploaded (6.00MB)"


def test_a_client_that_missed_the_answer_to_its_last_byte_may_ask_with_an_empty_request(office: Office) -> None:
    content = office.scans.read_bytes()
    address = office.ann.begin(len(content))
    office.ann.patch(address, content, 0)

    answer = office.ann.patch(address, b"", len(content))

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(len(content)))
    assert office.ann.patch(address, b"", 1).status_code == 409
