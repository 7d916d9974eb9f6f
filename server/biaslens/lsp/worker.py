"""The one thread on which everything is analysed. What a person waits for comes before what can wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker(Executor):
    """Runs one job at a time, in the order in which they came; those for later only while there are no others.

    A job for later calls `pause` now and then: there the others that came meanwhile are run first. So none of its work
    is lost, and nobody waits for it. The thread ends with the process.
    """

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._later: deque[Callable[[], None]] = deque()
        self._more = threading.Condition()
        self._thread: threading.Thread | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A job that somebody waits for."""
        return self._put(self._jobs, lambda: fn(*args, **kwargs))

    def submit_for_later(self, job: Callable[[], T]) -> Future[T]:
        """A job for the time when there is no other."""
        return self._put(self._later, job)

    def pause(self) -> None:
        """Runs the jobs that somebody waits for. To be called by a job for later."""
        while self._jobs:  # looked at without the lock: a job that comes right now is run at the next pause
            self._jobs.popleft()()

    def _put(self, line: deque[Callable[[], None]], job: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._more:
            line.append(lambda: _run(job, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="analysis", daemon=True)
                self._thread.start()
            self._more.notify()
        return future

    def _work(self) -> None:
        while True:
            with self._more:
                self._more.wait_for(lambda: self._jobs or self._later)
                job = (self._jobs or self._later).popleft()
            job()
            del job  # with what it holds


def _run(job: Callable[[], Any], future: Future[Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = job()
    except BaseException as error:  # whoever asked is told
        future.set_exception(error)
    else:
        future.set_result(result)
