"""`textDocument/codeLens`: above each class how many findings it has, and the commands to fix and to explain them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.checked import Checked
from biaslens.lsp.convert import range_in, workspace_edit
from biaslens.lsp.features.fix_all import have_safe_fixes
from biaslens.lsp.features.refreshed import keep_fresh
from biaslens.lsp.session import Session

if TYPE_CHECKING:
    from biaslens.explain.lenses import Lens

FIX_ALL = "biaslens.fixAll"
EXPLAIN = "biaslens.explain"
_TOLD = 10
"""A message with more sentences than this is read by nobody."""


def register(server: LanguageServer, session: Session) -> None:
    """Answers with whole lenses while the setting is on, and carries out what they offer."""
    if not session.client.lenses:
        return

    async def code_lens(params: types.CodeLensParams) -> list[types.CodeLens]:
        if not session.client.refreshes_lenses:
            await session.settled()
        document = session.find(params.text_document.uri)
        is_on = document is not None and session.options_for(document.path).code_lens
        checked = await session.newest_at(params.text_document.uri) if is_on else None
        if checked is None or checked.report is None:
            return []
        lenses = await session.lenses(checked.report)
        own = [lens for lens in lenses if checked.document.shows(lens.span)]
        found = [shown for lens in own for shown in await _shown(lens, checked, session)]
        return found if session.is_current(checked) else []

    async def fix_all(uri: str, version: int, line: int) -> None:
        """Repairs what stands in the class of a line, if the document is still of that version."""
        document = session.find(uri)
        checked = await session.checked(document) if document and document.version == version else None
        lens = await _lens_at(line, checked, session)
        if checked is None or lens is None:
            return
        edits = await session.all_safe_fixes(checked, "", lens.span)
        if edits and session.is_current(checked):
            edit = workspace_edit(edits, checked.document, session.client)
            server.workspace_apply_edit(types.ApplyWorkspaceEditParams(edit, f"Fix all biases of {lens.name}"))

    async def explain(uri: str, line: int) -> None:
        """Tells the verdicts on what stands in the class of a line."""
        lens = await _lens_at(line, await session.newest_at(uri), session)
        if lens is None:
            return
        sentences = list(dict.fromkeys(finding.message for finding in lens.findings))
        rest = len(sentences) - _TOLD
        text = "\n".join([*sentences[:_TOLD], *([f"… and {rest} more."] if rest > 0 else [])])
        server.window_show_message(types.ShowMessageParams(types.MessageType.Info, text))

    server.feature(types.TEXT_DOCUMENT_CODE_LENS)(code_lens)
    server.command(EXPLAIN)(explain)
    if session.client.edits:
        server.command(FIX_ALL)(fix_all)
    if session.client.refreshes_lenses:
        keep_fresh(session, lambda options: options.code_lens, lambda: server.workspace_code_lens_refresh(None))


async def _shown(lens: Lens, checked: Checked, session: Session) -> list[types.CodeLens]:
    """Up to three on the line of the class: what was found, "Fix all" where a fix is safe, and "Explain"."""
    document = checked.document
    place = range_in(document, lens.place, session.client.encoding)
    about = [document.uri, place.start.line]
    commands = [types.Command(lens.title, EXPLAIN, arguments=about)]
    if session.client.edits and await have_safe_fixes(lens.findings, 1, checked, session):
        arguments = [document.uri, document.version, place.start.line]
        commands.append(types.Command("Fix all", FIX_ALL, arguments=arguments))
    commands.append(types.Command("Explain", EXPLAIN, arguments=about))
    return [types.CodeLens(place, command) for command in commands]


async def _lens_at(line: int, checked: Checked | None, session: Session) -> Lens | None:
    """The class or function around a line."""
    if checked is None or checked.report is None:
        return None
    for lens in await session.lenses(checked.report):
        place = range_in(checked.document, lens.span, session.client.encoding)
        if checked.document.shows(lens.span) and place.start.line <= line <= place.end.line:
            return lens
    return None
