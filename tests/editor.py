"""A model of an editor: it holds its own texts, counts columns its own way, and applies what the server answers."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union, cast

from lsprotocol import types
from lsprotocol.converters import get_converter
from pytest_lsp import LanguageClient
from pytest_lsp.client import make_test_lsp_client

SERVER = (sys.executable, "-m", "biaslens", "server")
PATIENCE = 30.0
"""Seconds until a test gives up waiting for the server."""

CODECS = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
UNIT_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


@dataclass
class Text:
    """A client's copy of one document. Columns are counted by encoding the line and slicing its bytes."""

    content: str
    encoding: str
    version: int = 1

    def lines(self) -> list[str]:
        ends = [match.end() for match in re.finditer(r"\r\n|\r|\n", self.content)]
        return [self.content[start:end] for start, end in zip([0, *ends], [*ends, len(self.content)], strict=True)]

    def offset(self, position: types.Position) -> int:
        lines = self.lines()
        line = lines[position.line].rstrip("\r\n")
        head = line.encode(CODECS[self.encoding])[: position.character * UNIT_BYTES[self.encoding]]
        return sum(map(len, lines[: position.line])) + len(head.decode(CODECS[self.encoding]))

    def position(self, offset: int) -> types.Position:
        before = Text(self.content[:offset], self.encoding).lines()
        units = len(before[-1].encode(CODECS[self.encoding])) // UNIT_BYTES[self.encoding]
        return types.Position(len(before) - 1, units)

    def range(self, start: int, end: int) -> types.Range:
        return types.Range(self.position(start), self.position(end))

    def excerpt(self, place: types.Range) -> str:
        return self.content[self.offset(place.start) : self.offset(place.end)]

    def replace(self, start: int, end: int, text: str) -> types.TextDocumentContentChangePartial:
        """Changes the copy and gives the change to send."""
        change = types.TextDocumentContentChangePartial(range=self.range(start, end), text=text)
        self.content = self.content[:start] + text + self.content[end:]
        return change


@dataclass
class Publications:
    """What was published, in order; pytest-lsp's own client keeps no versions."""

    received: list[types.PublishDiagnosticsParams] = field(default_factory=list[types.PublishDiagnosticsParams])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, params: types.PublishDiagnosticsParams) -> None:
        self.received.append(params)
        self.arrived.set()

    def newest(self, uri: str) -> types.PublishDiagnosticsParams | None:
        return next((params for params in reversed(self.received) if params.uri == uri), None)

    async def wait(self) -> None:
        self.arrived.clear()
        await asyncio.wait_for(self.arrived.wait(), PATIENCE)


@dataclass
class Requests:
    """What the server asked of the editor, in order."""

    refreshed: list[str] = field(default_factory=list[str])
    registered: list[types.Registration] = field(default_factory=list[types.Registration])
    unregistered: list[str] = field(default_factory=list[str])
    edits: list[types.ApplyWorkspaceEditParams] = field(default_factory=list[types.ApplyWorkspaceEditParams])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def register_with(self, client: LanguageClient) -> None:
        """Lets the client answer the server's requests."""

        def register(params: types.RegistrationParams) -> None:
            self.registered += params.registrations

        def unregister(params: types.UnregistrationParams) -> None:
            self.unregistered += [one.id for one in params.unregisterations]

        def edit(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            self.edits.append(params)
            self.arrived.set()
            return types.ApplyWorkspaceEditResult(applied=True)

        client.feature(types.CLIENT_REGISTER_CAPABILITY)(register)
        client.feature(types.CLIENT_UNREGISTER_CAPABILITY)(unregister)
        client.feature(types.WORKSPACE_APPLY_EDIT)(edit)
        for method in (types.WORKSPACE_INLAY_HINT_REFRESH, types.WORKSPACE_CODE_LENS_REFRESH):
            client.feature(method)(self._refresh(method))

    def _refresh(self, method: str) -> Callable[[None], None]:
        def refresh(params: None) -> None:
            self.refreshed.append(method)
            self.arrived.set()

        return refresh

    async def wait_for(self, is_there: Callable[[], bool]) -> None:
        """Waits until the server has asked for something."""
        while not is_there():
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), PATIENCE)


