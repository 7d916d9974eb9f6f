"""`textDocument/publishDiagnostics`, for clients that do not ask for diagnostics."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.documents import Document
from biaslens.lsp.features.shown import diagnostics
from biaslens.lsp.session import Checked, Session


def register(server: LanguageServer, session: Session) -> None:
    """Publishes each new result with its version, and an empty list when a document is closed."""
    if session.client.pulls:
        return

    def publish(checked: Checked, before: Checked | None) -> None:
        document = checked.document
        if before is not None and before.document is document and before.findings == checked.findings:
            return
        shown = diagnostics(checked, session)
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(document.uri, shown, document.version))

    def clear(document: Document) -> None:
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(document.uri, []))

    session.listeners.append(publish)
    session.close_listeners.append(clear)
