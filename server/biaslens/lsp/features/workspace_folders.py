"""`workspace/didChangeWorkspaceFolders`, and the bar that shows how far the files of the folders are followed."""

from __future__ import annotations

import os

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.documents import path_of
from biaslens.lsp.progress import Bar
from biaslens.lsp.session import Session

FEW = 10
"""So many files are followed without a bar."""


def register(server: LanguageServer, session: Session) -> None:
    """Keeps the folders as the client has them."""
    workspace = session.workspace
    bar: Bar | None = None

    def did_change(params: types.DidChangeWorkspaceFoldersParams) -> None:
        removed = {path_of(folder.uri) for folder in params.event.removed}
        added = [path for folder in params.event.added if (path := path_of(folder.uri)) is not None]
        workspace.folders = (*(path for path in workspace.folders if path not in removed), *added)

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None and total > FEW:
            bar = Bar(server, session.client, "BiasLens: looking at the workspace", workspace.leave_it)
        if bar is not None:
            bar.show(done, total)
        if bar is not None and not total:
            bar.close()
            bar = None

    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(did_change)
    workspace.progress_listeners.append(show)


def folders_of(params: types.InitializeParams) -> tuple[str, ...]:
    """The folders that a client has open at the start; only older ones tell a root instead."""
    if params.workspace_folders:
        found = [path_of(folder.uri) for folder in params.workspace_folders]
    elif params.root_uri:
        found = [path_of(params.root_uri)]
    else:
        found = [os.path.normpath(params.root_path) if params.root_path else None]
    return tuple(path for path in found if path)
