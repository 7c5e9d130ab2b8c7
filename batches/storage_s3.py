"""Objects of an S3 service. Loads boto3 at the first one, so that sites that keep their archives in a folder do not.

Address and credentials are where every S3 program looks for them (AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, … or the
role of the machine); nothing here knows or shows them.
"""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from batches.errors import StorageRefused, StorageUnreachable

SCHEME = "s3://"

CONNECT_SECONDS = 3
SILENCE_SECONDS = 10
"""After so long without a byte a request is given up; whoever asked decides how often it is tried again."""

ATTEMPTS_TO_READ = 2
ATTEMPTS_TO_SEND = 11
"""Of one part of an archive, with pauses that grow from 50 ms on: half a minute. What is given up is sent anew."""

CONNECTIONS = 16

PASSING = frozenset({408, 409, 429})
"""Besides 5xx, the answers that pass by themselves."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object lies."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, location: str) -> Self:
        """Return the address in ``location``, such as ``s3://bucket/folder/name``; the key may be empty.

        Raises:
            ValueError: it names no bucket.
        """
        scheme, _, rest = location.partition("://")
        bucket, _, key = rest.partition("/")
        if f"{scheme}://" != SCHEME or not bucket:
            raise ValueError(location)
        return cls(bucket, key.strip("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFacts:
    size_bytes: int
    etag: str  # another one when the object is another one


def client_config(attempts: int) -> Any:
    """Return how requests are made: none hangs for minutes, and a server of one's own finds the bucket in the path."""
    from botocore.config import Config

    is_own = any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=SILENCE_SECONDS,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
        s3={"addressing_style": "path" if is_own else "auto"},
    )


def facts_of_object(address: Address) -> ObjectFacts:
    """Return what is known of the object.

    Raises:
        FileNotFoundError: there is none.
        StorageUnreachable, StorageRefused: it cannot be asked for now; or not with these credentials.
    """
    with translated(address):
        answer = _client().head_object(Bucket=address.bucket, Key=address.key)
    return ObjectFacts(size_bytes=answer["ContentLength"], etag=answer["ETag"])


def read_range(address: Address, start: int, end: int, *, etag: str, piece_bytes: int) -> Iterator[bytes]:
    """Give the bytes from ``start`` up to ``end`` in pieces of ``piece_bytes``, the last of them perhaps shorter.

    Raises:
        FileNotFoundError: the object is gone, or is another one than that with ``etag``.
        StorageUnreachable, StorageRefused: as for ``facts_of_object``; pieces that were given are good.
    """
    with translated(address):
        asked = {"Bucket": address.bucket, "Key": address.key, "Range": f"bytes={start}-{end - 1}", "IfMatch": etag}
        body = _client().get_object(**asked)["Body"]
    try:
        while start < end:
            expected = min(piece_bytes, end - start)
            with translated(address):
                piece = body.read(expected)
            if len(piece) != expected:
                raise unreachable(address, "the answer was cut short")
            start += expected
            yield piece
    finally:
        body.close()


def delete_object(address: Address) -> None:
    """Delete the object; one that is gone already is fine. Raises as ``facts_of_object`` does."""
    with translated(address):
        _client().delete_object(Bucket=address.bucket, Key=address.key)


def unreachable(address: Address, cause: str) -> StorageUnreachable:
    """Return the sentence for a storage that does not answer."""
    sentence = (
        f"The archives at {SCHEME}{address.bucket} cannot be reached from {socket.gethostname()}; check the storage "
        "and the network, then continue: nothing is lost"
    )
    return StorageUnreachable(sentence, details=cause)


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Turn what boto3 raises into errors of ours, whose sentences show no credentials."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise _refused(address, str(error)) from error
    except ClientError as error:
        raise _of_answer(address, error.response) from error
    except (BotoCoreError, Boto3Error) as error:
        raise unreachable(address, type(error).__name__) from error


def _of_answer(address: Address, response: Any) -> Exception:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(response.get("Error", {}).get("Code", status))
    if code == "NoSuchBucket":
        return _refused(address, code)
    if status in (404, 412, 416):
        return FileNotFoundError(errno.ENOENT, "there is no such object any more", str(address))
    if status >= 500 or status in PASSING:
        return unreachable(address, code)
    return _refused(address, code)


def _refused(address: Address, cause: str) -> StorageRefused:
    sentence = (
        f"The archives at {SCHEME}{address.bucket} may not be used from {socket.gethostname()} ({cause}); check the "
        "name of the bucket and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL_S3 there, then continue"
    )
    return StorageRefused(sentence, details=cause)


def _client() -> Any:
    return _client_of(os.getpid())  # a process that was forked makes its own: connections cannot be shared


@cache
def _client_of(_process: int) -> Any:
    import boto3

    return boto3.session.Session().client("s3", config=client_config(ATTEMPTS_TO_READ))
