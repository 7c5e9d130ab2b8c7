"""Viewers that sleep until there is news for all of them."""

import asyncio
from collections.abc import Callable

Take = Callable[[bytes], bool]
"""Sends a frame at once, on behalf of one who sleeps; False when that cannot be: then the sleeper is woken for it."""


class Sleepers:
    """Those who wait for the same news."""

    def __init__(self) -> None:
        self._sleepers: dict[asyncio.Future[bool], Take | None] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._news_at = 0.0  # by the loop's clock

    async def wait(self, timeout_seconds: float, take: Take | None = None) -> bool:
        """Sleep until somebody wakes the viewers; False when there was no news for ``timeout_seconds``.

        News that ``take`` sends does not end the sleep: to wake a viewer costs more than to send what it is woken for.
        """
        # A future for each viewer: one shared future would have to be shielded from each viewer's leaving, at 3 µs.
        sleeper: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._sleepers[sleeper] = take
        self._set_alarm(timeout_seconds, timeout_seconds)
        try:
            return await sleeper
        finally:
            self._sleepers.pop(sleeper, None)

    def wake(self) -> None:
        """Wake all viewers."""
        self._note_news()
        self._wake(news=True)

    def pass_on(self, frame: bytes) -> None:
        """Have ``frame``, which is all the news, sent where its takers sleep; wake the others."""
        self._note_news()
        for sleeper, take in list(self._sleepers.items()):
            try:
                is_taken = take is not None and take(frame)
            except Exception as error:  # noqa: BLE001 - one viewer's trouble is raised where that viewer sleeps
                del self._sleepers[sleeper]
                sleeper.set_exception(error)
                continue
            if not is_taken:
                del self._sleepers[sleeper]
                _end(sleeper, news=True)

    def _note_news(self) -> None:
        if self._sleepers:
            self._news_at = asyncio.get_running_loop().time()

    def _wake(self, *, news: bool) -> None:
        sleepers, self._sleepers = self._sleepers, {}
        for sleeper in sleepers:
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
