"""`textDocument/publishDiagnostics`, for clients that do not ask for diagnostics, or not for those of cells."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.documents import Document
from biaslens.lsp.features.shown import are_pulled, diagnostics
from biaslens.lsp.session import Checked, Session


def register(server: LanguageServer, session: Session) -> None:
    """Publishes each new result with its version, and an empty list when a document is closed.

    Of a notebook the cells that changed, and those of which other things are to be shown.
    """

    told: dict[str, types.PublishDiagnosticsParams] = {}

    def publish(checked: Checked, before: Checked | None) -> None:
        document = checked.document
        if are_pulled(document, session.client):
            return
        for part in document.parts:
            tell(types.PublishDiagnosticsParams(part.uri, diagnostics(checked.about(part), session), part.version))
        there = {part.uri for part in document.parts}
        for part in before.document.parts if before else ():
            if part.uri not in there:
                tell(types.PublishDiagnosticsParams(part.uri, []))

    def tell(news: types.PublishDiagnosticsParams) -> None:
        if told.get(news.uri) != news:
            server.text_document_publish_diagnostics(news)
            told[news.uri] = news

    def clear(document: Document) -> None:
        if not are_pulled(document, session.client):
            for part in document.parts:
                server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(part.uri, []))
                told.pop(part.uri, None)

    session.listeners.append(publish)
    session.close_listeners.append(clear)
