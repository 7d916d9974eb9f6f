"""The state of one client: its documents, its options, and what the analysis said about each document.

Everything here runs on the event loop. A check (`checked.py`) runs on one thread of our own and is handed immutable
values only. A newer version of a document replaces the check of an older one: that one stops where it can, and a result
that comes too late is dropped. Files that are not open are the workspace's (`workspace.py`).
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from biaslens.lsp import questions
from biaslens.lsp.checked import Analysis, Checked, Failure, forget, prepare, run_check
from biaslens.lsp.client import Client
from biaslens.lsp.configured import Configured
from biaslens.lsp.documents import Document, is_configuration, path_of
from biaslens.lsp.notebooks import NotebookDocument
from biaslens.lsp.studies import Foreign, Pause
from biaslens.lsp.worker import Worker
from biaslens.lsp.workspace import Workspace
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Edit, Problem, Source, Span

if TYPE_CHECKING:
    from biaslens.explain.hints import Hint
    from biaslens.explain.hover import Hover
    from biaslens.explain.lenses import Lens
    from biaslens.incremental import Latest
    from biaslens.lint import Report
    from biaslens.rules.rule import Finding, Fix

P = ParamSpec("P")
T = TypeVar("T")


_SETTINGS_PATIENCE = 2.0
"""Seconds that a client has to tell its settings when it was asked for them."""


class Session:
    """Documents, options and results of one client. Documents are known by their paths.

    load gives the analysis; it is called on the worker thread only, because importing it takes time. log takes a
    message for the client's log.
    """

    def __init__(
        self, client: Client, options: Options, load: Callable[[], Analysis], log: Callable[[str], None]
    ) -> None:
        self.client = client
        self.documents: dict[str, Document] = {}
        self.listeners: list[Callable[[Checked, Checked | None], None]] = []
        """Called with each new result and the one before it."""
        self.open_listeners: list[Callable[[Document], None]] = []
        self.close_listeners: list[Callable[[Document], None]] = []
        self.ready_listeners: list[Callable[[], None]] = []
        """Called once, when the client may be asked things."""
        self.options_listeners: list[Callable[[Options, Options], None]] = []
        """Called with the options before and after a change."""
        self.text_listeners: list[Callable[[str], None]] = []
        """Called with the path of each document that was opened, changed or closed."""
        self.disk_listeners: list[Callable[[frozenset[str]], None]] = []
        """Called with the paths of files that changed on disk, and of folders in which some came or went."""
        self.configuration_listeners: list[Callable[[], None]] = []
        """Called when something may hold that did not hold before."""
        self.settings_told = asyncio.Event()
        """Set when it is known which settings the client has, or that it does not say."""
        self.worker = Worker()
        self.configured = Configured(client.settings, options)
        self._held: dict[str, _Holding] = {}
        self.load = cache(load)
        self._log = log
        self._logged: set[str] = set()
        self._results: dict[str, Checked] = {}
        self._fixes: dict[str, tuple[Report | Latest, dict[int, tuple[Fix, ...]]]] = {}
        self._pending: dict[str, _Check] = {}
        self._clock = 0
        self._changed: dict[str, int] = {}
        self.workspace = Workspace(self)

    def begin(self) -> None:
        """To be called when the client is ready: imports the analysis on the worker, ahead of the first check, and
        when that is done what answers questions.
        """
        self.worker.submit(prepare, self.load)
        self.worker.submit_for_later(self._be_ready)
        for listener in self.ready_listeners:
            listener()

    def _be_ready(self) -> None:
        self.worker.pause()
        questions.be_ready()

    async def settled(self) -> None:
        """Waits for the client's settings, so that an answer that it will not ask for again does not miss them."""
        try:
            await asyncio.wait_for(self.settings_told.wait(), _SETTINGS_PATIENCE)
        except asyncio.TimeoutError:
            self.settings_told.set()

    def options_for(self, path: str = "") -> Options:
        """The options that hold for a document of that path."""
        return self.configured.options_for(path)

    def document(self, path: str) -> Document | None:
        """The open document of that path, a configuration file as well."""
        return self.documents.get(path) or self.configured.documents.get(path)

    def reconfigure(self) -> None:
        """To be called when settings, workspace folders or configuration files have changed.

        Checks the documents again for which something else holds that concerns what is found.
        """
        changes: dict[tuple[Options, Options], None] = {}
        for document in list(self.documents.values()):
            before, after = self._held[document.path], self._holding_for(document)
            self._held[document.path] = after
            if before.options != after.options:
                changes[before.options, after.options] = None
            if (before.options.analysis, before.excluded) != (after.options.analysis, after.excluded):
                self._start(document)
        for before, after in changes:
            for listener in self.options_listeners:
                listener(before, after)
        for listener in self.configuration_listeners:
            listener()

    def put(self, document: Document) -> None:
        """Takes a new or changed document and starts checking it, and the open documents that read it.

        Of a configuration file: those for which other options hold now.
        """
        if is_configuration(document.path):
            self.configured.put(document)
            self.reconfigure()
            return
        is_new = document.path not in self.documents
        if is_new:
            if not self.client.watches:
                self.configured.read_again()
                self.reconfigure()
            self._held[document.path] = self._holding_for(document)
        self.documents[document.path] = document
        self._mark_changed(document.path)
        self._start(document)
        self._start_dependants([document.path])
        for listener in self.text_listeners:
            listener(document.path)
        for listener in self.open_listeners if is_new else ():
            listener(document)

    def close(self, path: str) -> None:
        """Forgets a document; those that read it are checked again with the file on disk."""
        if path in self.configured.documents:
            self.configured.close(path)
            self.reconfigure()
            return
        document = self.documents.pop(path, None)
        if document is None:
            return
        self._mark_changed(path)
        self._results.pop(path, None)
        self._fixes.pop(path, None)
        self._held.pop(path, None)
        self._cancel(path)
        self.worker.submit(forget, self.load, path)
        for listener in self.text_listeners:
            listener(path)
        for listener in self.close_listeners:
            listener(document)
        self._start_dependants([path])

    def files_changed(self, paths: Collection[str], trees: Collection[str] = ()) -> None:
        """Takes note of files that changed on disk, and of folders in which some came or went.

        trees: what may be folders that came or went with all that is in them. What is open is as the client has it,
        whatever happens to it on disk.
        """
        changed = frozenset({*paths, *self._known_below(trees)} - self.documents.keys())
        for path in changed:
            self._mark_changed(path)
        self._start_dependants(changed)
        for listener in self.disk_listeners:
            listener(changed)

    async def look_at_disk(self) -> None:
        """Finds out by itself which of the files that open documents rest on have changed."""
        results = list(self._results.values())
        found = await self._ask(lambda: frozenset(path for known in results for path in known.files.outdated()))
        if found:
            self.files_changed(found)

    def recheck(self, document: Document, foreign: Foreign) -> None:
        """Checks a document again where it was not judged by these uses of its layers in other files."""
        last = self._pending.get(document.path) or self._results.get(document.path)
        if last is not None and last.foreign is not foreign and self.documents.get(document.path) is document:
            self._start(document)

    @property
    def is_checking(self) -> bool:
        """Whether there is more to come."""
        return bool(self._pending)

    def known(self, document: Document) -> Checked | None:
        """What is known about exactly this version by now."""
        found = self._results.get(document.path)
        return found if found is not None and found.document is document else None

    def buffers(self) -> dict[str, Source]:
        """The texts of the open documents that other files can import, by their paths."""
        return {document.path: document.source for document in self.documents.values() if document.is_file}

    def find(self, uri: str) -> Document | None:
        """The document or the cell that has an address, None where it is not open."""
        document = self.documents.get(path_of(uri) or "")
        if document is not None:
            return document.part(uri)
        notebooks = (notebook for notebook in self.documents.values() if isinstance(notebook, NotebookDocument))
        return next((cell for notebook in notebooks if (cell := notebook.part(uri)) is not None), None)

    async def checked(self, document: Document) -> Checked | None:
        """What is known about exactly this version, once it is known; None when a newer one has taken its place."""
        while self.documents.get(document.path) is document.whole:
            pending = self._pending.get(document.path)
            if pending is None:
                known = self._results.get(document.path)
                return known.about(document) if known else None
            await asyncio.wait([pending.future])
        return None

    async def newest(self, path: str) -> Checked | None:
        """What is known about the newest version of a document, once it is known; None where it is not open."""
        while (document := self.documents.get(path)) is not None:
            checked = await self.checked(document)
            if checked is not None:
                return checked
        return None

    async def newest_at(self, uri: str) -> Checked | None:
        """What is known about the newest version of the document or the cell that has an address."""
        while (document := self.find(uri)) is not None:
            checked = await self.checked(document)
            if checked is not None:
                return checked
        return None

    def is_current(self, checked: Checked) -> bool:
        """Whether the document of a result is still the newest version."""
        return self.documents.get(checked.document.path) is checked.document.whole

    async def fixes_of(self, finding: Finding, checked: Checked) -> tuple[Fix, ...]:
        """The repairs of a finding of that result to choose from, the usual one first.

        They are remembered as long as nobody asks about another result.
        """
        report, files = checked.report, checked.files
        if report is None:
            return ()
        known = self._fixes.get(report.source.path)
        if known is None or known[0] is not report:
            known = self._fixes[report.source.path] = (report, {})
        if id(finding) not in known[1]:
            number = next((n for n, one in enumerate(report.findings) if one is finding), None)

            def fixes() -> tuple[Fix, ...]:
                whole = report.whole
                return self.load().fixes_of(finding if number is None else whole.findings[number], whole, files)

            known[1][id(finding)] = await self._ask(fixes) or ()
            if not known[1][id(finding)] and (why := await self.why_no_fixes()):
                self.log_once(why)
        return known[1][id(finding)]

    async def why_no_fixes(self) -> str:
        """Why no code can be repaired with this Python, as a sentence; "" where it can."""
        return await self._ask(lambda: self.load().why_no_fixes()) or ""

    async def all_safe_fixes(self, checked: Checked, code: str, within: Span | None = None) -> tuple[Edit, ...]:
        """The edits that apply every safe fix of a rule, or of all rules for "", to the document of a result.

        within: where the findings stand, None for the whole document.
        """
        report, files = checked.report, checked.files
        if report is None:
            return ()
        return await self._ask(lambda: self.load().edits_for(report.whole, files, report.options, code, within)) or ()

    async def ignoring(self, checked: Checked, finding: Finding) -> tuple[Edit, ...]:
        """The edit that adds a comment which silences a finding; none where there is no room for one."""
        about = [(finding.code, finding.location.span)]
        return await self._ask(lambda: checked.suppressions.with_ignored(about)) or ()

    async def hover(self, report: Report | Latest, offset: int, files: Files) -> Hover | None:
        """What there is to say about a place in that report's text."""
        return await self._ask(lambda: self.load().hover(report.whole, offset, files, self.client))

    async def hints(self, report: Report | Latest, span: Span) -> tuple[Hint, ...]:
        """The inlay hints for a part of that report's text."""
        return await self._ask(lambda: self.load().hints(report.whole.flow, report.source, span)) or ()

    async def lenses(self, report: Report | Latest) -> tuple[Lens, ...]:
        """The code lenses for that report's text."""
        return await self._ask(lambda: self.load().lenses(report.whole)) or ()

    def report_failure(self, failure: Failure) -> None:
        """One quiet entry in the client's log; a failure at the same place is not told twice."""
        self.log_once(failure.text, failure.place)

    def report_exception(self, error: BaseException) -> None:
        """The same for an exception."""
        self.report_failure(Failure.of(error))

    def report_problems(self, problems: Iterable[Problem]) -> None:
        """The same for what the analysis tells of itself; each file is told once."""
        for problem in problems:
            if problem.kind == "internal":
                self.report_failure(Failure(problem.path, f"{problem.path}: {problem.message}"))

    def log_once(self, text: str, place: str = "") -> None:
        """One quiet entry in the client's log. place: what tells two entries apart, the text itself by default."""
        if (place or text) not in self._logged:
            self._logged.add(place or text)
            self._log(text)

    def in_background(self, job: Callable[[Pause], T], stop: threading.Event) -> asyncio.Future[T | None]:
        """Does a job on the worker when nobody waits for anything else. It gives None where it was stopped before its
        end: it calls the pause that it is given whenever it can be interrupted.
        """

        def run() -> T | None:
            from biaslens.program.world import Stopped

            def pause() -> None:
                self.worker.pause()
                if stop.is_set():
                    raise Stopped

            try:
                pause()
                return job(pause)
            except Stopped:
                return None

        return asyncio.wrap_future(self.worker.submit_for_later(run))

    async def _ask(self, question: Callable[[], T | None]) -> T | None:
        """Answers on the worker thread; a failure there is no answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.worker, question)
        except Exception as error:
            self.report_failure(Failure.of(error))
            return None

    def _start(self, document: Document) -> None:
        self._cancel(document.path)
        before = self._results.get(document.path)
        good, stop = before.good if before else None, threading.Event()
        holding, foreign = self._held[document.path], self.workspace.foreign(document.path)
        options = None if holding.excluded else holding.options
        job = self.worker.submit(run_check, self.load, document, self.buffers(), options, good, foreign, stop)
        check = _Check(document, self._clock, job, asyncio.wrap_future(job), stop, foreign)
        self._pending[document.path] = check
        check.future.add_done_callback(lambda _: self._finish(check))

    def _holding_for(self, document: Document) -> _Holding:
        return _Holding(self.options_for(document.path), self.configured.excludes(document.path))

    def _finish(self, check: _Check) -> None:
        path = check.document.path
        if check.future.cancelled() or self._pending.get(path) is not check:
            return
        del self._pending[path]
        error = check.future.exception()
        if error is None:
            checked = check.future.result()
        else:
            checked = Checked(check.document, None, (), Files(), None, Failure.of(error), foreign=check.foreign)
        reads = checked.files.reads
        if any(when > check.started and path in reads for path, when in self._changed.items()):
            self._start(check.document)
            return
        if not self._pending:
            self._changed.clear()
        before = self._results.get(path)
        self._results[path] = checked
        if checked.failure is not None:
            self.report_failure(checked.failure)
        if checked.report is not None:
            self.report_problems(checked.report.problems)
        for listener in self.listeners:
            listener(checked, before)

    def _cancel(self, path: str) -> None:
        """A check that waits never runs; one that runs is told to stop, and its result is dropped."""
        check = self._pending.pop(path, None)
        if check is not None:
            check.stop.set()
            check.job.cancel()
            check.future.cancel()

    def _mark_changed(self, path: str) -> None:
        # For the checks that are under way; one that starts later sees what there is.
        if self._pending:
            self._clock += 1
            self._changed[path] = self._clock

    def _start_dependants(self, paths: Collection[str]) -> None:
        # A check that is under way finds out by itself, when it is done.
        for other in list(self.documents.values()):
            known = self._results.get(other.path)
            if other.path not in self._pending and known is not None and not known.files.reads.isdisjoint(paths):
                self._start(other)

    def _known_below(self, trees: Collection[str]) -> Iterator[str]:
        starts = tuple(tree + os.sep for tree in trees)
        for known in self._results.values() if trees else ():
            yield from (path for path in known.files.reads if path.startswith(starts))


@dataclass(frozen=True, slots=True)
class _Holding:
    """What holds for a document. excluded: nothing is said about it."""

    options: Options
    excluded: bool


@dataclass(frozen=True, eq=False, slots=True)
class _Check:
    """A check that was handed to the worker. started: what the session's clock showed then. stop: set to end it."""

    document: Document
    started: int
    job: Future[Checked]
    future: asyncio.Future[Checked]
    stop: threading.Event
    foreign: Foreign
