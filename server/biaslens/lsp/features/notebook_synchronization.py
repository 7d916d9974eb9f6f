"""`notebookDocument/didOpen`, `didChange` and `didClose`: the session's notebooks follow the client's."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.documents import path_of
from biaslens.lsp.notebooks import NotebookDocument, notebook_after, opened_notebook
from biaslens.lsp.session import Session

OPTIONS = types.NotebookDocumentSyncOptions(
    [
        types.NotebookDocumentFilterWithCells([types.NotebookCellLanguage("python")], notebook=kind)
        for kind in ("jupyter-notebook", "*")
    ]
)
"""Python cells of notebooks of any kind. Nothing is to be done when a notebook is saved."""


def register(server: LanguageServer, session: Session) -> None:
    """Registers the notifications. What a cell gave out when it ran is of no interest."""

    def did_open(params: types.DidOpenNotebookDocumentParams) -> None:
        document = opened_notebook(params)
        if document is not None:
            session.put(document)

    def did_change(params: types.DidChangeNotebookDocumentParams) -> None:
        document = session.documents.get(path_of(params.notebook_document.uri) or "")
        if isinstance(document, NotebookDocument):
            session.put(notebook_after(document, params, session.client.encoding))

    def did_close(params: types.DidCloseNotebookDocumentParams) -> None:
        document = session.documents.get(path_of(params.notebook_document.uri) or "")
        if isinstance(document, NotebookDocument):
            session.close(document.path)

    server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)(did_close)
