"""How many sheets of each group are read while a batch is: told by its runner, asked for by pages.

The log tells of the whole batch, and rows of sheets are written when all is read; in between this is in Redis, as a
hash: number of the group → "how many are done, how many of them wait for a person". It may be lost at any time: then
nobody knows until the runner tells again, and nothing else is harmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from progress.connection import AWAY, quick_client
from progress.log import PROGRESS_SECONDS, groups_key


@dataclass(slots=True)
class Tally:
    """What was counted of one group so far."""

    done: int = 0  # includes the sheets set aside
    review: int = 0  # of these, how many wait for a person


def write_tallies(batch_id: UUID, tallies: Mapping[int, Tally], *, anew: bool = False) -> bool:
    """Tell the ``tallies`` of some groups, by number; return whether Redis took them.

    Args:
        anew: forget first what was told of other groups.
    """
    key, values = groups_key(batch_id), {number: f"{tally.done} {tally.review}" for number, tally in tallies.items()}
    try:
        with quick_client().pipeline() as commands:
            if anew:
                commands.delete(key)
            if values:
                commands.hset(key, mapping=cast(Any, values))
            commands.expire(key, PROGRESS_SECONDS)
            commands.execute()
    except AWAY:
        return False
    return True


def read_tallies(batch_id: UUID) -> dict[int, Tally]:
    """Return what was told of each group of a batch, by number; nothing where nobody has told, or Redis is away."""
    try:
        told = cast(dict[bytes, bytes], quick_client().hgetall(groups_key(batch_id)))
    except AWAY:
        return {}
    return {int(number): Tally(*map(int, values.split())) for number, values in told.items()}
