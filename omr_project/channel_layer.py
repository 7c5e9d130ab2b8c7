"""The channel layer of the site: channels-redis' pub/sub layer, which keeps no queue that could drop silently."""

from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer

from omr_project.redis_server import redis_url


class ProjectChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # the package has no types
    """Asks for the address of Redis when the layer is made, so that a command that needs none starts none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(hosts=[{"address": redis_url(), "socket_timeout": None}], prefix="omr", **options)
