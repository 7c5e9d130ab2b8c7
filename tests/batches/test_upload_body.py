"""The body of a request as it arrives: in pieces, to its end or to where it is cut."""

import asyncio

from batches.api.bodies import PIECE_BYTES, Body, Message


def part(content: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


class Client:
    """Sends what a test puts into its queue."""

    def __init__(self, *messages: Message) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self.messages.put_nowait(message)

    def body(self, *, silence_seconds: float = 30) -> Body:
        return Body(self.messages.get, silence_seconds=silence_seconds)


async def all_of(body: Body) -> list[bytes]:
    return [bytes(piece) async for piece in body.pieces() if piece]


async def test_small_parts_are_gathered_into_pieces_worth_a_write():
    client = Client(*[part(b"x" * 65536)] * 20, part(b"end", more=False))

    pieces = await all_of(client.body())

    assert [len(piece) for piece in pieces] == [PIECE_BYTES, 4 * 65536 + 3]


async def test_what_came_before_the_client_went_is_given():
    client = Client(part(b"abc"), {"type": "http.disconnect"})

    body = client.body()

    assert await all_of(body) == [b"abc"]
    assert body.is_gone


async def test_a_client_that_says_nothing_for_too_long_is_taken_for_gone():
    body = Client(part(b"abc")).body(silence_seconds=0)

    assert await all_of(body) == [b"abc"]
    assert body.is_silent
    assert body.is_cut


async def test_what_a_slow_client_has_sent_is_given_within_seconds():
    client = Client(part(b"abc"))
    pieces = client.body().pieces()

    assert await asyncio.wait_for(anext(pieces), 5) == b"abc"

    client.messages.put_nowait(part(b"def", more=False))
    assert [bytes(piece) async for piece in pieces] == [b"def"]


async def test_a_client_that_trickles_is_heard_of_several_times_a_second():
    client = Client(part(b"a"))
    pieces = client.body().pieces()

    assert await asyncio.wait_for(anext(pieces), 5) == b"a"
    assert await asyncio.wait_for(anext(pieces), 5) == b""
    for letter in (b"b", b"c"):
        client.messages.put_nowait(part(letter))

    assert await asyncio.wait_for(anext(pieces), 5) == b"bc"
    await pieces.aclose()
