"""One check of one version of a document, and what it asks of the analysis. For the worker thread."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from biaslens.lsp import questions
from biaslens.lsp.client import Client
from biaslens.lsp.documents import Document
from biaslens.lsp.repairs import Repairs, repairs
from biaslens.lsp.studies import NO_USES, Buffers, Foreign, Found, Pause, Studied, judged, studied
from biaslens.options import Options
from biaslens.packed import Packed
from biaslens.runtime import collect_seldom
from biaslens.syntax.files import Files
from biaslens.text import Edit, Source, Span

if TYPE_CHECKING:
    from biaslens.explain.hints import Hint
    from biaslens.explain.hover import Hover
    from biaslens.explain.lenses import Lens
    from biaslens.flow import Flow
    from biaslens.incremental import Latest, Memories
    from biaslens.lint import Report, Study
    from biaslens.lsp.kept import LastGood
    from biaslens.rules.rule import Finding, Fix
    from biaslens.syntax.suppressions import Suppressions
    from biaslens.verdicts import Use


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a session asks of the lower levels, so that a test can put something else in its place.

    memories: what is known of earlier versions of the documents, of which only the worker knows.
    """

    lint: Callable[[Source, Files, Options, tuple[Use, ...], Pause], Report]
    fixes_of: Callable[[Finding, Report, Files], tuple[Fix, ...]]
    hover: Callable[[Report, int, Files, Client], Hover | None]
    edits_for: Callable[[Report, Files, Options, str, Span | None], tuple[Edit, ...]]
    hints: Callable[[Flow, Source, Span], tuple[Hint, ...]]
    lenses: Callable[[Report], tuple[Lens, ...]]
    why_no_fixes: Callable[[], str]
    memories: Memories | None = None
    study: Callable[[str, Buffers, Options, Pause, Foreign, bool], tuple[Studied, Found | None]] = studied
    judge: Callable[[Packed[Study], Buffers, Options, Pause, Foreign], Found | None] = judged
    repair: Callable[
        [Sequence[tuple[Packed[Study], Foreign]], Mapping[str, Options], Buffers, Pause], Repairs | None
    ] = repairs


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
    foreign: the uses in other files that were counted.
    """

    document: Document
    report: Report | Latest | None
    kept: tuple[Finding, ...]
    files: Files
    good: LastGood | None
    failure: Failure | None = None
    seconds: float = 0.0
    foreign: Foreign = NO_USES

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All findings to show, sorted by place."""
        found = self.report.findings if self.report else ()
        if self.kept:
            found = sorted((*found, *self.kept), key=lambda finding: finding.order)
        return tuple(finding for finding in found if self.document.shows(finding.location.span))

    @cached_property
    def suppressions(self) -> Suppressions:
        """The comments of the document that silence findings."""
        from biaslens.syntax.suppressions import Suppressions

        return Suppressions(self.document.whole.source)

    def about(self, document: Document) -> Checked:
        """The same for a part of the document."""
        return self if document is self.document else replace(self, document=document)


def installed_analysis() -> Analysis:
    """The real analysis. Imported late: the client's first request is answered before it."""
    from biaslens.incremental import Memories
    from biaslens.lint import lint

    return Analysis(
        lint,
        questions.fixes_of,
        questions.hover,
        questions.edits_for,
        questions.hints,
        questions.lenses,
        questions.why_no_fixes,
        Memories(),
    )


def prepare(load: Callable[[], Analysis]) -> None:
    """Effect: the analysis is imported."""
    try:
        load()
        import_module("biaslens.lsp.kept")
    finally:
        collect_seldom()  # until now not at all, from the start of the server


def forget(load: Callable[[], Analysis], path: str) -> None:
    """Effect: nothing is remembered of a document that was closed."""
    memories = load().memories
    if memories is not None:
        memories.forget(path)


def run_check(
    load: Callable[[], Analysis],
    document: Document,
    buffers: Buffers,
    options: Options | None,
    good: LastGood | None,
    foreign: Foreign,
    stop: threading.Event,
) -> Checked:
    """What there is to know about one version of a document; raises nothing but `Stopped`.

    options: None where nothing is said about it. good: its last version that parsed. stop: set to end the check.
    """
    from biaslens.incremental import Latest
    from biaslens.lsp.kept import LastGood
    from biaslens.program.world import Stopped
    from biaslens.syntax.parse import parse

    def pause() -> None:
        if stop.is_set():
            raise Stopped

    begun = time.perf_counter()
    source = document.source
    if options is None:
        return Checked(document, None, (), Files(buffers), good, foreign=foreign)
    report, failure = None, None
    memories = load().memories
    memory = memories.of(source) if memories is not None else None
    files = memory.files(buffers) if memory is not None else Files(buffers)
    try:
        linted = memory.lint if memory is not None else load().lint
        report = linted(source, files, options, foreign.at(source, pause, keep=True), pause)
        skipped = _skipped(report)
    except Stopped:
        raise
    except Exception as error:
        failure = Failure.of(error)
        skipped = [_whole(source)]
    found = report.findings if report else ()
    module = report.module if memory is not None and isinstance(report, Latest) else parse(source)
    if not skipped:
        good = LastGood(module, found)
        return Checked(document, report, (), files, good, None, time.perf_counter() - begun, foreign)
    kept = good.kept(module, found, skipped) if good else ()
    # It may have been found when other rules were chosen.
    kept = tuple(finding for finding in kept if options.selects(finding.code))
    return Checked(document, report, kept, files, good, failure, time.perf_counter() - begun, foreign)


def _skipped(report: Report | Latest) -> list[Span]:
    """What the analysis could not judge: statements that do not parse, or everything where it failed."""
    own = [problem for problem in report.problems if problem.path == report.source.path]
    if any(problem.kind == "internal" for problem in own):
        return [_whole(report.source)]
    return [problem.span for problem in own if problem.kind == "syntax" and problem.span is not None]


def _whole(source: Source) -> Span:
    return Span(0, len(source.text) + 1)
