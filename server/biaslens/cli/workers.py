"""Several files at a time: in this process first, and in processes of their own where it takes longer.

Such a process is a fresh Python that heeds no variable of the environment, runs no `sitecustomize` and imports from
where this one does. `multiprocessing` starts Python with the current folder as the first one to import from, where
whoever wrote the files that are checked may have put a `warnings.py`.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from biaslens.import_path import installed_path
from biaslens.runtime import collect_seldom
from biaslens.syntax.files import Files

if TYPE_CHECKING:
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
        self._answers: _Answers = queue.SimpleQueue()
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
        new: list[_Worker] = []
        try:
            while self._most > 1 and len(self._workers) + len(new) < min(self._most, count):
                new.append(_Worker())
            for worker in new:  # all of them are on their way by now
                worker.begin(self._answers)
                self._workers.append(worker)
        except OSError:
            self._most = len(self._workers)
        for worker in new:
            if worker not in self._workers:
                worker.end()
        return len(self._workers) > 0

    def _share(self, jobs: Sequence[Job], waiting: list[int]) -> Iterator[tuple[int, Any]]:
        """The same for the waiting places among the jobs, by the processes."""
        self._bench = None  # its memory is needed elsewhere
        waiting.reverse()
        busy: dict[_Worker, int] = {}
        idle = list(self._workers)
        while busy or waiting:
            while idle and waiting:
                worker, place = idle.pop(), waiting.pop()
                worker.give(jobs[place])
                busy[worker] = place
            if not busy:  # none is left, and no other could be started
                place = waiting.pop()
                yield place, self._alone(jobs[place])
                self._advance()
                continue
            worker, answer = self._next()
            place = busy.pop(worker)
            if isinstance(answer, FailedError):
                raise answer
            if isinstance(answer, DiedError):
                worker.end()
                self._workers.remove(worker)
                others = set(self._workers)
                self._hire(len(others) + 1)
                idle += [worker for worker in self._workers if worker not in others]
            else:
                idle.append(worker)
            yield place, answer
            self._advance()

    def _next(self) -> tuple[_Worker, Any]:
        """The next answer. Where a wait cannot be interrupted, an interrupt comes through between two of them."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self._answers.get(timeout=1)


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
    """A process that does one job at a time. Raises an OSError where there can be none."""

    def __init__(self) -> None:
        with _without_interrupts():
            self._process = subprocess.Popen(
                _command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, creationflags=_APART
            )
        self._listener: threading.Thread | None = None
        self._send(installed_path())

    def begin(self, answers: _Answers) -> None:
        """Effect: waits until it is there, and has its answers come in from then on. Raises an OSError if it ends."""
        try:
            self._receive()
        except Exception as error:  # it may be anything that was started there, and may say anything
            raise OSError(f"no process for {sys.executable}") from error
        self._listener = threading.Thread(target=self._listen, args=(answers,), daemon=True)
        self._listener.start()

    def give(self, job: Job) -> None:
        """Effect: has it do a job. Where it died meanwhile, its answer says so."""
        self._send(job)

    def end(self) -> None:
        """Effect: ends the process, whatever it is at."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.terminate()
        self._process.wait()
        if self._listener is not None:
            self._listener.join()
        self._process.stdout.close()
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _listen(self, answers: _Answers) -> None:
        while True:
            try:
                answer = self._receive()
            except Exception:  # its end, perhaps in the middle of an answer
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(1)
                answers.put((self, DiedError(_words(self._process.returncode))))
                return
            answers.put((self, answer))

    def _send(self, what: Any) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            pickle.dump(what, self._process.stdin)
            self._process.stdin.flush()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)


_Answers: TypeAlias = "queue.SimpleQueue[tuple[_Worker, Any]]"

_APART: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""On Windows: Ctrl-C is not for it."""

_BEGIN = """\
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from biaslens.cli.workers import serve
serve()
"""


def _command() -> list[str]:
    """How Python is started: isolated, and without `site`. All that it could find by those it is told."""
    if not sys.executable:
        raise OSError("no interpreter to start")
    command = [sys.executable, "-I", "-S", "-X", f"utf8={sys.flags.utf8_mode}"]
    if sys.dont_write_bytecode:
        command.append("-B")
    if sys.pycache_prefix:
        command += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    return [*command, "-c", _BEGIN]


@contextlib.contextmanager
def _without_interrupts() -> Generator[None]:
    """Processes that are started in here never get an interrupt: a terminal sends it to all of them; who started them
    ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _words(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"


def serve() -> None:
    """What a worker does until nobody is there to ask. Whatever else writes to its standard output goes nowhere."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _tell(line, None)
    bench = _bench(Files())
    while True:
        try:
            job: Job = pickle.load(sys.stdin.buffer)
        except (EOFError, OSError):
            return
        try:
            answer = getattr(bench, job.method)(*job.arguments)
        except Exception as error:  # it goes where it would have gone in the process that asked
            answer = FailedError(f"{type(error).__name__}: {error} in {job.path}")
        _tell(line, answer)


def _tell(line: BinaryIO, what: Any) -> None:
    with contextlib.suppress(OSError):
        pickle.dump(what, line)
        line.flush()
