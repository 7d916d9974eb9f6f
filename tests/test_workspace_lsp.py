"""The files of the workspace over the wire: what is shown of those that nobody opened, and what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from lsprotocol import types
from lsprotocol.converters import get_converter
from pygls.exceptions import JsonRpcException

from editor import PATIENCE, Editor, Text
from test_lsp_wire import CALL, MODEL
from test_workspace import NORMALISED, PROJECTION

FIXED = MODEL.replace(CALL, "nn.Conv2d(3, 64, 3, bias=False)")
CHAIN = {"projection.py": PROJECTION, "normalised.py": NORMALISED}
WORKSPACE = {"diagnosticMode": "workspace"}
TOKEN = "results"

pytestmark = [
    pytest.mark.asyncio(loop_scope="function"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]


@dataclass
class Folder:
    """An editor that has a folder open, and what it shows of all files in it, by their names."""

    editor: Editor
    path: Path
    ids: dict[str, str] = field(default_factory=dict[str, str])
    shown: dict[str, list[types.Diagnostic]] = field(default_factory=dict[str, list[types.Diagnostic]])
    kinds: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    parts: int = 0
    bars: list[tuple[types.ProgressToken, Any]] = field(default_factory=list[tuple[types.ProgressToken, Any]])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        client = self.editor.client
        cast("Any", client.protocol.fm).features.pop(types.PROGRESS)

        def progress(params: types.ProgressParams) -> None:
            self._progress(params)

        client.feature(types.PROGRESS)(progress)

    def uri(self, name: str) -> str:
        return (self.path / name).as_uri()

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def ask(self, *, streams: bool = True) -> asyncio.Future[types.WorkspaceDiagnosticReport]:
        """Sends the request, as an editor does again and again."""
        previous = [types.PreviousResultId(uri, value) for uri, value in self.ids.items()]
        params = types.WorkspaceDiagnosticParams(previous, partial_result_token=TOKEN if streams else None)
        return asyncio.ensure_future(self.editor.client.workspace_diagnostic_async(params))

    async def poll(self, *, streams: bool = True) -> list[tuple[str, str]]:
        """Waits for the answer. Gives the names of the files that it tells of, with its kind."""
        self.kinds = []
        report = await asyncio.wait_for(self.ask(streams=streams), PATIENCE)
        assert not (streams and report.items)
        self._take(report)
        return sorted(self.kinds)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Polls until it is shown."""
        while not is_so():
            await self.poll()

    def changed(self, *names: str, kind: types.FileChangeType = types.FileChangeType.Changed) -> None:
        events = [types.FileEvent(self.uri(name), kind) for name in names]
        self.editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams(events))

    async def fix_all(self) -> None:
        await self.editor.execute(types.Command("", "biaslens.fixAllInWorkspace"))

    async def wait(self, is_so: Callable[[], bool]) -> None:
        """Waits for messages of the server."""
        while not is_so():
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), PATIENCE)

    def _progress(self, params: types.ProgressParams) -> None:
        if params.token == TOKEN:
            self.parts += 1
            report = get_converter().structure(params.value, types.WorkspaceDiagnosticReport)
            self._take(report)
        else:
            self.bars.append((params.token, params.value))
        self.arrived.set()

    def _take(self, report: types.WorkspaceDiagnosticReport) -> None:
        for item in report.items:
            name = Path(item.uri.removeprefix("file://")).relative_to(self.path).as_posix()
            self.kinds.append((name, item.kind))
            if isinstance(item, types.WorkspaceFullDocumentDiagnosticReport):
                self.shown[name] = list(item.items)
                self.ids.pop(item.uri, None)
                if item.result_id is not None:
                    self.ids[item.uri] = item.result_id

    @property
    def counts(self) -> dict[str, int]:
        """How many diagnostics each file shows that shows any."""
        return {name: len(items) for name, items in sorted(self.shown.items()) if items}


