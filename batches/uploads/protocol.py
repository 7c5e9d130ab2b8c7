"""tus 1.0.0: headers to typed requests, and every way to refuse one."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

VERSION = "1.0.0"
EXTENSIONS = ("creation", "creation-with-upload", "termination", "expiration", "checksum")
CONTENT_TYPE = "application/offset+octet-stream"
CHECKSUM_ALGORITHMS = ("sha1", "sha256", "md5")
MAX_FILE_NAME_LENGTH = 255
MAX_NAME_LENGTH = 200

# Told with every answer, so that a client never has to ask again.
VERSION_HEADERS = {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to refuse a request; ``sentence`` has places for what was seen."""

    status: int
    code: str
    sentence: str


BAD_NUMBER = Fault(
    status=400, code="bad_header", sentence="{header} is {seen!r}; expected a whole number of bytes, 0 or more"
)
LENGTH_DEFERRED = Fault(
    status=400, code="length_deferred", sentence="Upload-Defer-Length is not offered: send Upload-Length with the POST"
)
EMPTY_FILE = Fault(
    status=400, code="empty_file", sentence="Upload-Length is 0: the file is empty; choose a ZIP of scanned pages"
)
BAD_METADATA = Fault(
    status=400,
    code="bad_metadata",
    sentence="Upload-Metadata has {seen!r}; expected pairs such as 'filename ZXhhbS56aXA=', separated by commas, "
    "each key once, each value UTF-8 text in base64",
)
METADATA_MISSING = Fault(
    status=400,
    code="metadata_missing",
    sentence="Upload-Metadata has no {key!r}; both 'filename' and 'template' are needed",
)
BAD_DIGEST = Fault(
    status=400, code="bad_metadata", sentence="sha256 in Upload-Metadata is {seen!r}; expected 64 hexadecimal digits"
)
BAD_CHECKSUM = Fault(
    status=400,
    code="bad_checksum",
    sentence="Upload-Checksum is {seen!r}; expected one of " + ", ".join(CHECKSUM_ALGORITHMS) + ", a space and the "
    "digest in base64",
)
METHOD_UNKNOWN = Fault(
    status=405, code="method_not_allowed", sentence="{seen} is not offered here; the methods in Allow are"
)
SILENT = Fault(
    status=408,
    code="silent",
    sentence="nothing arrived for {seconds:.0f} s; what had arrived is kept: ask for the offset with HEAD and go on",
)
OFFSET_CONFLICT = Fault(
    status=409,
    code="offset_conflict",
    sentence="Upload-Offset is {seen}, but {offset} bytes are here: ask for the offset with HEAD and go on from it",
)
TAKEN_OVER = Fault(
    status=409, code="taken_over", sentence="another request goes on with this upload; what had arrived is kept"
)
UPLOAD_CLOSED = Fault(
    status=409, code="wrong_state", sentence="this batch is {status}: nothing can be added to it or taken from it"
)
UPLOAD_GONE = Fault(
    status=410, code="upload_gone", sentence="this upload was ended and its bytes are gone: begin a new one"
)
VERSION_UNKNOWN = Fault(
    status=412, code="version_unknown", sentence=f"Tus-Resumable is {{seen!r}}; expected {VERSION}: send that header"
)
TOO_LARGE = Fault(
    status=413,
    code="too_large",
    sentence="the file has {seen} bytes and at most {most} are taken: split the batch, or raise MAX_UPLOAD_GB",
)
TOO_MANY = Fault(
    status=429,
    code="too_many_uploads",
    sentence="{seen} of your uploads are unfinished and {most} may be: go on with {names}, or end what you do not want",
)
LENGTH_EXCEEDED = Fault(
    status=413,
    code="length_exceeded",
    sentence="these bytes go past Upload-Length {size}: send no more than {left} from offset {offset} on",
)
WRONG_TYPE = Fault(
    status=415, code="wrong_content_type", sentence=f"Content-Type is {{seen!r}}; expected {CONTENT_TYPE}"
)
BUSY = Fault(
    status=423,
    code="busy",
    sentence="another request is still writing to this upload: wait a moment, ask for the offset with HEAD and go on",
)
CHECKSUM_MISMATCH = Fault(
    status=460,
    code="checksum_mismatch",
    sentence="the bytes do not have the digest in Upload-Checksum and were dropped: send them again from {offset} on",
)


