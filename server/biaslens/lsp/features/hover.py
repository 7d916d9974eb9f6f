"""`textDocument/hover`: what becomes of the bias under the cursor, and why."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.convert import hover as converted
from biaslens.lsp.convert import offset_in
from biaslens.lsp.session import Session


def register(server: LanguageServer, session: Session) -> None:
    """Explains as Markdown or plain text, whichever the client prefers."""

    async def hover(params: types.HoverParams) -> types.Hover | None:
        document = session.find(params.text_document.uri)
        checked = await session.checked(document) if document else None
        if checked is None or checked.report is None:
            return None
        offset = offset_in(checked.document, params.position, session.client.encoding)
        found = await session.hover(checked.report, offset, checked.files)
        if found is None:
            return None
        return converted(found.markdown, found.plain, found.span, checked.document, session.client)

    server.feature(types.TEXT_DOCUMENT_HOVER)(hover)
