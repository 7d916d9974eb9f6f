"""Several files at a time: in this process first, and in processes of their own where it takes longer."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from biaslens.runtime import collect_seldom
from biaslens.syntax.files import Files

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, SpawnContext

    from biaslens.cli.work import Workbench

PATIENCE = 0.5
"""Seconds that this process works alone: starting others takes about as long."""

LARGE = 64_000
"""Files of so many bytes are begun before the others, so that none of them is still at work when all else is done."""


@dataclass(frozen=True, slots=True)
class Job:
    """A method of `Workbench`, by its name, with its arguments; the file that it is about."""

    method: str
    path: str
    arguments: tuple[Any, ...]


class DiedError(Exception):
    """A process ended in the middle of its work."""


class FailedError(Exception):
    """A bug of ours, in another process."""


class Crew:
    """Does jobs, in up to `most` processes at a time.

    files: the snapshot of this process; the others read the disk themselves. advance: called for each job that is done.
    """

    def __init__(self, files: Files, most: int, advance: Callable[[], None] = lambda: None) -> None:
        self._most = most
        self._advance = advance
        self._files = files
        self._bench: Any = None
        self._workers: list[_Worker] = []
        self._end = time.monotonic() + PATIENCE

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        """Effect: ends the processes, whatever they are at."""
        for worker in self._workers:
            worker.end()

    def do(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Any]]:
        """What each job gives, with its place among the jobs, in the order in which they end; a DiedError for one that
        took its process with it."""
        for done, job in enumerate(jobs):
            if len(jobs) - done > 1 and time.monotonic() >= self._end and self._hire(len(jobs) - done):
                yield from self._share(jobs, sorted(range(done, len(jobs)), key=lambda place: _rank(jobs[place])))
                return
            yield done, self._alone(job)
            self._advance()

    def _alone(self, job: Job) -> Any:
        if self._bench is None:
            self._bench = _bench(self._files)
        return getattr(self._bench, job.method)(*job.arguments)

    def _hire(self, count: int) -> bool:
        """Effect: starts processes for so many jobs. Gives whether there are any; some systems allow none."""
        try:
            while self._most > 1 and len(self._workers) < min(self._most, count):
                self._workers.append(_Worker())
        except (OSError, ImportError):
            self._most = len(self._workers)
        return bool(self._workers)

    def _share(self, jobs: Sequence[Job], waiting: list[int]) -> Iterator[tuple[int, Any]]:
        """The same for the waiting places among the jobs, by the processes."""
        from multiprocessing import connection  # takes time to load, and many runs need no other process

        self._bench = None  # its memory is needed elsewhere
        waiting.reverse()
        busy: dict[Connection[Any, Any], tuple[_Worker, int]] = {}
        idle = list(self._workers)
        while busy or waiting:
            while idle and waiting:
                worker, place = idle.pop(), waiting.pop()
                worker.give(jobs[place])
                busy[worker.line] = worker, place
            for line in connection.wait(list(busy)):
                worker, place = busy.pop(line)  # type: ignore[arg-type]  # all that is waited for is a key
                answer = worker.answer()
                if isinstance(answer, FailedError):
                    raise answer
                if isinstance(answer, DiedError):
                    worker.end()
                    self._workers.remove(worker)
                    worker = _Worker()
                    self._workers.append(worker)
                idle.append(worker)
                yield place, answer
                self._advance()


def _bench(files: Files) -> Workbench:
    from biaslens.cli.work import Workbench  # with all of the analysis

    collect_seldom()
    return Workbench(files)


def _rank(job: Job) -> tuple[int, int]:
    """Large files first, the largest before the others; these in their order, in which neighbours share imports."""
    try:
        size = os.path.getsize(job.path)
    except (OSError, ValueError):
        size = 0
    return (0, -size) if size >= LARGE else (1, 0)


class _Worker:
    """A process that does one job at a time."""

    def __init__(self) -> None:
        context = _context()
        self.line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, job: Job) -> None:
        """Effect: has it do a job. Where it died meanwhile, its answer says so."""
        with contextlib.suppress(OSError):
            self.line.send(job)

    def answer(self) -> Any:
        """What the job gave."""
        try:
            return self.line.recv()
        except (EOFError, OSError):
            self._process.join(1)
            return DiedError(_words(self._process.exitcode))

    def end(self) -> None:
        """Effect: ends the process, whatever it is at."""
        self.line.close()
        self._process.terminate()
        self._process.join()


def _context() -> SpawnContext | ForkServerContext:
    """How processes are started: fresh ones, never copies of this one; where it can be, all from one that has imported
    the analysis."""
    import multiprocessing

    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["biaslens.cli.work"])
    return context


def _words(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _serve(line: Connection[Any, Any]) -> None:
    """What a worker does until nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; who started this process ends it
    bench = _bench(Files())
    while True:
        try:
            job: Job = line.recv()
        except (EOFError, OSError):
            return
        try:
            answer = getattr(bench, job.method)(*job.arguments)
        except Exception as error:  # it goes where it would have gone in the process that asked
            answer = FailedError(f"{type(error).__name__}: {error} in {job.path}")
        with contextlib.suppress(OSError):
            line.send(answer)