@asynccontextmanager
async def opened(
    path: Path,
    files: Mapping[str, str],
    settings: Mapping[str, object] = WORKSPACE,
    profile: str = "vscode_139",
    configuration: dict[str, Any] | None = None,
) -> AsyncGenerator[Folder]:
    """An editor with a folder of some files. No message pops up, and nothing is logged."""
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    editor = await Editor.start(profile, dict(settings), configuration, folders=[path])
    folder = Folder(editor, path)
    yield folder
    assert [entry.message for entry in editor.client.log_messages] == []
    await editor.stop()


async def test_files_that_nobody_opened_are_shown_and_judged_by_their_users(tmp_path: Path) -> None:
    async with opened(tmp_path, {"model.py": MODEL, "deep/plain.py": "x = 1\n", **CHAIN}) as folder:
        provider = folder.editor.answer.capabilities.diagnostic_provider
        assert provider is not None
        assert provider.workspace_diagnostics
        await folder.poll()
        assert folder.counts == {"model.py": 1, "projection.py": 1}
        assert folder.parts > 0
        (item,) = folder.shown["projection.py"]
        assert "Normalised" in item.message


async def test_what_is_shown_already_is_unchanged_and_what_is_clean_is_cleared(tmp_path: Path) -> None:
    async with opened(tmp_path, {"model.py": MODEL, "clean.py": FIXED}) as folder:
        folder.ids = {folder.uri("clean.py"): "of before"}
        assert await folder.poll() == [("clean.py", "full"), ("model.py", "full")]
        assert folder.shown["clean.py"] == []
        assert list(folder.ids) == [folder.uri("model.py")]
        folder.ids[folder.uri("clean.py")] = "of before"
        assert await folder.poll(streams=False) == [("clean.py", "full"), ("model.py", "unchanged")]


async def test_a_request_stays_open_until_something_changes(tmp_path: Path) -> None:
    async with opened(tmp_path, {"model.py": MODEL}) as folder:
        await folder.poll()
        waiting = folder.ask()
        await asyncio.sleep(0.4)
        assert not waiting.done()
        folder.write("model.py", FIXED)
        folder.changed("model.py")
        await asyncio.wait_for(waiting, PATIENCE)
        assert folder.counts == {}


async def test_a_request_that_waits_can_be_cancelled_and_ends_with_the_server(tmp_path: Path) -> None:
    async with opened(tmp_path, {"model.py": MODEL}) as folder:
        await folder.poll()
        waiting = folder.ask()
        await asyncio.sleep(0.1)
        (number,) = cast("Any", folder.editor.client.protocol)._request_futures
        folder.editor.client.cancel_request(types.CancelParams(number))
        with pytest.raises(JsonRpcException) as refused:
            await asyncio.wait_for(waiting, PATIENCE)
        assert refused.value.code == types.LSPErrorCodes.RequestCancelled
        at_the_end = folder.ask()
        await asyncio.sleep(0.1)
    with pytest.raises((JsonRpcException, asyncio.CancelledError)):
        await asyncio.wait_for(at_the_end, PATIENCE)


async def test_only_open_files_are_told_of_by_default_and_the_mode_changes_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path, {"model.py": MODEL, **CHAIN}, {}, configuration={}) as folder:
        editor = folder.editor
        editor.open(folder.uri("projection.py"), PROJECTION)
        editor.open(folder.uri("model.py"), MODEL)
        await folder.poll()
        assert folder.counts == {"model.py": 1}
        waiting = folder.ask()
        await asyncio.sleep(0.1)
        assert not waiting.done()
        editor.configure(WORKSPACE)
        await asyncio.wait_for(waiting, PATIENCE)
        await folder.until(lambda: folder.counts == {"model.py": 1, "projection.py": 1})
        assert len(await editor.diagnostics(folder.uri("projection.py"))) == 1
        editor.configure({"diagnosticMode": "off"})
        await folder.until(lambda: folder.counts == {})
        assert await editor.diagnostics(folder.uri("model.py")) == []
        editor.configure({})
        await folder.until(lambda: folder.counts == {"model.py": 1})
        assert await editor.diagnostics(folder.uri("projection.py")) == []


