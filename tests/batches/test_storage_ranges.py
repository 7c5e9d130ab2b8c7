"""Reading archives that lie in an S3 storage: by ranges, through faults, out of a cache that is bounded."""

import os
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batches import storage_ranges
from batches.archive import Archive, facts_of
from batches.directory import index_archive, list_entries, locate_entry
from batches.errors import NoSpaceLeft, StorageRefused, StorageUnreachable
from batches.storage_cache import BLOCK_BYTES, FOLDER_VARIABLE, Cache
from batches.storage_ranges import RangedFile
from tests.pages import a_zip
from tests.parts import a_small_disk
from tests.storage import SECRET, Storage, storage, storage_server

__all__ = ["storage", "storage_server"]

CONTENT = random.Random(1).randbytes(8 * BLOCK_BYTES + 12_345)


@pytest.fixture
def location(storage: Storage) -> str:
    """Where 8 MB lie that are like no others."""
    address = storage.put("scans.zip", CONTENT)
    storage.requests.clear()
    return address


@pytest.fixture
def opened(location: str) -> Iterator[RangedFile]:
    file = RangedFile(location)
    yield file
    file.close()


def read(location: str, size_bytes: int, offset: int) -> bytes:
    file = RangedFile(location)
    try:
        return file.pread(size_bytes, offset)
    finally:
        file.close()


def cached_files() -> list[Path]:
    return sorted(Path(os.environ[FOLDER_VARIABLE]).glob("*.cached"))


def taken_bytes() -> int:
    return sum(path.stat().st_blocks * 512 for path in cached_files())


def test_whatever_is_read_is_what_lies_there(opened: RangedFile) -> None:
    dice = random.Random(2)

    for _ in range(60):
        offset, size_bytes = dice.randrange(len(CONTENT) + 100), dice.choice([0, 1, 4_000, 900_000, 3_000_000])
        assert opened.pread(size_bytes, offset) == CONTENT[offset : offset + size_bytes]

    assert opened.size_bytes == len(CONTENT)


def test_only_what_is_asked_for_is_fetched_and_only_once(storage: Storage, location: str) -> None:
    page = read(location, 700_000, 5_000_000)
    again = read(location, 700_000, 5_000_000)

    assert page == again == CONTENT[5_000_000:5_700_000]
    assert storage.downloaded_bytes == 2 * BLOCK_BYTES
    assert sum(method == "GET" for method, _ in storage.requests) == 1


def test_who_reads_on_and_on_gets_more_with_each_request(storage: Storage, opened: RangedFile) -> None:
    whole = b"".join(opened.pread(30_000, offset) for offset in range(0, len(CONTENT), 30_000))

    assert whole == CONTENT
    assert sum(method == "GET" for method, _ in storage.requests) <= 4


def test_what_is_expected_is_fetched_at_once_and_read_without_another_request(
    storage: Storage, opened: RangedFile
) -> None:
    opened.expect([(400_000, 0), (400_000, 400_000), (700_000, 7_000_000)])
    storage.requests.clear()

    assert opened.pread(800_000, 0) == CONTENT[:800_000]
    assert opened.pread(700_000, 7_000_000) == CONTENT[7_000_000:7_700_000]
    assert storage.requests == []


