"""The state of one client: its documents, its options, and what the analysis said about each document.

Everything here runs on the event loop except `_check`, which runs on one thread of our own and is handed immutable
values only. A newer version of a document replaces the check of an older one; a result that comes too late is dropped.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from biaslens.lsp.client import Client
from biaslens.lsp.configured import Configured
from biaslens.lsp.documents import Document, is_configuration, path_of
from biaslens.lsp.notebooks import NotebookDocument
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.syntax.suppressions import Suppressions
from biaslens.text import Edit, Source, Span

if TYPE_CHECKING:
    from biaslens.explain.hints import Hint
    from biaslens.explain.hover import Hover
    from biaslens.explain.lenses import Lens
    from biaslens.flow import Flow
    from biaslens.lint import Report
    from biaslens.lsp.kept import LastGood
    from biaslens.rules.rule import Finding, Fix

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a session asks of the lower levels, so that a test can put something else in its place."""

    lint: Callable[[Source, Files, Options], Report]
    fixes_of: Callable[[Finding, Report, Files], tuple[Fix, ...]]
    hover: Callable[[Report, int, Files, Client], Hover | None]
    edits_for: Callable[[Report, Files, Options, str, Span | None], tuple[Edit, ...]]
    hints: Callable[[Flow, Source, Span], tuple[Hint, ...]]
    lenses: Callable[[Report], tuple[Lens, ...]]


REPORT = "This is a bug in BiasLens; please report it with this entry and the file that causes it."


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that should not happen, for the log. place: what tells two failures apart, whatever the values."""

    place: str
    text: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that an exception tells of."""
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        text = "".join(traceback.format_exception(error))
        return cls(f"{type(error).__name__} at {where}", f"{text}{REPORT}")


@dataclass(frozen=True)
class Checked:
    """What is known about one version of one document, or of a cell of a notebook.

    report: None where the analysis failed; `failure` then says how. kept: findings of an earlier version that broken
    syntax hides. files: what the analysis read. good: the last version that parsed. seconds: how long it took.
    """

    document: Document
    report: Report | None
    kept: tuple[Finding, ...]
    files: Files
    good: LastGood | None
    failure: Failure | None = None
    seconds: float = 0.0

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All findings to show, sorted by place."""
        found = self.report.findings if self.report else ()
        shown = (finding for finding in (*found, *self.kept) if self.document.shows(finding.location.span))
        return tuple(sorted(shown, key=lambda finding: (finding.location, finding.code)))

    @cached_property
    def suppressions(self) -> Suppressions:
        """The comments of the document that silence findings."""
        return Suppressions(self.document.whole.source)

    def about(self, document: Document) -> Checked:
        """The same for a part of the document."""
        return self if document is self.document else replace(self, document=document)


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
        self.close_listeners: list[Callable[[Document], None]] = []
        self.ready_listeners: list[Callable[[], None]] = []
        """Called once, when the client may be asked things."""
        self.options_listeners: list[Callable[[Options, Options], None]] = []
        """Called with the options before and after a change."""
        self.configuration_listeners: list[Callable[[], None]] = []
        """Called when something may hold that did not hold before."""
        self.configured = Configured(client.settings, options)
        self._held: dict[str, _Holding] = {}
        self._load = load
        self._log = log
        self._logged: set[str] = set()
        self._results: dict[str, Checked] = {}
        self._fixes: dict[str, tuple[Report, dict[int, tuple[Fix, ...]]]] = {}
        self._pending: dict[str, _Check] = {}
        self._clock = 0
        self._changed: dict[str, int] = {}
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="analysis")

    def begin(self) -> None:
        """To be called when the client is ready: imports the analysis on the worker, ahead of the first check."""
        self._worker.submit(self._load)
        for listener in self.ready_listeners:
            listener()

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
        if document.path not in self.documents:
            if not self.client.watches:
                self.configured.read_again()
                self.reconfigure()
            self._held[document.path] = self._holding_for(document)
        self.documents[document.path] = document
        self._mark_changed(document.path)
        self._start(document)
        self._start_dependants(document.path)

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
        for listener in self.close_listeners:
            listener(document)
        self._start_dependants(path)

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
            known[1][id(finding)] = await self._ask(lambda: self._load().fixes_of(finding, report, files)) or ()
        return known[1][id(finding)]

    async def all_safe_fixes(self, checked: Checked, code: str, within: Span | None = None) -> tuple[Edit, ...]:
        """The edits that apply every safe fix of a rule, or of all rules for "", to the document of a result.

        within: where the findings stand, None for the whole document.
        """
        report, files = checked.report, checked.files
        if report is None:
            return ()
        return await self._ask(lambda: self._load().edits_for(report, files, report.options, code, within)) or ()

    async def ignoring(self, checked: Checked, finding: Finding) -> tuple[Edit, ...]:
        """The edit that adds a comment which silences a finding; none where there is no room for one."""
        about = [(finding.code, finding.location.span)]
        return await self._ask(lambda: checked.suppressions.with_ignored(about)) or ()

    async def hover(self, report: Report, offset: int, files: Files) -> Hover | None:
        """What there is to say about a place in that report's text."""
        return await self._ask(lambda: self._load().hover(report, offset, files, self.client))

    async def hints(self, report: Report, span: Span) -> tuple[Hint, ...]:
        """The inlay hints for a part of that report's text."""
        return await self._ask(lambda: self._load().hints(report.flow, report.source, span)) or ()

    async def lenses(self, report: Report) -> tuple[Lens, ...]:
        """The code lenses for that report's text."""
        return await self._ask(lambda: self._load().lenses(report)) or ()

    def report_failure(self, failure: Failure) -> None:
        """One quiet entry in the client's log; a failure at the same place is not told twice."""
        self.log_once(failure.text, failure.place)

    def log_once(self, text: str, place: str = "") -> None:
        """One quiet entry in the client's log. place: what tells two entries apart, the text itself by default."""
        if (place or text) not in self._logged:
            self._logged.add(place or text)
            self._log(text)

    async def _ask(self, question: Callable[[], T | None]) -> T | None:
        """Answers on the worker thread; a failure there is no answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, question)
        except Exception as error:
            self.report_failure(Failure.of(error))
            return None

    def _start(self, document: Document) -> None:
        self._cancel(document.path)
        before = self._results.get(document.path)
        buffers = {other.path: other.source for other in self.documents.values() if other.is_file}
        good = before.good if before else None
        holding = self._held[document.path]
        options = None if holding.excluded else holding.options
        job = self._worker.submit(_check, self._load, document, buffers, options, good)
        check = _Check(document, self._clock, job, asyncio.wrap_future(job))
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
            checked = Checked(check.document, None, (), Files(), None, Failure.of(error))
        if any(when > check.started and read in checked.files.reads for read, when in self._changed.items()):
            self._start(check.document)
            return
        before = self._results.get(path)
        self._results[path] = checked
        if checked.failure is not None:
            self.report_failure(checked.failure)
        for problem in checked.report.problems if checked.report else ():
            if problem.kind == "internal":
                self.report_failure(Failure(problem.path, f"{problem.path}: {problem.message}"))
        for listener in self.listeners:
            listener(checked, before)

    def _cancel(self, path: str) -> None:
        """A check that waits never runs; of one that runs the result is dropped."""
        check = self._pending.pop(path, None)
        if check is not None:
            check.job.cancel()
            check.future.cancel()

    def _mark_changed(self, path: str) -> None:
        self._clock += 1
        self._changed[path] = self._clock

    def _start_dependants(self, path: str) -> None:
        # A check that is under way finds out by itself, when it is done.
        for other in list(self.documents.values()):
            known = self._results.get(other.path)
            if other.path not in self._pending and known is not None and path in known.files.reads:
                self._start(other)


@dataclass(frozen=True, slots=True)
class _Holding:
    """What holds for a document. excluded: nothing is said about it."""

    options: Options
    excluded: bool


@dataclass(frozen=True, eq=False, slots=True)
class _Check:
    """A check that was handed to the worker. started: what the session's clock showed then."""

    document: Document
    started: int
    job: Future[Checked]
    future: asyncio.Future[Checked]


