"""The groups of the channel layer that this process is in, one for each batch, heard through one channel."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from channels.layers import get_channel_layer

from progress import log
from progress.connection import AWAY
from progress.events import BatchProgressEvent


class Groups:
    """Belongs to one event loop. What is heard may be late, doubled or missing."""

    def __init__(self, hear: Callable[[BatchProgressEvent], None]) -> None:
        self._hear = hear
        self._layer = get_channel_layer()
        self._channel: str | None = None
        self._opening_channel = asyncio.Lock()
        self._receiving: asyncio.Task[None] | None = None

    async def join(self, batch_id: UUID) -> None:
        """Hear of ``batch_id`` from now on; waits as long as Redis lets it.

        Raises:
            redis.RedisError, OSError, TimeoutError: Redis is away.
        """
        await self._layer.group_add(log.group_name(batch_id), await self._open_channel())

    async def leave(self, batch_id: UUID) -> None:
        """Hear no more of ``batch_id``. The layer keeps the order: who joins again meanwhile does so after this.

        Raises:
            redis.RedisError, OSError, TimeoutError: Redis is away.
        """
        await self._layer.group_discard(log.group_name(batch_id), self._channel)

    async def _open_channel(self) -> str:
        async with self._opening_channel:
            if self._channel is None:
                try:
                    self._channel = await self._layer.new_channel()
                except AWAY:
                    await self._layer.flush()  # it keeps a queue for each channel that it could not open
                    raise
                self._receiving = asyncio.create_task(self._receive(self._channel))
            return self._channel

    async def _receive(self, channel: str) -> None:
        while True:
            message = await self._layer.receive(channel)
            self._hear(BatchProgressEvent.from_json(message["event"]))

    def close(self) -> None:
        """Hear nothing more."""
        if self._receiving is not None:
            self._receiving.cancel()
