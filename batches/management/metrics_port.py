"""A port on which a runner answers Prometheus: it serves nothing else, so it has no address of its own otherwise."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.management.base import CommandError
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from batches.management.arguments import WRONG_USAGE
from progress.metrics import REFUSAL, may_scrape

Answer = tuple[str, str, bytes]
"""Status, type and body."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True  # a scrape that hangs keeps no runner from stopping


class _Handler(WSGIRequestHandler):
    timeout = 10.0

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a line for each scrape would bury what the batches do."""


@contextmanager
def metrics_port(port: int, *, token: str) -> Iterator[None]:
    """Answer ``GET /metrics`` on ``port`` of all this machine's addresses, in a thread; 0 answers nowhere.

    Args:
        token: what has to be shown as ``Authorization: Bearer``; empty: nothing.

    Raises:
        CommandError: the port cannot be had.
    """
    if not port:
        yield
        return
    try:
        server = make_server("", port, _application(token), _Server, _Handler)
    except OSError as error:
        sentence = f"RUNNER_METRICS_PORT is {port}, which cannot be listened on: {error.strerror}; name a free port"
        raise CommandError(sentence, returncode=WRONG_USAGE) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _application(token: str) -> Callable[..., Iterable[bytes]]:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, content_type, body = _answer(environ, token)
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]

    return application


def _answer(environ: dict[str, Any], token: str) -> Answer:
    if environ["PATH_INFO"] != "/metrics":
        return "404 Not Found", "text/plain; charset=utf-8", b"A runner answers /metrics, and nothing else.\n"
    if not may_scrape(environ.get("HTTP_AUTHORIZATION", ""), token):
        return "401 Unauthorized", "text/plain; charset=utf-8", f"{REFUSAL}\n".encode()
    return "200 OK", CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
