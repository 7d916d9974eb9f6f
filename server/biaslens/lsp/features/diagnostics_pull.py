"""`textDocument/diagnostic`, for clients that ask for diagnostics."""

from __future__ import annotations

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from biaslens.lsp.checked import Checked
from biaslens.lsp.documents import path_of
from biaslens.lsp.encoded import Encoded, encoded
from biaslens.lsp.features.shown import Shown, are_pulled, diagnostics, shown_of, unchanged
from biaslens.lsp.session import Session
from biaslens.options import Options

SERVER_CANCELLED = types.LSPErrorCodes.ServerCancelled.value


def register(server: LanguageServer, session: Session) -> None:
    """Answers for the version that there is when it is asked, or with "unchanged" where the client shows the same.

    Where a newer version comes meanwhile, the client is told to ask again.
    """
    if not session.client.pulls:
        return

    async def pull(params: types.DocumentDiagnosticParams) -> Encoded:
        uri = params.text_document.uri
        found = await shown_at(uri) or Shown(uri, None, [])
        return encoded(found.report(params.previous_result_id))

    async def shown_at(uri: str) -> Shown | None:
        document = session.find(uri)
        if document is None:
            path = path_of(uri) or ""
            await session.workspace.judged(path)
            return shown_of(path, session)
        if not are_pulled(document, session.client):
            return None
        is_cell = document.whole is not document  # a change of another cell is no newer version of this one
        checked = await (session.newest_at(uri) if is_cell else session.checked(document))
        if checked is not None and checked.document.version == document.version:
            return Shown(uri, document.version, diagnostics(checked, session))
        if session.find(uri) is None:
            return None
        raise JsonRpcException("There is a newer version.", SERVER_CANCELLED, {"retriggerRequest": True})

    def refresh(checked: Checked, before: Checked | None) -> None:
        # The client asks for a document that it changed itself; that a result changed without that it cannot know.
        if before is None or not are_pulled(checked.document, session.client):
            return
        same = [(before.about(old), checked.about(new)) for old, new in unchanged(before.document, checked.document)]
        if any(diagnostics(old, session) != diagnostics(new, session) for old, new in same):
            server.workspace_diagnostic_refresh(None)

    def options_changed(before: Options, after: Options) -> None:
        if "off" in (before.diagnostic_mode, after.diagnostic_mode) and before.diagnostic_mode != after.diagnostic_mode:
            server.workspace_diagnostic_refresh(None)

    options = types.DiagnosticOptions(inter_file_dependencies=True, workspace_diagnostics=True, identifier="biaslens")
    server.feature(types.TEXT_DOCUMENT_DIAGNOSTIC, options)(pull)
    if session.client.refreshes:
        session.listeners.append(refresh)
        session.options_listeners.append(options_changed)
