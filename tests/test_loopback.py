"""What our own programs ask of this machine never goes to a proxy that the environment names."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import ModuleType

import pytest

from benchmarks.streaming.site import WITHOUT_PROXY
from tests.site import ROOT, free_port

NOBODY = "http://127.0.0.1:9"


class Site(BaseHTTPRequestHandler):
    """Answers everybody."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@contextmanager
def a_site() -> Iterator[int]:
    """Give the port of loopback on which somebody answers."""
    server = HTTPServer(("127.0.0.1", 0), Site)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, NOBODY)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield {name: importlib.import_module(name) for name in ("serve", "demo")}
    for name in ("serve", "demo"):
        sys.modules.pop(name, None)


def test_the_site_is_found_that_was_just_started(scripts: dict[str, ModuleType]) -> None:
    with a_site() as port:
        assert scripts["serve"]._answers(port)
    assert not scripts["serve"]._answers(free_port())


def test_the_demo_speaks_to_its_own_site(scripts: dict[str, ModuleType]) -> None:
    with a_site() as port, scripts["demo"].client(f"http://127.0.0.1:{port}", timeout=5) as http:
        assert http.get("/").status_code == 200


def test_benchmarks_measure_this_machine() -> None:
    with a_site() as port, WITHOUT_PROXY.open(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        assert answer.status == 200
