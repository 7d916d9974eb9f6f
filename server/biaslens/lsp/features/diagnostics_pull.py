"""`textDocument/diagnostic`, for clients that ask for diagnostics."""

from __future__ import annotations

from hashlib import blake2b

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.features.shown import are_pulled, diagnostics, unchanged
from biaslens.lsp.session import Checked, Session


def register(server: LanguageServer, session: Session) -> None:
    """Answers with the newest diagnostics, or with "unchanged" where the client shows the same ones already."""
    if not session.client.pulls:
        return

    async def pull(
        params: types.DocumentDiagnosticParams,
    ) -> types.RelatedFullDocumentDiagnosticReport | types.RelatedUnchangedDocumentDiagnosticReport:
        document = session.find(params.text_document.uri)
        if document is not None and not are_pulled(document, session.client):
            return types.RelatedFullDocumentDiagnosticReport([])
        checked = await session.newest_at(params.text_document.uri)
        items = diagnostics(checked, session) if checked else []
        result_id = blake2b(repr(items).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        if params.previous_result_id == result_id:
            return types.RelatedUnchangedDocumentDiagnosticReport(result_id)
        return types.RelatedFullDocumentDiagnosticReport(items, result_id=result_id)

    def refresh(checked: Checked, before: Checked | None) -> None:
        # The client asks for a document that it changed itself; that a result changed without that it cannot know.
        if before is None or not are_pulled(checked.document, session.client):
            return
        same = [(before.about(old), checked.about(new)) for old, new in unchanged(before.document, checked.document)]
        if any(diagnostics(old, session) != diagnostics(new, session) for old, new in same):
            server.workspace_diagnostic_refresh(None)

    options = types.DiagnosticOptions(inter_file_dependencies=True, workspace_diagnostics=False, identifier="biaslens")
    server.feature(types.TEXT_DOCUMENT_DIAGNOSTIC, options)(pull)
    if session.client.refreshes:
        session.listeners.append(refresh)