class Refused(Exception):
    """A request is not carried out; ``fault`` says which rule, the message what was seen."""

    def __init__(self, fault: Fault, **seen: object) -> None:
        super().__init__(fault.sentence.format(**seen))
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """What the bytes of one request must hash to."""

    algorithm: str  # of CHECKSUM_ALGORITHMS
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What the sender tells about the file."""

    file_name: str  # without folders
    template: str  # a slug
    name: str = ""  # of the batch; empty: to be made from the file's name
    sha256: str = ""  # of the whole file, 64 lower-case hexadecimal digits; empty: not told

    def to_header(self) -> str:
        """Return the value of ``Upload-Metadata`` that says this."""
        pairs = {"filename": self.file_name, "template": self.template, "name": self.name, "sha256": self.sha256}
        return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items() if value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Bytes to be put at ``offset``."""

    offset: int
    length: int | None  # of the body in bytes; None: it is not told before the end
    checksum: Checksum | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """A new upload; ``first`` when its first bytes come in the same request."""

    size_bytes: int
    metadata: Metadata
    first: Append | None


def check_version(headers: Mapping[str, str]) -> None:
    """Refuse a request that does not speak this version."""
    if (seen := headers.get("Tus-Resumable", "")) != VERSION:
        raise Refused(VERSION_UNKNOWN, seen=seen)


def parse_creation(headers: Mapping[str, str], *, most_bytes: int) -> Creation:
    """Return what a POST asks for; refused when the file would have more than ``most_bytes``."""
    if "Upload-Defer-Length" in headers:
        raise Refused(LENGTH_DEFERRED)
    size = _whole_number(headers, "Upload-Length")
    if not size:
        raise Refused(EMPTY_FILE)
    if size > most_bytes:
        raise Refused(TOO_LARGE, seen=size, most=most_bytes)
    first = _append_at(0, headers) if headers.get("Content-Type") == CONTENT_TYPE else None
    return Creation(size_bytes=size, metadata=parse_metadata(headers.get("Upload-Metadata", "")), first=first)


def parse_append(headers: Mapping[str, str]) -> Append:
    """Return what a PATCH asks for."""
    if (seen := headers.get("Content-Type", "")) != CONTENT_TYPE:
        raise Refused(WRONG_TYPE, seen=seen)
    return _append_at(_whole_number(headers, "Upload-Offset"), headers)


def parse_metadata(header: str) -> Metadata:
    """Return what ``Upload-Metadata`` says; keys that mean nothing here are passed over."""
    pairs = _metadata_pairs(header)
    for key in ("filename", "template"):
        if not pairs.get(key):
            raise Refused(METADATA_MISSING, key=key)
    sha256 = pairs.get("sha256", "").lower()
    if sha256 and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
        raise Refused(BAD_DIGEST, seen=sha256)
    return Metadata(
        file_name=_plain_file_name(pairs["filename"]),
        template=pairs["template"],
        name=_printable(pairs.get("name", ""))[:MAX_NAME_LENGTH],
        sha256=sha256,
    )


def _metadata_pairs(header: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, encoded = pair.partition(" ")
        try:
            value = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise Refused(BAD_METADATA, seen=pair) from error
        if key in pairs:
            raise Refused(BAD_METADATA, seen=pair)
        pairs[key] = value
    return pairs


def _plain_file_name(told: str) -> str:
    """Return ``told`` without folders, in either way of writing them; it is only ever shown, never opened."""
    last = _printable(told.replace("\\", "/").rstrip("/").rpartition("/")[2])
    if not last:
        raise Refused(METADATA_MISSING, key="filename")
    return last[-MAX_FILE_NAME_LENGTH:]


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()


def _append_at(offset: int, headers: Mapping[str, str]) -> Append:
    length = _whole_number(headers, "Content-Length") if headers.get("Content-Length") else None
    return Append(offset=offset, length=length, checksum=_parse_checksum(headers.get("Upload-Checksum")))


def _parse_checksum(header: str | None) -> Checksum | None:
    if header is None:
        return None
    algorithm, _, encoded = header.partition(" ")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(BAD_CHECKSUM, seen=header) from error
    if algorithm not in CHECKSUM_ALGORITHMS or len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise Refused(BAD_CHECKSUM, seen=header)
    return Checksum(algorithm=algorithm, digest=digest)


def _whole_number(headers: Mapping[str, str], header: str) -> int:
    seen = headers.get(header, "")
    # A length of 20 digits is no file; int() would take far longer ones, spaces and signs as well.
    if not (seen.isascii() and seen.isdigit() and len(seen) < 20):
        raise Refused(BAD_NUMBER, header=header, seen=seen)
    return int(seen)
