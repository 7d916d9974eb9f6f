"""What a client asks about a report. What answers is imported late: documents are checked before it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from biaslens.explain.hints import Hint
    from biaslens.explain.hover import Hover
    from biaslens.explain.lenses import Lens
    from biaslens.flow import Flow
    from biaslens.lint import Report
    from biaslens.lsp.client import Client
    from biaslens.options import Options
    from biaslens.rules.rule import Finding, Fix
    from biaslens.syntax.files import Files
    from biaslens.text import Edit, Source, Span


def be_ready() -> None:
    """Effect: what answers is imported."""
    for name in ("explain.hints", "explain.lenses", "lsp.explained", "repair", "rounds"):
        import_module(f"biaslens.{name}")


def hover(report: Report, offset: int, files: Files, client: Client) -> Hover | None:
    """As `lsp.explained.explained`."""
    from biaslens.lsp.explained import explained

    return explained(report, offset, files, client)


def hints(flow: Flow, source: Source, span: Span) -> tuple[Hint, ...]:
    """As `explain.hints.hints`."""
    from biaslens.explain.hints import hints

    return hints(flow, source, span)


def lenses(report: Report) -> tuple[Lens, ...]:
    """As `explain.lenses.lenses`."""
    from biaslens.explain.lenses import lenses

    return lenses(report)


def fixes_of(finding: Finding, report: Report, files: Files) -> tuple[Fix, ...]:
    """As `repair.fixes_of`."""
    from biaslens.repair import fixes_of

    return fixes_of(finding, report, files)


def why_no_fixes() -> str:
    """As `repair.why_no_fixes`."""
    from biaslens.repair import why_no_fixes

    return why_no_fixes()


def edits_for(report: Report, files: Files, options: Options, code: str, within: Span | None) -> tuple[Edit, ...]:
    """As `rounds.edits_for`."""
    from biaslens.rounds import edits_for

    return edits_for(report, files, options, code, within)
