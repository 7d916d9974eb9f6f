"""Configuration files: watched for changes, and what is wrong in them is shown where it stands."""

from __future__ import annotations

import os

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.configuration.nearest import NAMES
from biaslens.lsp.convert import problem_diagnostic
from biaslens.lsp.documents import uri_of
from biaslens.lsp.session import Session
from biaslens.text import Problem, Source

REGISTRATION = "biaslens/configurationFiles"


def register(server: LanguageServer, session: Session) -> None:
    """Publishes what is wrong, always: a client need not have such a file open, and asks only about open ones."""
    published: dict[str, list[types.Diagnostic]] = {}

    def begin() -> None:
        if session.client.watches:
            stems = ",".join(name.removesuffix(".toml") for name in NAMES)
            watcher = types.FileSystemWatcher(glob_pattern=f"**/{{{stems}}}.toml")
            registration = types.Registration(
                id=REGISTRATION,
                method=types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
                register_options=types.DidChangeWatchedFilesRegistrationOptions(watchers=[watcher]),
            )
            server.client_register_capability(types.RegistrationParams([registration]))

    def files_changed(paths: frozenset[str]) -> None:
        if not {os.path.basename(path) for path in paths}.isdisjoint(NAMES):
            session.configured.read_again()
            session.reconfigure()

    def show(*_: object) -> None:
        newest = {
            found.path: [_diagnostic(problem, session) for problem in found.problems]
            for found in session.configured.read
            if found.problems
        }
        for path in [path for path in published if path not in newest]:
            del published[path]
            publish(path, [])
        for path, diagnostics in newest.items():
            if path not in published:
                first = diagnostics[0]
                session.log_once(f"{path}:{first.range.start.line + 1}: {first.message}", f"configuration {path}")
            if published.get(path) != diagnostics:
                published[path] = diagnostics
                publish(path, diagnostics)

    def publish(path: str, diagnostics: list[types.Diagnostic]) -> None:
        opened = session.configured.documents.get(path)
        uri, version = (opened.uri, opened.version) if opened else (uri_of(path), None)
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, version))

    session.ready_listeners.append(begin)
    session.disk_listeners.append(files_changed)
    session.configuration_listeners.append(show)
    session.listeners.append(show)


def _diagnostic(problem: Problem, session: Session) -> types.Diagnostic:
    opened = session.configured.documents.get(problem.path)
    source = opened.mirror if opened else session.configured.files.read(problem.path)
    return problem_diagnostic(problem, source if isinstance(source, Source) else Source("", ""), session.client)