def installed_analysis() -> Analysis:
    """The real analysis. Imported late: the client's first request is answered before it."""
    from biaslens.explain.hints import hints
    from biaslens.explain.lenses import lenses
    from biaslens.lint import lint
    from biaslens.lsp.explained import explained
    from biaslens.repair import fixes_of
    from biaslens.rounds import edits_for

    return Analysis(lint, fixes_of, explained, edits_for, hints, lenses)


def _check(
    load: Callable[[], Analysis],
    document: Document,
    buffers: Mapping[str, Source],
    options: Options | None,
    good: LastGood | None,
) -> Checked:
    from biaslens.lsp.kept import LastGood

    begun = time.perf_counter()
    source, files = document.source, Files(buffers)
    if options is None:
        return Checked(document, None, (), files, good)
    report, failure = None, None
    try:
        report = load().lint(source, files, options)
        skipped = _skipped(report)
    except Exception as error:
        failure = Failure.of(error)
        skipped = [_whole(source)]
    found = report.findings if report else ()
    if not skipped:
        good = LastGood(source, found)
        return Checked(document, report, (), files, good, seconds=time.perf_counter() - begun)
    kept = good.kept(source, found, skipped) if good else ()
    # It may have been found when other rules were chosen.
    kept = tuple(finding for finding in kept if options.selects(finding.code))
    return Checked(document, report, kept, files, good, failure, time.perf_counter() - begun)


def _skipped(report: Report) -> list[Span]:
    """What the analysis could not judge: statements that do not parse, or everything where it failed."""
    own = [problem for problem in report.problems if problem.path == report.source.path]
    if any(problem.kind == "internal" for problem in own):
        return [_whole(report.source)]
    return [problem.span for problem in own if problem.kind == "syntax" and problem.span is not None]


def _whole(source: Source) -> Span:
    return Span(0, len(source.text) + 1)
