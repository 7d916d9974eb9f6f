"""`workspace/didChangeConfiguration`: settings that change while the server runs."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.session import Session
from biaslens.lsp.settings import SECTION, in_section, options_from


def register(server: LanguageServer, session: Session) -> None:
    """Takes the settings that the client tells when asked, or else those that it sends.

    A setting that these leave out is as it was at the start.
    """
    start = session.options_for()
    newest: Future[Any] | None = None

    def did_change(params: types.DidChangeConfigurationParams) -> None:
        if session.client.configures:
            ask()
        else:
            take(in_section(params.settings))

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

    def ask() -> None:
        nonlocal newest
        question = types.ConfigurationParams([types.ConfigurationItem(section=SECTION)])
        newest = server.workspace_configuration(question)
        newest.add_done_callback(answered)

    def answered(answer: Future[Any]) -> None:
        # A client may refuse, or answer an older question last.
        if answer is newest and not answer.cancelled() and answer.exception() is None:
            take(next(iter(answer.result() or ()), None))

    def take(settings: object) -> None:
        options, problems = options_from(settings, start)
        for problem in problems:
            session.log_once(problem)
        session.configure(options)

    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change)
    session.ready_listeners.append(begin)
