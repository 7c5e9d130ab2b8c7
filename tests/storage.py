"""An S3 storage for tests: moto's server in a thread of this process, which counts, breaks off and goes away."""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
import pytest
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from batches import storage_s3
from batches.storage_cache import FOLDER_VARIABLE, SIZE_VARIABLE
from tests.site import free_port

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BUCKET = "exams"
KEY_ID, SECRET = "AN-ID-OF-A-KEY", "a-secret-that-nobody-prints"


class _Quiet(MotoRequestHandler):  # type: ignore[misc]  # the package has no types
    """Says nothing of each request."""

    def log_request(self, *_: object) -> None:
        """A test counts them."""


@dataclass
class Storage:
    """The server; what lies in it stays while it is away."""

    port: int
    requests: list[tuple[str, str]] = field(default_factory=list)  # method, and the range that was asked for
    breaks_off_after: list[int] = field(default_factory=list)  # bytes of a body; one number for each answer to come
    refuses_with: int | None = None  # a status, whatever is asked
    goes_on: threading.Event = field(default_factory=threading.Event)  # what is sent waits until it is set
    _away: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> dict[str, str]:
        """What tells a program where the storage is, and who asks."""
        keys = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
        return keys | {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.port}", "AWS_DEFAULT_REGION": "eu-central-1"}

    @property
    def names(self) -> list[str]:
        """What lies in the bucket."""
        return [found["Key"] for found in self.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    @property
    def downloaded_bytes(self) -> int:
        ranges = [
            asked.removeprefix("bytes=").split("-") for method, asked in self.requests if method == "GET" and asked
        ]
        return sum(int(end) - int(start) + 1 for start, end in ranges)

    def sent(self) -> int:
        """Return how many requests have brought something."""
        return sum(method in ("PUT", "POST") for method, _ in self.requests)

    def put(self, name: str, content: bytes) -> str:
        """Put an object into the bucket; return its address."""
        self.client().put_object(Bucket=BUCKET, Key=name, Body=content)
        return f"s3://{BUCKET}/{name}"

    def client(self) -> Any:
        """Return a client of its own: that of the project is what is tested."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="eu-central-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}),
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        server = make_server("127.0.0.1", self.port, self._watched, threaded=True, request_handler=_Quiet)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Every connection breaks."""
        self.goes_away()
        try:
            yield
        finally:
            self.comes_back()

    def goes_away(self) -> None:
        self._away.set()

    def comes_back(self) -> None:
        self._away.clear()

    def _watched(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        self.requests.append((environ["REQUEST_METHOD"], environ.get("HTTP_RANGE", "")))
        if environ["REQUEST_METHOD"] in ("PUT", "POST"):
            self.goes_on.wait(30)
        if self._away.is_set():
            _hang_up(environ)
        if self.refuses_with:
            start(f"{self.refuses_with} No", [("Content-Length", "0")])
            return []
        body = _MOTO(environ, start)
        if environ.get("HTTP_RANGE") and self.breaks_off_after:
            return self._broken(b"".join(body), self.breaks_off_after.pop(0), environ)
        return body

    def _broken(self, body: bytes, kept: int, environ: "WSGIEnvironment") -> Iterator[bytes]:
        yield body[:kept]
        _hang_up(environ)


def _hang_up(environ: "WSGIEnvironment") -> NoReturn:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


_MOTO = DomainDispatcherApplication(create_backend_app)


@pytest.fixture(scope="module")
def storage_server() -> Iterator[Storage]:
    """The storage of a module's tests."""
    server = Storage(port=free_port())
    server.goes_on.set()
    with server.running():
        region = {"LocationConstraint": "eu-central-1"}
        server.client().create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
        yield server
        _empty(server)
        server.client().delete_bucket(Bucket=BUCKET)


@pytest.fixture
def storage(storage_server: Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Storage]:
    """The same, empty, known to this process by its environment; with a cache of its own."""
    cache = {FOLDER_VARIABLE: str(tmp_path / "cache"), SIZE_VARIABLE: "1"}
    for name, value in (storage_server.environment | cache).items():
        monkeypatch.setenv(name, value)
    storage_s3._client_of.cache_clear()
    storage_server.requests.clear()
    yield storage_server
    storage_server.breaks_off_after.clear()
    storage_server.refuses_with = None
    storage_server.comes_back()
    storage_server.goes_on.set()
    _empty(storage_server)
    storage_s3._client_of.cache_clear()


def _empty(server: Storage) -> None:
    for name in server.names:
        server.client().delete_object(Bucket=BUCKET, Key=name)
