"""The upload door, asked as clients ask it: over HTTP, of daphne and of uvicorn, with real bytes."""

import hashlib
import os
import random
import shutil
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient

from batches.wording import MB
from tests.site import Site, free_port, wait_for_answer
from tests.tus import BYTES, Tus, a_zip, metadata

SMALL = a_zip(3 * MB)
DEADLINE_SECONDS = 10


@dataclass(frozen=True)
class Door:
    """A served site, and two people who know nothing of each other."""

    site: Site
    server: str
    url: str
    ann: Tus
    bob: Tus

    def file(self, address: str) -> Path:
        return self.site.var / "uploads" / f"{address.rpartition('/')[2]}.zip"


@pytest.fixture(scope="module")
def peopled(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    var = tmp_path_factory.mktemp("uploads") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var, {"MAX_UPLOAD_GB": "1", "UPLOADS_PER_USER": "1000"})
    for name in ("ann", "bob"):
        site.add_user(name)
    return site


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def door(request: pytest.FixtureRequest, peopled: Site) -> Iterator[Door]:
    yield from opened(peopled, request.param)


@pytest.fixture(scope="module")
def uvicorn(peopled: Site) -> Iterator[Door]:
    """For what daphne cannot do: it waits for a whole body before anybody sees a byte of it."""
    yield from opened(peopled, "uvicorn")


def opened(site: Site, server: str) -> Iterator[Door]:
    with site.serve(server) as url, closing(Tus.login(url, "ann")) as ann, closing(Tus.login(url, "bob")) as bob:
        yield Door(site, server, url, ann, bob)


