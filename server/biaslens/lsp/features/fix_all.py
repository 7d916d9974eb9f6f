"""Code actions that apply all safe fixes of a file, or all of one rule; their edit is computed when one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcContentModified
from pygls.lsp.server import LanguageServer

from biaslens.lsp.checked import Checked
from biaslens.lsp.convert import workspace_edit
from biaslens.lsp.documents import path_of
from biaslens.lsp.session import Session

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding

KIND = "source.fixAll.biaslens"
"""For `editor.codeActionsOnSave` and the like; never for a cell, since the cells of a notebook are saved together."""

NOTEBOOK_KIND = "notebook.source.fixAll.biaslens"
"""For `notebook.codeActionsOnSave`."""


def register(server: LanguageServer, session: Session) -> None:
    """Answers `codeAction/resolve`, for clients that choose first and ask for the edit afterwards."""
    if not (session.client.literals and session.client.resolves):
        return

    async def resolve(action: types.CodeAction) -> types.CodeAction:
        given: object = action.data
        data = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        if not {"uri", "version", "code"} <= data.keys():
            return action
        document = session.documents.get(path_of(str(data["uri"])) or "")
        checked = await session.checked(document) if document and document.version == data["version"] else None
        if checked is not None:
            action.edit = await _edit(checked, str(data["code"]), session)
        if checked is None or not session.is_current(checked):
            raise JsonRpcContentModified("The document has changed since this action was offered.")
        return action

    server.feature(types.CODE_ACTION_RESOLVE)(resolve)


async def offered(
    checked: Checked,
    at_hand: Sequence[tuple[Finding, types.Diagnostic]],
    context: types.CodeActionContext,
    session: Session,
) -> list[types.CodeAction]:
    """The actions that have something to do. For one rule: where a finding of it is at hand and it has more than one.

    A client that cannot resolve gets the edit at once. It costs too much for what an editor asks on each move of the
    cursor: any kind of action, on its own account.
    """
    idly = context.trigger_kind is types.CodeActionTriggerKind.Automatic and not context.only
    if checked.report is None or (idly and not session.client.resolves):
        return []
    is_cell = checked.document.whole is not checked.document
    actions: list[types.CodeAction] = []
    for code in dict.fromkeys(finding.code for finding, _ in at_hand):
        same = [finding for finding in checked.report.findings if finding.code == code]
        if await have_safe_fixes(same, 2, checked, session):
            named = [shown for finding, shown in at_hand if finding.code == code]
            title = f"Fix all {code} in this {'notebook' if is_cell else 'file'}"
            actions.append(types.CodeAction(title, types.CodeActionKind.QuickFix, named, data=_data(checked, code)))
    kind = NOTEBOOK_KIND if is_cell else KIND
    if is_asked_for(kind, context) and await have_safe_fixes(checked.report.findings, 1, checked, session):
        actions.append(types.CodeAction("BiasLens: apply all safe fixes", kind, data=_data(checked, "")))
    if not session.client.resolves:
        for action in actions:
            action.edit = await _edit(checked, cast("Any", action.data)["code"], session)
            action.data = None
    return actions


def is_asked_for(kind: str, context: types.CodeActionContext) -> bool:
    """Whether a kind is among those that a client asks for: itself, or one that it is a part of."""
    asked = context.only
    return asked is None or any(one in (kind, "") or kind.startswith(one + ".") for one in asked)


async def have_safe_fixes(findings: Sequence[Finding], count: int, checked: Checked, session: Session) -> bool:
    """Whether at least so many of the findings of a result have a safe fix as their usual one."""
    for finding in findings:
        fixes = await session.fixes_of(finding, checked)
        count -= bool(fixes) and bool(fixes[0].edits) and fixes[0].applicability == "safe"
        if not count:
            return True
    return False


async def _edit(checked: Checked, code: str, session: Session) -> types.WorkspaceEdit:
    return workspace_edit(await session.all_safe_fixes(checked, code), checked.document, session.client)


def _data(checked: Checked, code: str) -> dict[str, Any]:
    whole = checked.document.whole
    return {"uri": whole.uri, "version": whole.version, "code": code}
