"""`textDocument/inlayHint`: a few words behind each layer about its bias, if the setting is on."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.convert import markup, position_of, span_of
from biaslens.lsp.documents import path_of
from biaslens.lsp.features.refreshed import keep_fresh
from biaslens.lsp.session import Session


def register(server: LanguageServer, session: Session) -> None:
    """Answers with the hints of a range, whole, so that nothing has to be asked again."""
    if not session.client.hints:
        return

    async def inlay_hints(params: types.InlayHintParams) -> list[types.InlayHint]:
        path = path_of(params.text_document.uri) or ""
        checked = await session.newest(path) if session.options_for(path).inlay_hints else None
        if checked is None or checked.report is None:
            return []
        source, encoding = checked.document.mirror, session.client.encoding
        hints = await session.hints(checked.report, span_of(source, params.range, encoding))
        if not session.is_current(checked):
            return []
        return [
            types.InlayHint(
                position_of(source, hint.offset, encoding),
                hint.label,
                tooltip=markup(hint.tooltip, hint.plain, session.client),
                padding_left=True,
            )
            for hint in hints
        ]

    server.feature(types.TEXT_DOCUMENT_INLAY_HINT)(inlay_hints)
    if session.client.refreshes_hints:
        keep_fresh(session, lambda options: options.inlay_hints, lambda: server.workspace_inlay_hint_refresh(None))