def test_a_download_that_breaks_off_goes_on_behind_the_last_block_that_came(
    storage: Storage, opened: RangedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_ranges, "PAUSE_SECONDS", 0.01)
    storage.breaks_off_after[:] = [5 * BLOCK_BYTES // 2, 0, BLOCK_BYTES]

    content = opened.pread(6 * BLOCK_BYTES, 0)

    assert content == CONTENT[: 6 * BLOCK_BYTES]
    starts = [asked.removeprefix("bytes=").split("-")[0] for method, asked in storage.requests if method == "GET"]
    assert starts == [str(block * BLOCK_BYTES) for block in (0, 2, 2, 3)]


def test_a_storage_that_comes_back_is_waited_for(storage: Storage, opened: RangedFile) -> None:
    with storage.away():
        threading.Timer(0.4, storage.comes_back).start()

        assert opened.pread(1000, 3_000_000) == CONTENT[3_000_000:3_001_000]


def test_a_storage_that_stays_away_is_named_with_what_to_do(
    storage: Storage, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_ranges, "PATIENCE_SECONDS", 0.1)
    file = RangedFile(location)

    with storage.away(), pytest.raises(StorageUnreachable) as caught:
        file.pread(1000, 0)
    file.close()

    assert caught.value.code == "storage_unreachable"
    assert caught.value.message.startswith("The archives at s3://exams cannot be reached from ")
    assert "continue: nothing is lost" in caught.value.message


@pytest.mark.parametrize(("status", "error"), [(403, StorageRefused), (503, StorageUnreachable)])
def test_a_storage_that_says_no_is_told_from_one_that_will_say_yes_soon(
    storage: Storage, location: str, status: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_ranges, "PATIENCE_SECONDS", 0.1)
    storage.refuses_with = status

    with pytest.raises(error) as caught:
        RangedFile(location)

    assert SECRET not in f"{caught.value} {caught.value.details}"  # type: ignore[attr-defined]


def test_a_machine_without_credentials_is_named_with_what_it_needs(
    storage: Storage, location: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(StorageRefused) as caught:
        RangedFile(location)

    assert f"from {socket.gethostname()} (Unable to locate credentials)" in caught.value.message
    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL_S3" in caught.value.message


def test_an_archive_that_is_not_there_is_a_file_that_is_not_there(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        facts_of("s3://exams/gone.zip")


def test_an_archive_that_is_replaced_while_it_is_read_is_never_mixed_with_the_other(
    storage: Storage, opened: RangedFile
) -> None:
    opened.pread(1000, 0)
    storage.put("scans.zip", bytes(len(CONTENT)))

    with pytest.raises(FileNotFoundError):
        opened.pread(1000, 5_000_000)

    assert read("s3://exams/scans.zip", 1000, 0) == bytes(1000)


def test_a_block_that_a_power_cut_took_is_fetched_again(storage: Storage, location: str) -> None:
    read(location, 1000, 2 * BLOCK_BYTES)
    (file,) = cached_files()
    with file.open("r+b") as hurt:
        hurt.seek(2 * BLOCK_BYTES + 500)
        hurt.write(bytes(1000))

    assert read(location, 1000, 2 * BLOCK_BYTES) == CONTENT[2 * BLOCK_BYTES :][:1000]
    assert storage.downloaded_bytes == 2 * BLOCK_BYTES


def test_many_who_read_the_same_archive_at_once_all_get_it_right(location: str) -> None:
    places = [random.Random(seed).sample(range(0, len(CONTENT), 500_000), 12) for seed in range(6)]

    def read_all(offsets: list[int]) -> bool:
        return all(read(location, 200_000, offset) == CONTENT[offset : offset + 200_000] for offset in offsets)

    with ThreadPoolExecutor(6) as readers:
        assert all(readers.map(read_all, places))


# --- The cache --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cache:
    """Room for five blocks."""
    cache = Cache(tmp_path / "cache", 5 * BLOCK_BYTES)
    monkeypatch.setattr(Cache, "configured", lambda: cache)
    return cache


def test_the_cache_never_takes_more_than_it_may(storage: Storage, small_cache: Cache) -> None:
    locations = [storage.put(f"{number}.zip", CONTENT[number:]) for number in range(4)]

    for offset in range(0, 6 * BLOCK_BYTES, 2 * BLOCK_BYTES):
        for number, location in enumerate(locations):
            assert read(location, 1000, offset) == CONTENT[number:][offset : offset + 1000]
            assert taken_bytes() <= small_cache.most_bytes + 64 * 2**10  # records, and what a file system adds


def test_the_archive_that_was_not_used_for_longest_goes_first(storage: Storage, small_cache: Cache) -> None:
    old, kept, new = (storage.put(f"{name}.zip", CONTENT) for name in ("old", "kept", "new"))
    read(old, 1000, 0)
    read(kept, 2 * BLOCK_BYTES, 0)
    storage.requests.clear()

    read(new, 2 * BLOCK_BYTES, 0)
    read(kept, 2 * BLOCK_BYTES, 0)

    assert storage.downloaded_bytes == 2 * BLOCK_BYTES
    assert len(cached_files()) == 2


def test_an_archive_larger_than_the_cache_is_read_all_the_same(
    storage: Storage, small_cache: Cache, opened: RangedFile
) -> None:
    whole = b"".join(opened.pread(BLOCK_BYTES, offset) for offset in range(0, len(CONTENT), BLOCK_BYTES))

    assert whole == CONTENT


def test_who_has_an_archive_open_reads_on_when_it_is_removed(opened: RangedFile) -> None:
    opened.pread(1000, 0)
    Cache.configured().forget("s3://exams/scans.zip")

    assert cached_files() == []
    assert opened.pread(1000, 0) == CONTENT[:1000]
    assert opened.pread(1000, 4_000_000) == CONTENT[4_000_000:4_001_000]


def test_what_nobody_used_for_two_weeks_goes(storage: Storage, location: str) -> None:
    read(location, 1000, 0)
    (forgotten,) = cached_files()
    os.utime(forgotten, (0, 0))

    read(storage.put("new.zip", CONTENT), 1000, 0)

    assert forgotten not in cached_files()


def test_a_file_that_was_sent_becomes_the_cached_one(storage: Storage, location: str, tmp_path: Path) -> None:
    upload = tmp_path / "upload.zip"
    upload.write_bytes(CONTENT)
    number = upload.stat().st_ino
    etag = storage_ranges.facts_of_remote(location).etag

    Cache.configured().adopt(upload, location, etag)

    assert read(location, len(CONTENT), 0) == CONTENT
    assert storage.downloaded_bytes == 0
    assert [file.stat().st_ino for file in cached_files()] == [number]


def test_a_file_too_large_for_the_cache_is_dropped_once_it_was_sent(
    storage: Storage, location: str, small_cache: Cache, tmp_path: Path
) -> None:
    upload = tmp_path / "upload.zip"
    upload.write_bytes(CONTENT)

    small_cache.adopt(upload, location, "etag")

    assert not upload.exists()
    assert cached_files() == []


def test_a_disk_without_room_for_what_is_read_is_told_with_what_to_do(
    storage: Storage, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_small_disk(tmp_path / "disk", 3 * BLOCK_BYTES) as disk:
        monkeypatch.setenv(FOLDER_VARIABLE, str(disk))

        with pytest.raises(NoSpaceLeft, match="or set ARCHIVE_CACHE_GB to less"):
            read(location, 6 * BLOCK_BYTES, 0)


# --- A ZIP ------------------------------------------------------------------------------------------------------------


def test_a_page_of_a_large_zip_costs_the_end_of_it_and_the_page(storage: Storage, tmp_path: Path) -> None:
    members = {f"page_{number}.jpg": random.Random(number).randbytes(600_000) for number in range(20)}
    local = a_zip(tmp_path / "scans.zip", members)
    location = storage.put("scans.zip", local.read_bytes())
    storage.requests.clear()

    page = locate_entry(location, list_entries(location)["page_7.jpg"])
    with Archive(location) as archive:
        content = archive.read(page)

    assert content == members["page_7.jpg"]
    assert storage.downloaded_bytes <= 4 * BLOCK_BYTES


def test_a_zip_in_a_bucket_has_the_same_pages_as_on_the_disk(storage: Storage, tmp_path: Path) -> None:
    members = {f"page_{number}.jpg": random.Random(number).randbytes(400_000) for number in range(9)}
    local = a_zip(tmp_path / "scans.zip", members)
    location = storage.put("scans.zip", local.read_bytes())

    pages = index_archive(location)

    assert pages == index_archive(local)
    with Archive(location) as archive:
        assert {page.member: archive.read(page) for page in pages} == members
