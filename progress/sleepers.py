"""Viewers that sleep until there is news for all of them."""

import asyncio


class Sleepers:
    """Those who wait for the same news."""

    def __init__(self) -> None:
        self._sleepers: set[asyncio.Future[bool]] = set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Sleep until somebody wakes the viewers; False when nobody did in time."""
        # A future for each viewer: one shared future would have to be shielded from each viewer's leaving, at 3 µs.
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[bool] = loop.create_future()
        alarm = loop.call_later(timeout_seconds, _wake, sleeper, False)
        self._sleepers.add(sleeper)
        try:
            return await sleeper
        finally:
            alarm.cancel()
            self._sleepers.discard(sleeper)

    def wake(self) -> None:
        """Wake all viewers."""
        sleepers, self._sleepers = self._sleepers, set()
        for sleeper in sleepers:
            _wake(sleeper, True)


def _wake(sleeper: "asyncio.Future[bool]", news: bool) -> None:
    if not sleeper.done():
        sleeper.set_result(news)
