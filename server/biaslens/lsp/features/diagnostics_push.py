"""`textDocument/publishDiagnostics`, for clients that do not ask for diagnostics."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.documents import Document
from biaslens.lsp.features.shown import Shown, diagnostics, shown_of
from biaslens.lsp.session import Checked, Session
from biaslens.options import Options


def register(server: LanguageServer, session: Session) -> None:
    """Publishes each new result with its version, and what is found in files that are not open, if that is wanted."""
    if session.client.pulls:
        return
    closed: set[str] = set()  # the files that are not open of which something is shown

    def publish(checked: Checked, before: Checked | None) -> None:
        document = checked.document
        closed.discard(document.path)
        if before is None or before.document is not document or before.findings != checked.findings:
            send(Shown(document.uri, document.version, diagnostics(checked, session)))

    def clear(document: Document) -> None:
        found = shown_of(document.path, session)
        items = found.items if found is not None else []
        send(Shown(document.uri, None, items))
        if items:
            closed.add(document.path)

    def publish_closed(path: str) -> None:
        found = shown_of(path, session) if path not in session.documents else None
        if found is not None and (found.items or path in closed):
            send(found)
            (closed.add if found.items else closed.discard)(path)

    def options_changed(before: Options, after: Options) -> None:
        if before.diagnostic_mode != after.diagnostic_mode:
            for document in session.documents.values():
                checked = session.known(document)
                if checked is not None:
                    publish(checked, None)

    def send(found: Shown) -> None:
        params = types.PublishDiagnosticsParams(found.uri, found.items, found.version)
        server.text_document_publish_diagnostics(params)

    session.listeners.append(publish)
    session.close_listeners.append(clear)
    session.workspace.listeners.append(publish_closed)
    session.options_listeners.append(options_changed)
