"""A channel layer that loses, doubles or delays what it is told to: a fault installed in the project's own."""

import random
from contextlib import suppress
from enum import Enum
from typing import Any

from omr_project.channel_layer import ProjectChannelLayer
from progress.connection import AWAY


class Fate(Enum):
    """What becomes of a message to a group."""

    ARRIVES = "arrives"
    IS_LOST = "is lost"
    COMES_TWICE = "comes twice"
    COMES_LATE = "comes late"


class DisturbedLayer(ProjectChannelLayer):
    """``fate`` is that of the messages from now on."""

    fate = Fate.ARRIVES
    _late: list[tuple[str, Any]] = []  # whichever loop sends

    async def group_send(self, group: str, message: Any) -> None:
        if self.fate is Fate.COMES_LATE:
            self._late.append((group, message))
        copies = {Fate.ARRIVES: 1, Fate.COMES_TWICE: 2}.get(self.fate, 0)
        for _ in range(copies):
            await self._get_layer().group_send(group, message)

    def forget_late(self) -> list[tuple[str, Any]]:
        """Lose what is late by now; gives what that was."""
        late = self._late.copy()
        self._late.clear()
        return late

    async def send_late(self, order: random.Random) -> None:
        """Send what is late by now, in any order; a Redis that is away loses it."""
        late = self.forget_late()
        order.shuffle(late)
        for group, message in late:
            with suppress(*AWAY):
                await self._get_layer().group_send(group, message)
