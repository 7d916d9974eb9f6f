"""`textDocument/codeAction`: the quick fixes of the findings at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.convert import SOURCE, code_action, span_of
from biaslens.lsp.documents import path_of
from biaslens.lsp.features.shown import shown
from biaslens.lsp.session import Checked, Session
from biaslens.text import Span

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding


def register(server: LanguageServer, session: Session) -> None:
    """Offers each fix that has an edit, for the version of the text that the client has."""
    if not session.client.literals:
        return

    async def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        document = session.documents.get(path_of(params.text_document.uri) or "")
        if document is None or not _wanted(params.context.only):
            return []
        checked = await session.checked(document)
        if checked is None or checked.report is None:
            return []
        actions: list[types.CodeAction] = []
        for finding, diagnostic in _at_hand(checked, params, session):
            fix = await session.fix_of(finding, checked.report, checked.files)
            if fix is not None and fix.edits and fix.applicability != "display-only":
                actions.append(code_action(fix, diagnostic, document, session.client))
        return actions if session.documents.get(document.path) is document else []

    options = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix], resolve_provider=False)
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)(code_actions)


def _wanted(only: Sequence[types.CodeActionKind | str] | None) -> bool:
    """Whether quick fixes are among the kinds asked for; the empty kind means all."""
    ours = types.CodeActionKind.QuickFix.value
    return only is None or any(asked in ("", ours) for asked in only)


def _at_hand(
    checked: Checked, params: types.CodeActionParams, session: Session
) -> list[tuple[Finding, types.Diagnostic]]:
    """The findings that the client names in its request; those in its range, if it names no diagnostics at all."""
    # What was kept over broken syntax is not in the report: a fix would rest on a text that is gone.
    findings = checked.report.findings if checked.report else ()
    shown_ones = [(finding, shown(finding, checked, session)) for finding in findings]
    if params.context.diagnostics:
        ours = [diagnostic for diagnostic in params.context.diagnostics if diagnostic.source == SOURCE]
        return [pair for pair in shown_ones if any(_is_named(pair[1], named, shown_ones) for named in ours)]
    span = span_of(checked.document.mirror, params.range, session.client.encoding)
    return [pair for pair in shown_ones if _touches(pair[0].location.span, span)]


def _is_named(
    diagnostic: types.Diagnostic, named: types.Diagnostic, shown_ones: Sequence[tuple[Finding, types.Diagnostic]]
) -> bool:
    """Whether the client means this diagnostic. Where it means none to the letter, its line and its code decide.

    Older versions of Neovim send their own byte columns back, whatever the unit.
    """
    if named.code != diagnostic.code or named.range.start.line != diagnostic.range.start.line:
        return False
    exact = any(named.range == other.range for _, other in shown_ones)
    return named.range == diagnostic.range or not exact


def _touches(span: Span, other: Span) -> bool:
    return span.start <= other.end and other.start <= span.end
