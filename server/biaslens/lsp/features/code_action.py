"""`textDocument/codeAction`: the quick fixes of the findings at hand, and those that repair the whole file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.checked import Checked
from biaslens.lsp.convert import SOURCE, code_action, span_in, workspace_edit
from biaslens.lsp.features import explain_finding, fix_all, workspace_fix
from biaslens.lsp.features.shown import shown
from biaslens.lsp.session import Session
from biaslens.text import Edit, Span

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding


def register(server: LanguageServer, session: Session) -> None:
    """Offers all fixes that have edits, for the version of the text that the client has."""
    if not session.client.literals:
        return
    notebooks = (fix_all.NOTEBOOK_KIND,) if session.client.notebooks else ()
    kinds = (types.CodeActionKind.QuickFix, fix_all.KIND, *notebooks, *workspace_fix.kinds(session))

    async def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        document = session.find(params.text_document.uri)
        if document is None or not any(fix_all.is_asked_for(kind, params.context) for kind in kinds):
            return []
        checked = await session.checked(document)
        if checked is None or checked.report is None:
            return []
        actions: list[types.CodeAction] = []
        quick = fix_all.is_asked_for(types.CodeActionKind.QuickFix, params.context)
        at_hand = _at_hand(checked, params, session) if quick else []
        for finding, diagnostic in at_hand:
            fixes = await session.fixes_of(finding, checked)
            usable = [fix for fix in fixes if fix.edits and fix.applicability != "display-only"]
            actions += [
                code_action(fix, diagnostic, document, session.client, preferred=fix is fixes[0]) for fix in usable
            ]
        actions += await _ignoring(at_hand, checked, session)
        actions += explain_finding.offered(at_hand, checked)
        actions += await fix_all.offered(checked, at_hand, params.context, session)
        actions += await workspace_fix.offered(checked, params.context, session)
        return actions if session.is_current(checked) else []

    options = types.CodeActionOptions(code_action_kinds=kinds, resolve_provider=session.client.resolves)
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)(code_actions)


async def _ignoring(
    at_hand: Sequence[tuple[Finding, types.Diagnostic]], checked: Checked, session: Session
) -> list[types.CodeAction]:
    """The actions that add a comment instead of a repair, one for all that it silences; none for useless comments."""
    silenced: dict[tuple[str, tuple[Edit, ...]], list[types.Diagnostic]] = {}
    for finding, diagnostic in at_hand:
        edits = await session.ignoring(checked, finding) if finding.site is not None else ()
        if edits:
            silenced.setdefault((finding.code, edits), []).append(diagnostic)
    return [
        types.CodeAction(
            title=f"Ignore {code} on this line",
            kind=types.CodeActionKind.QuickFix,
            diagnostics=diagnostics,
            edit=workspace_edit(edits, checked.document, session.client),
        )
        for (code, edits), diagnostics in silenced.items()
    ]


def _at_hand(
    checked: Checked, params: types.CodeActionParams, session: Session
) -> list[tuple[Finding, types.Diagnostic]]:
    """The findings that the client names in its request; those in its range, if it names no diagnostics at all."""
    # What was kept over broken syntax is not in the report: a fix would rest on a text that is gone.
    findings = checked.report.findings if checked.report else ()
    own = [finding for finding in findings if checked.document.shows(finding.location.span)]
    shown_ones = [(finding, shown(finding, checked, session)) for finding in own]
    if params.context.diagnostics:
        # ALE sends no source back.
        ours = [diagnostic for diagnostic in params.context.diagnostics if diagnostic.source in (SOURCE, None)]
        return [pair for pair in shown_ones if any(_is_named(pair[1], named, shown_ones) for named in ours)]
    span = span_in(checked.document, params.range, session.client.encoding)
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
