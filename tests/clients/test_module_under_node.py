"""Our own module under Node, through a proxy that does to streams what proxies and networks do."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.clients.node import MODULE, SYNTAX_MODULE, node
from tests.clients.proxy import Fault, Proxy
from tests.clients.records import ProgramRecord, running
from tests.progress.live import Live, numbered
from tests.site import wait_until

HASTY = {
    "retry": 100,
    "longestRetry": 400,
    "longestRetryAfterSilence": 400,
    "silence": 2_500,  # the site of these tests says something every second
    "stable": 1_500,
    "poll": 100,
}
"""Timing, in milliseconds: some twenty times as fast as at home."""

Follow = Callable[..., AbstractContextManager[ProgramRecord]]


@pytest.fixture
def follow(live: Live, proxy: Proxy, workshop: Path) -> Follow:
    """Follow a batch (none: all) through the proxy, by ann's token unless said otherwise."""

    @contextmanager
    def follow(batch: str | None, **options: Any) -> Iterator[ProgramRecord]:
        how = {} if "tickets" in options else {"token": live.token}
        given = {"batch": batch, "server": proxy.url, "timing": HASTY} | how | options
        with running(node(), str(workshop / "follow.mjs"), MODULE, json.dumps(given), folder=workshop) as record:
            yield record

    return follow


def test_it_sees_every_event_once_in_order_and_the_end(live: Live, batch: str, follow: Follow) -> None:
    live.writer.publish(batch, *numbered(300))
    with follow(batch) as record:
        wait_until(lambda: record.seqs[-1:] == [300])
        live.writer.publish(batch, *numbered(5, start=301))
        live.writer.publish(batch, "end", stage="completed")
        wait_until(lambda: record.has_ended)

    assert record.seqs == list(range(1, 307))
    assert record.states == ["live", "finished"]
    assert record.lines[-1] == {"over": "finished", "last": "completed"}


def test_it_goes_on_after_what_is_known_already(live: Live, batch: str, follow: Follow) -> None:
    live.writer.publish(batch, *numbered(5))
    with follow(batch, after=3) as record:
        wait_until(lambda: record.seqs == [4, 5])


def test_a_batch_whose_end_is_known_is_finished_without_an_event(live: Live, batch: str, follow: Follow) -> None:
    live.writer.publish(batch, "event 1", stage="completed")
    with follow(batch, after=1) as record:
        wait_until(lambda: record.has_ended)

    assert record.lines == [{"state": "finished", "status": None}, {"over": "finished", "last": None}]


def test_a_lost_connection_is_made_again_and_is_no_failure(
    live: Live, batch: str, proxy: Proxy, follow: Follow
) -> None:
    live.writer.publish(batch, *numbered(3))
    with follow(batch) as record:
        wait_until(lambda: record.seqs == [1, 2, 3])
        proxy.cut()
        live.writer.publish(batch, *numbered(3, start=4))
        wait_until(lambda: record.seqs[-1:] == [6])
        live.writer.publish(batch, "it failed", stage="failed")
        wait_until(lambda: record.has_ended)

    assert record.seqs == list(range(1, 8))
    assert record.states == ["live", "reconnecting", "live", "finished"]
    assert record.lines[-1] == {"over": "finished", "last": "failed"}


def test_a_server_that_is_away_for_long_is_asked_again_and_the_stream_comes_back(
    live: Live, batch: str, proxy: Proxy, follow: Follow
) -> None:
    live.writer.publish(batch, "event 1")
    with follow(batch, timing=HASTY | {"longestRetry": 60_000, "retry": 300}) as record:
        wait_until(lambda: record.seqs == [1])
        proxy.cut(Fault.REFUSE)
        wait_until(lambda: record.states == ["live", "reconnecting"])
        live.writer.publish(batch, *numbered(3, start=2))
        proxy.fault = Fault.NONE
        wait_until(lambda: record.states[-1] == "live")
        wait_until(lambda: record.seqs == [1, 2, 3, 4])


@pytest.mark.parametrize("fault", [Fault.BUFFER, Fault.CUT])
def test_behind_a_proxy_that_spoils_streams_it_polls_and_returns_when_the_proxy_is_mended(
    fault: Fault, live: Live, batch: str, proxy: Proxy, follow: Follow
) -> None:
    proxy.fault = fault
    live.writer.publish(batch, *numbered(3))
    with follow(batch) as record:
        wait_until(lambda: record.states[-1:] == ["polling"])
        live.writer.publish(batch, *numbered(3, start=4))
        wait_until(lambda: record.seqs[-1:] == [6])
        proxy.fault = Fault.NONE
        wait_until(lambda: record.states[-1] == "live")
        live.writer.publish(batch, "end", stage="completed")
        wait_until(lambda: record.has_ended)

    assert record.seqs == list(range(1, 8))


