"""A client that is stopped in the middle, as a laptop that is closed: it gets all later, and holds nobody up."""

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.progress.live import Live, becomes, numbered

LONG = "x" * 100_000
PIECES = 300  # 30 MB: the sockets on the way take six at most


@contextmanager
def a_curl(live: Live, batch: str, output: Path, after: int) -> "Iterator[subprocess.Popen[bytes]]":
    """Start curl on the stream of ``batch``; what it gets is added to ``output``."""
    headers = {**live.bearer, "Last-Event-ID": str(after)}
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    with (
        output.open("ab") as file,
        subprocess.Popen(["curl", "--silent", "--no-buffer", *given, live.address(batch)], stdout=file) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def seqs_in(output: Path) -> list[int]:
    """Return the positions of the events that are whole in ``output``."""
    return [int(seq) for seq in re.findall(rb"\nid: (\d+)\ndata: \{[^\n]*\}\n\n", output.read_bytes())]


async def test_a_client_that_is_stopped_gets_all_later_and_holds_up_neither_others_nor_the_servers_memory(
    live: Live, batch: str, tmp_path: Path
) -> None:
    output = tmp_path / "curl.txt"
    live.writer.publish(batch, *numbered(2))

    with a_curl(live, batch, output, after=0) as stopped:
        await becomes(lambda: output.exists() and len(seqs_in(output)) == 2)
        stopped.send_signal(signal.SIGSTOP)
        async with live.watch(batch) as other:
            before_kb, delays = live.server_status("VmRSS"), []
            for seq in range(3, PIECES + 3):
                live.writer.publish(batch, LONG)
                begun = time.monotonic()
                await other.sees(seq)
                delays.append(time.monotonic() - begun)
            live.writer.publish(batch, "end", stage="completed")
            await other.ends()
        grown_kb = live.server_status("VmRSS") - before_kb
        stopped.send_signal(signal.SIGCONT)
        await asyncio.to_thread(stopped.wait, 15)
    if seqs_in(output)[-1] < PIECES + 3:  # it was cut off meanwhile: then it comes back
        with a_curl(live, batch, output, after=seqs_in(output)[-1]) as back:
            await asyncio.to_thread(back.wait, 15)

    assert seqs_in(output) == other.seqs == list(range(1, PIECES + 4))
    assert sorted(delays)[int(0.95 * len(delays))] < 1.0
    assert grown_kb < 20_000
