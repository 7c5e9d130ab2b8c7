"""Rights that end while streams are open."""

import asyncio
from contextlib import AsyncExitStack

import httpx

from tests.progress.live import Live, watch
from tests.progress.test_tickets import get_ticket


async def test_a_right_that_is_withdrawn_ends_the_streams_it_opened_and_no_others(strict: Live) -> None:
    writer = strict.writer
    batch, deleted = writer.add_batch(), writer.add_batch()
    friend, former, changed, gone = (f"{name}-{batch}" for name in ("friend", "former", "changed", "gone"))
    users = {name: writer.add_user(name) for name in (friend, former, changed, gone)}
    for name in users:
        writer.ask("grant", batch=batch, user=name)
    writer.publish(batch, "event 1")
    writer.publish(deleted, "event 1")
    bearer = {name: {"Authorization": f"Bearer {user['token']}"} for name, user in users.items()}
    cookie = {"Cookie": f"sessionid={users[gone]['session']}"}

    async with AsyncExitStack() as stack:

        async def a_viewer(headers: dict[str, str], of: str = batch) -> "object":
            return await stack.enter_async_context(watch(strict.address(of), headers))

        leaving = [await a_viewer(bearer[name]) for name in (friend, former, changed)]
        leaving += [await a_viewer(cookie), await a_viewer(strict.bearer, deleted)]
        leaving += [await stack.enter_async_context(watch(f"{strict.url}/api/stream", bearer[changed]))]
        staying = [await a_viewer(strict.bearer), await a_viewer(bearer[gone])]

        writer.ask("revoke", batch=batch, user=friend)
        writer.ask("deactivate", user=former)
        writer.ask("change_password", user=changed)
        writer.ask("log_out", session=users[gone]["session"])
        writer.ask("delete_batch", batch=deleted)
        await asyncio.gather(*(viewer.ends() for viewer in leaving))
        writer.publish(batch, "event 2")
        await asyncio.gather(*(viewer.sees(2) for viewer in staying))

        assert not any(viewer.has_ended for viewer in staying)
        assert {viewer.messages[-1] for viewer in leaving} == {"event 1"}

    answers = {
        friend: httpx.get(strict.address(batch), headers=bearer[friend]),
        former: httpx.get(strict.address(batch), headers=bearer[former]),
        changed: httpx.get(strict.address(batch), headers=bearer[changed]),
        gone: httpx.get(strict.address(batch), headers=cookie),
        deleted: httpx.get(strict.address(deleted), headers=strict.bearer),
    }
    assert [answer.status_code for answer in answers.values()] == [403, 401, 401, 401, 404]
    assert all(answer.json()["detail"] for answer in answers.values())


async def test_a_stream_that_a_ticket_opened_ends_with_its_users_password(strict: Live) -> None:
    batch = strict.writer.add_batch()
    name = f"guest-{batch}"
    token = strict.writer.add_user(name)["token"]
    strict.writer.ask("grant", batch=batch, user=name)
    guest = Live(strict.site, strict.url, strict.writer, token, "")
    address = f"{strict.address(batch)}?ticket={get_ticket(guest, batch)}"

    async with watch(address, {}) as viewer:
        strict.writer.ask("change_password", user=name)
        await viewer.ends()

    assert httpx.get(address).status_code == 401
