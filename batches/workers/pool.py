"""Workers as processes of this machine. One may die at any moment: the page that killed it is found and set aside."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.context import ForkServerContext
from queue import Empty, SimpleQueue

from batches.workers.base import Chunk, Job, Verdicts
from batches.workers.outcomes import STRIKES, set_aside
from batches.workers.turns import Backlog, Turn, Turns

WAIT_SECONDS = 0.25
CHUNKS_AHEAD = 1
"""For each worker, so that none waits for the parent; few, so that whoever comes next waits for little."""

CLOSE_SECONDS = 0.5
"""What workers have at hand takes less; a worker that waits for a Redis that is away does not."""

START_ATTEMPTS = 5
"""What starts the workers may be killed just when it is asked to, and is started anew; not for ever, though."""

START_PAUSE_SECONDS = 0.1
"""Longer after each attempt: one that was killed takes a moment to be gone."""

JOBS_MODULE = "batches.workers.jobs"


class PoolWorkers:
    """A pool of processes, shared by all threads of the parent."""

    are_elsewhere = False

    def __init__(self, processes: int) -> None:
        self.width = processes
        self._lock = threading.Lock()
        self._pool = _Pool(processes)
        self._turns = Turns(lambda: processes * (1 + CHUNKS_AHEAD))

    def run(
        self, job: Job, chunks: Iterable[Chunk], *, on_wait: Callable[[], None]
    ) -> Iterator[tuple[Chunk, Verdicts]]:
        line, suspects = _Line(job, Backlog(chunks)), list[Chunk]()
        # What is under way when this is given up is few, and ends by itself. It is not cancelled: an executor that
        # breaks just then stumbles over it, and forgets the futures of all other runs.
        with self._turns.joined(line.wake) as turn:
            while line.backlog or line.running:
                self._fill(line, turn)
                finished = line.wait()
                self._fill(line, turn)  # first of all: the workers should not wait for what we do now
                turn.leave()
                on_wait()
                for future in finished:
                    yield from self._settle(line, line.running.pop(future), future, suspects)
        for chunk in suspects:
            yield from _run_alone(job, chunk, on_wait=on_wait)

    def _fill(self, line: "_Line", turn: Turn) -> None:
        """Send chunks as long as it is the line's turn."""
        while (chunk := line.backlog.peek()) and turn.take(chunk):
            line.backlog.pop()
            future = self.submit(line.job, chunk)
            line.running[future] = chunk
            future.add_done_callback(lambda _: turn.give_back())
            future.add_done_callback(line.news.put)

    def _settle(
        self, line: "_Line", chunk: Chunk, future: Future[Verdicts], suspects: list[Chunk]
    ) -> Iterator[tuple[Chunk, Verdicts]]:
        """Give the verdicts; a chunk whose worker died is tried again, and apart from others if that goes on."""
        try:
            verdicts = future.result()
        except BrokenProcessPool:
            line.strikes[chunk.name] += 1
            if line.strikes[chunk.name] >= STRIKES:
                suspects.append(chunk)
            else:
                line.backlog.add_again(chunk)
        else:
            yield chunk, verdicts

    def submit(self, job: Job, chunk: Chunk) -> Future[Verdicts]:
        """Send one chunk to the processes that there are, or to new ones where they are broken."""
        for attempt in range(START_ATTEMPTS):
            with self._lock:
                pool = self._pool
            try:
                return pool.submit(job, chunk)
            except BrokenProcessPool as error:
                broken = error
                self._replace(pool)
                time.sleep(attempt * START_PAUSE_SECONDS)
        raise broken

    def _replace(self, broken: "_Pool") -> None:
        """Start a new pool in the place of ``broken``, once, whoever notices first."""
        with self._lock:
            if self._pool is broken:
                broken.abandon()
                self._pool = _Pool(self.width)

    def close(self, *, wait_seconds: float = CLOSE_SECONDS) -> None:
        with self._lock:
            self._pool.end(wait_seconds=wait_seconds)