def test_a_batch_that_ends_while_it_is_polled_is_finished(live: Live, batch: str, proxy: Proxy, follow: Follow) -> None:
    proxy.fault = Fault.BUFFER
    with follow(batch) as record:
        wait_until(lambda: record.states == ["polling"])
        live.writer.publish(batch, "event 1")
        live.writer.publish(batch, "it failed", stage="failed")
        wait_until(lambda: record.has_ended)

    assert record.seqs == [1, 2]
    assert record.lines[-1] == {"over": "finished", "last": "failed"}


def test_a_connection_that_died_silently_is_noticed(live: Live, batch: str, proxy: Proxy, follow: Follow) -> None:
    live.writer.publish(batch, "event 1")
    with follow(batch) as record:
        wait_until(lambda: record.states == ["live"])
        proxy.fault = Fault.SWALLOW
        live.writer.publish(batch, "event 2")
        wait_until(lambda: record.states[-1] != "live")
        proxy.fault = Fault.NONE
        wait_until(lambda: record.seqs == [1, 2])
        wait_until(lambda: record.states[-1] == "live")


def test_a_quiet_stream_is_not_taken_for_a_dead_one(live: Live, batch: str, proxy: Proxy, follow: Follow) -> None:
    live.writer.publish(batch, "event 1")
    with follow(batch) as record:
        wait_until(lambda: record.states == ["live"])
        wait_until(lambda: proxy.pieces > 5)  # a comment each second

    assert record.states == ["live"]
    assert len(proxy.stream_times) == 1


def test_the_stream_says_after_how_long_to_come_back(live: Live, batch: str, proxy: Proxy, follow: Follow) -> None:
    live.writer.publish(batch, "event 1")  # with it comes ``retry: 2000``
    with follow(batch) as record:
        wait_until(lambda: record.seqs == [1])
        proxy.cut()
        cut_at = time.monotonic()
        wait_until(lambda: record.states == ["live", "reconnecting", "live"])

    assert 1.9 <= proxy.stream_times[1] - cut_at < 6.0


def test_a_user_who_was_deactivated_is_told_so(live: Live, batch: str, proxy: Proxy, follow: Follow) -> None:
    eve = live.writer.add_user("eve")
    live.writer.ask("grant", batch=batch, user="eve")
    with follow(batch, token=eve["token"]) as record:
        wait_until(lambda: record.states == ["live"])
        live.writer.ask("deactivate", user="eve")
        proxy.cut()
        wait_until(lambda: record.has_ended)

    assert record.lines[-2] == {"state": "denied", "status": 401}


def test_no_token_is_as_good_as_a_wrong_one(batch: str, follow: Follow) -> None:
    with follow(batch, token=None) as record:
        wait_until(lambda: record.has_ended)

    assert record.lines[0] == {"state": "denied", "status": 401}


def test_a_ticket_is_asked_for_at_each_connection_and_opens_it(
    live: Live, batch: str, proxy: Proxy, follow: Follow
) -> None:
    live.writer.publish(batch, *numbered(3))
    with follow(batch, tickets={"url": f"{live.url}/api/tickets", "token": live.token}) as record:
        wait_until(lambda: record.seqs == [1, 2, 3])
        proxy.cut()
        live.writer.publish(batch, "event 4", stage="completed")
        wait_until(lambda: record.has_ended)

    assert record.seqs == [1, 2, 3, 4]
    assert record.all("ticket") == [201, 201]


def test_a_ticket_that_never_comes_is_asked_for_again(live: Live, batch: str, follow: Follow) -> None:
    live.writer.publish(batch, "event 1")
    with follow(batch, tickets={"url": f"{live.url}/api/tickets", "token": live.token, "hangs": 1}) as record:
        wait_until(lambda: record.states[-1:] == ["live"] and record.seqs == [1])


def test_nobody_who_gives_a_ticket_means_signed_out(live: Live, batch: str, follow: Follow) -> None:
    with follow(batch, tickets={"url": f"{live.url}/api/tickets", "token": "gone"}) as record:
        wait_until(lambda: record.has_ended)

    assert record.lines[:2] == [{"ticket": 401}, {"state": "denied", "status": 401}]


@pytest.mark.parametrize(("batch_id", "status"), [("not-a-batch", 404), ("hers", 403)])
def test_what_one_may_not_see_is_denied_for_ever(batch_id: str, status: int, live: Live, follow: Follow) -> None:
    if batch_id == "hers":
        live.writer.add_user("hers")
        batch_id = live.writer.add_batch("hers")
    with follow(batch_id) as record:
        wait_until(lambda: record.has_ended)

    assert record.lines[0] == {"state": "denied", "status": status}


