"""`textDocument/publishDiagnostics`, for clients that do not ask for diagnostics, or not for those of cells."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.checked import Checked
from biaslens.lsp.documents import Document
from biaslens.lsp.encoded import Encoded, encoded
from biaslens.lsp.features.shown import are_pulled, diagnostics, shown_of
from biaslens.lsp.session import Session
from biaslens.options import Options


def register(server: LanguageServer, session: Session) -> None:
    """Publishes each new result with its version, and what is found in files that are not open, if that is wanted.

    Of a notebook the cells that changed, and those of which other things are to be shown.
    """
    told: dict[str, Encoded] = {}
    closed: dict[str, str] = {}  # the addresses of files that are not open, of which something is shown

    def publish(checked: Checked, before: Checked | None) -> None:
        document = checked.document
        if are_pulled(document, session.client):
            return
        for part in document.parts:
            tell(part.uri, diagnostics(checked.about(part), session), part.version)
        there = {part.uri for part in document.parts}
        gone = [part.uri for part in before.document.parts] if before else []
        for uri in (*gone, closed.pop(document.path, document.uri)):
            if uri not in there and uri in told:
                tell(uri, [])

    def tell(uri: str, items: list[Encoded], version: int | None = None) -> None:
        news = encoded({"uri": uri, "diagnostics": items, **({} if version is None else {"version": version})})
        if told.get(uri) != news:
            server.protocol.notify(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, news)
            told[uri] = news

    def clear(document: Document) -> None:
        if are_pulled(document, session.client):
            return
        found = shown_of(document.path, session)
        for part in document.parts:
            told.pop(part.uri, None)
            items = found.items if found and part is document else []
            tell(part.uri, items)
            if items:
                closed[document.path] = part.uri
            else:
                told.pop(part.uri)

    def publish_closed(path: str) -> None:
        found = shown_of(path, session) if path not in session.documents else None
        if found is None or not (found.items or path in closed):
            return
        uri = closed.setdefault(path, found.uri)
        tell(uri, found.items)
        if not found.items:
            told.pop(uri)
            closed.pop(path)

    def options_changed(before: Options, after: Options) -> None:
        if before.diagnostic_mode != after.diagnostic_mode:
            for document in session.documents.values():
                checked = session.known(document)
                if checked is not None:
                    publish(checked, None)

    session.listeners.append(publish)
    session.close_listeners.append(clear)
    if not session.client.pulls:
        session.workspace.listeners.append(publish_closed)
    session.options_listeners.append(options_changed)
