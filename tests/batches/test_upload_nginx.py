"""Uploads through nginx as docs/deploy/nginx.conf sets it up, over connections that break."""

import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from batches.wording import MB
from benchmarks.uploading.proxy import find_nginx, nginx_before
from benchmarks.uploading.sender import Sender
from tests.parts import without
from tests.site import Site, free_port, wait_until
from tests.tus import Tus, a_zip

SIZE = 40 * MB


@pytest.fixture(scope="module")
def behind(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Tus, int]]:
    """A site served by uvicorn, ann at nginx before it, and the port of that."""
    if find_nginx() is None:
        without("nginx", "apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    shutil.copytree(migrated, folder / "var", ignore=shutil.ignore_patterns("redis"))
    site, port = Site(folder / "var"), free_port()
    site.add_user("ann")
    with ExitStack() as stack:
        stack.enter_context(site.serve("uvicorn", port))
        front = stack.enter_context(nginx_before(port, folder / "nginx"))
        yield site, stack.enter_context(closing(Tus.login(f"http://127.0.0.1:{front}", "ann"))), front


def test_an_upload_whose_connection_is_cut_five_times_arrives_whole(behind: tuple[Site, Tus, int], tmp_path: Path):
    site, ann, front = behind
    (file := tmp_path / "exam.zip").write_bytes(content := a_zip(SIZE))
    sender = Sender(front, ann.http.headers["Authorization"])
    cuts = sorted(random.Random(7).randrange(4 * MB, SIZE) for _ in range(5))

    address = sender.begin(file, "standard-150")
    went_on_at = sender.send(address, file, cuts=cuts)

    assert went_on_at[-1] > 0  # of what came before a cut, something was kept
    assert all(offset <= cut for offset, cut in zip(went_on_at, cuts, strict=True))
    assert file_of(site, address).read_bytes() == content
    assert ann.batch(address)["status"] == "queued"


def test_nginx_hands_bytes_on_as_they_come_and_does_not_limit_a_zip(behind: tuple[Site, Tus, int]):
    site, ann, _ = behind
    address = ann.begin(200 * MB)

    with closing(ann.send_part(address, bytes(3 * MB), announced=200 * MB)):
        wait_until(lambda: file_of(site, address).stat().st_size == 3 * MB)

    assert ann.offset(address) == 3 * MB
    ann.delete(address)


def test_whoever_is_not_let_in_hears_it_through_nginx(behind: tuple[Site, Tus, int]):
    _, ann, _ = behind
    ann.http.headers["Authorization"], kept = "Bearer nonsense", ann.http.headers["Authorization"]
    try:
        assert ann.create(10).status_code == 401
    finally:
        ann.http.headers["Authorization"] = kept


def file_of(site: Site, address: str) -> Path:
    return site.var / "uploads" / f"{address.rpartition('/')[2]}.zip"
