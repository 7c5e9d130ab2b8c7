"""A small tus client for tests: one call for each request, nothing repeated and nothing hidden."""

import base64
import io
import random
import socket
import zipfile
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httpx

BYTES = "application/offset+octet-stream"


def metadata(**pairs: str) -> str:
    """Return the value of Upload-Metadata that says ``pairs``."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def a_zip(size_bytes: int, *, seed: int = 1) -> bytes:
    """Return a ZIP of exactly ``size_bytes`` with one member that is named as a page; its content cannot be packed."""
    frame = len(_zip_of(b""))
    return _zip_of(random.Random(seed).randbytes(size_bytes - frame))


def _zip_of(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("page_0001.jpg", content)
    return target.getvalue()


@dataclass
class Tus:
    """One user at the upload door of the site at ``url``."""

    http: httpx.Client

    @classmethod
    def login(cls, url: str, name: str, password: str = "correct horse") -> Self:
        pair = httpx.post(f"{url}/api/auth/login", json={"username": name, "password": password}).raise_for_status()
        bearer = {"Authorization": f"Bearer {pair.json()['access_token']}"}
        return cls(httpx.Client(base_url=url, headers=bearer | {"Tus-Resumable": "1.0.0"}, timeout=30))

    def close(self) -> None:
        self.http.close()

    def create(self, size_bytes: int, *, content: bytes = b"", **headers: str) -> httpx.Response:
        """Ask for an upload; give headers with underscores for hyphens."""
        known = {
            "Upload-Length": str(size_bytes),
            "Upload-Metadata": metadata(filename="exam.zip", template="standard-150"),
        }
        return self.http.post("/api/uploads", headers=known | _named(headers), content=content)

    def begin(self, size_bytes: int, **headers: str) -> str:
        """Make an upload and return its address."""
        return self.create(size_bytes, **headers).raise_for_status().headers["Location"]

    def patch(self, address: str, content: bytes, offset: int, **headers: str) -> httpx.Response:
        known = {"Upload-Offset": str(offset), "Content-Type": BYTES}
        return self.http.patch(address, headers=known | _named(headers), content=content)

    def offset(self, address: str) -> int:
        return int(self.http.head(address).raise_for_status().headers["Upload-Offset"])

    def delete(self, address: str) -> httpx.Response:
        return self.http.delete(address)

    def send_part(self, address: str, content: bytes, *, announced: int, offset: int = 0) -> socket.socket:
        """Begin a PATCH of ``announced`` bytes, send only ``content`` of it and return the open connection."""
        place = urlsplit(str(self.http.base_url))
        head = (
            f"PATCH {address} HTTP/1.1\r\nHost: {place.netloc}\r\nTus-Resumable: 1.0.0\r\n"
            f"Authorization: {self.http.headers['Authorization']}\r\nUpload-Offset: {offset}\r\n"
            f"Content-Type: {BYTES}\r\nContent-Length: {announced}\r\n\r\n"
        )
        connection = socket.create_connection((place.hostname, place.port), timeout=30)
        connection.sendall(head.encode() + content)
        return connection

    def batch(self, address: str) -> dict[str, object]:
        """Return the batch of the upload at ``address``, as the API tells it."""
        return self.http.get(f"/api/batches/{_id(address)}").raise_for_status().json()

    def events(self, address: str) -> list[dict[str, object]]:
        """Return the log of the batch."""
        return self.http.get(f"/api/batches/{_id(address)}/events").raise_for_status().json()["events"]

    def messages(self, address: str) -> list[object]:
        return [event["message"] for event in self.events(address)]

    def cancel(self, address: str) -> httpx.Response:
        return self.http.post(f"/api/batches/{_id(address)}/cancel")


def _id(address: str) -> str:
    return address.rpartition("/")[2]


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
