"""How many streams there may be, how a bad one is got rid of, and what is written down of each."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.progress.live import Live, becomes, numbered, watch


def lines_about(live: Live, batch: str, event: str) -> list[dict[str, object]]:
    """Return the log lines ``event`` of the stream of ``batch``."""
    lines = [json.loads(line) for line in live.logs().splitlines() if f'"{event}"' in line and batch in line]
    return [line for line in lines if line["event"] == event and line["batch_id"] == batch]


def connect(live: Live, batch: str, *, buffer_bytes: int | None = None) -> socket.socket:
    """Open a stream by hand, and read nothing of it."""
    address = urlsplit(live.address(batch))
    connection = socket.socket()
    if buffer_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    connection.settimeout(15)
    connection.connect((address.hostname, address.port))
    head = f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {live.bearer['Authorization']}"
    connection.sendall(f"{head}\r\n\r\n".encode())
    return connection


async def test_one_user_can_open_so_many_streams_and_no_more_until_one_is_closed(strict: Live) -> None:
    batch = strict.writer.add_batch()
    user = strict.writer.add_user(f"many-{batch}")
    strict.writer.ask("grant", batch=batch, user=f"many-{batch}")
    headers = {"Authorization": f"Bearer {user['token']}"}

    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(watch(strict.address(batch), headers))
        async with watch(f"{strict.url}/api/stream", headers):
            refused = [httpx.get(strict.address(batch), headers=headers) for _ in range(2)]
            async with watch(strict.address(batch), strict.bearer):
                pass  # somebody else is not concerned

        await becomes(lambda: len(lines_about(strict, "all", "stream_ended")) > 0)
        async with watch(strict.address(batch), headers):
            pass

    for answer in refused:
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["code"] == "too_many_streams"
        assert answer.json()["detail"].startswith("You have 5 streams open, which is the most")


async def test_a_burst_of_one_user_is_held_to_the_same(strict: Live) -> None:
    batch = strict.writer.add_batch()
    user = strict.writer.add_user(f"burst-{batch}")
    strict.writer.ask("grant", batch=batch, user=f"burst-{batch}")
    headers = {"Authorization": f"Bearer {user['token']}"}

    async with httpx.AsyncClient(headers=headers, timeout=15) as client, AsyncExitStack() as stack:
        opening = [client.stream("GET", strict.address(batch)) for _ in range(15)]
        answers = await asyncio.gather(*(stack.enter_async_context(one) for one in opening))

        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 10


async def test_a_viewer_that_takes_nothing_is_cut_and_comes_back_to_where_it_was(strict: Live) -> None:
    batch = strict.writer.add_batch()
    with connect(strict, batch, buffer_bytes=4096) as sleeping:
        for _ in range(20):
            strict.writer.publish(batch, *["x" * 100_000] * 10)
        await becomes(lambda: len(lines_about(strict, batch, "stream_ended")) == 1)
        received = await asyncio.to_thread(read_to_the_end, sleeping)
    last = max(int(line.removeprefix("id: ")) for line in received.split("\n") if line.startswith("id: "))
    strict.writer.publish(batch, "end", stage="completed")

    async with strict.watch(batch, after=last) as back:
        await back.ends()

    [ended] = [line for line in lines_about(strict, batch, "stream_ended") if line["reason"] == "slow"]
    assert 2 <= float(str(ended["seconds"])) < 15
    assert last < 200
    assert back.seqs == list(range(last + 1, 202))


@pytest.mark.parametrize("what", ["one", "all"])
async def test_what_was_sent_before_a_silence_does_not_come_again_after_it(strict: Live, what: str) -> None:
    batch = strict.writer.add_batch()
    address = strict.address(batch) if what == "one" else f"{strict.url}/api/stream?batch={batch}"

    strict.writer.publish(batch, "event 1")
    async with watch(address, strict.bearer) as viewer:
        for number in range(2, 6):
            await becomes(lambda: len(viewer.events) == number - 1)  # noqa: B023
            strict.writer.publish(batch, f"event {number}")
        await becomes(lambda: len(viewer.events) == 5)
        await asyncio.sleep(2.5)  # of silence, which is what is looked at here
        strict.writer.publish(batch, "event 6")
        await becomes(lambda: viewer.messages[-1] == "event 6")

    assert viewer.messages == numbered(6)


def read_to_the_end(connection: socket.socket) -> str:
    """Return what still comes, whole lines of it, until the other side has closed or cut the connection."""
    received = b""
    try:
        while piece := connection.recv(2**20):
            received += piece
    except ConnectionResetError:
        pass
    return received.rpartition(b"\n")[0].decode()


def timers_of(port: int) -> list[tuple[int, int]]:
    """Return, for each connection of the server on ``port``, the kernel's timer (2: are you there?) and its ticks."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    return [(int(row[5].split(":")[0], 16), int(row[5].split(":")[1], 16)) for row in mine]


async def test_the_kernel_asks_a_silent_client_every_few_seconds_whether_it_is_there(strict: Live) -> None:
    batch = strict.writer.add_batch()
    strict.writer.publish(batch, "event 1")

    async with strict.watch(batch) as viewer:
        await viewer.sees(1)
        port = urlsplit(strict.url).port or 0
        await becomes(lambda: any(timer == 2 and ticks <= 500 for timer, ticks in timers_of(port)))


@pytest.mark.parametrize(("how", "proof"), [("header", "bearer"), ("cookie", "session")])
async def test_a_line_is_written_when_a_stream_opens_and_one_when_it_ends(strict: Live, how: str, proof: str) -> None:
    batch = strict.writer.add_batch()
    strict.writer.publish(batch, *numbered(3))
    headers = strict.bearer if how == "header" else {"Cookie": f"sessionid={strict.session}"}

    async with watch(strict.address(batch), headers | {"Last-Event-ID": "1"}) as viewer:
        await viewer.sees(3)
    async with watch(strict.address(batch), headers) as viewer:
        strict.writer.publish(batch, "end", stage="completed")
        await viewer.ends()
    await becomes(lambda: len(lines_about(strict, batch, "stream_ended")) == 2)

    opened, ended = (lines_about(strict, batch, event) for event in ("stream_opened", "stream_ended"))
    assert [(line["proof"], line["position"]) for line in opened] == [(proof, 1), (proof, 0)]
    assert sorted((str(line["reason"]), line["events"], line["position"]) for line in ended) == [
        ("finished", 4, 4),
        ("left", 2, 3),
    ]
    assert all(isinstance(line["user_id"], int) for line in opened + ended)
    assert all(int(str(line["bytes"])) > 500 for line in ended)


async def test_the_count_of_a_process_that_was_killed_is_taken_off(strict: Live) -> None:
    batch = strict.writer.add_batch()
    redis, key = strict.redis(), f"batch:{batch}:viewers"

    async with strict.watch(batch):
        redis.hset(key, "another:1:dead", "3")
        redis.hset(key, "another:2:live", "2")
        redis.set("web:another:2:live", "", ex=60)
        await becomes(lambda: set(redis.hvals(key)) == {"1", "2"})
    redis.close()