async def test_a_newer_version_makes_the_client_ask_again(tmp_path: Path) -> None:
    async with opened(tmp_path, {}, {}) as folder:
        uri = folder.uri("model.py")
        folder.editor.open(uri, MODEL * 30)
        first = asyncio.ensure_future(folder.editor.pull(uri))
        await asyncio.sleep(0.02)
        folder.editor.change(uri, "import", "\nimport")
        with pytest.raises(JsonRpcException) as refused:
            await first
        assert refused.value.code == types.LSPErrorCodes.ServerCancelled
        assert cast("Any", refused.value.data)["retriggerRequest"] is True
        assert len(await folder.editor.diagnostics(uri)) == 30


async def test_a_bar_shows_how_far_it_is_and_goes(tmp_path: Path) -> None:
    many = {f"model_{number}.py": MODEL for number in range(30)}
    async with opened(tmp_path, many) as folder:
        await folder.poll()
        await folder.wait(lambda: any(value["kind"] == "end" for _, value in folder.bars))
        (token,) = {token for token, _ in folder.bars}
        first, *reports, last = [value for _, value in folder.bars]
        assert (first["kind"], first["cancellable"], last["kind"]) == ("begin", True, "end")
        assert {report["kind"] for report in reports} <= {"report"}
        assert token != TOKEN
        assert len(folder.counts) == 30


async def test_who_cancels_the_bar_keeps_what_was_found_until_then(tmp_path: Path) -> None:
    many = {f"model_{number:03}.py": MODEL for number in range(400)}
    async with opened(tmp_path, many) as folder:
        answer = folder.ask()
        # Cancelled before anything was found, there would be nothing to answer, and the request would stay open.
        await folder.wait(lambda: bool(folder.bars and folder.counts))
        cancel = types.WorkDoneProgressCancelParams(folder.bars[0][0])
        folder.editor.client.window_work_done_progress_cancel(cancel)
        await asyncio.wait_for(answer, PATIENCE)
        assert 0 < len(folder.counts) < 400
        waiting = folder.ask()
        folder.write("model_000.py", FIXED)
        folder.changed("model_000.py")
        await asyncio.wait_for(waiting, PATIENCE)
        assert "model_000.py" not in folder.counts


async def test_a_branch_switch_is_one_pass(tmp_path: Path) -> None:
    files = {f"model_{number}.py": MODEL for number in range(8)}
    async with opened(tmp_path, files) as folder:
        uri = folder.uri("model_0.py")
        folder.editor.open(uri, MODEL)
        await folder.poll()
        assert len(folder.counts) == 8
        for name in files:
            folder.write(name, FIXED)
        (tmp_path / "model_7.py").unlink()
        folder.write("new.py", MODEL)
        parts = folder.parts
        for _ in range(300):
            folder.changed(*files, *(f"elsewhere_{number}.py" for number in range(8)))
        folder.changed("model_7.py", kind=types.FileChangeType.Deleted)
        folder.changed("new.py", kind=types.FileChangeType.Created)
        await folder.until(lambda: folder.counts == {"model_0.py": 1, "new.py": 1})
        assert folder.parts - parts < 8
        assert len(await folder.editor.diagnostics(uri)) == 1, "the buffer wins over the disk"
        folder.editor.close(uri)
        await folder.until(lambda: folder.counts == {"new.py": 1})


async def test_an_ignored_file_goes_and_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path, {"model.py": MODEL}) as folder:
        await folder.poll()
        folder.write(".gitignore", "model.py\n")
        folder.changed(".gitignore", kind=types.FileChangeType.Created)
        await folder.poll()
        assert folder.counts == {}
        (tmp_path / ".gitignore").unlink()
        folder.changed(".gitignore", kind=types.FileChangeType.Deleted)
        await folder.poll()
        assert folder.counts == {"model.py": 1}


