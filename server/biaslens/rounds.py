"""Repairing files in rounds, until no fix is left, each round judged by all that is known of all files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from biaslens.lint import OptionsFor, Report, lint_all
from biaslens.options import Options
from biaslens.program.world import go_on
from biaslens.repair import Repair, edited, edits_of, faults, fix_of, moved
from biaslens.rules.rule import Finding, Fix
from biaslens.syntax.files import Files
from biaslens.syntax.parse import parse
from biaslens.text import Edit, Location, Problem, Source, Span, changes_between

MAX_ROUNDS = 10
"""Fixes that overlap wait for a later round; more rounds than this are a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A file after its repairs: what it looks like, and how many findings are gone.

    fixes: of each finding of the report, in the same order. problems: repairs that had to be taken back. within: where
    findings are repaired; None for the whole file.
    """

    report: Report
    fixes: tuple[Fix | None, ...]
    count: int = 0
    problems: tuple[Problem, ...] = ()
    within: Span | None = None

    @property
    def source(self) -> Source:
        """The file's text."""
        return self.report.source


def unrepaired(report: Report, files: Files) -> Fixed:
    """A file as it is, with the repair of each of its findings.

    files: what the report rests on.
    """
    module = parse(report.source) if report.findings else None
    return Fixed(report, tuple(fix_of(finding, report, files, module) for finding in report.findings))


def is_safe(_: Finding, fix: Fix) -> bool:
    """Which fixes may be applied unseen."""
    return fix.applicability == "safe"


def repaired(
    files: Sequence[Fixed],
    snapshot: Files,
    options: Options | OptionsFor,
    wanted: Callable[[Finding, Fix], bool] = is_safe,
    pause: Callable[[], None] = go_on,
) -> tuple[Fixed, ...]:
    """The files with every wanted fix applied, in the same order. Writes nothing.

    snapshot: what the reports of the files rest on; everything that did not change is taken from it. options: for all
    files, or those of each. wanted: which fixes to apply. After each round the changed files are judged anew, with the
    uses of their layers in other files. A fix that left its finding, or brought a new one, is taken back and told as a
    problem; no fix should do that. pause: as `lint` has it.
    """
    states = {state.source.path: state for state in files}
    given_up: set[str] = set()
    for _ in range(MAX_ROUNDS):
        chosen = {path: _compatible(state, wanted) for path, state in states.items() if path not in given_up}
        chosen = {path: repairs for path, repairs in chosen.items() if repairs}
        if not chosen:
            break
        changed, after = _judged(states, chosen, snapshot, options, pause)
        for path in _faulty(states, chosen, after):
            given_up.add(path)
            chosen[path], problems = _harmless(states[path].report, chosen[path], snapshot)
            states[path] = replace(states[path], problems=problems)
        if given_up & chosen.keys():  # the others were judged by a text that will not be
            chosen = {path: repairs for path, repairs in chosen.items() if repairs}
            changed, after = _judged(states, chosen, snapshot, options, pause)
            if _faulty(states, chosen, after):
                break
        snapshot = changed
        for path, report in after.items():
            states[path] = _continued(states[path], chosen[path], report, snapshot)
    return tuple(states[state.source.path] for state in files)


def edits_for(
    report: Report, files: Files, options: Options, code: str = "", within: Span | None = None
) -> tuple[Edit, ...]:
    """Edits of one file that apply all its safe fixes, in as many rounds as they need.

    files: what the report rests on. code: of the rule whose findings are fixed, "" for all. within: where the findings
    stand that are fixed, None for the whole file; their fixes may also edit what stands elsewhere.
    """
    source = report.source

    def wanted(finding: Finding, fix: Fix) -> bool:
        return is_safe(finding, fix) and code in ("", finding.code)

    snapshot = files.changed({source.path: source})
    before = replace(unrepaired(report, snapshot), within=within)
    (after,) = repaired([before], snapshot, options, wanted)
    return changes_between(source, after.source)


def _compatible(state: Fixed, wanted: Callable[[Finding, Fix], bool]) -> list[Repair]:
    """The wanted repairs in their order, without those that touch an earlier one."""
    chosen: list[Repair] = []
    taken: list[Edit] = []
    for finding, fix in zip(state.report.findings, state.fixes, strict=True):
        if fix is None or not fix.edits or fix.applicability == "display-only" or not wanted(finding, fix):
            continue
        if state.within is not None and not state.within.covers(finding.location.span):
            continue
        if not any(_touch(edit, other) for edit in fix.edits for other in taken):
            chosen.append(Repair(finding, fix))
            taken += fix.edits
    return chosen


def _touch(left: Edit, right: Edit) -> bool:
    return left.span.start <= right.span.end and right.span.start <= left.span.end


def _continued(state: Fixed, repairs: Sequence[Repair], report: Report, files: Files) -> Fixed:
    """The file after a round of repairs."""
    within = state.within
    if within is not None:
        within = moved(Location(report.source.path, within), edits_of(repairs)).span
    count = state.count + len(repairs)
    return replace(unrepaired(report, files), count=count, problems=state.problems, within=within)


def _judged(
    states: Mapping[str, Fixed],
    chosen: Mapping[str, Sequence[Repair]],
    snapshot: Files,
    options: Options | OptionsFor,
    pause: Callable[[], None],
) -> tuple[Files, dict[str, Report]]:
    """The files with some repairs, and what there is to say of each that changed."""
    texts = {path: states[path].source.after(edits_of(repairs)) for path, repairs in chosen.items()}
    users = {user for path in chosen for user in states[path].report.users}
    changed = snapshot.changed(texts)
    reports = [
        item for item in lint_all(sorted({*chosen, *users}), changed, options, pause) if isinstance(item, Report)
    ]
    return changed, {report.source.path: report for report in reports if report.source.path in chosen}


def _faulty(
    states: Mapping[str, Fixed], chosen: Mapping[str, Sequence[Repair]], after: Mapping[str, Report]
) -> list[str]:
    """The files in which some repairs do not what they should."""
    return [
        path
        for path, repairs in chosen.items()
        if path not in after or faults(states[path].report, after[path], repairs)
    ]


def _harmless(report: Report, repairs: Sequence[Repair], files: Files) -> tuple[list[Repair], tuple[Problem, ...]]:
    """Those of a file's repairs that do together what they should, and what is to be said of the others."""
    kept: list[Repair] = []
    problems: list[Problem] = []
    for repair in repairs:
        tried = [*kept, repair]
        wrong = faults(report, edited(report, edits_of(tried), files), tried)
        if wrong:
            problems.append(_taken_back(repair, wrong[0], report))
        else:
            kept.append(repair)
    return kept, tuple(problems)


def _taken_back(repair: Repair, fault: str, report: Report) -> Problem:
    span = repair.finding.location.span
    message = f"The fix of {repair.finding.code} here {fault}, so it was taken back; please report it with the file."
    return Problem("internal", message, report.source.path, span)
