"""What the headers of tus mean, without a server."""

import hashlib
from base64 import b64encode

import pytest

from batches.uploads import protocol
from batches.uploads.chunks import CHUNK_BYTES, chunks_between
from batches.uploads.protocol import Metadata, Refused, check_version, parse_append, parse_creation, parse_metadata
from batches.wording import MB
from tests.tus import BYTES, metadata

GB = 2**30
GOOD = {"Upload-Length": "7", "Upload-Metadata": metadata(filename="exam.zip", template="standard-150")}


def test_a_creation_tells_size_file_template_name_and_digest():
    digest = hashlib.sha256(b"").hexdigest()
    told = metadata(filename="exam.zip", template="standard-150", name="Summer", sha256=digest.upper())

    creation = parse_creation({"Upload-Length": "7", "Upload-Metadata": told}, most_bytes=GB)

    assert creation.size_bytes == 7
    assert creation.metadata == Metadata(file_name="exam.zip", template="standard-150", name="Summer", sha256=digest)
    assert creation.first is None


def test_metadata_is_told_back_as_it_was_sent():
    told = metadata(filename="Prüfung.zip", template="standard-150", name="Sommer")

    assert parse_metadata(told).to_header() == told


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("C:\\scans\\exam.zip", "exam.zip"),
        ("../../etc/exam.zip", "exam.zip"),
        ("exam\x00\n.zip", "exam.zip"),
        ("/", None),
        ("x" * 300 + ".zip", "x" * 251 + ".zip"),
    ],
)
def test_a_file_name_is_kept_without_folders_and_control_characters(sent, kept):
    told = metadata(filename=sent, template="standard-150")

    if kept is None:
        with pytest.raises(Refused, match="filename"):
            parse_metadata(told)
    else:
        assert parse_metadata(told).file_name == kept


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"Upload-Length": ""}, protocol.BAD_NUMBER),
        ({"Upload-Length": "-1"}, protocol.BAD_NUMBER),
        ({"Upload-Length": "1e3"}, protocol.BAD_NUMBER),
        ({"Upload-Length": "٣"}, protocol.BAD_NUMBER),
        ({"Upload-Length": "9" * 400}, protocol.BAD_NUMBER),
        ({"Upload-Length": "0"}, protocol.EMPTY_FILE),
        ({"Upload-Length": str(GB + 1)}, protocol.TOO_LARGE),
        ({"Upload-Defer-Length": "1"}, protocol.LENGTH_DEFERRED),
        ({"Upload-Metadata": metadata(filename="exam.zip")}, protocol.METADATA_MISSING),
        ({"Upload-Metadata": metadata(template="standard-150")}, protocol.METADATA_MISSING),
        ({"Upload-Metadata": "filename not-base64"}, protocol.BAD_METADATA),
        ({"Upload-Metadata": "filename /w=="}, protocol.BAD_METADATA),
        ({"Upload-Metadata": GOOD["Upload-Metadata"] + ",filename eA=="}, protocol.BAD_METADATA),
        ({"Upload-Metadata": metadata(filename="a", template="b", sha256="12")}, protocol.BAD_DIGEST),
    ],
)
def test_a_creation_that_cannot_be_is_refused_with_a_reason(headers, fault):
    with pytest.raises(Refused) as refused:
        parse_creation(GOOD | headers, most_bytes=GB)

    assert refused.value.fault is fault


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"Content-Type": "application/octet-stream"}, protocol.WRONG_TYPE),
        ({"Upload-Offset": "x"}, protocol.BAD_NUMBER),
        ({"Upload-Checksum": "crc32 AAAA"}, protocol.BAD_CHECKSUM),
        ({"Upload-Checksum": "sha1 !"}, protocol.BAD_CHECKSUM),
        ({"Upload-Checksum": "sha1 AAAA"}, protocol.BAD_CHECKSUM),
    ],
)
def test_bytes_that_are_announced_wrongly_are_refused_with_a_reason(headers, fault):
    with pytest.raises(Refused) as refused:
        parse_append({"Content-Type": BYTES, "Upload-Offset": "0"} | headers)

    assert refused.value.fault is fault


def test_bytes_may_come_with_a_digest_and_without_a_length():
    digest = hashlib.sha1(b"abc", usedforsecurity=False).digest()
    headers = {"Content-Type": BYTES, "Upload-Offset": "5", "Upload-Checksum": f"sha1 {b64encode(digest).decode()}"}

    append = parse_append(headers)

    assert (append.offset, append.length) == (5, None)
    assert append.checksum is not None
    assert append.checksum.digest == digest


@pytest.mark.parametrize("seen", ["", "0.2.2", "1.0.0 "])
def test_another_version_of_the_protocol_is_refused(seen):
    with pytest.raises(Refused, match="expected 1\\.0\\.0"):
        check_version({"Tus-Resumable": seen})


def test_a_file_is_told_of_in_chunks_of_50_mb_and_what_is_left():
    size = 7102 * MB + 2 * MB  # 142 whole chunks and 4 MB

    chunks = list(chunks_between(size, size, reported=0))

    assert len(chunks) == 143
    assert {chunk.size_bytes for chunk in chunks[:-1]} == {CHUNK_BYTES}
    assert chunks[-1].size_bytes == 4 * MB
    assert chunks[0].percent == pytest.approx(0.7038, abs=1e-4)
    assert chunks[-1].percent == 100


@pytest.mark.parametrize(
    ("offset", "reported", "numbers"),
    [
        (0, 0, []),
        (CHUNK_BYTES - 1, 0, []),
        (CHUNK_BYTES, 0, [1]),
        (3 * CHUNK_BYTES - 1, 0, [1, 2]),
        (3 * CHUNK_BYTES - 1, 1, [2]),
        (3 * CHUNK_BYTES, 2, [3]),
        (3 * CHUNK_BYTES, 3, []),
        (3 * CHUNK_BYTES, 9, []),
    ],
)
def test_a_chunk_is_told_once_when_it_is_whole(offset, reported, numbers):
    chunks = chunks_between(offset, 3 * CHUNK_BYTES, reported=reported)

    assert [chunk.number for chunk in chunks] == numbers


def test_a_file_that_ends_with_a_chunk_has_no_empty_one_after_it():
    assert [chunk.total for chunk in chunks_between(CHUNK_BYTES, CHUNK_BYTES, reported=0)] == [1]