async def test_configuration_files_hold_for_files_that_nobody_opened(tmp_path: Path) -> None:
    async with opened(tmp_path, {"model.py": MODEL, "old/model.py": MODEL}) as folder:
        await folder.poll()
        assert folder.counts == {"model.py": 1, "old/model.py": 1}
        folder.write("biaslens.toml", 'exclude = ["old/"]\n')
        folder.changed("biaslens.toml", kind=types.FileChangeType.Created)
        await folder.until(lambda: folder.counts == {"model.py": 1})
        folder.write("biaslens.toml", 'ignore = ["BL101"]\n')
        folder.changed("biaslens.toml")
        await folder.until(lambda: folder.counts == {})


async def test_what_depends_on_a_file_follows_its_changes_and_its_renaming(tmp_path: Path) -> None:
    async with opened(tmp_path, CHAIN) as folder:
        editor, user = folder.editor, folder.uri("normalised.py")
        await folder.poll()
        assert folder.counts == {"projection.py": 1}
        editor.open(user, NORMALISED)
        editor.change(user, "nn.BatchNorm1d(8)", "nn.ReLU()")
        await folder.until(lambda: folder.counts == {})
        editor.change(user, "nn.ReLU()", "nn.BatchNorm1d(8)")
        await folder.until(lambda: folder.counts == {"projection.py": 1})
        (tmp_path / "projection.py").rename(tmp_path / "projecting.py")
        renamed = types.FileRename(folder.uri("projection.py"), folder.uri("projecting.py"))
        editor.client.workspace_did_rename_files(types.RenameFilesParams([renamed]))
        await folder.until(lambda: folder.counts == {})
        editor.change(user, "from projection", "from projecting")
        await folder.until(lambda: folder.counts == {"projecting.py": 1})


async def test_typing_in_a_helper_moves_its_findings_along(tmp_path: Path) -> None:
    async with opened(tmp_path, CHAIN) as folder:
        editor, uri = folder.editor, folder.uri("projection.py")
        await folder.poll()
        text = editor.open(uri, PROJECTION)
        for _ in range(3):
            editor.change(uri, "class", "\nclass")
            (item,) = await editor.diagnostics(uri)
            assert text.excerpt(item.range) == "nn.Linear(width, width)"
        editor.change(uri, "nn.Linear(width, width)", "nn.Linear(width, width, bias=False)")
        assert await editor.diagnostics(uri) == []


async def test_folders_come_and_go(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.py").write_text(MODEL)
    async with opened(tmp_path / "first", {"model.py": MODEL}) as folder:
        folder.path = tmp_path
        await folder.poll()
        assert folder.counts == {"first/model.py": 1}
        added = types.WorkspaceFolder(other.as_uri(), "other")
        event = types.WorkspaceFoldersChangeEvent([added], [])
        folder.editor.client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))
        await folder.until(lambda: folder.counts == {"first/model.py": 1, "other/model.py": 1})
        event = types.WorkspaceFoldersChangeEvent([], [added])
        folder.editor.client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))
        await folder.until(lambda: folder.counts == {"first/model.py": 1})
        requests = folder.editor.requests
        watched = [one for one in requests.registered if one.id == "biaslens/pythonFiles"]
        patterns = [cast("Any", registration.register_options)["watchers"] for registration in watched]
        assert [len(one) for one in patterns] == [3, 6, 3]
        assert requests.unregistered == ["biaslens/pythonFiles"] * 2


async def test_clients_that_do_not_ask_are_told(tmp_path: Path) -> None:
    async with opened(tmp_path, {"model.py": MODEL, **CHAIN}, profile="vscode_139 without pull") as folder:
        editor, uri = folder.editor, folder.uri("model.py")
        assert len((await editor.publication(uri, None)).diagnostics) == 1
        assert len((await editor.publication(folder.uri("projection.py"), None)).diagnostics) == 1
        editor.open(uri, FIXED)
        assert (await editor.publication(uri, 1)).diagnostics == ()
        folder.write("model.py", FIXED)
        editor.close(uri)
        assert (await editor.publication(uri, None)).diagnostics == ()
        editor.open(uri, MODEL)
        assert len(await editor.diagnostics(uri)) == 1
        editor.close(uri)
        assert (await editor.publication(uri, None)).diagnostics == ()
        (tmp_path / "normalised.py").unlink()
        folder.changed("normalised.py", kind=types.FileChangeType.Deleted)
        helper = folder.uri("projection.py")
        while (await editor.publication(helper, None)).diagnostics:
            await editor.published.wait()