@dataclass
class Editor:
    """One editor with one server."""

    client: LanguageClient
    published: Publications
    requests: Requests
    capabilities: types.ClientCapabilities
    answer: types.InitializeResult
    texts: dict[str, Text] = field(default_factory=dict[str, Text])

    @classmethod
    async def start(
        cls,
        profile: str,
        settings: dict[str, Any] | None = None,
        configuration: dict[str, Any] | None = None,
        folders: Sequence[Path] = (),
        **abilities: Any,
    ) -> Editor:
        """Starts a server for a client of a recorded profile.

        settings: what it sends at the start. configuration: what it answers when it is asked for its settings.
        folders: of its workspace. abilities: what it says of itself besides its capabilities.
        """
        client, published, requests = _client(), Publications(), Requests()
        requests.register_with(client)
        client.set_configuration({"biaslens": configuration} if configuration is not None else {})
        cast("Any", client.protocol.fm).features.pop(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)

        def publish(params: types.PublishDiagnosticsParams) -> None:
            published.receive(params)

        client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(publish)
        await cast("Any", client).start_io(*SERVER)
        recorded = capabilities_of(profile)
        answer = await client.initialize_session(
            types.InitializeParams(
                capabilities=recorded,
                initialization_options={"settings": settings or {}, **abilities},
                workspace_folders=[types.WorkspaceFolder(folder.as_uri(), folder.name) for folder in folders],
            )
        )
        return cls(client, published, requests, recorded, answer)

    async def stop(self) -> None:
        await self.client.shutdown_session()
        await self.client.stop()

    @property
    def encoding(self) -> str:
        return types.PositionEncodingKind(self.answer.capabilities.position_encoding or "utf-16").value

    @property
    def pulls(self) -> bool:
        return self.answer.capabilities.diagnostic_provider is not None

    def open(self, uri: str, content: str, language: str = "python") -> Text:
        text = self.texts[uri] = Text(content, self.encoding)
        self.client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, language, text.version, content))
        )
        return text

    def change(self, uri: str, old: str, new: str) -> None:
        """Replaces the first `old` in the text."""
        start = self.texts[uri].content.index(old)
        self.send(uri, [self.texts[uri].replace(start, start + len(old), new)])

    def send(self, uri: str, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        self.texts[uri].version += 1
        identifier = types.VersionedTextDocumentIdentifier(uri=uri, version=self.texts[uri].version)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, changes))

    def close(self, uri: str) -> None:
        del self.texts[uri]
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))

    async def diagnostics(self, uri: str) -> list[types.Diagnostic]:
        """What the editor shows for the newest version, asked for or waited for as its capabilities say."""
        if self.pulls:
            report = await self.pull(uri)
            assert isinstance(report, types.RelatedFullDocumentDiagnosticReport)
            return list(report.items)
        return list((await self.publication(uri, self.texts[uri].version)).diagnostics)

    async def pull(self, uri: str, previous: str | None = None) -> types.DocumentDiagnosticReport:
        params = types.DocumentDiagnosticParams(types.TextDocumentIdentifier(uri), previous_result_id=previous)
        return await asyncio.wait_for(self.client.text_document_diagnostic_async(params), PATIENCE)

    async def publication(self, uri: str, version: int | None) -> types.PublishDiagnosticsParams:
        """The newest publication for a document, once it is for this version."""
        while True:
            newest = self.published.newest(uri)
            if newest is not None and newest.version == version:
                return newest
            await self.published.wait()

    def configure(self, settings: dict[str, Any]) -> None:
        """Changes the settings: the editor keeps them to be asked for, and sends them."""
        self.client.set_configuration({"biaslens": settings})
        self.client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"biaslens": settings}))

    def tell_of_changes(self, *paths: Path) -> None:
        """Says that files have changed on disk."""
        events = [types.FileEvent(path.as_uri(), types.FileChangeType.Changed) for path in paths]
        self.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams(events))

    async def hints(self, uri: str, start: int = 0, end: int | None = None) -> Sequence[types.InlayHint]:
        """The inlay hints of a part of a document."""
        text = self.texts[uri]
        place = text.range(start, len(text.content) if end is None else end)
        params = types.InlayHintParams(types.TextDocumentIdentifier(uri), place)
        return await asyncio.wait_for(self.client.text_document_inlay_hint_async(params), PATIENCE) or ()

    async def lenses(self, uri: str) -> Sequence[types.CodeLens]:
        params = types.CodeLensParams(types.TextDocumentIdentifier(uri))
        return await asyncio.wait_for(self.client.text_document_code_lens_async(params), PATIENCE) or ()

    async def execute(self, command: types.Command) -> object:
        """Runs a command of the server."""
        params = types.ExecuteCommandParams(command.command, command.arguments)
        return await asyncio.wait_for(self.client.workspace_execute_command_async(params), PATIENCE)

    async def hover(self, uri: str, place: str, at: int = 0) -> types.Hover | None:
        """The hover at the first occurrence of `place`, `at` characters into it."""
        position = self.texts[uri].position(self.texts[uri].content.index(place) + at)
        params = types.HoverParams(types.TextDocumentIdentifier(uri), position)
        return await asyncio.wait_for(self.client.text_document_hover_async(params), PATIENCE)

    async def fixes(
        self, uri: str, place: types.Range, shown: Sequence[types.Diagnostic], only: Sequence[str] | None = None
    ) -> Sequence[types.CodeAction]:
        """The code actions that repair one finding."""
        actions = await self.actions(uri, place, shown, only)
        return [action for action in actions if action.title.startswith("Remove the bias")]

    async def actions(
        self,
        uri: str,
        place: types.Range,
        shown: Sequence[types.Diagnostic] = (),
        only: Sequence[str] | None = None,
        trigger: types.CodeActionTriggerKind | None = None,
    ) -> Sequence[types.CodeAction]:
        context = types.CodeActionContext(diagnostics=shown, only=only, trigger_kind=trigger)
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), place, context)
        actions = await asyncio.wait_for(self.client.text_document_code_action_async(params), PATIENCE)
        found = [action for action in actions or () if isinstance(action, types.CodeAction)]
        assert len(found) == len(actions or ())
        return found

    async def resolved(self, action: types.CodeAction) -> types.CodeAction:
        """The action with its edit, asked for where it has none, as an editor does when it was chosen."""
        if action.edit is not None:
            return action
        return await asyncio.wait_for(self.client.code_action_resolve_async(action), PATIENCE)

    def apply(self, edit: types.WorkspaceEdit) -> None:
        """Applies an edit as an editor does: all of it in terms of the text before, and only to its version."""
        if edit.document_changes:
            for change in edit.document_changes:
                assert isinstance(change, types.TextDocumentEdit)
                assert change.text_document.version == self.texts[change.text_document.uri].version
                self._apply(change.text_document.uri, [e for e in change.edits if isinstance(e, types.TextEdit)])
        for uri, edits in (edit.changes or {}).items():
            self._apply(uri, edits)

    def _apply(self, uri: str, edits: Sequence[types.TextEdit]) -> None:
        text = self.texts[uri]
        spans = sorted(
            ((text.offset(e.range.start), text.offset(e.range.end), e.new_text) for e in edits), reverse=True
        )
        self.send(uri, [text.replace(start, end, new) for start, end, new in spans])


