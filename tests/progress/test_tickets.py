"""Tickets at a real server: what they open, and that nobody writes them down."""

import httpx
import pytest

from tests.progress.live import Live, becomes, numbered, watch


def get_ticket(live: Live, batch: str | None) -> str:
    answer = httpx.post(f"{live.url}/api/tickets", json={"batch": batch}, headers=live.bearer)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


@pytest.fixture
def shown(strict: Live) -> str:
    """A batch of ann's with three events, of which the last is its end."""
    batch = strict.writer.add_batch()
    strict.writer.publish(batch, *numbered(2))
    strict.writer.publish(batch, "end", stage="completed")
    return batch


async def test_a_ticket_opens_the_stream_and_the_two_other_addresses_of_its_batch(strict: Live, shown: str) -> None:
    ticket = get_ticket(strict, shown)

    async with watch(f"{strict.address(shown)}?ticket={ticket}", {}) as viewer:
        await viewer.ends()
    others = [httpx.get(strict.address(shown, what), params={"ticket": ticket}) for what in ("progress", "events")]

    assert viewer.seqs == [1, 2, 3]
    assert [other.status_code for other in others] == [200, 200]


async def test_a_ticket_for_all_batches_opens_the_stream_of_all_and_that_of_one_what_is_narrowed_to_it(
    strict: Live, shown: str
) -> None:
    for batch, query in ((None, ""), (shown, f"batch={shown}&")):
        ticket = get_ticket(strict, batch)

        async with watch(f"{strict.url}/api/stream?{query}ticket={ticket}", {}) as viewer:
            await becomes(lambda: shown in {event.json()["batch_id"] for event in viewer.events})


def test_a_ticket_of_one_batch_opens_no_other_and_not_all(strict: Live, shown: str) -> None:
    ticket, other = get_ticket(strict, shown), strict.writer.add_batch()

    denied = [
        httpx.get(address, params=[("ticket", ticket), *more])
        for address, more in (
            (strict.address(other), []),
            (f"{strict.url}/api/stream", []),
            (f"{strict.url}/api/stream", [("batch", shown), ("batch", other)]),
        )
    ]

    assert [(answer.status_code, answer.json()) for answer in denied] == [(403, {"detail": "Access denied"})] * 3


def test_a_ticket_that_is_no_good_is_refused_with_a_sentence(strict: Live, shown: str) -> None:
    answer = httpx.get(strict.address(shown), params={"ticket": "made-up"})

    assert answer.status_code == 401
    assert answer.json()["detail"] == "The ticket is invalid or has expired; get a new one by POST /api/tickets"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_ticket_is_written_down_nowhere(strict: Live, shown: str) -> None:
    ticket, wrong = get_ticket(strict, shown), get_ticket(strict, shown)[:-1] + "~"
    stream = strict.address(shown)

    for query in (f"ticket={ticket}", f"x=1&ticket={ticket}&y=2", f"%74icket={ticket}", f"ticket={wrong}"):
        httpx.get(f"{stream}?{query}")
        httpx.get(f"{strict.address(shown, 'progress')}?{query}", headers={"Referer": f"{stream}?{query}"})
        httpx.get(f"{strict.url}/no/such/page?{query}")
        httpx.post(f"{strict.url}/login?{query}", headers={"Referer": f"{stream}?{query}"})
        httpx.head(f"{strict.url}/api/uploads/{shown}?{query}")
    await becomes(lambda: strict.logs().count("/no/such/page") >= 4)

    logs = strict.logs()
    assert f"/api/batches/{shown}/stream" in logs
    assert "x=1&y=2" in logs
    for text in (ticket, wrong, ticket.split(":")[0], ticket.split(":")[-1]):
        assert text not in logs
