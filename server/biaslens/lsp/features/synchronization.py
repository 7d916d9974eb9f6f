"""`textDocument/didOpen`, `didChange` and `didClose`: the session's documents follow the client's."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.convert import text_after
from biaslens.lsp.documents import Document, opened, path_of
from biaslens.lsp.notebooks import NotebookDocument
from biaslens.lsp.session import Session


def register(server: LanguageServer, session: Session) -> None:
    """Registers the notifications. Documents that are not ours are ignored from the first to the last."""

    def opened_as_text(uri: str) -> Document | None:
        # A client may have a notebook open as a notebook and, besides, as the JSON that it is.
        document = session.document(path_of(uri) or "")
        return None if isinstance(document, NotebookDocument) else document

    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        item = params.text_document
        document = opened(item.uri, item.language_id, item.version, item.text)
        if document is not None:
            session.put(document)

    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        document = opened_as_text(params.text_document.uri)
        if document is not None:
            text = text_after(document, params.content_changes, session.client.encoding)
            session.put(document.changed(params.text_document.version, text))

    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        document = opened_as_text(params.text_document.uri)
        if document is not None:
            session.close(document.path)

    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(did_close)
