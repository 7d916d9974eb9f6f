"""`textDocument/inlayHint`: a few words behind each layer about its bias, if the setting is on."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.convert import markup, range_in, span_in
from biaslens.lsp.features.refreshed import keep_fresh
from biaslens.lsp.session import Session
from biaslens.text import Span


def register(server: LanguageServer, session: Session) -> None:
    """Answers with the hints of a range, whole, so that nothing has to be asked again."""
    if not session.client.hints:
        return

    def is_on(uri: str) -> bool:
        document = session.find(uri)
        return document is not None and session.options_for(document.path).inlay_hints

    async def inlay_hints(params: types.InlayHintParams) -> list[types.InlayHint]:
        if not session.client.refreshes_hints:
            await session.settled()
        checked = await session.newest_at(params.text_document.uri) if is_on(params.text_document.uri) else None
        if checked is None or checked.report is None:
            return []
        document, encoding = checked.document, session.client.encoding
        hints = await session.hints(checked.report, span_in(document, params.range, encoding))
        if not session.is_current(checked):
            return []
        return [
            types.InlayHint(
                range_in(document, Span(hint.offset, hint.offset), encoding).start,
                hint.label,
                tooltip=markup(hint.tooltip, hint.plain, session.client),
                padding_left=True,
            )
            for hint in hints
        ]

    server.feature(types.TEXT_DOCUMENT_INLAY_HINT)(inlay_hints)
    if session.client.refreshes_hints:
        keep_fresh(session, lambda options: options.inlay_hints, lambda: server.workspace_inlay_hint_refresh(None))
