"""Who may watch, and the two addresses for those who cannot stream."""

import httpx
import pytest

from tests.progress.live import Live, numbered, watch

ADDRESSES = ("stream", "progress", "events")


def get(live: Live, batch: str, what: str, **headers: str) -> httpx.Response:
    return httpx.get(live.address(batch, what), headers=headers, timeout=10)


@pytest.mark.parametrize("what", ADDRESSES)
def test_who_is_not_signed_in_is_asked_to(live: Live, batch: str, what: str) -> None:
    answer = get(live, batch, what)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["detail"]


def test_a_token_that_is_no_good_is_refused_even_with_a_good_cookie(live: Live, batch: str) -> None:
    answer = get(live, batch, "stream", Authorization="Bearer x.y.z", Cookie=f"sessionid={live.session}")

    assert answer.status_code == 401


@pytest.mark.parametrize("what", ADDRESSES)
@pytest.mark.parametrize("batch_id", ["no-uuid", "0d5a1c3e-5f0b-4c55-9a2e-6d3b1f0f7a11"])
def test_a_batch_that_is_not_there_is_not_found(live: Live, what: str, batch_id: str) -> None:
    answer = get(live, batch_id, what, **live.bearer)

    assert (answer.status_code, answer.json()) == (404, {"detail": "Batch not found"})


@pytest.mark.parametrize("what", ADDRESSES)
def test_a_batch_of_somebody_else_is_denied(live: Live, batch: str, what: str) -> None:
    stranger = live.writer.add_user(f"stranger-{batch}-{what}")

    answer = get(live, batch, what, Authorization=f"Bearer {stranger['token']}")

    assert (answer.status_code, answer.json()) == (403, {"detail": "Access denied"})


async def test_the_session_cookie_of_the_site_opens_the_stream(live: Live, batch: str) -> None:
    live.writer.publish(batch, "event 1")

    async with watch(live.address(batch), {"Cookie": f"sessionid={live.session}"}) as viewer:
        await viewer.sees(1)


async def test_a_viewer_that_access_names_and_a_superuser_may_watch(live: Live, batch: str) -> None:
    live.writer.publish(batch, "event 1")
    friend = live.writer.add_user(f"friend-{batch}")
    chief = live.writer.add_user(f"chief-{batch}", superuser=True)
    live.writer.ask("grant", batch=batch, user=f"friend-{batch}")

    for user in (friend, chief):
        async with watch(live.address(batch), {"Authorization": f"Bearer {user['token']}"}) as viewer:
            await viewer.sees(1)


def test_nothing_but_get_is_answered(live: Live, batch: str) -> None:
    assert httpx.head(live.address(batch), headers=live.bearer).status_code == 405


def test_polling_tells_the_state_and_the_latest_event(live: Live, batch: str) -> None:
    assert get(live, batch, "progress", **live.bearer).json() == {
        "batch_id": batch,
        "status": "uploading",
        "sheet_count": 0,
        "processed_count": 0,
        "current": None,
    }

    live.writer.publish(batch, *numbered(3))

    current = get(live, batch, "progress", **live.bearer).json()["current"]
    assert (current["seq"], current["message"], current["batch_id"]) == (3, "event 3", batch)


def test_the_log_can_be_read_as_json_from_any_position(live: Live, batch: str) -> None:
    live.writer.publish(batch, *numbered(3))

    whole = get(live, batch, "events", **live.bearer).json()["events"]
    rest = get(live, batch, "events?after=2", **live.bearer).json()["events"]
    wrong = get(live, batch, "events?after=x", **live.bearer)

    assert [event["seq"] for event in whole] == [1, 2, 3]
    assert rest == whole[2:]
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid")
