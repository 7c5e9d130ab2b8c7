"""Disks that fill up, on a real one that is small: what arrived stays, and everybody is told."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from batches.errors import NoSpaceLeft
from batches.uploads.store import RESERVE_BYTES, UploadStore
from batches.wording import MB
from tests.parts import a_small_disk
from tests.site import Site
from tests.tus import Tus, a_zip

UPLOAD = uuid4()


def a_store(folder: Path, *, reserve_bytes: int = 0) -> UploadStore:
    store = UploadStore(lambda upload: folder / f"{upload}.zip", reserve_bytes)
    store.create(UPLOAD)
    return store


@contextmanager
def filled(folder: Path, *, but_bytes: int) -> Iterator[None]:
    """Leave only so much of the disk free."""
    disk = os.statvfs(folder)
    with (folder / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - but_bytes)
    yield
    (folder / "filler").unlink()


def test_a_full_disk_keeps_what_it_took_and_the_upload_goes_on_when_there_is_room(tmp_path: Path):
    content = os.urandom(2 * MB)
    with a_small_disk(tmp_path / "disk", 4 * MB) as disk:
        store = a_store(disk)
        with filled(disk, but_bytes=MB + 5000), store.open(UPLOAD, size_bytes=len(content)) as file:
            file.append(content[:MB])
            with pytest.raises(NoSpaceLeft, match=r"full after 1\.00MB of 2\.00MB; what had arrived is kept"):
                file.append(content[MB:])

        with store.open(UPLOAD, size_bytes=len(content)) as file:
            file.append(content[file.offset :])
            file.sync()
        assert store.path(UPLOAD).read_bytes() == content


def test_an_upload_leaves_the_reserve_of_the_disk_to_the_rest_of_the_site(tmp_path: Path):
    with a_small_disk(tmp_path / "disk", 8 * MB) as disk:
        store = a_store(disk, reserve_bytes=4 * MB)

        with store.open(UPLOAD, size_bytes=8 * MB) as file:
            for _ in range(3):
                file.append(bytes(MB))
            with pytest.raises(NoSpaceLeft):
                file.append(bytes(2 * MB))
            assert file.offset == 3 * MB


def test_somebody_can_take_over_on_a_full_disk(tmp_path: Path):
    with a_small_disk(tmp_path / "disk", MB) as disk:
        store = a_store(disk)
        with filled(disk, but_bytes=0), store.open(UPLOAD, size_bytes=MB) as file:
            store.turn(UPLOAD).claim()

            assert file.is_wanted


@pytest.fixture(params=["uvicorn", "daphne"])
def ann(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> Iterator[tuple[Tus, Path]]:
    """Ann, at a site whose uploads have a disk of their own with room for 64 MB."""
    shutil.copytree(migrated, tmp_path / "var", ignore=shutil.ignore_patterns("redis"))
    site = Site(tmp_path / "var")
    site.add_user("ann")
    with ExitStack() as stack:
        disk = stack.enter_context(a_small_disk(site.var / "uploads", RESERVE_BYTES + 64 * MB))
        url = stack.enter_context(site.serve(request.param))
        yield stack.enter_context(closing(Tus.login(url, "ann"))), disk


def test_a_disk_that_fills_up_in_the_middle_is_told_to_the_sender_who_goes_on_later(ann: tuple[Tus, Path]):
    tus, disk = ann
    content = a_zip(6 * MB)
    address = tus.begin(len(content))
    with filled(disk, but_bytes=RESERVE_BYTES + 2 * MB + 5000):
        refused = tus.patch(address, content, 0)
        kept = tus.offset(address)

    assert (refused.status_code, refused.json()["code"]) == (507, "no_space")
    assert "what had arrived is kept: free some space on the server and go on" in refused.json()["detail"]
    assert 0 < kept <= 2 * MB + 5000
    assert tus.patch(address, content[kept:], kept).status_code == 204
    assert (disk / f"{address.rpartition('/')[2]}.zip").read_bytes() == content


def test_what_the_disk_cannot_take_with_the_work_on_it_is_refused_before_it_begins(ann: tuple[Tus, Path]):
    tus, _ = ann

    refused = tus.create(60 * MB)
    assert (refused.status_code, refused.json()["code"]) == (507, "no_space")
    assert "the file and the work on it need 72.00MB and there is room for 64.00MB" in refused.json()["detail"]

    tus.begin(30 * MB)  # which need 36 MB
    assert tus.create(30 * MB).status_code == 507
    assert tus.create(20 * MB).status_code == 201
