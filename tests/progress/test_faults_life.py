"""A batch that takes longer than what it is watched by lives."""

import httpx

from tests.progress.clients import Client, staying
from tests.progress.live import RedisServer, becomes, numbered, serving
from tests.site import Site


async def test_a_batch_that_outlives_the_keys_and_the_token_is_watched_by_one_connection_to_its_end(
    site: Site, redis_server: RedisServer
) -> None:
    site.environment |= {"DJANGO_SETTINGS_MODULE": "tests.progress.hasty", "REDIS_URL": redis_server.url}
    site.environment["STREAM_RIGHTS_SECONDS"] = "1"  # asked again and again, long after the token
    with serving(site, "daphne") as live, live.redis() as redis, httpx.Client() as browser:
        batch = live.writer.add_batch()
        bearer = bearer_of(live.writer.add_user("early", superuser=True))
        client = Client(live.address(batch), bearer)
        async with staying(client):
            for first in (1, 6, 11):
                live.writer.publish(batch, *numbered(5, start=first))
                await becomes(lambda: client.position == first + 4)  # noqa: B023
                await becomes(lambda: not redis.exists(f"batch:{batch}:progress:log"))

            assert browser.get(live.address(batch, "progress"), headers=bearer).status_code == 401
            late = Client(live.address(batch), bearer_of(live.writer.add_user("late", superuser=True)))
            async with staying(late):
                await becomes(lambda: late.position == 15)
                live.writer.publish(batch, "event 16", stage="completed")
                await becomes(lambda: client.is_done and late.is_done)

    assert client.messages == late.messages == numbered(16)
    assert client.connections == 1


def bearer_of(user: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {user['token']}"}
