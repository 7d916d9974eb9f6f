"""The command behind the code action "Explain BL101": what a hover says first, as a message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.checked import Checked
from biaslens.lsp.convert import range_in
from biaslens.lsp.session import Session

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding

COMMAND = "biaslens.explainFinding"
_TOLD = 2
"""Paragraphs: the verdict, and what to do; the hover has the rest."""


def register(server: LanguageServer, session: Session) -> None:
    """Carries out the command, given the document and the line and column where a finding begins."""

    async def explain(uri: str, line: int, character: int) -> None:
        checked = await session.newest_at(uri)
        if checked is None or checked.report is None:
            return
        for finding in filter(lambda found: checked.document.shows(found.location.span), checked.report.findings):
            place = range_in(checked.document, finding.location.span, session.client.encoding)
            if place.start == types.Position(line, character):
                found = await session.hover(checked.report, finding.location.span.start, checked.files)
                text = " ".join(found.lines[:_TOLD]) if found is not None else finding.message
                server.window_show_message(types.ShowMessageParams(types.MessageType.Info, text))
                return

    server.command(COMMAND)(explain)


def offered(at_hand: Sequence[tuple[Finding, types.Diagnostic]], checked: Checked) -> list[types.CodeAction]:
    """The actions that explain one finding about a layer each. Several of one rule say whose it is."""
    from biaslens.rules.redundant import named

    times = Counter(finding.code for finding, _ in at_hand)
    actions: list[types.CodeAction] = []
    for finding, diagnostic in at_hand:
        if finding.site is None:
            continue
        start = diagnostic.range.start
        whose = f" for {named(finding.site.layer)}" if times[finding.code] > 1 else ""
        actions.append(
            types.CodeAction(
                title=f"Explain {finding.code}{whose}",
                kind=types.CodeActionKind.QuickFix,
                diagnostics=[diagnostic],
                command=types.Command(
                    "Explain", COMMAND, arguments=[checked.document.uri, start.line, start.character]
                ),
            )
        )
    return actions
