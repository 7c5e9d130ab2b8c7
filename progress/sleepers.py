"""Viewers that sleep until there is news for all of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Take = Callable[[bytes], bool]
"""Sends a frame at once, on behalf of one who sleeps; False when that cannot be: then the sleeper is woken for it."""


class Recipient(Protocol):
    """One who may be sent to while it sleeps."""

    @property
    def take(self) -> Take | None:
        """None: it has to be woken for each frame."""

    def credit(self, frames: int, size: int) -> None:
        """Count what was sent while it slept, ``size`` bytes together, since it was credited last."""


@dataclass(slots=True)
class _Account:
    """What one sleeper was credited with: all that was passed on up to here, by the count of all sleepers."""

    recipient: Recipient
    frames: int
    bytes: int


class Sleepers:
    """Those who wait for the same news."""

    def __init__(self) -> None:
        self._sleepers: dict[asyncio.Future[bool], Take | None] = {}
        # Whoever sleeps is sent all that is passed on, or is woken: so one count does for all, where a count for each
        # would cost more than all else that is ours of a delivery.
        self._accounts: dict[asyncio.Future[bool], _Account] = {}
        self._passed_frames = self._passed_bytes = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._news_at = 0.0  # by the loop's clock

    async def wait(self, timeout_seconds: float, recipient: Recipient | None = None) -> bool:
        """Sleep until somebody wakes the viewers; False when there was no news for ``timeout_seconds``.

        News that the ``recipient`` is sent does not end its sleep: to wake a viewer costs more than what it is woken
        for.
        """
        # A future for each viewer: one shared future would have to be shielded from each viewer's leaving, at 3 µs.
        sleeper: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._sleepers[sleeper] = None
        if recipient is not None:
            self._sleepers[sleeper] = recipient.take
            self._accounts[sleeper] = _Account(recipient, self._passed_frames, self._passed_bytes)
        self._set_alarm(timeout_seconds, timeout_seconds)
        try:
            return await sleeper
        finally:
            self._leave(sleeper)

    def wake(self) -> None:
        """Wake all viewers."""
        self._note_news()
        self._wake(news=True)

    def pass_on(self, frame: bytes) -> None:
        """Have ``frame``, which is all the news, sent to those who sleep; wake those to whom it cannot be."""
        self._note_news()
        woken = []
        for sleeper, take in self._sleepers.items():
            try:
                is_taken = take is not None and take(frame)
            except Exception as error:  # noqa: BLE001 - one viewer's trouble is raised where that viewer sleeps
                is_taken = False
                sleeper.set_exception(error)
            if not is_taken:
                woken.append(sleeper)
        for sleeper in woken:
            self._leave(sleeper)
            _end(sleeper, news=True)
        self._passed_frames += 1
        self._passed_bytes += len(frame)

    def settle(self) -> None:
        """Credit all who sleep with what was sent on their behalf up to now."""
        for account in self._accounts.values():
            self._settle(account)

    def _settle(self, account: _Account) -> None:
        frames, size = self._passed_frames - account.frames, self._passed_bytes - account.bytes
        if frames:
            account.frames, account.bytes = self._passed_frames, self._passed_bytes
            account.recipient.credit(frames, size)

    def _leave(self, sleeper: "asyncio.Future[bool]") -> None:
        """Send nothing more on behalf of ``sleeper``; a second time nothing happens."""
        self._sleepers.pop(sleeper, None)
        account = self._accounts.pop(sleeper, None)
        if account is not None:
            self._settle(account)

    def _note_news(self) -> None:
        if self._sleepers:
            self._news_at = asyncio.get_running_loop().time()

    def _wake(self, *, news: bool) -> None:
        for sleeper in list(self._sleepers):
            self._leave(sleeper)
            _end(sleeper, news=news)

    def _set_alarm(self, seconds: float, timeout_seconds: float) -> None:
        """Have the time looked at after ``seconds``: one alarm for all, since they wait for the same."""
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._ring, timeout_seconds)

    def _ring(self, timeout_seconds: float) -> None:
        self._alarm = None
        quiet_seconds = asyncio.get_running_loop().time() - self._news_at
        if quiet_seconds >= timeout_seconds:
            self._wake(news=False)
        elif self._sleepers:
            self._set_alarm(timeout_seconds - quiet_seconds, timeout_seconds)


def _end(sleeper: "asyncio.Future[bool]", *, news: bool) -> None:
    if not sleeper.done():
        sleeper.set_result(news)
