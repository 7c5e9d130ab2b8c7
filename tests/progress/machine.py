"""Any order of what writers, viewers, Redis and its messages can do: ``python -m tests.progress.machine EXAMPLES``.

A process of a site of its own: the application with its hub, the publisher and a Redis that goes and comes. The table
is the truth; each viewer has to see what follows its position there, and nothing else.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.progress.caller import Caller
from tests.progress.disturbed import DisturbedLayer, Fate
from tests.progress.live import RedisServer, Writer, a_redis, dead_redis, writing
from tests.site import Site

SETTLED_SECONDS = 10.0
NEVER = 10**6  # a position that no log here comes to
ENDS = {"completed": "complete", "failed": "error"}


@dataclass
class World:
    """What all examples share."""

    runner: asyncio.Runner
    redis_server: RedisServer
    rival: Writer  # another process that writes, and whose Redis is not there
    token: str

    def pass_time(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))


world: World


def redis_is_there(_machine: "WatchedBatch") -> bool:
    return world.redis_server.process is not None


def redis_is_away(_machine: "WatchedBatch") -> bool:
    return world.redis_server.process is None


class WatchedBatch(RuleBasedStateMachine):
    """One batch from its first event on."""

    def __init__(self) -> None:
        from channels.layers import get_channel_layer

        from tests.progress import writer

        super().__init__()
        self.writer = writer
        self.batch = writer.add_batch("ann")
        self.layer: DisturbedLayer = get_channel_layer()
        self.layer.forget_late()
        self.log: list[tuple[str, str]] = []  # stage and message, of the table
        self.viewers: list[Caller] = []
        self.tasks: list[asyncio.Task[None]] = []

    # --- Writers ------------------------------------------------------------------------------------------------------

    @rule(fates=st.lists(st.sampled_from(Fate), min_size=1, max_size=5))
    def publish(self, fates: list[Fate]) -> None:
        for fate in fates:
            self._publish("processing_sheets", fate)

    @rule(count=st.integers(8, 20))
    def publish_more_than_is_kept(self, count: int) -> None:
        for _ in range(count):
            self._publish("processing_sheets", Fate.ARRIVES)

    @rule(stage=st.sampled_from(sorted(ENDS)), fate=st.sampled_from(Fate))
    def end(self, stage: str, fate: Fate) -> None:
        self._publish(stage, fate)

    @rule(stages=st.lists(st.sampled_from(["processing_sheets", *ENDS]), min_size=1, max_size=5))
    def a_rival_writes_unheard(self, stages: list[str]) -> None:
        for stage in stages:
            self._note(stage, "rival", world.rival.publish(self.batch, "rival", stage=stage))

    def _publish(self, stage: str, fate: Fate) -> None:
        self.layer.fate = fate
        self._note(stage, fate.value, self.writer.publish(self.batch, [fate.value], stage, 1))

    def _note(self, stage: str, message: str, seq: int) -> None:
        self.log.append((stage, message))
        assert seq == len(self.log)

    @precondition(redis_is_there)
    @rule(seed=st.integers(0, 1000))
    def what_is_late_arrives(self, seed: int) -> None:
        world.runner.run(self.layer.send_late(random.Random(seed)))

    # --- Redis --------------------------------------------------------------------------------------------------------

    @precondition(redis_is_there)
    @rule(keeps_data=st.booleans())
    def redis_goes(self, *, keeps_data: bool) -> None:
        world.redis_server.kill()
        if not keeps_data:
            world.redis_server.forget()

    @precondition(redis_is_away)
    @rule()
    def redis_comes_back(self) -> None:
        world.redis_server.start()

    @precondition(redis_is_there)
    @rule()
    def redis_is_emptied(self) -> None:
        self._tell_redis("FLUSHALL")

    @precondition(redis_is_there)
    @rule(left=st.integers(0, 10))
    def redis_loses_the_latest(self, left: int) -> None:
        from progress.log import log_key

        self._tell_redis("LTRIM", log_key(UUID(self.batch)), 0, left)

    def _tell_redis(self, *command: Any) -> None:
        from progress.connection import AWAY, client

        with suppress(*AWAY):  # it has only just started, and loads its data still
            client().execute_command(*command)

    # --- Viewers ------------------------------------------------------------------------------------------------------

    @rule(behind=st.integers(-1, 25), at_once=st.booleans())
    def a_viewer_comes(self, behind: int, *, at_once: bool) -> None:
        position = max(0, len(self.log) - behind) if behind >= 0 else NEVER
        viewer = Caller(self.batch, position, len(self.log))
        viewer.has_room.set()
        self.viewers.append(viewer)
        self.tasks.append(world.runner.get_loop().create_task(viewer.watch(world.token)))
        if at_once:
            world.pass_time(0.03)

    @precondition(lambda self: self.viewers)
    @rule(which=st.integers(0, 9))
    def a_viewer_leaves(self, which: int) -> None:
        self._viewer(which).leaves.set()

    @precondition(lambda self: self.viewers)
    @rule(which=st.integers(0, 9))
    def a_viewer_stops_reading(self, which: int) -> None:
        self._viewer(which).has_room.clear()

    @precondition(lambda self: self.viewers)
    @rule(which=st.integers(0, 9))
    def a_viewer_reads_on(self, which: int) -> None:
        self._viewer(which).has_room.set()

    def _viewer(self, which: int) -> Caller:
        return self.viewers[which % len(self.viewers)]

    @rule(seconds=st.sampled_from([0, 0.002, 0.02, 0.15]))
    def time_passes(self, seconds: float) -> None:
        world.pass_time(seconds)

    # --- What has to hold ---------------------------------------------------------------------------------------------

    @invariant()
    def every_viewer_has_seen_what_follows_its_position_once_in_order_and_by_its_name(self) -> None:
        for viewer in self.viewers:
            for position, (name, seq, message) in enumerate(viewer.seen, start=viewer.start + 1):
                assert seq == position, viewer
                stage, written = self.log[seq - 1]
                assert message == written, viewer
                assert name in self._names(viewer, stage, seq), viewer

    def _names(self, viewer: Caller, stage: str, seq: int) -> set[str]:
        if stage not in ENDS or seq < viewer.length:
            return {"progress"}  # also an end that something followed when the viewer came
        return {ENDS[stage], *(["progress"] if seq < len(self.log) else [])}

    @invariant()
    def only_an_end_ends_a_stream(self) -> None:
        for viewer in self.viewers:
            if viewer.has_ended and viewer.status == 200:
                name, seq, _ = viewer.seen[-1]
                assert name in ENDS.values(), viewer
                assert seq >= viewer.length, viewer
            if viewer.status == 204:
                assert viewer.position == viewer.length, viewer
                assert self._is_end(viewer.length), viewer
            else:
                assert viewer.status in (0, 200), viewer

    def _is_end(self, seq: int) -> bool:
        return seq > 0 and self.log[seq - 1][0] in ENDS

    def _has_all(self, viewer: Caller) -> bool:
        if viewer.leaves.is_set() or viewer.has_ended:
            return True
        return viewer.start + len(viewer.seen) == len(self.log) and not self._is_end(len(self.log))

    def teardown(self) -> None:
        """Let everything come to rest: then everybody has all, and is told when it is over."""
        if world.redis_server.process is None:
            world.redis_server.start()
        for viewer in self.viewers:
            viewer.has_room.set()
        deadline = time.monotonic() + SETTLED_SECONDS
        while not all(map(self._has_all, self.viewers)) and time.monotonic() < deadline:
            world.pass_time(0.005)
        try:
            assert [viewer for viewer in self.viewers if not self._has_all(viewer)] == []
            self.every_viewer_has_seen_what_follows_its_position_once_in_order_and_by_its_name()
            self.only_an_end_ends_a_stream()
        finally:
            for viewer in self.viewers:
                viewer.leaves.set()
            world.runner.run(self._all_are_gone())

    async def _all_are_gone(self) -> None:
        if self.tasks:
            _, staying = await asyncio.wait(self.tasks, timeout=SETTLED_SECONDS)
            assert not staying


def small_and_quick() -> None:
    """Make what is kept small and what is waited for short, so that a short example comes to every corner."""
    from progress import connection, feed, hub

    feed.FRAMES_MOST = 8
    hub.READ_LIMIT = 3
    hub.CHECK_SECONDS = 0.1
    connection.BACKOFF_FIRST_SECONDS = 0.02
    connection.BACKOFF_MOST_SECONDS = 0.05


def main(examples: int) -> None:
    import django
    from django.test import override_settings

    global world  # noqa: PLW0603 - hypothesis makes the machines
    with tempfile.TemporaryDirectory() as folder, a_redis(Path(folder) / "redis") as redis_server:
        os.environ["REDIS_URL"] = redis_server.url
        django.setup()
        small_and_quick()
        layers = {"default": {"BACKEND": "tests.progress.disturbed.DisturbedLayer"}}
        site = Site(Path(os.environ["VAR_DIR"]))
        with (
            override_settings(CHANNEL_LAYERS=layers),
            writing(site, REDIS_URL=dead_redis()) as rival,
            asyncio.Runner() as runner,
        ):
            world = World(runner, redis_server, rival, rival.add_user("ann")["token"])
            run_state_machine_as_test(
                WatchedBatch,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=30,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],  # to shrink an example that never comes to rest would take for ever
                    suppress_health_check=list(HealthCheck),
                ),
            )


if __name__ == "__main__":
    main(int(sys.argv[1]))
