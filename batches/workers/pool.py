"""Workers as processes of this machine. One may die at any moment: the page that killed it is found and set aside."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import ForkServerContext

from batches.workers.base import Chunk, Job, Verdicts
from batches.workers.outcomes import STRIKES, set_aside

WAIT_SECONDS = 0.25
CHUNKS_AHEAD = 1
"""For each worker, so that none waits for the parent; few, so that a cancelled batch ends soon."""

JOBS_MODULE = "batches.workers.jobs"


@dataclass(frozen=True, slots=True)
class _Attempt:
    chunk: Chunk
    strikes: int
    executor: ProcessPoolExecutor


class PoolWorkers:
    """A pool of processes, shared by all threads of the parent."""

    are_elsewhere = False

    def __init__(self, processes: int) -> None:
        self.width = processes
        self._lock = threading.Lock()
        self._executor = _start_pool(processes)

    def run(
        self, job: Job, chunks: Iterable[Chunk], *, on_wait: Callable[[], None]
    ) -> Iterator[tuple[Chunk, Verdicts]]:
        waiting = deque((chunk, 0) for chunk in chunks)
        running: dict[Future[Verdicts], _Attempt] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.width * (1 + CHUNKS_AHEAD):
                    chunk, strikes = waiting.popleft()
                    if strikes >= STRIKES:
                        yield from _run_alone(job, chunk, on_wait=on_wait)
                    else:
                        future, executor = self._submit(job, chunk)
                        running[future] = _Attempt(chunk, strikes, executor)
                done, _ = wait(running, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
                on_wait()
                for future in done:
                    attempt = running.pop(future)
                    try:
                        verdicts = future.result()
                    except BrokenProcessPool:
                        self._replace(attempt.executor)
                        waiting.append((attempt.chunk, attempt.strikes + 1))
                    else:
                        yield attempt.chunk, verdicts
        finally:
            for future in running:
                future.cancel()

    def _submit(self, job: Job, chunk: Chunk) -> tuple[Future[Verdicts], ProcessPoolExecutor]:
        while True:
            with self._lock:
                executor = self._executor
            try:
                return executor.submit(_run_job, job, chunk), executor
            except BrokenProcessPool:
                self._replace(executor)

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        """Start a new pool in the place of ``broken``, once, whoever notices first."""
        with self._lock:
            if self._executor is broken:
                broken.shutdown(wait=False)
                self._executor = _start_pool(self.width)

    def close(self) -> None:
        with self._lock:
            self._executor.shutdown(wait=True, cancel_futures=True)


def _run_alone(job: Job, chunk: Chunk, *, on_wait: Callable[[], None]) -> Iterator[tuple[Chunk, Verdicts]]:
    """Run ``chunk`` in a process of its own; halve it until the page that kills the process is found."""
    with _start_pool(1) as executor:
        future: Future[Verdicts] = executor.submit(_run_job, job, chunk)
        while not wait([future], timeout=WAIT_SECONDS).done:
            on_wait()
        broke = isinstance(future.exception(), BrokenProcessPool)
    if not broke:
        yield chunk, future.result()
    elif len(chunk.pages) == 1:
        yield chunk, set_aside(job, chunk)
    else:
        for half in chunk.halves():
            yield from _run_alone(job, half, on_wait=on_wait)


def _start_pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, mp_context=_context(), initializer=_prepare_worker)


def _context() -> ForkServerContext:
    # Workers are forked from a clean process that has loaded the reader once: quick to start, and memory is shared.
    context = get_context("forkserver")
    context.set_forkserver_preload([JOBS_MODULE])
    return context


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent says when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    from batches.workers.limits import hold_to_limits

    hold_to_limits()
    cv2.setNumThreads(0)  # one page a core; threads inside would only fight


def _end_with_parent() -> None:
    """A parent that was killed says nothing to its workers, and they would wait for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _run_job(job: Job, chunk: Chunk) -> Verdicts:
    from batches.workers.jobs import run_job  # the parent itself never loads OpenCV

    return run_job(job, chunk)