def until(true: Callable[[], bool]) -> None:
    """Return when ``true`` says so."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


# --- A ZIP arrives -----------------------------------------------------------------------------------------------


def test_an_upload_by_a_tus_client_becomes_a_queued_batch_with_the_same_bytes(door: Door):
    client = TusClient(f"{door.url}/api/uploads", headers={"Authorization": door.ann.http.headers["Authorization"]})
    told = {"filename": "exam.zip", "template": "standard-150", "name": "Summer"}

    uploader = client.uploader(file_stream=BytesIO(SMALL), chunk_size=700_000, metadata=told)
    uploader.upload()

    address = httpx.URL(uploader.url).path
    batch = door.ann.batch(address)
    assert (batch["status"], batch["name"]) == ("queued", "Summer")
    assert door.file(address).read_bytes() == SMALL


def test_every_50_mb_is_told_whatever_the_requests_carry(door: Door):
    content = a_zip(52 * MB + 94_372)  # 52.09 MB
    address = door.ann.begin(len(content))

    for offset in range(0, len(content), 20 * MB):
        assert door.ann.patch(address, content[offset : offset + 20 * MB], offset).status_code == 204

    events = door.ann.events(address)
    seconds = int(str(events[3]["message"]).removeprefix("Upload reassembled: 52.09MB in ").removesuffix("s"))
    assert [event["message"] for event in events] == [
        "Chunk 1/2 uploaded (50.00MB)",
        "Chunk 2/2 uploaded (2.09MB)",
        "Reassembling upload",
        f"Upload reassembled: 52.09MB in {seconds}s",
        "Waiting: no runner is active",
    ]
    assert [event["progress_percentage"] for event in events] == [96.0, 100, 100, 100, 100]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert {event["stage"] for event in events} == {"uploading"}
    assert door.file(address).read_bytes() == content


def test_a_small_file_is_one_chunk(door: Door):
    address = door.ann.begin(len(SMALL))

    door.ann.patch(address, SMALL[:1000], 0)
    assert door.ann.messages(address) == []
    door.ann.patch(address, SMALL[1000:], 1000)

    assert door.ann.messages(address)[:2] == ["Chunk 1/1 uploaded (3.00MB)", "Reassembling upload"]


def test_the_first_bytes_may_come_with_the_creation(door: Door):
    begun = door.ann.create(len(SMALL), content=SMALL[:MB], Content_Type=BYTES)

    assert (begun.status_code, begun.headers["Upload-Offset"]) == (201, str(MB))
    assert door.ann.patch(begun.headers["Location"], SMALL[MB:], MB).headers["Upload-Offset"] == str(len(SMALL))
    assert door.ann.batch(begun.headers["Location"])["status"] == "queued"


def test_a_request_that_came_right_behind_an_upload_is_answered(door: Door):
    address = door.ann.begin(len(SMALL))
    authorization = door.ann.http.headers["Authorization"]
    next_request = f"HEAD {address} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nConnection: close\r\n"
    next_request += f"Authorization: {authorization}\r\n\r\n"

    with closing(door.ann.send_part(address, SMALL + next_request.encode(), announced=len(SMALL))) as connection:
        answers = connection.makefile("rb").read()

    assert [line for line in answers.splitlines() if line.startswith(b"HTTP/1.1")] == [
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 200 OK",
    ]
    assert door.file(address).read_bytes() == SMALL


def test_the_offset_is_told_with_the_length_and_what_was_said_of_the_file(door: Door):
    address = door.ann.begin(len(SMALL))
    door.ann.patch(address, SMALL[:1234], 0)

    head = door.ann.http.head(address)

    assert head.headers["Upload-Offset"] == "1234"
    assert head.headers["Upload-Length"] == str(len(SMALL))
    assert head.headers["Upload-Metadata"] == metadata(filename="exam.zip", template="standard-150", name="exam")
    assert head.headers["Cache-Control"] == "no-store"
    assert head.headers["Tus-Resumable"] == "1.0.0"


def test_the_abilities_are_told_to_everybody(door: Door):
    told = httpx.options(f"{door.url}/api/uploads")

    assert told.status_code == 204
    assert told.headers["Tus-Version"] == "1.0.0"
    assert told.headers["Tus-Extension"] == "creation,creation-with-upload,termination,expiration,checksum"
    assert told.headers["Tus-Max-Size"] == str(2**30)


def test_a_method_may_be_named_in_a_header_where_the_network_lets_none_but_post_through(door: Door):
    address = door.ann.begin(len(SMALL))
    headers = {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0", "Content-Type": BYTES}

    assert door.ann.http.post(address, headers=headers, content=SMALL[:10]).headers["Upload-Offset"] == "10"


# --- Something breaks --------------------------------------------------------------------------------------------


def test_a_client_that_is_cut_off_goes_on_and_the_bytes_are_the_same(door: Door):
    address = door.ann.begin(len(SMALL))
    door.ann.send_part(address, SMALL[: 2 * MB], announced=len(SMALL)).close()

    # What lay in the server's own buffer goes with the connection.
    least = {"uvicorn": 2 * MB - 512 * 1024, "daphne": 0}[door.server]
    until(lambda: door.file(address).stat().st_size >= least)
    offset = door.ann.offset(address)
    assert door.ann.patch(address, SMALL[offset:], offset).status_code == 204

    assert door.file(address).read_bytes() == SMALL
    assert door.ann.batch(address)["status"] == "queued"


def test_a_connection_that_hangs_does_not_block_a_resume_and_every_byte_of_it_counts(uvicorn: Door):
    address = uvicorn.ann.begin(len(SMALL))
    with closing(uvicorn.ann.send_part(address, SMALL[: MB + 7], announced=len(SMALL))) as hanging:
        until(lambda: uvicorn.file(address).stat().st_size == MB + 7)

        assert uvicorn.ann.offset(address) == MB + 7
        assert uvicorn.ann.patch(address, SMALL[MB + 7 :], MB + 7).status_code == 204
        answer = hanging.recv(4096)

    assert b" 409 " in answer.splitlines()[0]
    assert b"taken_over" in answer
    assert uvicorn.file(address).read_bytes() == SMALL


def test_a_server_that_is_killed_in_the_middle_has_kept_what_came(peopled: Site):
    port = free_port()
    command = ("-m", "uvicorn", "--port", str(port), "--log-level", "warning", "omr_project.asgi:application")
    with peopled.start(sys.executable, *command) as server:
        wait_for_answer(url := f"http://127.0.0.1:{port}", server)
        with closing(Tus.login(url, "ann")) as ann:
            address = ann.begin(len(SMALL))
            file = peopled.var / "uploads" / f"{address.rpartition('/')[2]}.zip"
            sending = ann.send_part(address, SMALL[:MB], announced=len(SMALL))
        with closing(sending):
            until(lambda: file.stat().st_size == MB)
            server.kill()
            server.wait()

    with peopled.serve("daphne") as url, closing(Tus.login(url, "ann")) as ann:
        assert ann.offset(address) == MB
        assert ann.patch(address, SMALL[MB:], MB).status_code == 204
        assert ann.batch(address)["status"] == "queued"
    assert file.read_bytes() == SMALL


def test_an_upload_whose_server_died_after_its_last_byte_is_finished_when_the_client_asks(door: Door):
    address = door.ann.begin(len(SMALL))
    door.ann.patch(address, SMALL[:-5], 0)
    with door.file(address).open("ab") as file:  # all that a server leaves that dies then
        file.write(SMALL[-5:])

    assert door.ann.offset(address) == len(SMALL)

    assert door.ann.batch(address)["status"] == "queued"
    assert door.ann.messages(address)[0] == "Chunk 1/1 uploaded (3.00MB)"


def test_an_upload_whose_server_died_after_its_last_byte_is_taken_by_the_runner(uvicorn: Door):
    address = uvicorn.ann.begin(len(SMALL))
    uvicorn.ann.patch(address, SMALL[:-5], 0)
    with uvicorn.file(address).open("ab") as file:
        file.write(SMALL[-5:])

    with uvicorn.site.runner("--processes", "1"):
        until(lambda: "Extracting ZIP" in uvicorn.ann.messages(address))

    messages = uvicorn.ann.messages(address)
    assert messages[:2] == ["Chunk 1/1 uploaded (3.00MB)", "Reassembling upload"]
    assert str(messages[2]).startswith("Upload reassembled: 3.00MB in ")
    assert messages[3] == "Extracting ZIP"


def test_bytes_with_the_right_digest_are_kept_and_with_a_wrong_one_dropped(door: Door):
    address = door.ann.begin(len(SMALL))

    def sent(content: bytes, offset: int, of: bytes) -> httpx.Response:
        digest = b64encode(hashlib.sha1(of, usedforsecurity=False).digest()).decode()
        return door.ann.patch(address, content, offset, Upload_Checksum=f"sha1 {digest}")

    assert sent(SMALL[:MB], 0, of=SMALL[:MB]).status_code == 204
    refused = sent(SMALL[MB:], MB, of=b"something else")
    assert (refused.status_code, refused.json()["code"]) == (460, "checksum_mismatch")
    assert door.ann.offset(address) == MB
    assert door.ann.messages(address) == []
    assert sent(SMALL[MB:], MB, of=SMALL[MB:]).status_code == 204
    assert door.ann.batch(address)["status"] == "queued"


# --- The ZIP is no good ------------------------------------------------------------------------------------------


def test_what_is_no_zip_fails_with_a_sentence_for_the_sender_and_for_everybody_who_watches(door: Door):
    content = random.Random(5).randbytes(100_000)
    address = door.ann.begin(len(content))

    refused = door.ann.patch(address, content, 0)

    assert (refused.status_code, refused.json()["code"]) == (422, "not_a_zip")
    last = door.ann.events(address)[-1]
    assert (last["stage"], last["code"], last["failed_stage"]) == ("failed", "not_a_zip", "uploading")
    assert (
        last["message"] == refused.json()["detail"] == "exam.zip is not a ZIP file; give the scanned pages as one ZIP"
    )
    assert door.ann.batch(address)["status"] == "failed"


@pytest.mark.parametrize("right", [True, False])
def test_a_file_is_held_against_the_digest_that_its_sender_told(door: Door, right: bool):
    digest = hashlib.sha256(SMALL if right else b"another file").hexdigest()
    told = metadata(filename="exam.zip", template="standard-150", sha256=digest)
    address = door.ann.begin(len(SMALL), Upload_Metadata=told)

    answer = door.ann.patch(address, SMALL, 0)

    assert answer.status_code == (204 if right else 422)
    assert door.ann.batch(address)["status"] == ("queued" if right else "failed")
    assert door.ann.events(address)[-1]["code"] == (None if right else "upload_altered")


def test_a_zip_that_came_before_is_noticed_and_taken_all_the_same(door: Door):
    content = a_zip(MB, seed=random.randrange(2**32))
    before, cut, again = (door.ann.begin(len(content)) for _ in range(3))
    door.ann.patch(before, content, 0)
    door.ann.patch(cut, content[:1000], 0)
    door.ann.patch(again, content[:-7], 0)
    assert door.ann.batch(again)["same_as"] == []
    door.ann.patch(again, content[-7:], len(content) - 7)

    (same,) = door.ann.batch(again)["same_as"]
    assert same["id"] == before.rpartition("/")[2]
    assert door.ann.batch(again)["status"] == "queued"
    others = door.bob.begin(len(content))
    door.bob.patch(others, content, 0)
    assert door.bob.batch(others)["same_as"] == []  # ann's batches are not for bob to know of


def test_a_zip_whose_digest_is_told_twice_is_noticed_before_its_first_byte(door: Door):
    content = a_zip(MB, seed=random.randrange(2**32))
    told = metadata(filename="exam.zip", template="standard-150", sha256=hashlib.sha256(content).hexdigest())
    before = door.ann.begin(len(content), Upload_Metadata=told)
    door.ann.patch(before, content, 0)

    again = door.ann.begin(len(content), Upload_Metadata=told)

    assert [same["id"] for same in door.ann.batch(again)["same_as"]] == [before.rpartition("/")[2]]


def test_an_upload_too_many_is_refused_and_one_that_ended_makes_room(migrated: Path, tmp_path: Path):
    shutil.copytree(migrated, tmp_path / "var", ignore=shutil.ignore_patterns("redis"))
    site = Site(tmp_path / "var", {"UPLOADS_PER_USER": "2"})
    for name in ("ann", "bob"):
        site.add_user(name)
    with contextmanager(opened)(site, "uvicorn") as door:
        first, _ = door.ann.begin(10), door.ann.begin(10)

        refused = door.ann.create(10)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
        assert (
            "2 of your uploads are unfinished and 2 may be: go on with exam.zip, exam.zip" in refused.json()["detail"]
        )
        assert door.bob.create(10).status_code == 201
        door.ann.delete(first)
        assert door.ann.create(10).status_code == 201


# --- It is ended -------------------------------------------------------------------------------------------------


def test_an_upload_that_is_deleted_leaves_a_cancelled_batch_and_no_file(door: Door):
    address = door.ann.begin(len(SMALL))
    door.ann.patch(address, SMALL[:MB], 0)

    assert door.ann.delete(address).status_code == 204

    assert not door.file(address).exists()
    assert door.ann.batch(address)["status"] == "cancelled"
    assert door.ann.messages(address)[-1] == "BATCH CANCELLED"
    assert door.ann.http.head(address).status_code == 410
    refused = door.ann.patch(address, SMALL[MB:], MB)
    assert (refused.status_code, refused.json()["code"]) == (410, "upload_gone")
    assert door.ann.delete(address).status_code == 410


def test_nothing_is_added_to_an_upload_that_is_whole(door: Door):
    address = door.ann.begin(len(SMALL))
    door.ann.patch(address, SMALL, 0)

    assert door.ann.patch(address, b"", len(SMALL)).status_code == 204  # some clients ask so whether all is here
    refused = door.ann.patch(address, b"x", len(SMALL))

    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")


def test_a_batch_that_is_cancelled_elsewhere_ends_its_upload_within_seconds(uvicorn: Door):
    address = uvicorn.ann.begin(len(SMALL))
    with closing(uvicorn.ann.send_part(address, SMALL[:MB], announced=len(SMALL))) as sending:
        until(lambda: uvicorn.file(address).stat().st_size == MB)

        uvicorn.ann.cancel(address).raise_for_status()
        sending.settimeout(DEADLINE_SECONDS)
        answer = sending.recv(4096)

    assert b" 410 " in answer.splitlines()[0]
    assert uvicorn.ann.batch(address)["status"] == "cancelled"
    assert uvicorn.ann.messages(address) == ["BATCH CANCELLED"]
    assert not uvicorn.file(address).exists()


def test_an_upload_that_nobody_goes_on_with_fails_after_a_day_and_says_so(door: Door):
    address, other = door.ann.begin(len(SMALL)), door.ann.begin(len(SMALL))
    kept = door.ann.patch(address, SMALL[:MB], 0).headers["Upload-Expires"]
    until_then = parsedate_to_datetime(kept) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < until_then <= timedelta(days=1)

    set_back(door.file(address), hours=25)
    set_back(door.file(other), hours=23)
    door.ann.begin(len(SMALL))

    assert_expired(door, address)
    assert door.ann.batch(other)["status"] == "uploading"


def test_a_runner_ends_what_expired_where_nobody_begins_anything_new(uvicorn: Door):
    address = uvicorn.ann.begin(len(SMALL))
    uvicorn.ann.patch(address, SMALL[:MB], 0)
    set_back(uvicorn.file(address), hours=25)

    with uvicorn.site.runner("--processes", "1"):
        until(lambda: uvicorn.ann.batch(address)["status"] != "uploading")

    assert_expired(uvicorn, address)


def assert_expired(door: Door, address: str) -> None:
    """Of a file of 3 MB, of which one had come."""
    last = door.ann.events(address)[-1]
    assert (last["stage"], last["code"], last["failed_stage"]) == ("failed", "upload_expired", "uploading")
    assert last["message"] == (
        "Upload expired: 1.00MB of 3.00MB arrived, and nothing more for 24 hours; begin a new one"
    )
    assert door.ann.batch(address)["status"] == "failed"
    assert not door.file(address).exists()
    assert door.ann.http.head(address).status_code == 410
    assert door.ann.patch(address, SMALL[MB:], MB).status_code == 410


def set_back(file: Path, **ago: float) -> None:
    """Let ``file`` have been written so long ago."""
    at = time.time() - timedelta(**ago).total_seconds()
    os.utime(file, (at, at))


@pytest.mark.parametrize(("pause_seconds", "counted"), [(20, True), (3600, False)])
def test_a_pause_between_two_requests_is_working_time_only_when_it_is_short(door: Door, pause_seconds, counted):
    address = door.ann.begin(len(SMALL))
    door.ann.patch(address, SMALL[:10], 0)
    set_back(door.file(address), seconds=pause_seconds)
    door.ann.patch(address, SMALL[10:], 10)

    elapsed = int(str(door.ann.events(address)[-1]["elapsed_seconds"]))
    assert elapsed >= 20 if counted else elapsed < 10


# --- It is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "code", "hint"),
    [
        ({"Upload_Length": ""}, 400, "bad_header", "Upload-Length"),
        ({"Upload_Length": str(2**30 + 1)}, 413, "too_large", "MAX_UPLOAD_GB"),
        ({"Upload_Metadata": metadata(filename="a.zip", template="no-such")}, 400, "unknown_template", "standard-150"),
        ({"Upload_Metadata": ""}, 400, "metadata_missing", "filename"),
        ({"Tus_Resumable": "0.2.2"}, 412, "version_unknown", "1.0.0"),
        ({"Host": "evil.example"}, 400, "bad_host", "ALLOWED_HOSTS"),
    ],
)
def test_a_creation_that_cannot_be_is_refused_with_a_reason(door: Door, headers, status, code, hint):
    before = door.ann.http.get("/api/batches").json()["count"]

    refused = door.ann.create(len(SMALL), **headers)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert hint in refused.json()["detail"]
    assert door.ann.http.get("/api/batches").json()["count"] == before


@pytest.mark.parametrize(
    ("offset", "headers", "status", "code"),
    [
        (0, {}, 409, "offset_conflict"),
        (20, {}, 409, "offset_conflict"),
        (10, {"Content_Type": "application/octet-stream"}, 415, "wrong_content_type"),
        (10, {"Tus_Resumable": ""}, 412, "version_unknown"),
    ],
)
def test_bytes_that_do_not_fit_are_refused_and_change_nothing(door: Door, offset, headers, status, code):
    address = door.ann.begin(len(SMALL))
    door.ann.patch(address, SMALL[:10], 0)

    refused = door.ann.patch(address, SMALL[10:20], offset, **headers)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert door.ann.offset(address) == 10


@pytest.mark.parametrize("length_is_told", [True, False])
def test_more_than_was_announced_is_refused(door: Door, length_is_told: bool):
    address = door.ann.begin(10)
    content = b"x" * 11 if length_is_told else iter([b"x" * 11])

    refused = door.ann.http.patch(address, headers={"Upload-Offset": "0", "Content-Type": BYTES}, content=content)

    assert (refused.status_code, refused.json()["code"]) == (413, "length_exceeded")
    assert door.ann.offset(address) == 0


def test_only_its_owner_may_touch_an_upload(door: Door):
    address = door.ann.begin(len(SMALL))

    assert door.bob.http.head(address).status_code == 403
    assert door.bob.patch(address, SMALL, 0).status_code == 403
    assert door.bob.delete(address).status_code == 403
    assert door.ann.offset(address) == 0


@pytest.mark.parametrize("which", ["0d5a1c3e-5f0b-4c55-9a2e-6d3b1f0f7a11", "no-uuid", "a/b", ""])
def test_an_upload_that_does_not_exist_is_not_found(door: Door, which):
    refused = door.ann.patch(f"/api/uploads/{which}", SMALL, 0)

    assert refused.status_code == (404 if which else 405)


@pytest.mark.parametrize("token", [None, "Bearer nonsense"])
def test_who_is_not_signed_in_is_turned_away(door: Door, token):
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1"} | ({"Authorization": token} if token else {})

    refused = httpx.post(f"{door.url}/api/uploads", headers=headers)

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.json()["detail"]


def test_a_method_that_is_not_offered_is_told_which_are(door: Door):
    refused = door.ann.http.get(door.ann.begin(10))

    assert refused.status_code == 405
    assert "PATCH" in refused.headers["Allow"]


def test_a_browser_is_known_by_its_session_and_believed_only_on_pages_of_this_site(door: Door):
    with httpx.Client(base_url=door.url, headers={"Tus-Resumable": "1.0.0"}) as browser:
        browser.get("/admin/login/")
        form = {"username": "ann", "password": "correct horse", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post("/login", data=form).status_code == 302
        page = Tus(browser)

        assert page.create(10).status_code == 403
        token = browser.cookies["csrftoken"]
        assert page.create(10, X_CSRFToken=token, Origin="https://evil.example").status_code == 403
        assert page.create(10, X_CSRFToken=token, Origin=door.url).status_code == 201


def test_an_upload_made_just_after_its_runner_died_is_told_so(door: Door):
    seen = "timezone.now() - timedelta(seconds=9)"
    door.site.manage(
        "shell",
        "--no-imports",
        "-c",
        "from datetime import timedelta; from django.utils import timezone; from batches.models import Runner; "
        f"Runner.objects.update_or_create(name='dead', defaults={{'seen_at': {seen}}})",
    )
    address = door.ann.begin(len(SMALL))
    assert door.ann.patch(address, SMALL, 0).status_code == 204

    assert "Waiting: no runner is active" not in door.ann.messages(address)
    until(lambda: "Waiting: no runner is active" in door.ann.messages(address))


def test_each_chunk_tells_how_fast_bytes_come_and_what_is_left_across_requests(uvicorn: Door) -> None:
    content = a_zip(151 * MB)
    address = uvicorn.ann.begin(len(content))
    for start in range(0, len(content), 19 * MB):  # most chunks end in the middle of a request
        uvicorn.ann.patch(address, content[start : start + 19 * MB], start).raise_for_status()
        time.sleep(0.3)  # a line is slower than loopback

    *chunks, last = [event for event in uvicorn.ann.events(address) if str(event["message"]).startswith("Chunk")]
    known = [event for event in chunks if event["rate_per_second"] is not None]
    assert len(chunks) == 3
    assert known  # not the first, where the machine had other things to do
    for event in known:
        assert 2 * MB < float(str(event["rate_per_second"])) < 2000 * MB
        assert 0 <= float(str(event["eta_seconds"])) < 60
    assert (last["rate_per_second"], last["eta_seconds"]) == (None, None)  # all is here
