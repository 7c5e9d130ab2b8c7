"""Clients that are gone and whose connections are not: nobody has to wait for them, in whichever process they hang."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from batches.wording import MB
from tests.site import Site, free_port, wait_for_answer, wait_until
from tests.tus import Tus, a_zip

SMALL = a_zip(3 * MB)
SENT = MB + 7
LET_GO_SECONDS = 2.0  # it is half a second where nobody else needs the machine


@pytest.fixture(scope="module")
def site_of_ann(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    var = tmp_path_factory.mktemp("hanging") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var, {"UPLOADS_PER_USER": "100"})
    site.add_user("ann")
    return site


@pytest.fixture(scope="module")
def two_doors(site_of_ann: Site) -> Iterator[tuple[Tus, Tus]]:
    """Ann at two web processes of one site."""
    with ExitStack() as stack:
        urls = [stack.enter_context(site_of_ann.serve("uvicorn")) for _ in range(2)]
        here, there = (stack.enter_context(closing(Tus.login(url, "ann"))) for url in urls)
        yield here, there


def file_of(site: Site, address: str) -> Path:
    return site.var / "uploads" / f"{address.rpartition('/')[2]}.zip"


@pytest.mark.parametrize(
    ("come", "status"),
    [
        (lambda tus, address: tus.http.head(address), 200),
        (lambda tus, address: tus.patch(address, SMALL[SENT:], SENT), 204),
        (lambda tus, address: tus.delete(address), 204),
    ],
    ids=["HEAD", "PATCH", "DELETE"],
)
@pytest.mark.parametrize("process", ["another", "the same"])
def test_a_request_takes_over_from_a_connection_that_hangs(
    site_of_ann: Site, two_doors: tuple[Tus, Tus], process: str, come: Callable, status: int
):
    here, there = two_doors
    address = there.begin(len(SMALL))
    file = file_of(site_of_ann, address)
    with closing(there.send_part(address, SMALL[:SENT], announced=len(SMALL))) as hanging:
        wait_until(lambda: file.stat().st_size == SENT)

        begun = time.monotonic()
        answer = come(here if process == "another" else there, address)
        took = time.monotonic() - begun

        assert answer.status_code == status
        assert took < LET_GO_SECONDS
        assert hanging.recv(4096).startswith(b"HTTP/1.1 409 ")
    assert answer.headers.get("Upload-Offset") in {None, str(SENT), str(len(SMALL))}
    assert not file.with_suffix(".turn").is_symlink()
    assert not file.exists() if answer.request.method == "DELETE" else file.read_bytes() == SMALL[: file.stat().st_size]


def test_ten_connections_may_hang_at_once_and_each_lets_go(site_of_ann: Site, two_doors: tuple[Tus, Tus]):
    here, there = two_doors
    addresses = [there.begin(len(SMALL)) for _ in range(10)]
    hanging = [there.send_part(address, SMALL[:SENT], announced=len(SMALL)) for address in addresses]
    wait_until(lambda: all(file_of(site_of_ann, address).stat().st_size == SENT for address in addresses))

    for address in addresses:
        assert here.patch(address, SMALL[SENT:], SENT).status_code == 204
    for connection in hanging:
        connection.close()
    assert {str(here.batch(address)["status"]) for address in addresses} == {"queued"}


def test_what_a_slow_client_sends_is_on_the_disk_within_a_second(site_of_ann: Site, two_doors: tuple[Tus, Tus]):
    here, _ = two_doors
    address = here.begin(len(SMALL))
    with closing(here.send_part(address, SMALL[:10], announced=len(SMALL))) as slow:
        for sent in (10, 20, 30):
            wait_until(lambda: file_of(site_of_ann, address).stat().st_size == sent, within_seconds=5)  # noqa: B023
            slow.sendall(SMALL[sent : sent + 10])

        assert here.offset(address) in (30, 40)


def test_a_client_that_stops_sending_is_told_so_and_what_came_is_kept(site_of_ann: Site):
    port = free_port()
    command = ("-m", "uvicorn", "--port", str(port), "--log-level", "warning", "tests.impatient:application")
    with site_of_ann.start(sys.executable, *command) as server:
        wait_for_answer(url := f"http://127.0.0.1:{port}", server)
        with closing(Tus.login(url, "ann")) as ann:
            address = ann.begin(len(SMALL))
            with closing(ann.send_part(address, SMALL[:SENT], announced=len(SMALL))) as silent:
                answer = b"".join(iter(lambda: silent.recv(4096), b""))  # and then the connection is closed

            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"nothing arrived for 1 s; what had arrived is kept" in answer
            assert ann.offset(address) == SENT