def _client() -> LanguageClient:
    """pytest-lsp's client; lsprotocol would take a code action that has a command for a command."""
    client = make_test_lsp_client()
    converter = cast("Any", client.protocol)._converter

    def structured(value: dict[str, Any], _: object) -> types.Command | types.CodeAction:
        kind = types.Command if isinstance(value.get("command"), str) else types.CodeAction
        return converter.structure(value, kind)

    converter.register_structure_hook(types.Command | types.CodeAction, structured)
    converter.register_structure_hook(Union[types.Command, types.CodeAction], structured)  # noqa: UP007
    return client


def capabilities_of(profile: str) -> types.ClientCapabilities:
    """What a recorded editor can do; "… without pull" is one with a client library from before LSP 3.17, and "… of
    client 9" one with version 9 of VS Code's, which does not pull diagnostics of cells."""
    name, _, variant = profile.partition(" ")
    recorded = json.loads((Path(__file__).parent / "capabilities" / f"{name}.json").read_text(encoding="utf-8"))
    capabilities = copy.deepcopy(recorded["capabilities"])
    if variant == "without pull":
        del capabilities["textDocument"]["diagnostic"]
        del capabilities["workspace"]["diagnostics"]
    if variant == "of client 9":
        told = capabilities["textDocument"]["diagnostic"]
        capabilities["textDocument"]["diagnostic"] = {
            key: told[key] for key in ("dynamicRegistration", "relatedDocumentSupport")
        }
    return get_converter().structure(capabilities, types.ClientCapabilities)
