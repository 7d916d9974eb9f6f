"""Repairing files in rounds, until no fix is left, each round judged by all that is known of all files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from biaslens.lint import Report, fix_of, lint_all
from biaslens.options import Options
from biaslens.rules.rule import Finding, Fix
from biaslens.syntax.files import Files
from biaslens.text import Edit, Source, edits_between

MAX_ROUNDS = 10
"""Fixes that overlap wait for a later round; more rounds than this are a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A file after its repairs: what it looks like, what is still found there, and how many findings are gone."""

    source: Source
    report: Report
    fixes: tuple[Fix | None, ...]
    count: int


def unrepaired(report: Report) -> Fixed:
    """A file as it is, with the repair of each of its findings."""
    return Fixed(report.source, report, tuple(fix_of(finding, report) for finding in report.findings), 0)


def is_safe(_: Finding, fix: Fix) -> bool:
    """Which fixes may be applied unseen."""
    return fix.applicability == "safe"


def repaired(
    files: Sequence[Fixed], snapshot: Files, options: Options, wanted: Callable[[Finding, Fix], bool] = is_safe
) -> tuple[Fixed, ...]:
    """The files with every wanted fix applied, in the same order. Writes nothing.

    snapshot: what the reports of the files rest on; everything that did not change is taken from it. wanted: which
    fixes to apply. After each round the changed files are judged anew, with the uses of their layers in other files.
    A file that a round would break is left as it was before; no fix should do that.
    """
    states = {state.source.path: state for state in files}
    given_up: set[str] = set()
    for _ in range(MAX_ROUNDS):
        chosen = {path: _compatible(state, wanted) for path, state in states.items() if path not in given_up}
        chosen = {path: fixes for path, fixes in chosen.items() if fixes}
        if not chosen:
            break
        texts = {path: _edited(states[path].source, fixes) for path, fixes in chosen.items()}
        users = {user for path in chosen for user in states[path].report.users}
        changed = snapshot.changed(texts)
        reports = [item for item in lint_all(sorted({*chosen, *users}), changed, options) if isinstance(item, Report)]
        after = {report.source.path: report for report in reports if report.source.path in chosen}
        broken = {path for path in chosen if path not in after or _is_worse(after[path], states[path].report)}
        if broken:  # the others were judged by a text that will not be
            given_up |= broken
            continue
        snapshot = changed
        for path, report in after.items():
            states[path] = replace(unrepaired(report), count=states[path].count + len(chosen[path]))
    return tuple(states[state.source.path] for state in files)


def edits_for(report: Report, files: Files, options: Options, code: str = "") -> tuple[Edit, ...]:
    """Edits of one file that apply all its safe fixes, in as many rounds as they need.

    files: what the report rests on. code: of the rule whose findings are fixed, "" for all.
    """
    source = report.source

    def wanted(finding: Finding, fix: Fix) -> bool:
        return is_safe(finding, fix) and code in ("", finding.code)

    (after,) = repaired([unrepaired(report)], files.changed({source.path: source.text}), options, wanted)
    return edits_between(source.text, after.source.text)


def _compatible(state: Fixed, wanted: Callable[[Finding, Fix], bool]) -> list[Fix]:
    """The wanted fixes in their order, without those that touch an earlier one."""
    chosen: list[Fix] = []
    taken: list[Edit] = []
    for finding, fix in zip(state.report.findings, state.fixes, strict=True):
        if fix is None or not fix.edits or fix.applicability == "display-only" or not wanted(finding, fix):
            continue
        if not any(_touch(edit, other) for edit in fix.edits for other in taken):
            chosen.append(fix)
            taken += fix.edits
    return chosen


def _touch(left: Edit, right: Edit) -> bool:
    return left.span.start <= right.span.end and right.span.start <= left.span.end


def _edited(source: Source, fixes: Sequence[Fix]) -> str:
    return source.edited({edit for fix in fixes for edit in fix.edits})


def _is_worse(after: Report, before: Report) -> bool:
    return _broken_parts(after) > _broken_parts(before)


def _broken_parts(report: Report) -> int:
    return sum(problem.kind in ("syntax", "internal") for problem in report.problems)
