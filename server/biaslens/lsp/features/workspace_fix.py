"""`biaslens.fixAllInWorkspace`: all safe fixes of all files, as one edit that the client asks its user about."""

from __future__ import annotations

import threading

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.checked import Checked
from biaslens.lsp.convert import confirmed_edit
from biaslens.lsp.documents import Document, uri_of
from biaslens.lsp.features.fix_all import have_safe_fixes, is_asked_for
from biaslens.lsp.progress import Bar
from biaslens.lsp.repairs import Repairs
from biaslens.lsp.session import Session
from biaslens.lsp.studies import Pause
from biaslens.text import Source

COMMAND = "biaslens.fixAllInWorkspace"
KIND = types.CodeActionKind.Source
TITLE = "BiasLens: apply all safe fixes in the workspace"


def register(server: LanguageServer, session: Session) -> None:
    """Offers the command to clients that apply edits."""
    if not session.client.edits:
        return

    async def fix_all() -> None:
        """Says what became of it; nothing is applied that rests on texts of before."""
        async with session.workspace.complete() as is_complete:
            if not is_complete:
                return
            stop = threading.Event()
            bar = Bar(server, session.client, "BiasLens: fixing", stop.set)
            try:
                await apply(stop)
            finally:
                bar.close()

    async def apply(stop: threading.Event) -> None:
        workspace, buffers = session.workspace, session.buffers()
        studies, options = workspace.studies(), workspace.options()

        def job(pause: Pause) -> tuple[Repairs | None]:
            return (session.load().repair(studies, options, buffers, pause),)

        try:
            found = await session.in_background(job, stop)
        except Exception as error:
            session.report_exception(error)
            tell("BiasLens could not fix the workspace; its log says why.", types.MessageType.Warning)
            return
        if found is None:
            return
        repairs = found[0]
        if repairs is None or not _is_current(repairs, buffers, session):
            tell("A file has changed meanwhile, so nothing was fixed.")
        elif not repairs.edits:
            tell(await session.why_no_fixes() or "There is nothing that can be fixed safely.")
        else:
            findings = f"{repairs.count} {'finding' if repairs.count == 1 else 'findings'}"
            edit = _edit(repairs, f"Fix {findings} of BiasLens", session)
            server.workspace_apply_edit(types.ApplyWorkspaceEditParams(edit, TITLE))

    def tell(text: str, kind: types.MessageType = types.MessageType.Info) -> None:
        server.window_show_message(types.ShowMessageParams(kind, text))

    server.command(COMMAND)(fix_all)


def kinds(session: Session) -> tuple[types.CodeActionKind, ...]:
    """The kinds of the actions that are offered: none where people would not be asked before anything changes."""
    return (KIND,) if session.client.edits and session.client.confirms else ()


async def offered(checked: Checked, context: types.CodeActionContext, session: Session) -> list[types.CodeAction]:
    """The command as an action, where there is something to fix."""
    idly = context.trigger_kind is types.CodeActionTriggerKind.Automatic and not context.only
    wanted = any(is_asked_for(kind, context) for kind in kinds(session))
    is_cell = checked.document.whole is not checked.document
    if idly or is_cell or not wanted or not session.configured.folders:
        return []
    report = checked.report
    has_work = report is not None and await have_safe_fixes(report.findings, 1, checked, session)
    if not has_work and not session.workspace.paths_with_findings():
        return []
    return [types.CodeAction(TITLE, KIND, command=types.Command(TITLE, COMMAND))]


def _is_current(repairs: Repairs, buffers: dict[str, Source], session: Session) -> bool:
    now = session.buffers()
    return all(now.get(source.path) == buffers.get(source.path) for source, _ in repairs.edits)


def _edit(repairs: Repairs, label: str, session: Session) -> types.WorkspaceEdit:
    changes = [(session.documents.get(source.path), source, edits) for source, edits in repairs.edits]
    return confirmed_edit(
        [
            (document or Document(uri_of(source.path), source.path, 0, source.text), document is not None, edits)
            for document, source, edits in changes
        ],
        label,
        session.client,
    )
