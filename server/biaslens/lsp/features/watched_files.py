"""Files that change on disk: `workspace/didChangeWatchedFiles`, `didRenameFiles`, `didDeleteFiles`, `didSave`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.documents import Document, path_of, uri_of
from biaslens.lsp.session import Session

PATTERNS = ("**/*.py", "**/.gitignore")
QUIET = 0.2
"""Seconds without further changes, until those that came are looked into: a change of branches brings thousands."""

_REGISTRATION = "biaslens/pythonFiles"
_AT_LATEST = 2.0


def register(server: LanguageServer, session: Session) -> None:
    """Lets the client tell of changed files; where it cannot, looks at the disk when documents come and are saved."""
    changes = _Changes(session)

    def did_change(params: types.DidChangeWatchedFilesParams) -> None:
        for event in params.changes:
            path = path_of(event.uri)
            if path is not None:
                changes.add([path] if event.type == types.FileChangeType.Changed else [path, os.path.dirname(path)])

    def did_rename(params: types.RenameFilesParams) -> None:
        moved(path_of(uri) for file in params.files for uri in (file.old_uri, file.new_uri))

    def did_delete(params: types.DeleteFilesParams) -> None:
        moved(path_of(file.uri) for file in params.files)

    def moved(paths: Iterable[str | None]) -> None:
        known = [path for path in paths if path is not None]
        changes.add([*known, *map(os.path.dirname, known)], trees=known)

    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(did_change)
    files_and_folders = types.FileOperationRegistrationOptions(
        [
            types.FileOperationFilter(types.FileOperationPattern("**/*.py"), "file"),
            types.FileOperationFilter(
                types.FileOperationPattern("**", matches=types.FileOperationPatternKind.Folder), "file"
            ),
        ]
    )
    if session.client.renames:
        server.feature(types.WORKSPACE_DID_RENAME_FILES, files_and_folders)(did_rename)
    if session.client.deletes:
        server.feature(types.WORKSPACE_DID_DELETE_FILES, files_and_folders)(did_delete)
    if session.client.watches:
        _watch(server, session)
    else:
        _look_by_ourselves(server, session)


class _Changes:
    """Gathers changes until there are no more for a while."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._paths: set[str] = set()
        self._trees: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._latest = 0.0

    def add(self, paths: Iterable[str], trees: Iterable[str] = ()) -> None:
        """Takes paths as `Session.files_changed` does."""
        self._paths.update(paths)
        self._trees.update(trees)
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._latest = loop.time() + _AT_LATEST
        else:
            self._timer.cancel()
        self._timer = loop.call_at(min(loop.time() + QUIET, self._latest), self._pass_on)

    def _pass_on(self) -> None:
        paths, trees = self._paths, self._trees
        self._paths, self._trees, self._timer = set(), set(), None
        self._session.files_changed(paths, trees)


def _watch(server: LanguageServer, session: Session) -> None:
    """Registers for the files below the folders of the workspace, and again when these change."""
    registered: tuple[str, ...] | None = None

    def begin() -> None:
        session.configuration_listeners.append(watch)
        watch()

    def watch() -> None:
        nonlocal registered
        folders = session.configured.folders if session.client.watches_below else ()
        if folders == registered:
            return
        if registered is not None:
            method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
            server.client_unregister_capability(
                types.UnregistrationParams([types.Unregistration(_REGISTRATION, method)])
            )
        registered = folders
        patterns: list[str | types.RelativePattern] = [
            types.RelativePattern(uri_of(folder), pattern) for folder in folders for pattern in PATTERNS
        ]
        watchers = [types.FileSystemWatcher(pattern) for pattern in patterns or PATTERNS]
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
        registration = types.Registration(_REGISTRATION, types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        server.client_register_capability(types.RegistrationParams([registration]))

    session.ready_listeners.append(begin)


def _look_by_ourselves(server: LanguageServer, session: Session) -> None:
    looking: set[asyncio.Future[None]] = set()

    def look() -> None:
        if not looking:
            looking.add(future := asyncio.ensure_future(session.look_at_disk()))
            future.add_done_callback(looking.discard)

    def did_save(_: types.DidSaveTextDocumentParams) -> None:
        session.configured.read_again()
        session.reconfigure()
        session.workspace.look_at_disk()
        look()

    def opened(_: Document) -> None:
        look()

    server.feature(types.TEXT_DOCUMENT_DID_SAVE, types.SaveOptions(include_text=False))(did_save)
    session.open_listeners.append(opened)