@pytest.mark.parametrize("profile", ["nvim_0.7", "nvim_0.11"])
async def test_clients_that_watch_nothing_are_looked_after_when_a_document_is_saved(
    profile: str, tmp_path: Path
) -> None:
    norms = "from torch import nn\nclass Norm(nn.BatchNorm2d): pass\n"
    async with opened(tmp_path, {"norms.py": norms}, {}, profile=profile) as folder:
        editor, uri = folder.editor, folder.uri("model.py")
        editor.open(uri, "from norms import Norm\n" + MODEL.replace("nn.BatchNorm2d", "Norm"))
        assert len(await editor.diagnostics(uri)) == 1
        assert editor.requests.registered == []
        folder.write("norms.py", norms.replace("BatchNorm2d", "Identity"))
        editor.client.text_document_did_save(types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri)))
        while await editor.diagnostics(uri):
            await (asyncio.sleep(0.05) if editor.pulls else editor.published.wait())


def applied(editor: Editor, path: Path, edit: types.WorkspaceEdit) -> None:
    """Applies an edit of several files as an editor does: to its buffers, and to the files that are not open."""
    for change in edit.document_changes or ():
        assert isinstance(change, types.TextDocumentEdit)
        uri = change.text_document.uri
        edits = [e for e in change.edits if isinstance(e, (types.TextEdit, types.AnnotatedTextEdit))]
        assert len(edits) == len(change.edits)
        file = Path(uri.removeprefix("file://"))
        if uri in editor.texts:
            assert change.text_document.version == editor.texts[uri].version
            text = editor.texts[uri]
        else:
            assert change.text_document.version is None
            text = Text(file.read_text(encoding="utf-8"), editor.encoding)
        for one in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
            text.replace(text.offset(one.range.start), text.offset(one.range.end), one.new_text)
        if uri not in editor.texts:
            file.write_text(text.content, encoding="utf-8")


@pytest.mark.parametrize("settings", [WORKSPACE, {}])
async def test_everything_is_fixed_at_once_when_asked_for(settings: dict[str, str], tmp_path: Path) -> None:
    files = {"model.py": MODEL, "deep/model.py": MODEL.replace("\n", "\r\n"), "clean.py": FIXED, "open.py": MODEL}
    async with opened(tmp_path, files, settings) as folder:
        editor, uri = folder.editor, folder.uri("open.py")
        editor.open(uri, "# unsaved\n" + MODEL)
        shown = await editor.diagnostics(uri)
        actions = await editor.actions(uri, shown[0].range, shown, only=["source"])
        (action,) = [one for one in actions if one.command is not None]
        assert action.kind == "source"
        assert action.command is not None
        await editor.execute(action.command)
        await editor.requests.wait_for(lambda: bool(editor.requests.edits))
        (asked,) = editor.requests.edits
        (label,) = asked.edit.change_annotations or {}
        assert label == "Fix 3 findings of BiasLens"
        assert (asked.edit.change_annotations or {})[label].needs_confirmation is True
        applied(editor, tmp_path, asked.edit)
        assert editor.texts[uri].content == "# unsaved\n" + FIXED
        assert (tmp_path / "model.py").read_text() == FIXED
        assert (tmp_path / "clean.py").read_text() == FIXED


async def test_nothing_is_offered_on_save_and_nothing_to_fix_is_said(tmp_path: Path) -> None:
    async with opened(tmp_path, {"model.py": FIXED}, {}) as folder:
        editor, uri = folder.editor, folder.uri("other.py")
        text = editor.open(uri, MODEL)
        place = text.range(0, 1)
        titles = [a.title for a in await editor.actions(uri, place, only=["source.fixAll"])]
        assert titles == ["BiasLens: apply all safe fixes"]
        await folder.fix_all()
        assert [message.message for message in editor.client.messages] == ["There is nothing that can be fixed safely."]
        assert editor.requests.edits == []
