"""The files of the workspace, open or not: each followed by itself, all judged by each other's uses.

Runs on the event loop. It hands the worker one small job after the other, each for the time when nobody waits for
anything else: finding the files, looking which of them changed, following one, judging one. What was followed is kept
until the file, or one that it rests on, changes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from biaslens.lsp.studies import Foreign, Found, Look, Pause, Studied, look
from biaslens.lsp.tree import Tree
from biaslens.syntax.discover import discover

if TYPE_CHECKING:
    from biaslens.lint import Study
    from biaslens.lsp.session import Session
    from biaslens.options import Options
    from biaslens.packed import Packed

T = TypeVar("T")
Doing: TypeAlias = Literal["search", "look", "study", "judge"]

MODE = "workspace"
"""The diagnostic mode in which findings of all files are shown."""

TYPING_PAUSE = 0.5
"""Seconds without a change of a document, until the files that read it are followed again."""

_LOOKS = 100
"""So many files are looked at in one job, which nothing interrupts."""


class Workspace:
    """What is found in the files below the folders of the workspace, while anybody wants to know."""

    def __init__(self, session: Session) -> None:
        self.listeners: list[Callable[[str], None]] = []
        """Called with the path of each file that was judged, or went away."""
        self.progress_listeners: list[Callable[[int, int], None]] = []
        """Called with how many files were followed, and how many there are to follow; with zeros at the end."""
        self._session = session
        self._tree = Tree()
        self._held: dict[str, Options] = {}  # by which each file was judged
        self._wanted: tuple[str, ...] = ()
        self._demands = 0
        self._is_ready = False
        self._must_search = False
        self._to_look_at: dict[str, None] = {}
        self._to_study: dict[str, None] = {}
        self._to_judge: dict[str, None] = {}
        self._looks: dict[str, Look] = {}
        self._done = 0
        self._is_settled = True
        self._waiting: list[asyncio.Future[bool]] = []
        self._curious: list[asyncio.Future[None]] = []
        self._stop = threading.Event()
        self._job: asyncio.Future[Any] | None = None
        self._at: tuple[str, ...] = ()  # the files that the job is about
        self._doing: Doing | None = None
        self._typed: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        session.ready_listeners.append(self._be_ready)
        session.configuration_listeners.append(self._reconfigured)
        session.text_listeners.append(self._text_changed)
        session.disk_listeners.append(self._files_changed)

    @property
    def is_busy(self) -> bool:
        """Whether there is more to come."""
        return not self._is_settled or self._timer is not None

    def is_judged(self, path: str) -> bool:
        """Whether all was said about a file that there is to say by now."""
        if self._is_settled:
            return True
        if path not in self._tree.files:
            return self._doing != "search" and not self._must_search
        lines = (self._at, self._typed, self._to_look_at, self._to_study, self._to_judge)
        return self._tree.study(path) is not None and not any(path in line for line in lines)

    async def judged(self, path: str) -> Found | None:
        """What was found in a file, once all is said that there is to say by now."""
        while not self.is_judged(path):
            told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._curious.append(told)
            await told
        return self.found(path)

    def found(self, path: str) -> Found | None:
        """What was found in a file, None where it is nothing."""
        return self._tree.found(path)

    def paths_with_findings(self) -> tuple[str, ...]:
        """The files in which anything was found, in the order of the command line."""
        return self._tree.paths_with_findings()

    def foreign(self, path: str) -> Foreign:
        """The uses of a file's layers in the other files; the same object until they change."""
        return self._tree.foreign(path)

    def studies(self) -> list[tuple[Packed[Study], Foreign]]:
        """What was followed of each file in which anything was found, with the uses of its layers in the others."""
        found = [(self._tree.study(path), self.foreign(path)) for path in self.paths_with_findings()]
        return [(study.own, foreign) for study, foreign in found if study is not None and study.own is not None]

    def options(self) -> dict[str, Options]:
        """The options of each file."""
        return {path: self._session.options_for(path) for path in self._tree.files}

    def leave_it(self) -> None:
        """Follows no more files until something changes. What is known is judged; what is outdated is forgotten."""
        paths = tuple(self._to_study)
        self._to_study.clear()
        if self._doing == "study":
            paths += self._at
            self._end_job()
        for path in paths:
            self._to_judge.update((other, None) for other in self._tree.forget(path) if other in self._tree.files)
            self._to_judge.pop(path, None)
            self._told(path)
        self._release(is_complete=False)
        self._go_on()

    @asynccontextmanager
    async def complete(self) -> AsyncGenerator[bool]:
        """Follows all files of all folders, whatever the settings are, and keeps them until the end.

        Gives False where somebody does not want to wait for that.
        """
        self._demands += 1
        try:
            self._begin()
            self._to_study.update(dict.fromkeys(path for path in self._tree.files if not self._tree.study(path)))
            self._go_on()
            is_complete = True
            while self.is_busy and is_complete:
                settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                self._waiting.append(settled)
                is_complete = await settled
            yield is_complete
        finally:
            self._demands -= 1
            self._begin()

    def look_at_disk(self) -> None:
        """Takes note that anything may have changed on disk."""
        if self._wanted:
            self._must_search = True
            self._to_look_at.update(dict.fromkeys(self._tree.rests_on()))
            self._go_on()

    def _be_ready(self) -> None:
        self._is_ready = True
        self._begin()

    def _begin(self) -> None:
        """Begins, goes on or ends, as the folders, the settings and the demands of the moment want it."""
        options_for, folders = self._session.options_for, self._session.configured.folders
        wanted = tuple(f for f in folders if self._demands or options_for(f).diagnostic_mode == MODE)
        if wanted == self._wanted or not self._is_ready:
            return
        self._wanted = wanted
        self._must_search = bool(wanted)
        self._is_settled = False
        if not wanted:
            self._end_job()
            self._to_look_at.clear()
            self._place(())
        self._go_on()

    def _reconfigured(self) -> None:
        self._begin()
        if not self._wanted:
            return
        self._must_search = True  # other files may be left out
        for path, before in self._held.items():
            after = self._session.options_for(path)
            if after is before:
                continue
            if before.following != after.following:
                self._to_study[path] = None
            elif before.analysis != after.analysis:
                self._to_judge[path] = None
        self._go_on()

    def _files_changed(self, paths: Collection[str]) -> None:
        if self._wanted:
            self._to_look_at.update(dict.fromkeys(paths))
            self._must_search = self._must_search or any(path not in self._tree.files for path in paths)
            self._go_on()

    def _text_changed(self, path: str) -> None:
        if self._wanted:
            self._typed.add(path)
            if self._timer is not None:
                self._timer.cancel()
            if path not in self._session.documents:  # it was closed
                self._tree.let_go(path)
                self._typing_paused()
            else:
                self._timer = asyncio.get_running_loop().call_later(TYPING_PAUSE, self._typing_paused)

    def _typing_paused(self) -> None:
        self._timer = None
        self._to_look_at.update(dict.fromkeys(self._typed))
        self._typed.clear()
        self._go_on()

    def _go_on(self) -> None:
        """Hands the next job to the worker, unless it has one."""
        if self._job is not None:
            return
        session = self._session
        if self._must_search:
            self._must_search = False
            folders, left_out = self._wanted, session.configured.walking()
            self._run("search", (), lambda _: discover(folders, left_out).files, self._place)
        elif self._to_look_at:
            some, buffers = tuple(islice(self._to_look_at, _LOOKS)), session.buffers()
            for path in some:
                del self._to_look_at[path]
            self._run("look", some, lambda _: look(some, buffers), self._take_looks)
        elif self._to_study:
            self._study(next(iter(self._to_study)))
        elif self._to_judge:
            self._judge(next(iter(self._to_judge)))
        elif not self._is_settled:
            self._settle()

    def _study(self, path: str) -> None:
        del self._to_study[path]
        session = self._session
        load, buffers, options = session.load, session.buffers(), session.options_for(path)
        foreign, is_used = self.foreign(path), self._tree.is_used(path)
        self._held[path] = options
        for listener in self.progress_listeners:
            listener(self._done, self._done + 1 + len(self._to_study))
        self._done += 1
        self._run(
            "study",
            (path,),
            lambda pause: load().study(path, buffers, options, pause, foreign, is_used),
            self._take_study,
        )

    def _judge(self, path: str) -> None:
        del self._to_judge[path]
        study = self._tree.study(path)
        if study is None or study.own is None:
            # Alone there was nothing to say about it, and nothing was kept.
            self._to_study[path] = None
            self._go_on()
            return
        own, session, foreign = study.own, self._session, self.foreign(path)
        load, buffers, options = session.load, session.buffers(), session.options_for(path)
        self._held[path] = options
        self._run(
            "judge",
            (path,),
            lambda pause: (load().judge(own, buffers, options, pause, foreign),),
            lambda result: self._tell(path, result[0]),
        )

    def _run(self, doing: Doing, paths: tuple[str, ...], job: Callable[[Pause], T], then: Callable[[T], None]) -> None:
        """Hands a job about some files to the worker, and goes on when it is done."""
        self._is_settled = False
        self._doing, self._at = doing, paths
        future = self._session.in_background(job, self._stop)
        self._job = future

        def finished(_: asyncio.Future[T | None]) -> None:
            self._finish(future, then)

        future.add_done_callback(finished)

    def _finish(self, job: asyncio.Future[T | None], then: Callable[[T], None]) -> None:
        if job.cancelled():  # another one may be under way
            return
        self._job, self._doing, self._at = None, None, ()
        error = job.exception()
        result = None if error is not None else job.result()
        if error is not None:
            self._session.report_exception(error)
        elif result is not None:
            try:
                then(result)
            except Exception as failure:  # of ours, and no reason to stop here
                self._session.report_exception(failure)
        self._go_on()

    def _end_job(self) -> None:
        """The job under way stops where it can, and its result is dropped."""
        self._stop.set()
        self._stop = threading.Event()
        if self._job is not None:
            self._job.cancel()
        self._job, self._doing, self._at = None, None, ()

    def _place(self, files: Iterable[str]) -> None:
        new, gone, used = self._tree.place(files)
        for path in gone:
            for line in (self._to_study, self._to_judge):
                line.pop(path, None)
            self._held.pop(path, None)
            self._looks.pop(path, None)
        self._to_look_at.update(dict.fromkeys(gone if len(new) == len(self._tree.files) else (*gone, *new)))
        self._to_study.update(dict.fromkeys(new))
        self._to_judge.update(dict.fromkeys(path for path in used if path in self._tree.files))
        for path in gone:
            self._told(path)

    def _take_looks(self, looks: Mapping[str, Look]) -> None:
        self._looks.update(looks)
        self._to_study.update(dict.fromkeys(self._tree.resting_on(looks)))
        for path in looks:
            self._told(path)

    def _take_study(self, result: tuple[Studied, Found | None]) -> None:
        study, found = result
        path = study.path
        if path not in self._tree.files:
            return
        is_first = self._tree.study(path) is None
        used = self._tree.put(study)
        self._to_judge.update(dict.fromkeys(other for other in used if other in self._tree.files))
        # What it read may have changed while it did.
        known = self._looks.keys() & study.seen.keys()
        self._to_look_at.update((other, None) for other in known if not study.rests_on(other, self._looks[other]))
        if is_first or study.own is None:
            self._tell(path, found)
        else:
            self._to_judge[path] = None

    def _tell(self, path: str, found: Found | None) -> None:
        if path in self._tree.files:
            # The cells of a notebook are documents of their own; closed, it has none in which to show anything.
            self._tree.tell(path, found if path.endswith(".py") else None)
            if found is not None:
                self._session.report_problems(found.problems)
            self._told(path)

    def _told(self, path: str) -> None:
        self._satisfy()
        for listener in self.listeners:
            listener(path)

    def _settle(self) -> None:
        self._is_settled = True
        self._done = 0
        for document in list(self._session.documents.values()):
            self._session.recheck(document, self.foreign(document.path))
        for listener in self.progress_listeners:
            listener(0, 0)
        self._release(is_complete=True)
        self._satisfy()

    def _satisfy(self) -> None:
        curious, self._curious = self._curious, []
        for future in curious:
            if not future.done():
                future.set_result(None)

    def _release(self, *, is_complete: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(is_complete)
