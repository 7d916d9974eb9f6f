"""The threads on which everything is analysed. What a person waits for comes before what can wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker(Executor):
    """Runs one job at a time, in the order in which they came; and on a thread beside, those that can wait.

    A job that can wait calls `pause` as often as it can: there it stays while there are others.
    """

    def __init__(self) -> None:
        self._now = ThreadPoolExecutor(max_workers=1, thread_name_prefix="analysis")
        self._later = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._counting = threading.Lock()
        self._jobs = 0
        self._quiet = threading.Event()
        self._quiet.set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A job that somebody waits for."""
        self._count(1)
        future = self._now.submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: self._count(-1))
        return future

    def submit_for_later(self, job: Callable[[], T]) -> Future[T]:
        """A job that can wait."""
        return self._later.submit(job)

    def pause(self) -> None:
        """Waits while there are jobs that somebody waits for. To be called by a job that can wait."""
        self._quiet.wait()

    def _count(self, change: int) -> None:
        with self._counting:
            self._jobs += change
            (self._quiet.clear if self._jobs else self._quiet.set)()
