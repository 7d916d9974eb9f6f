"""The session with an analysis put in its place: what runs, what is dropped, and what a failure does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from lsprotocol import types

from biaslens.flow import Flow
from biaslens.lint import Report
from biaslens.lsp.checked import Analysis, Checked
from biaslens.lsp.client import client_of
from biaslens.lsp.configured import Configured
from biaslens.lsp.documents import Document
from biaslens.lsp.session import Session
from biaslens.options import Options
from biaslens.program.ir import Program
from biaslens.rules.rule import Finding
from biaslens.syntax.files import Files
from biaslens.syntax.parse import parse
from biaslens.text import Location, Problem, Source, Span

if TYPE_CHECKING:
    from biaslens.flow import Site

CLIENT = replace(client_of(types.ClientCapabilities(), "utf-16"), pulls=True, refreshes=True)


@dataclass
class Fixture:
    """A session whose analysis finds statements that begin with `bias`, and does what `behave` does."""

    behave: Callable[[Source, Files], object] = lambda source, files: None
    bug: str = ""
    linted: list[str] = field(default_factory=list[str])
    logged: list[str] = field(default_factory=list[str])
    results: list[Checked] = field(default_factory=list[Checked])

    def __post_init__(self) -> None:
        self.session = Session(
            CLIENT,
            Options(),
            lambda: Analysis(self.lint, self.fail, self.fail, self.fail, self.fail, self.fail, str),
            self.logged.append,
        )
        self.session.listeners.append(lambda checked, before: self.results.append(checked))

    def lint(self, source: Source, files: Files, options: Options, others: object, pause: object) -> Report:
        self.linted.append(source.text)
        self.behave(source, files)
        if self.bug:
            problems = (Problem("internal", self.bug, source.path),)
            return Report(source, Program(source.path, ()), Flow(source.path, (), ()), (), problems)
        module = parse(source)
        spans = [module.span(statement) for statement in module.statements]
        findings = tuple(_finding(source, span.start) for span in spans if source.excerpt(span).startswith("bias"))
        return Report(source, Program(source.path, ()), Flow(source.path, (), ()), findings, module.problems)

    def fail(self, *_: object) -> Any:
        raise ZeroDivisionError

    def choose(self, options: Options) -> None:
        self.session.configured = Configured({}, options)
        self.session.reconfigure()

    def put(self, text: str, version: int = 1, path: str = "/a.py") -> Document:
        document = Document(f"file://{path}", path, version, text)
        self.session.put(document)
        return document


async def test_a_newer_version_replaces_one_that_waits_and_the_one_that_runs_is_dropped() -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait(source: Source, files: Files) -> None:
        started.set()
        assert go_on.wait(10)

    fixture = Fixture(wait)
    first = fixture.put("1", 1)
    assert await asyncio.to_thread(started.wait, 10)
    second, third = fixture.put("2", 2), fixture.put("3", 3)
    waiting = [asyncio.ensure_future(fixture.session.checked(document)) for document in (first, second, third)]
    go_on.set()
    answers = await asyncio.gather(*waiting)
    assert fixture.linted == ["1", "3"]
    assert [checked.document.version for checked in fixture.results] == [3]
    assert answers == [None, None, fixture.results[0]]


async def test_a_result_is_kept_for_its_version() -> None:
    fixture = Fixture()
    document = fixture.put("bias")
    first = await fixture.session.checked(document)
    assert first is not None
    assert await fixture.session.checked(document) is first
    assert fixture.linted == ["bias"]
    assert len(first.findings) == 1


async def test_nothing_is_said_about_a_document_that_was_closed_meanwhile() -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait(source: Source, files: Files) -> None:
        started.set()
        assert go_on.wait(10)

    fixture = Fixture(wait)
    document = fixture.put("bias")
    answer = asyncio.ensure_future(fixture.session.checked(document))
    assert await asyncio.to_thread(started.wait, 10)
    fixture.session.close(document.path)
    go_on.set()
    assert await answer is None
    again = fixture.put("bias")
    assert await fixture.session.checked(again) is not None
    assert [checked.document for checked in fixture.results] == [again]


async def test_a_failing_analysis_is_logged_once_and_untouched_findings_stay() -> None:
    fixture = Fixture()
    await fixture.session.checked(fixture.put("x = 1\nbias = 2\n"))

    def fail(source: Source, files: Files) -> None:
        raise ZeroDivisionError(source.text)

    fixture.behave = fail
    for version, text in enumerate(("x = 10\nbias = 2\n", "x = 100\nbias = 2\n"), start=2):
        checked = await fixture.session.checked(fixture.put(text, version))
        assert checked is not None
        assert checked.report is None
        assert [text[f.location.span.start :] for f in checked.findings] == ["bias = 2\n"]
    (entry,) = fixture.logged
    assert "ZeroDivisionError" in entry
    fixture.behave = lambda source, files: None
    checked = await fixture.session.checked(fixture.put("x = 1\n", 4))
    assert checked is not None
    assert checked.report is not None
    assert checked.findings == ()


async def test_an_analysis_that_cannot_be_loaded_is_logged_and_the_session_goes_on() -> None:
    logged: list[str] = []

    def load() -> Analysis:
        raise ImportError("no such module")

    session = Session(CLIENT, Options(), load, logged.append)
    document = Document("file:///a.py", "/a.py", 1, "")
    session.put(document)
    checked = await session.checked(document)
    assert checked is not None
    assert checked.findings == ()
    assert len(logged) == 1
    assert "no such module" in logged[0]


@pytest.mark.parametrize("question", ["hover", "fix", "all fixes", "hints", "lenses"])
async def test_a_failing_question_is_no_answer_and_one_entry_in_the_log(question: str) -> None:
    fixture = Fixture()
    checked = await fixture.session.checked(fixture.put("bias"))
    assert checked is not None
    assert checked.report is not None
    for _ in range(2):
        if question == "hover":
            assert await fixture.session.hover(checked.report, 0, checked.files) is None
        elif question == "hints":
            assert await fixture.session.hints(checked.report, Span(0, 1)) == ()
        elif question == "lenses":
            assert await fixture.session.lenses(checked.report) == ()
        elif question == "all fixes":
            assert await fixture.session.all_safe_fixes(checked, "") == ()
        else:
            assert await fixture.session.fixes_of(checked.findings[0], checked) == ()
    assert len(fixture.logged) == 1


async def test_a_bug_that_the_analysis_reports_itself_is_the_same() -> None:
    fixture = Fixture()
    await fixture.session.checked(fixture.put("x = 1\nbias = 2\n"))
    fixture.bug = "a bug of ours"
    for version, text in enumerate(("x = 10\nbias = 2\n", "x = 100\nbias = 2\n"), start=2):
        checked = await fixture.session.checked(fixture.put(text, version))
        assert checked is not None
        assert [text[f.location.span.start :] for f in checked.findings] == ["bias = 2\n"]
    assert fixture.logged == ["/a.py: a bug of ours"]


async def test_open_documents_that_read_a_changed_one_are_checked_again_with_its_buffer() -> None:
    seen: list[str] = []

    def read(source: Source, files: Files) -> None:
        if source.path == "/user.py":
            found = files.read("/used.py")
            seen.append(found.text if isinstance(found, Source) else "nothing")

    fixture = Fixture(read)
    user = fixture.put("user", path="/user.py")
    other = fixture.put("other", path="/other.py")
    await asyncio.gather(fixture.session.checked(user), fixture.session.checked(other))
    used = fixture.put("unsaved", path="/used.py")
    await asyncio.gather(fixture.session.checked(user), fixture.session.checked(used))
    fixture.session.put(used.changed(2, "unsaved, changed"))
    await fixture.session.checked(user)
    fixture.session.close("/used.py")
    await fixture.session.checked(user)
    assert seen == ["nothing", "unsaved", "unsaved, changed", "nothing"]
    assert fixture.linted.count("other") == 1


async def test_a_check_that_was_under_way_when_an_import_changed_is_done_again() -> None:
    started, go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def read(source: Source, files: Files) -> None:
        if source.path == "/user.py":
            found = files.read("/used.py")
            seen.append(found.text if isinstance(found, Source) else "nothing")
            started.set()
            assert go_on.wait(10)

    fixture = Fixture(read)
    user = fixture.put("user", path="/user.py")
    assert await asyncio.to_thread(started.wait, 10)
    fixture.put("unsaved", path="/used.py")
    go_on.set()
    checked = await fixture.session.checked(user)
    assert seen == ["nothing", "unsaved"]
    assert [result for result in fixture.results if result.document is user] == [checked]


async def test_untitled_buffers_cannot_be_read_by_others() -> None:
    def read(source: Source, files: Files) -> None:
        assert isinstance(files.read("untitled:a"), Problem)

    fixture = Fixture(read)
    fixture.session.put(Document("untitled:a", "untitled:a", 1, "bias"))
    document = fixture.put("bias")
    checked = await fixture.session.checked(document)
    assert checked is not None
    assert checked.failure is None
    assert checked.report is not None


@pytest.mark.parametrize("broken", ['x = 1\n"""\nbias = 2\n', "x = (\nbias = 2\n"])
async def test_findings_outlive_broken_syntax_and_several_edits_of_it(broken: str) -> None:
    fixture = Fixture()
    await fixture.session.checked(fixture.put("x = 1\nbias = 2\n"))
    for version, text in enumerate((broken, "\n\n" + broken, broken), start=2):
        checked = await fixture.session.checked(fixture.put(text, version))
        assert checked is not None
        assert [text[f.location.span.start :] for f in checked.findings] == ["bias = 2\n"]