def test_all_batches_are_followed_over_one_connection_without_an_end(live: Live, proxy: Proxy, follow: Follow) -> None:
    zoe = live.writer.add_user("zoe")
    one, other = live.writer.add_batch("zoe"), live.writer.add_batch("zoe")
    live.writer.publish(one, *numbered(3))
    with follow(None, token=zoe["token"]) as record:
        wait_until(lambda: seen(record) == [(one, 3)])
        live.writer.publish(other, "event 1")
        live.writer.publish(one, "end", stage="completed")
        wait_until(lambda: {(other, 1), (one, 4)} <= set(seen(record)))
        proxy.cut()
        live.writer.publish(other, "event 2")
        wait_until(lambda: (other, 2) in seen(record))

    assert len(seen(record)) == len(set(seen(record))) == 4
    assert record.states == ["live", "reconnecting", "live"]
    assert len(proxy.stream_times) == 2


@pytest.mark.parametrize("fault", [Fault.BUFFER, Fault.CUT])
def test_all_batches_are_polled_where_streams_are_spoilt_and_streamed_again_when_that_is_mended(
    fault: Fault, live: Live, proxy: Proxy, follow: Follow
) -> None:
    ida = live.writer.add_user(f"ida-{fault.name}")
    one, other = live.writer.add_batch(f"ida-{fault.name}"), live.writer.add_batch(f"ida-{fault.name}")
    live.writer.publish(one, *numbered(3))
    proxy.fault = fault
    with follow(None, token=ida["token"]) as record:
        wait_until(lambda: record.states[-1:] == ["polling"])
        live.writer.publish(one, "event 4")
        live.writer.publish(other, "event 1")
        wait_until(lambda: {(one, 4), (other, 1)} <= set(seen(record)))
        proxy.fault = Fault.NONE
        wait_until(lambda: record.states[-1] == "live")
        live.writer.publish(one, "event 5")
        wait_until(lambda: (one, 5) in seen(record))

    assert len(seen(record)) == len(set(seen(record)))
    assert [seq for batch, seq in seen(record) if batch == one] == sorted(
        seq for batch, seq in seen(record) if batch == one
    )


def test_a_batch_that_is_retried_after_its_end_goes_on_among_all_batches(live: Live, follow: Follow) -> None:
    tom = live.writer.add_user("tom")
    batch = live.writer.add_batch("tom")
    live.writer.publish(batch, "it failed", stage="failed")
    with follow(None, token=tom["token"], batches=[batch]) as record:
        wait_until(lambda: seen(record) == [(batch, 1)])
        live.writer.publish(batch, "Waiting: 0 batches ahead", stage="uploading")
        wait_until(lambda: seen(record)[-1:] == [(batch, 2)])

    assert record.states == ["live"]


def test_all_batches_can_be_narrowed_to_some(live: Live, follow: Follow) -> None:
    max_ = live.writer.add_user("max")
    one, other, third = (live.writer.add_batch("max") for _ in range(3))
    for batch in (one, other, third):
        live.writer.publish(batch, "event 1")
    with follow(None, token=max_["token"], batches=[one, third]) as record:
        wait_until(lambda: set(seen(record)) == {(one, 1), (third, 1)})
        live.writer.publish(other, "event 2")
        live.writer.publish(third, "event 2")
        wait_until(lambda: (third, 2) in seen(record))

    assert other not in record.all("batch")


def seen(record: ProgramRecord) -> list[tuple[str, int]]:
    return list(zip(record.all("batch"), record.seqs, strict=True))


def test_a_listener_that_throws_takes_no_stream_down(live: Live, batch: str, follow: Follow) -> None:
    live.writer.publish(batch, *numbered(2))
    with follow(batch, faulty=True) as record:
        wait_until(lambda: len(record.all("thrown")) == 2)

    assert record.seqs == [1, 2]
    assert record.states == ["live"]


def test_whoever_stops_hears_nothing_more(live: Live, batch: str, follow: Follow) -> None:
    live.writer.publish(batch, *numbered(10))
    with follow(batch, last=4) as record:
        wait_until(lambda: record.has_ended)

    assert record.seqs == [1, 2, 3, 4]
    assert record.lines[-1]["over"] == "stopped"


def test_the_parser_takes_any_pieces_any_line_breaks_and_passes_over_what_is_not_an_event() -> None:
    frame = ':\n\nretry: 2000\nevent: progress\nid: 7\ndata: {"a":\ndata: "é"}\n\nevent: lost\n\ndata:x\n\ndata: half\n'
    expected = [{"retry": 2000}, {"name": "progress", "data": '{"a":\n"é"}'}, {"name": "message", "data": "x"}]
    whole = [frame.replace("\n", line_break) for line_break in ("\n", "\r\n", "\r")]
    pieces = [cut for text in whole for cut in ([text], list(text), *([text[:at], text[at:]] for at in range(1, 20)))]

    done = subprocess.run(
        [node(), str(Path(__file__).parent / "parse.mjs"), SYNTAX_MODULE],
        input="\n".join(map(json.dumps, pieces)),
        capture_output=True,
        text=True,
        check=True,
    )

    assert [json.loads(line) for line in done.stdout.splitlines()] == [expected] * len(pieces)
