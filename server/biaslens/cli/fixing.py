"""Repairing one file in rounds, until no fix is left."""

from __future__ import annotations

from dataclasses import dataclass

from biaslens.lint import Report, fix_of, lint
from biaslens.options import Options
from biaslens.rules.rule import Fix
from biaslens.syntax.files import Files
from biaslens.text import Edit, Source

MAX_ROUNDS = 10
"""Fixes that overlap wait for a later round; more rounds than this are a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A file after its repairs: what it looks like, what is still found there, and how many findings are gone."""

    source: Source
    report: Report
    fixes: tuple[Fix | None, ...]
    count: int


def fixes_of(report: Report) -> tuple[Fix | None, ...]:
    """The repair of each finding of the report, in the same order."""
    return tuple(fix_of(finding, report) for finding in report.findings)


def fixed(report: Report, fixes: tuple[Fix | None, ...], options: Options, *, unsafe: bool) -> Fixed:
    """The file with every allowed fix applied. Reads imported files anew, and writes nothing.

    A round whose result no longer parses is taken back; no fix should do that.
    """
    state = Fixed(report.source, report, fixes, 0)
    for _ in range(MAX_ROUNDS):
        chosen = _compatible(state.fixes, unsafe=unsafe)
        if not chosen:
            break
        edits = {edit for fix in chosen for edit in fix.edits}
        source = Source(state.source.path, state.source.edited(edits))
        after = lint(source, Files({source.path: source.text}), options)
        if _broken_parts(after) > _broken_parts(state.report):
            break
        state = Fixed(source, after, fixes_of(after), state.count + len(chosen))
    return state


def _compatible(fixes: tuple[Fix | None, ...], *, unsafe: bool) -> list[Fix]:
    """The allowed fixes in their order, without those that touch an earlier one."""
    allowed = ("safe", "unsafe") if unsafe else ("safe",)
    chosen: list[Fix] = []
    taken: list[Edit] = []
    for fix in fixes:
        if fix is None or not fix.edits or fix.applicability not in allowed:
            continue
        if not any(_touch(edit, other) for edit in fix.edits for other in taken):
            chosen.append(fix)
            taken += fix.edits
    return chosen


def _touch(left: Edit, right: Edit) -> bool:
    return left.span.start <= right.span.end and right.span.start <= left.span.end


def _broken_parts(report: Report) -> int:
    return sum(problem.kind == "syntax" for problem in report.problems)
