"""Repairing one file in rounds, until no fix is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from biaslens.lint import Report
from biaslens.repair import Repair, edited, edits_of, faults, fix_of
from biaslens.rules.rule import Fix
from biaslens.syntax.files import Files
from biaslens.syntax.parse import parse
from biaslens.text import Edit, Problem, Source

MAX_ROUNDS = 10
"""Fixes that overlap wait for a later round; more rounds than this are a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A file after its repairs: what it looks like, and how many findings are gone.

    fixes: of each finding of the report, in the same order. problems: repairs that had to be taken back.
    """

    report: Report
    fixes: tuple[Fix | None, ...]
    count: int
    problems: tuple[Problem, ...] = ()

    @property
    def source(self) -> Source:
        """The file's text."""
        return self.report.source


def fixes_of(report: Report, files: Files) -> tuple[Fix | None, ...]:
    """The repair of each finding of a report, in the same order."""
    module = parse(report.source) if report.findings else None
    return tuple(fix_of(finding, report, files, module) for finding in report.findings)


def fixed(report: Report, fixes: tuple[Fix | None, ...], files: Files, *, unsafe: bool) -> Fixed:
    """The file with every allowed fix applied. Writes nothing.

    After each round the file is looked at again. A fix that left its finding, or brought a new one, is taken back and
    told as a problem; no fix should do that.
    """
    state = Fixed(report, fixes, 0)
    for _ in range(MAX_ROUNDS):
        repairs = _compatible(state, unsafe=unsafe)
        if not repairs:
            break
        state = _after(state, repairs, files)
        if state.problems:
            break
    return state


def _after(state: Fixed, repairs: Sequence[Repair], files: Files) -> Fixed:
    """The file after one round: with all repairs, or with those that do no harm by themselves."""
    report, wrong = _tried(state.report, repairs, files)
    if not wrong:
        return Fixed(report, fixes_of(report, files), state.count + len(repairs))
    kept: list[Repair] = []
    problems: list[Problem] = []
    for repair in repairs:
        _, wrong = _tried(state.report, [*kept, repair], files)
        if wrong:
            problems.append(_taken_back(repair, wrong[0], state.report))
        else:
            kept.append(repair)
    if not kept:
        return replace(state, problems=tuple(problems))
    report, _ = _tried(state.report, kept, files)
    return Fixed(report, fixes_of(report, files), state.count + len(kept), tuple(problems))


def _tried(before: Report, repairs: Sequence[Repair], files: Files) -> tuple[Report, tuple[str, ...]]:
    after = edited(before, edits_of(repairs), files)
    return after, faults(before, after, repairs)


def _taken_back(repair: Repair, fault: str, report: Report) -> Problem:
    span = repair.finding.location.span
    message = f"The fix of {repair.finding.code} here {fault}, so it was taken back; please report it with the file."
    return Problem("internal", message, report.source.path, span)


def _compatible(state: Fixed, *, unsafe: bool) -> list[Repair]:
    """The allowed repairs in their order, without those that touch an earlier one."""
    allowed = ("safe", "unsafe") if unsafe else ("safe",)
    chosen: list[Repair] = []
    taken: list[Edit] = []
    for finding, fix in zip(state.report.findings, state.fixes, strict=True):
        if fix is None or not fix.edits or fix.applicability not in allowed:
            continue
        if not any(_touch(edit, other) for edit in fix.edits for other in taken):
            chosen.append(Repair(finding, fix))
            taken += fix.edits
    return chosen


def _touch(left: Edit, right: Edit) -> bool:
    return left.span.start <= right.span.end and right.span.start <= left.span.end
