"""What can be done to a ZIP, by chance and on purpose."""

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batches.entries import END_64_SIGNATURE, END_SIGNATURE, ENTRY, ENTRY_SIGNATURE, LOCATOR_64_SIGNATURE

LOCAL_SIGNATURE = b"PK\x03\x04"
END_BYTES = 22
MOST_AT_ONCE = 3

Mutation = Callable[[bytearray, random.Random], None]


@dataclass(frozen=True, slots=True)
class Field:
    """A number in one of the records of a ZIP."""

    signature: bytes
    at: int  # from the beginning of its record
    bytes: int


def _fields(signature: bytes, *places: tuple[int, int]) -> tuple[Field, ...]:
    return tuple(Field(signature, at, length) for at, length in places)


FIELDS = (
    *_fields(LOCAL_SIGNATURE, (4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    *_fields(ENTRY_SIGNATURE, (4, 2), (6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4)),
    *_fields(ENTRY_SIGNATURE, (28, 2), (30, 2), (32, 2), (34, 2), (38, 4), (42, 4)),
    *_fields(END_SIGNATURE, (4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
    *_fields(END_64_SIGNATURE, (4, 8), (16, 4), (24, 8), (32, 8), (40, 8), (48, 8)),
    *_fields(LOCATOR_64_SIGNATURE, (4, 4), (8, 8), (16, 4)),
)
NAMES = (b"../../etc/passwd", b"/etc/passwd", b"C:\\x.jpg", b"a\x00.jpg", b"\xff\xfe\xfd.jpg", b"", b"x/", b"." * 300)


def mutate(seed: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Return ``seed`` after one mutation, or a few; ``others`` are ZIPs that parts are taken from."""
    content = bytearray(seed)
    mutations: list[Mutation] = [
        *(flip_bits, overwrite, cut, move, set_field, set_field, set_field, swap_fields),
        *(double_entry, widen, rename, lambda content, rng: splice(content, rng, others)),
    ]
    for _ in range(rng.randint(1, MOST_AT_ONCE)):
        rng.choice(mutations)(content, rng)
    return bytes(content)


def flip_bits(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8) if content else 0):
        content[_somewhere(content, rng)] ^= 1 << rng.randrange(8)


def overwrite(content: bytearray, rng: random.Random) -> None:
    at = _somewhere(content, rng)
    content[at : at + rng.randint(1, 40)] = rng.randbytes(rng.randint(1, 40))


def cut(content: bytearray, rng: random.Random) -> None:
    """Take away the end, the beginning, or something between."""
    first, last = sorted((_somewhere(content, rng), _somewhere(content, rng)))
    del content[rng.choice((slice(last, None), slice(None, first), slice(first, last)))]


def move(content: bytearray, rng: random.Random) -> None:
    """Put a piece elsewhere, once more or instead."""
    at, length = _somewhere(content, rng), rng.randint(1, 300)
    piece = content[at : at + length]
    if rng.random() < 0.5:
        del content[at : at + length]
    target = _somewhere(content, rng)
    content[target:target] = piece


def splice(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Go on with another ZIP from some place on, or put a piece of it in."""
    other = rng.choice(others)
    begin, end = sorted((rng.randrange(len(other)), rng.randrange(len(other))))
    at = _somewhere(content, rng)
    if rng.random() < 0.5:
        content[at:] = other[begin:]
    else:
        content[at:at] = other[begin:end]


def set_field(content: bytearray, rng: random.Random) -> None:
    """Give a number of a record a value that is just wrong, very wrong, or another one's."""
    found = _a_field(content, rng)
    if found is None:
        return
    at, length = found
    now, most = int.from_bytes(content[at : at + length], "little"), 256**length - 1
    values = (
        0,
        1,
        most,
        most - 1,
        most // 2 + 1,
        now + 1,
        now - 1,
        now * 2,
        now // 2,
        len(content),
        rng.randint(0, most),
    )
    content[at : at + length] = (rng.choice(values) & most).to_bytes(length, "little")


def swap_fields(content: bytearray, rng: random.Random) -> None:
    """Exchange the same number of two records."""
    field = rng.choice(FIELDS)
    places = [at + field.at for at in _records(content, field.signature) if at + field.at + field.bytes <= len(content)]
    if len(places) > 1:
        one, two = rng.sample(places, 2)
        first, second = content[one : one + field.bytes], content[two : two + field.bytes]
        content[one : one + field.bytes], content[two : two + field.bytes] = second, first


def double_entry(content: bytearray, rng: random.Random) -> None:
    """List a file twice, and count it twice as well."""
    at = _a_record(content, ENTRY_SIGNATURE, rng)
    end = content.rfind(END_SIGNATURE)
    if at is None or end < at or end + END_BYTES > len(content):
        return
    name, extra, comment = struct.unpack_from("<3H", content, at + 28)
    length = ENTRY.size + name + extra + comment
    here, count, size = struct.unpack_from("<2HL", content, end + 8)
    struct.pack_into("<2HL", content, end + 8, (here + 1) % 2**16, (count + 1) % 2**16, (size + length) % 2**32)
    content[at:at] = content[at : at + length]


def widen(content: bytearray, rng: random.Random) -> None:
    """Say that sizes of a file stand in a field of 64 bits, and add it, or half of it."""
    at = _a_record(content, ENTRY_SIGNATURE, rng)
    if at is None or at + ENTRY.size > len(content):
        return
    name, extra = struct.unpack_from("<2H", content, at + 28)
    numbers = [rng.choice((0, 1, len(content), 2**32, 2**63, 2**64 - 1)) for _ in range(rng.randint(0, 3))]
    field = struct.pack(f"<HH{len(numbers)}Q", 1, rng.choice((8 * len(numbers), 24, 2**16 - 1)), *numbers)
    for place in rng.sample((20, 24, 42), rng.randint(1, 3)):
        struct.pack_into("<L", content, at + place, 2**32 - 1)
    struct.pack_into("<H", content, at + 30, (extra + len(field)) % 2**16)
    content[at + ENTRY.size + name : at + ENTRY.size + name] = field


def rename(content: bytearray, rng: random.Random) -> None:
    """Give a file a name that leads somewhere, in both places or in one."""
    at = _a_record(content, ENTRY_SIGNATURE, rng)
    if at is None or at + ENTRY.size > len(content):
        return
    (length,) = struct.unpack_from("<H", content, at + 28)
    old = bytes(content[at + ENTRY.size : at + ENTRY.size + length])
    new = rng.choice(NAMES)[:length].ljust(length, b"_")
    if old and rng.random() < 0.7:
        content[:] = content.replace(old, new)
    else:
        content[at + ENTRY.size : at + ENTRY.size + length] = new


def _somewhere(content: bytearray, rng: random.Random) -> int:
    """Return a place, half of the time in the list at the end or close to it."""
    if not content:
        return 0
    first = max(0, len(content) - 700) if rng.random() < 0.5 else 0
    return rng.randrange(first, len(content))


def _records(content: bytearray, signature: bytes) -> list[int]:
    places, at = [], content.find(signature)
    while at >= 0:
        places.append(at)
        at = content.find(signature, at + 1)
    return places


def _a_record(content: bytearray, signature: bytes, rng: random.Random) -> int | None:
    places = _records(content, signature)
    return rng.choice(places) if places else None


def _a_field(content: bytearray, rng: random.Random) -> tuple[int, int] | None:
    field = rng.choice(FIELDS)
    at = _a_record(content, field.signature, rng)
    if at is None or at + field.at + field.bytes > len(content):
        return None
    return at + field.at, field.bytes
