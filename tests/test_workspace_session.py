"""The files of the workspace in a session: what is followed when, what again, and whether it is all right."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lsprotocol import types

from biaslens.lint import Report, lint, lint_all, report_of, study
from biaslens.lsp.checked import installed_analysis
from biaslens.lsp.client import client_of
from biaslens.lsp.configured import ELSEWHERE
from biaslens.lsp.documents import Document
from biaslens.lsp.repairs import Repairs, repairs
from biaslens.lsp.session import Session
from biaslens.lsp.studies import NO_USES, Foreign, Found, Pause, Studied, report_on, studied
from biaslens.lsp.worker import Worker
from biaslens.options import Options
from biaslens.packed import packed
from biaslens.program.world import Stopped, World, go_on
from biaslens.syntax.discover import discover
from biaslens.syntax.files import Files
from biaslens.text import Source
from test_workspace import ACTIVATED, HEAD, NORMALISED, PROJECTION

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding, Fix
    from biaslens.verdicts import Use

EXAMPLES = Path(__file__).parent.parent / "examples"
CLIENT = client_of(types.ClientCapabilities(), "utf-16")
MODE = Options(diagnostic_mode="workspace")
NET = HEAD + "net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"

Behaviour = Callable[[str, Pause], object]


@dataclass
class Fixture:
    """A session with a folder, whose analysis does what `behave` does before it follows a file."""

    folder: Path
    files: Mapping[str, str]
    options: Options = MODE
    behave: Behaviour = lambda name, pause: None
    check: Behaviour = lambda name, pause: None
    followed: list[str] = field(default_factory=list[str])
    told: list[str] = field(default_factory=list[str])
    logged: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        for name, text in self.files.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        real = installed_analysis()
        self.session = Session(
            CLIENT,
            self.options,
            lambda: replace(real, study=self.study, lint=self.lint, memories=None),
            self.logged.append,
        )
        self.session.workspace.listeners.append(lambda path: self.told.append(Path(path).name))
        self.session.configured.enter([str(self.folder)])
        self.session.begin()

    def configure(self, **settings: object) -> None:
        self.session.configured.choose({ELSEWHERE: settings})
        self.session.reconfigure()

    def study(
        self, path: str, buffers: Mapping[str, str], options: Options, pause: Pause, foreign: Foreign, is_used: bool
    ) -> tuple[Studied, Found | None]:
        self.followed.append(Path(path).name)
        self.behave(Path(path).name, pause)
        return studied(path, buffers, options, pause, foreign, is_used)

    def lint(self, source: Source, files: Files, options: Options, others: tuple[Use, ...], pause: Pause) -> Report:
        self.check(Path(source.path).name, pause)
        return lint(source, files, options, others, pause)

    def put(self, name: str, text: str, version: int = 1) -> Document:
        path = str(self.folder / name)
        document = Document(Path(path).as_uri(), path, version, text)
        self.session.put(document)
        return document

    async def settled(self) -> None:
        while self.session.workspace.is_busy or self.session.is_checking:
            await asyncio.sleep(0.01)

    @property
    def found(self) -> set[tuple[str, str, int, str]]:
        """Every finding of the files that are not open: its file, code, place and sentence."""
        workspace = self.session.workspace
        every = [found for path in workspace.paths_with_findings() if (found := workspace.found(path))]
        return {_told(finding) for found in every for finding in found.findings}


def _told(finding: Finding) -> tuple[str, str, int, str]:
    return finding.location.path, finding.code, finding.location.span.start, finding.message


def by_the_command_line(folder: Path, buffers: Mapping[str, str] | None = None) -> set[tuple[str, str, int, str]]:
    """What `biaslens check FOLDER` finds."""
    paths = discover([str(folder)]).files
    reports = [r for r in lint_all(paths, Files(buffers), Options()) if isinstance(r, Report)]
    return {_told(finding) for report in reports for finding in report.findings}


async def test_the_editor_and_the_command_line_agree(tmp_path: Path) -> None:
    files = {"projection.py": PROJECTION, "normalised.py": NORMALISED, "net.py": NET, "plain.py": "x = 1\n"}
    files |= {path.name: path.read_text(encoding="utf-8") for path in (EXAMPLES / "dcgan.py", EXAMPLES / "vgg.py")}
    fixture = Fixture(tmp_path, files)
    await fixture.settled()
    wanted = by_the_command_line(tmp_path)
    assert len(wanted) > 3
    assert fixture.found == wanted
    for name, text in files.items():
        checked = await fixture.session.checked(fixture.put(name, text))
        assert checked is not None
    await fixture.settled()
    known = [fixture.session.known(document) for document in fixture.session.documents.values()]
    assert {_told(finding) for checked in known if checked for finding in checked.findings} == wanted
    (tmp_path / "activated.py").write_text(ACTIVATED)
    fixture.session.files_changed([str(tmp_path / "activated.py"), str(tmp_path)])
    await fixture.settled()
    fewer = by_the_command_line(tmp_path)
    assert fewer < wanted
    known = [fixture.session.known(document) for document in fixture.session.documents.values()]
    assert {_told(finding) for checked in known if checked for finding in checked.findings} == fewer


async def test_a_document_does_not_wait_for_the_files_behind_it(tmp_path: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    def behave(name: str, pause: Pause) -> None:
        started.set()
        while not go_on.wait(0.001):
            pause()

    fixture = Fixture(tmp_path, {"net.py": NET}, behave=behave)
    assert await asyncio.to_thread(started.wait, 10)
    checked = await fixture.session.checked(fixture.put("open.py", NET))
    assert checked is not None
    assert len(checked.findings) == 1
    assert fixture.told == []
    go_on.set()
    await fixture.settled()
    assert "net.py" in fixture.told


async def test_what_can_wait_stands_still_while_somebody_waits(tmp_path: Path) -> None:
    order: list[str] = []
    inside, checking, enough = threading.Event(), threading.Event(), threading.Event()

    def behave(name: str, pause: Pause) -> None:
        inside.set()
        assert checking.wait(10)
        pause()
        order.append("file")

    def check(name: str, pause: Pause) -> None:
        checking.set()
        assert enough.wait(10)
        order.append("document")

    fixture = Fixture(tmp_path, {"net.py": NET}, behave=behave, check=check)
    assert await asyncio.to_thread(inside.wait, 10)
    document = fixture.put("open.py", "")
    await asyncio.sleep(0.05)
    enough.set()
    await fixture.session.checked(document)
    await fixture.settled()
    assert order[:2] == ["document", "file"]


async def test_only_what_rests_on_a_changed_file_is_followed_again(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, {"projection.py": PROJECTION, "normalised.py": NORMALISED, "net.py": NET})
    await fixture.settled()
    assert sorted(fixture.followed) == ["net.py", "normalised.py", "projection.py"]
    fixture.followed.clear()
    path = str(tmp_path / "projection.py")
    fixture.session.files_changed([path])
    await fixture.settled()
    assert fixture.followed == [], "it was written, but it is the same"
    fixture.put("projection.py", PROJECTION)
    await fixture.settled()
    assert fixture.followed == [], "it was opened, and is the same"
    fixture.put("projection.py", "\n" + PROJECTION, 2)
    fixture.session.files_changed([path])
    await fixture.settled()
    assert sorted(fixture.followed) == ["normalised.py", "projection.py"]
    fixture.followed.clear()
    (tmp_path / "net.py").write_text("\n" + NET)
    fixture.session.files_changed([str(tmp_path / "net.py")])
    await fixture.settled()
    assert fixture.followed == ["net.py"]
    fixture.session.close(path)
    await fixture.settled()
    assert sorted(fixture.followed) == ["net.py", "normalised.py", "projection.py"]
    assert fixture.found == by_the_command_line(tmp_path)


async def test_a_file_that_comes_is_found_by_those_that_looked_for_it(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, {"normalised.py": NORMALISED})
    await fixture.settled()
    assert fixture.found == set()
    (tmp_path / "projection.py").write_text(PROJECTION)
    fixture.session.files_changed([str(tmp_path / "projection.py"), str(tmp_path)])
    await fixture.settled()
    assert len(fixture.found) == 1
    assert fixture.found == by_the_command_line(tmp_path)


async def test_a_neighbour_that_comes_counts_for_the_fixes_of_an_open_document(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, {}, options=Options())
    session, document = fixture.session, fixture.put("net.py", NET)

    async def fix() -> Fix:
        checked = await session.checked(document)
        assert checked is not None
        return (await session.fixes_of(checked.findings[0], checked))[0]

    assert (await fix()).applicability == "safe"
    (tmp_path / "train.py").write_text("import net\nnet.net.load_state_dict(weights)\n")
    session.files_changed([str(tmp_path / "train.py"), str(tmp_path)])
    assert (await fix()).applicability == "unsafe"
    (tmp_path / "train.py").unlink()
    await session.look_at_disk()
    assert (await fix()).applicability == "safe"
    before = session.known(document)
    await session.look_at_disk()
    assert session.known(document) is before, "nothing has changed"


async def test_what_changes_while_it_is_followed_is_followed_again(tmp_path: Path) -> None:
    changes = [NET.replace("8, 3)", "8, 3, bias=False)")]

    def behave(name: str, pause: Pause) -> None:
        if changes:
            time.sleep(0.02)
            (tmp_path / "net.py").write_text(changes.pop())
            loop.call_soon_threadsafe(fixture.session.files_changed, [str(tmp_path / "net.py")])

    loop = asyncio.get_running_loop()
    fixture = Fixture(tmp_path, {"net.py": NET}, behave=behave)
    await fixture.settled()
    assert fixture.found == set()


async def test_one_file_that_fails_is_one_entry_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from biaslens import lint as facade

    trace = facade.trace

    def failing(module: object, world: World, reached: object) -> object:
        if getattr(module, "path", "").endswith("bad.py"):
            raise ZeroDivisionError("a bug of ours")
        return trace(module, world, reached)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(facade, "trace", failing)
    fixture = Fixture(tmp_path, {"bad.py": NET, "net.py": NET})
    await fixture.settled()
    for version in (1, 2):
        await fixture.session.checked(fixture.put("bad.py", NET + "\n" * version, version))
    await fixture.settled()
    (entry,) = fixture.logged
    assert "a bug of ours" in entry
    assert "please report it" in entry
    assert {path for path, *_ in fixture.found} == {str(tmp_path / "net.py")}


async def test_an_analysis_that_raises_stops_nothing(tmp_path: Path) -> None:
    def behave(name: str, pause: Pause) -> None:
        if name == "bad.py":
            raise ZeroDivisionError

    fixture = Fixture(tmp_path, {"bad.py": NET, "net.py": NET}, behave=behave)
    await fixture.settled()
    assert len(fixture.logged) == 1
    assert {path for path, *_ in fixture.found} == {str(tmp_path / "net.py")}


async def test_nothing_is_followed_until_it_is_wanted_and_nothing_is_kept_after(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, {"net.py": NET}, options=Options())
    await fixture.settled()
    assert fixture.followed == []
    async with fixture.session.workspace.complete() as is_complete:
        assert is_complete
        assert fixture.found == by_the_command_line(tmp_path)
    await fixture.settled()
    assert fixture.found == set()
    fixture.configure(diagnosticMode="workspace")
    await fixture.settled()
    assert fixture.found == by_the_command_line(tmp_path)
    fixture.followed.clear()
    fixture.configure(diagnosticMode="workspace", ignore=["BL101"])
    await fixture.settled()
    assert fixture.found == set()
    assert fixture.followed == [], "it is judged again, no more"
    fixture.configure(diagnosticMode="workspace", maxRuns=2)
    await fixture.settled()
    assert fixture.followed == ["net.py"]
    assert len(fixture.found) == 1
    fixture.configure(diagnosticMode="workspace", exclude=["net.py"])
    await fixture.settled()
    assert fixture.found == set()


async def test_who_does_not_want_to_wait_is_not_kept_waiting(tmp_path: Path) -> None:
    started = threading.Event()

    def behave(name: str, pause: Pause) -> None:
        started.set()
        while name == "b.py":
            time.sleep(0.001)
            pause()

    fixture = Fixture(tmp_path, {"a.py": NET, "b.py": NET, "c.py": NET}, options=Options(), behave=behave)

    async def fix() -> bool:
        async with fixture.session.workspace.complete() as is_complete:
            return is_complete

    waiting = asyncio.ensure_future(fix())
    while fixture.followed != ["a.py", "b.py"]:
        await asyncio.sleep(0.01)
    fixture.session.workspace.leave_it()
    assert await asyncio.wait_for(waiting, 10) is False
    await fixture.settled()
    assert fixture.followed == ["a.py", "b.py"]


async def test_a_check_that_nobody_wants_any_more_stops(tmp_path: Path) -> None:
    stopped = threading.Event()
    started = threading.Event()

    def check(name: str, pause: Pause) -> None:
        if not started.is_set():
            started.set()
            try:
                while True:
                    time.sleep(0.001)
                    pause()
            except Stopped:
                stopped.set()
                raise

    fixture = Fixture(tmp_path, {}, options=Options(), check=check)
    first = fixture.put("open.py", "", 1)
    assert await asyncio.to_thread(started.wait, 10)
    checked = await fixture.session.checked(fixture.put("open.py", NET, 2))
    assert checked is not None
    assert len(checked.findings) == 1
    assert stopped.is_set()
    assert fixture.session.known(first) is None
    assert fixture.logged == []


def test_nothing_is_repaired_that_is_not_what_was_followed(tmp_path: Path) -> None:
    path = str(tmp_path / "net.py")
    (tmp_path / "net.py").write_text(NET)
    known, found = studied(path, {}, Options(), go_on, NO_USES, False)
    assert known.own is not None
    assert found is not None
    studies, options = [(known.own, NO_USES)], {path: Options()}
    repaired = repairs(studies, options, {}, go_on)
    assert repaired is not None
    ((source, edits),) = repaired.edits
    assert repaired.count == 1
    assert source.edited(edits) == NET.replace("8, 3)", "8, 3, bias=False)")
    assert repairs(studies, options, {path: "# unsaved\n" + NET}, go_on) is None
    assert repairs([], {}, {}, go_on) == Repairs((), 0)
    with pytest.raises(Stopped):
        repairs(studies, options, {}, _stop)


def test_an_analysis_stops_where_it_pauses() -> None:
    pauses: list[int] = []

    def stop() -> None:
        pauses.append(1)
        if len(pauses) == 3:
            raise Stopped

    text = HEAD + "".join(f"class N{n}(nn.Module):\n    def forward(self, x):\n        return x\n" for n in range(9))
    with pytest.raises(Stopped):
        lint(Source("/project/many.py", text), Files(), Options(), (), stop)
    with pytest.raises(Stopped):
        list(lint_all(["/project/many.py"], Files({"/project/many.py": text}), Options(), _stop))
    assert len(pauses) == 3


def test_what_was_followed_says_the_same_after_it_was_packed() -> None:
    for name in ("attention.py", "dcgan.py"):
        files = Files()
        source = files.read(str(EXAMPLES / name))
        assert isinstance(source, Source)
        whole = study(source, World(files, Options()))
        kept = packed(whole, go_on)
        assert len(kept.data) < 100_000
        report = report_on(kept, Options(), go_on, NO_USES)
        assert [_told(finding) for finding in report.findings]
        assert report.findings == report_of(whole, Options()).findings
    with pytest.raises(Stopped):
        packed(list(map(str, range(100_000))), _stop)


def _stop() -> None:
    raise Stopped


def test_nobody_waits_for_a_worker_that_has_nothing_to_do() -> None:
    worker = Worker()
    assert worker.submit(lambda: 1).result(10) == 1
    waiting = worker.submit_for_later(worker.pause)
    assert waiting.result(10) is None
    first = threading.Event()
    blocked, cancelled = worker.submit(first.wait), worker.submit(lambda: 2)
    assert cancelled.cancel()
    later = worker.submit_for_later(worker.pause)
    time.sleep(0.01)
    assert not later.done()
    first.set()
    assert blocked.result(10)
    assert later.result(10) is None


def test_uses_in_other_files_speak_of_the_text_of_now() -> None:
    files = {"/project/projection.py": PROJECTION, "/project/normalised.py": NORMALISED}
    user, _ = studied("/project/normalised.py", files, Options(), go_on, NO_USES, False)
    helper, _ = studied("/project/projection.py", files, Options(), go_on, NO_USES, True)
    spoken_of = user.seen["/project/projection.py"]
    foreign = Foreign(((spoken_of, user.elsewhere["/project/projection.py"]),), helper.own)
    for text in (PROJECTION, "\n\n" + PROJECTION, PROJECTION + "\nx = 1\n", PROJECTION.replace("8", "88")):
        uses = foreign.at(Source("/project/projection.py", text), go_on, keep=True)
        assert {text[use.layer.site.span.start : use.layer.site.span.end] for use in uses} == {
            "nn.Linear(width, width)"
        }
    changed = PROJECTION.replace("width, width)", "width, 2 * width)")
    assert foreign.at(Source("/project/projection.py", changed), go_on) == ()
