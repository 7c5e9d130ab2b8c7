"""Where uploads lie while they arrive, and the check at their end."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from batches.errors import ArchiveRefused, NoSpaceLeft
from batches.uploads.arrival import Arrival, RunningDigest, UploadRefused, check_arrival
from batches.uploads.store import LengthExceeded, UploadBusy, UploadGone, UploadStore

UPLOAD = uuid4()


@pytest.fixture
def store(tmp_path: Path) -> UploadStore:
    store = UploadStore(lambda upload: tmp_path / "uploads" / f"{upload}.zip")
    store.create(UPLOAD)
    return store


def test_the_offset_is_the_length_of_the_file(store):
    with store.open(UPLOAD, size_bytes=10) as file:
        file.append(b"12345")

    assert store.offset(UPLOAD) == 5
    with store.open(UPLOAD, size_bytes=10) as file:
        assert file.offset == 5
        file.append(b"67890")
        assert file.is_complete
    assert store.path(UPLOAD).read_bytes() == b"1234567890"


def test_a_byte_too_many_is_refused_and_nothing_of_it_kept(store):
    with store.open(UPLOAD, size_bytes=4) as file:
        file.append(b"12")
        with pytest.raises(LengthExceeded):
            file.append(b"345")

    assert store.offset(UPLOAD) == 2


def test_what_is_taken_back_leaves_what_was_there_before(store):
    with store.open(UPLOAD, size_bytes=10) as file:
        file.append(b"12")
        file.append(b"xx")
        file.rewind(2)
        file.append(b"34")

    assert store.path(UPLOAD).read_bytes() == b"1234"


def test_only_one_writes_at_a_time(store):
    with store.open(UPLOAD, size_bytes=10), pytest.raises(UploadBusy):
        store.open(UPLOAD, size_bytes=10)

    store.open(UPLOAD, size_bytes=10).close()


def test_whoever_comes_last_is_let_in(store):
    first = store.open(UPLOAD, size_bytes=10)
    second, third = store.turn(UPLOAD), store.turn(UPLOAD)

    assert not first.is_wanted
    second.claim()
    assert first.is_wanted
    third.claim()
    first.close()

    with store.open(UPLOAD, size_bytes=10, turn=second) as file:
        assert file.is_wanted
    with store.open(UPLOAD, size_bytes=10, turn=third) as file:
        assert not file.is_wanted
    assert [path.name for path in store.path(UPLOAD).parent.iterdir()] == [f"{UPLOAD}.zip"]


def test_a_request_that_died_while_it_waited_is_in_nobodys_way_and_its_note_goes(store):
    store.turn(UPLOAD).claim()

    with store.open(UPLOAD, size_bytes=10) as file:
        assert not file.is_wanted
    note = store.path(UPLOAD).with_suffix(".turn")
    store.sweep(UPLOAD)
    assert note.is_symlink()
    os.utime(note, (0, 0), follow_symlinks=False)
    store.sweep(UPLOAD)
    assert not note.is_symlink()


def test_a_writer_that_is_killed_leaves_no_lock(store):
    hold = (
        "import pathlib, sys, uuid; from batches.uploads.store import UploadStore\n"
        "file = UploadStore(lambda _: pathlib.Path(sys.argv[1])).open(uuid.uuid4(), size_bytes=9)\n"
        "file.append(b'123'); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(store.path(UPLOAD))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"held\n"
        writer.kill()

    with store.open(UPLOAD, size_bytes=9) as file:
        assert file.offset == 3


def test_an_upload_that_was_ended_is_gone(store):
    store.discard(UPLOAD)
    store.discard(UPLOAD)

    with pytest.raises(UploadGone):
        store.offset(UPLOAD)
    with pytest.raises(UploadGone):
        store.open(UPLOAD, size_bytes=10)


def test_two_uploads_never_share_a_file(store):
    with pytest.raises(FileExistsError):
        store.create(UPLOAD)


def test_a_full_disk_is_told_of_and_keeps_what_it_took(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    store = UploadStore(lambda _: tmp_path / "full")

    with store.open(UPLOAD, size_bytes=10) as file, pytest.raises(NoSpaceLeft, match="what had arrived is kept"):
        file.append(b"1")


def test_a_file_that_the_disk_cannot_take_is_refused_before_it_begins(store):
    free = os.statvfs(store.path(UPLOAD).parent)

    with pytest.raises(NoSpaceLeft, match="there is room for"):
        store.check_room(UPLOAD, free.f_bavail * free.f_frsize)
    with pytest.raises(NoSpaceLeft):
        store.check_room(UPLOAD, 1, promised=free.f_bavail * free.f_frsize)
    store.check_room(UPLOAD, 1)


def test_the_digest_of_what_arrives_piece_by_piece_is_that_of_the_whole():
    running = RunningDigest()
    running.add(b"abc", at=0)
    running.add(b"def", at=3)

    assert running.of(6) == hashlib.sha256(b"abcdef").hexdigest()
    assert running.of(7) == ""


def test_the_digest_is_not_believed_when_bytes_were_taken_back_or_came_elsewhere():
    running = RunningDigest()
    running.add(b"abcXXX", at=0)  # of which the last three were dropped
    running.add(b"def", at=3)
    running.add(b"ghi", at=6)
    assert running.of(9) == ""

    running.add(b"abc", at=0)
    assert running.of(3) == hashlib.sha256(b"abc").hexdigest()


def arrival(path: Path, **told: object) -> Arrival:
    """What lies at ``path``, described rightly but for what is ``told``."""
    content = path.read_bytes()
    right = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return Arrival(path=path, **(right | told))


def test_an_upload_that_is_what_was_announced_is_good(tmp_path):
    file = tmp_path / "exam.zip"
    file.write_bytes(b"x" * 3_000_000)

    check_arrival(arrival(file), alive=lambda: None)


@pytest.mark.parametrize(
    ("told", "code"),
    [({"size_bytes": 4}, "upload_incomplete"), ({"sha256": "0" * 64}, "upload_altered")],
)
def test_an_upload_that_is_not_what_was_announced_is_refused(tmp_path, told, code):
    file = tmp_path / "exam.zip"
    file.write_bytes(b"xyz")

    with pytest.raises(UploadRefused, match="upload the ZIP again") as refused:
        check_arrival(arrival(file, **told), alive=lambda: None)

    assert refused.value.code == code


def test_a_long_check_can_be_ended(tmp_path):
    file = tmp_path / "exam.zip"
    file.write_bytes(b"x" * 2_000_000)

    def cancelled() -> None:
        raise ArchiveRefused("enough")

    with pytest.raises(ArchiveRefused, match="enough"):
        check_arrival(arrival(file), alive=cancelled)