@dataclass(slots=True)
class _Line:
    """What one run has under way."""

    job: Job
    backlog: Backlog
    running: dict[Future[Verdicts], Chunk] = field(default_factory=dict)
    strikes: Counter[str] = field(default_factory=Counter)  # name of a chunk → how often workers died at it
    news: "SimpleQueue[Future[Verdicts] | None]" = field(default_factory=SimpleQueue)

    def wake(self) -> None:
        """Let ``wait`` return: there may be a place."""
        self.news.put(None)

    def wait(self) -> list[Future[Verdicts]]:
        """Return what has finished, as soon as there is something to do, and after a moment in any case."""
        finished: list[Future[Verdicts]] = []
        with suppress(Empty):
            finished += [future] if (future := self.news.get(timeout=WAIT_SECONDS)) else []
            while True:
                finished += [future] if (future := self.news.get_nowait()) else []
        return finished


def _run_alone(job: Job, chunk: Chunk, *, on_wait: Callable[[], None]) -> Iterator[tuple[Chunk, Verdicts]]:
    """Run ``chunk`` in a process of its own; halve it until the page that kills the process is found."""
    workers = PoolWorkers(1)
    try:
        future = workers.submit(job, chunk)
        while not wait([future], timeout=WAIT_SECONDS).done:
            on_wait()
        broke = isinstance(future.exception(), BrokenProcessPool)
    finally:
        workers.close(wait_seconds=0)
    if not broke:
        yield chunk, future.result()
    elif len(chunk.pages) == 1:
        yield chunk, set_aside(job, chunk)
    else:
        for half in chunk.halves():
            yield from _run_alone(job, half, on_wait=on_wait)


class _Pool:
    """Processes that end when they are told so, whatever they are doing."""

    def __init__(self, processes: int) -> None:
        # When the second end is closed, here or because this process died, every worker sees it.
        seen_by_workers, self._lifeline = connection.Pipe(duplex=False)
        self._executor = ProcessPoolExecutor(
            processes, mp_context=_context(), initializer=_prepare_worker, initargs=(seen_by_workers,)
        )

    def submit(self, job: Job, chunk: Chunk) -> Future[Verdicts]:
        """Send one chunk.

        Raises:
            BrokenProcessPool: a process has died, or the one that starts them.
        """
        try:
            return self._executor.submit(_run_job, job, chunk)
        except (EOFError, OSError) as error:
            raise BrokenProcessPool(f"no process could be started: {error!r}") from error

    def abandon(self) -> None:
        """Let go of processes of which one has died: the executor ends the others."""
        self._executor.shutdown(wait=False)
        self._lifeline.close()

    def end(self, *, wait_seconds: float) -> None:
        """End the processes, at the latest after ``wait_seconds`` for what they have at hand."""
        ending = threading.Thread(target=self._executor.shutdown, kwargs={"cancel_futures": True})
        ending.start()
        ending.join(wait_seconds)
        self._lifeline.close()
        ending.join()


def _context() -> ForkServerContext:
    # Workers are forked from a clean process that has loaded the reader once: quick to start, and memory is shared.
    context = get_context("forkserver")
    context.set_forkserver_preload([JOBS_MODULE])
    return context


def _prepare_worker(lifeline: "connection.Connection[None, None]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent says when to stop
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    import cv2

    from batches.workers.limits import hold_to_limits

    hold_to_limits()
    cv2.setNumThreads(0)  # one page a core; threads inside would only fight


def _end_with_parent(lifeline: "connection.Connection[None, None]") -> None:
    """A parent that was killed says nothing to its workers, and they would wait for ever."""
    connection.wait([lifeline])
    os._exit(1)


def _run_job(job: Job, chunk: Chunk) -> Verdicts:
    from batches.workers.jobs import run_job  # the parent itself never loads OpenCV

    return run_job(job, chunk)