async def test_other_options_for_the_analysis_check_all_documents_again() -> None:
    fixture = Fixture()
    seen: list[tuple[Options, Options]] = []
    fixture.session.options_listeners.append(lambda before, after: seen.append((before, after)))
    documents = [fixture.put("bias", path=path) for path in ("/a.py", "/b.py")]
    await asyncio.gather(*map(fixture.session.checked, documents))
    shown = Options(inlay_hints=True, code_lens=True)
    fixture.choose(shown)
    assert [await fixture.session.checked(document) for document in documents] == fixture.results
    assert len(fixture.linted) == 2
    fixture.choose(Options(max_runs=1))
    await asyncio.gather(*map(fixture.session.checked, documents))
    assert len(fixture.linted) == 4
    fixture.choose(Options(max_runs=1))
    assert seen == [(Options(), shown), (shown, Options(max_runs=1))]
    assert fixture.session.options_for("/a.py") == Options(max_runs=1)


async def test_what_is_kept_over_broken_syntax_is_what_the_rules_of_now_would_find() -> None:
    fixture = Fixture()
    await fixture.session.checked(fixture.put("x = 1\nbias = 2\n"))
    broken = fixture.put("x = (\nbias = 2\n", 2)
    for ignore, count in (((), 1), (("BL101",), 0)):
        fixture.choose(Options(ignore=ignore))
        checked = await fixture.session.checked(broken)
        assert checked is not None
        assert len(checked.findings) == count


def _finding(source: Source, start: int) -> Finding:
    return Finding("BL101", "", Location(source.path, Span(start, start + 4)), "", "warning", cast("Site", None))
