"""A site that is asked over HTTP, by somebody who can show who he is."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urljoin, urlsplit

TIMEOUT_SECONDS = 60.0
CHECK_SECONDS = 300.0  # for an answer: after the last byte the server looks through the whole ZIP
LOGIN = "/api/auth/login"
PASSING = frozenset({408, 409, 423, 429, 460, 500, 502, 503, 504})
LASTING = frozenset({"wrong_state", "locked_out", "too_many_uploads"})  # codes; somebody has to do something first
WITHOUT_WORDS = {
    401: "the server does not know who this is",
    403: "this belongs to somebody else",
    404: "there is no such thing",
    410: "this upload was cancelled, or not gone on with for too long, and what had arrived is gone",
    413: "a proxy takes no request as large",
}


class Unreachable(Exception):
    """The server could not be asked now, or did not answer; later it may."""


class Refused(Exception):
    """The server said no; the message is its own sentence."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code  # empty: it was not the project that answered

    @property
    def is_passing(self) -> bool:
        """Whether the same may be asked again after a while."""
        # A conflict is settled by asking for the offset again; a batch in a wrong state is not.
        return self.status in PASSING and self.code not in LASTING

    @property
    def is_of_zip(self) -> bool:
        """Whether all arrived, and the ZIP is no good."""
        return self.status == HTTPStatus.UNPROCESSABLE_ENTITY

    @property
    def is_of_proxy(self) -> bool:
        """Whether a proxy refused a request for its size."""
        return self.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and not self.code


@dataclass(frozen=True, slots=True)
class Answer:
    """One that says yes."""

    headers: HTTPMessage
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who asks: by a token that is there, or by name and password, for which tokens are got."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


class RemoteSite:
    """The site at ``address``, such as https://omr.example.org; one connection, one request at a time.

    Raises:
        ValueError: this is no address.
    """

    def __init__(self, address: str, account: Account) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{address!r} is no address of a site; expected one such as https://omr.example.org")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self.address = f"{parts.scheme}://{parts.netloc}"
        self._account = account
        self._token = account.token
        # Given to the connection at once, since it opens itself.
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        self._connection.close()

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: Iterable[bytes] = (),
        length: int = 0,
    ) -> Answer:
        """Return the answer to a request whose ``body`` has ``length`` bytes; it is asked for once.

        Raises:
            Unreachable: nothing was heard.
            Refused: it was refused.
        """
        if not self._token:
            self._login()
        known = {"Authorization": f"Bearer {self._token}", "Content-Length": str(length)}
        try:
            return self._exchange(method, path, known | dict(headers or {}), body)
        except Refused as refusal:
            if refusal.status != HTTPStatus.UNAUTHORIZED or not self._account.password:
                raise
            self._token = ""  # it has run out, as after twelve hours
            raise Unreachable("the login has expired") from refusal

    def _login(self) -> None:
        told = json.dumps({"username": self._account.user, "password": self._account.password}).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(told))}
        self._token = self._exchange("POST", LOGIN, headers, [told]).json()["access_token"]

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: Iterable[bytes]) -> Answer:
        try:
            self._send(method, path, headers, body)
            response = self._receive()
            content = response.read()
        except (OSError, HTTPException) as error:
            self.close()
            raise Unreachable(f"{self.address} does not answer: {error or type(error).__name__}") from error
        except BaseException:  # half a request lies on the connection
            self.close()
            raise
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _refusal(response, content)
        return Answer(response.headers, content)

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: Iterable[bytes]) -> None:
        self._connection.putrequest(method, path)
        for name, value in headers.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        # A server that refuses a body does so in its middle, and closes: what it said is there to be read.
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in body:
                self._connection.send(piece)

    def _receive(self) -> HTTPResponse:
        if self._connection.sock is None:  # closed before all was sent
            raise ConnectionResetError("the connection was closed")
        self._connection.sock.settimeout(CHECK_SECONDS)
        response = self._connection.getresponse()
        if self._connection.sock is not None:
            self._connection.sock.settimeout(TIMEOUT_SECONDS)
        return response


def _refusal(response: HTTPResponse, content: bytes) -> Refused:
    told: dict[str, str] = {}
    with suppress(ValueError):  # a proxy's own page, or the empty body of a HEAD
        told = json.loads(content)
    if response.status < HTTPStatus.BAD_REQUEST:
        place = urljoin(response.headers.get("Location", ""), "/").rstrip("/")
        return Refused(response.status, "moved", f"the site is elsewhere: give --server {place}")
    words = WITHOUT_WORDS.get(response.status, f"the server answered {response.status}")
    return Refused(response.status, told.get("code", ""), told.get("detail", words))
