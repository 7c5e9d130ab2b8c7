"""A web process dies, or there are two of them: its clients go on where they were."""

import os
import signal

import pytest

from tests.progress.clients import Client, staying
from tests.progress.conftest import SERVERS
from tests.progress.live import becomes, in_background, numbered, server_pid, writing
from tests.site import Site, free_port


@pytest.mark.parametrize("server", SERVERS)
async def test_clients_of_a_web_server_that_was_killed_come_back_to_the_next_one_and_go_on(
    site: Site, server: str
) -> None:
    port = free_port()
    with writing(site) as writer:
        bearer = {"Authorization": f"Bearer {writer.add_user('ann')['token']}"}
        batch = writer.add_batch()
        writer.publish(batch, *numbered(10))
        clients = [Client(f"http://127.0.0.1:{port}/api/batches/{batch}/stream", bearer) for _ in range(10)]
        async with staying(*clients):
            with site.serve(server, port) as url:
                await becomes(lambda: all(client.position == 10 for client in clients))
                work = in_background(lambda: writer.publish(batch, *numbered(90, start=11)))
                os.kill(server_pid(url), signal.SIGKILL)
                work.join()
            with site.serve(server, port):
                await becomes(lambda: all(client.position == 100 for client in clients))
                writer.publish(batch, "event 101", stage="completed")
                await becomes(lambda: all(client.is_done for client in clients))

    assert all(client.messages == numbered(101) for client in clients)
    assert all(client.seqs == list(range(1, 102)) for client in clients)


async def test_viewers_of_two_web_processes_see_the_same_and_may_change_from_one_to_the_other(site: Site) -> None:
    with writing(site) as writer, site.serve("daphne") as one, site.serve("uvicorn") as other:
        bearer = {"Authorization": f"Bearer {writer.add_user('ann')['token']}"}
        batch = writer.add_batch()
        clients = [Client(f"{url}/api/batches/{batch}/stream", bearer) for url in (one, other) for _ in range(5)]
        async with staying(*clients):
            await becomes(lambda: all(client.is_connected for client in clients))
            for number in range(1, 6):
                writer.publish(batch, f"event {number}")
                await becomes(lambda: all(client.position == number for client in clients), seconds=1.5)  # noqa: B023

            os.kill(server_pid(one), signal.SIGKILL)
            for client in clients:
                client.url = f"{other}/api/batches/{batch}/stream"
            writer.publish(batch, *numbered(5, start=6))
            writer.publish(batch, "event 11", stage="completed")
            await becomes(lambda: all(client.is_done for client in clients))

    assert all(client.messages == numbered(11) for client in clients)
    assert [client.connections for client in clients] == [2] * 5 + [1] * 5
