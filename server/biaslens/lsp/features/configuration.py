"""`workspace/didChangeConfiguration`, `didChangeWorkspaceFolders`: settings of each folder, while the server runs."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.configured import ELSEWHERE
from biaslens.lsp.documents import path_of
from biaslens.lsp.session import Session
from biaslens.lsp.settings import SECTION, as_settings, in_section


def register(server: LanguageServer, session: Session) -> None:
    """Takes the settings that the client tells when asked, for each workspace folder, or else those that it sends.

    A setting that these leave out is as it was at the start.
    """
    newest: Future[Any] | None = None

    def did_change(params: types.DidChangeConfigurationParams) -> None:
        if session.client.configures:
            ask()
        else:
            take({ELSEWHERE: in_section(params.settings)})

    def did_change_folders(_: types.DidChangeWorkspaceFoldersParams) -> None:
        session.configured.enter(tuple(_folders(server)))
        session.reconfigure()
        if session.client.configures:
            ask()

    def begin() -> None:
        if session.client.registers:
            registration = types.Registration(
                id=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
                method=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
                register_options=types.DidChangeConfigurationRegistrationOptions(section=SECTION),
            )
            server.client_register_capability(types.RegistrationParams([registration]))
        if session.client.configures:
            ask()
        else:
            session.settings_told.set()

    def ask() -> None:
        nonlocal newest
        folders = _folders(server)
        items = [types.ConfigurationItem(scope_uri=uri or None, section=SECTION) for uri in folders.values()]
        items.append(types.ConfigurationItem(section=SECTION))
        newest = server.workspace_configuration(types.ConfigurationParams(items))
        newest.add_done_callback(lambda answer: answered(answer, (*folders, ELSEWHERE)))

    def answered(answer: Future[Any], folders: tuple[str, ...]) -> None:
        # A client may refuse, or answer an older question last.
        if answer is not newest or answer.cancelled():
            return
        session.settings_told.set()
        if answer.exception() is None:
            take(dict(zip(folders, map(as_settings, answer.result() or ()), strict=False)))

    def take(settings: Mapping[str, Mapping[str, object]]) -> None:
        session.configured.choose(settings)
        session.reconfigure()

    def complain(*_: object) -> None:
        for complaint in session.configured.complaints:
            session.log_once(complaint)

    session.configured.enter(tuple(_folders(server)))
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(did_change_folders)
    session.ready_listeners.append(begin)
    session.configuration_listeners.append(complain)
    session.listeners.append(complain)


def _folders(server: LanguageServer) -> Mapping[str, str]:
    """The addresses of the workspace folders by their paths; those with a scheme that is not ours are left out.

    A client that knows no workspace folders may have a root.
    """
    workspace = server.workspace
    uris = [folder.uri for folder in workspace.folders.values()] or [workspace.root_uri or ""]
    paths = {path_of(uri): uri for uri in uris if uri.startswith("file:")}
    return {path: uri for path, uri in paths.items() if path}
