"""The façade of fixes: what repairs a finding, and whether a file is better after an edit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from biaslens.lint import Report, report_of, study
from biaslens.program.world import World
from biaslens.rules.redundant import named
from biaslens.rules.rule import Finding, Fix
from biaslens.syntax.files import Files
from biaslens.syntax.parse import Module
from biaslens.text import Edit, Location, Source, Span


def fix_of(finding: Finding, report: Report, files: Files, module: Module | None = None) -> Fix | None:
    """The repair of one finding, computed on demand (LibCST is imported here), or None where there is no fix.

    module: the report's source parsed, where that was done before. A fix that rests on what a class hands on to torch's
    is tried before it is offered.
    """
    if finding.site is None:
        return _applicable(finding.fix, report.source)
    if why_no_fixes():
        return None
    from biaslens.fixes.remove_bias import fix

    made = _applicable(fix(report.source, finding.site, files, module), report.source)
    if made is not None and made.edits and finding.site.layer.handed_on:
        repair = Repair(finding, made)
        return made if not faults(report, edited(report, made.edits, files), [repair]) else None
    return made


def fixes_of(finding: Finding, report: Report, files: Files) -> tuple[Fix, ...]:
    """All repairs of one finding, for a person to choose from: that of `fix_of` first.

    report: with equations, as `lint` makes it.
    """
    if finding.site is None or why_no_fixes():
        made = None
    else:
        from biaslens.fixes.load_hook import fix

        made = fix(report.source, finding.site, report.program)
    keeping = _applicable(made, report.source)
    found = (fix_of(finding, report, files), keeping)
    return tuple(made for made in found if made is not None)


def why_no_fixes() -> str:
    """Why this Python can write no fix, as a sentence; "" where it can. LibCST is imported here."""
    from biaslens.fixes.writer import why_off

    return why_off()


def _applicable(made: Fix | None, source: Source) -> Fix | None:
    """A fix, without its edits where one of them cannot be applied."""
    if made is None or all(source.fits(edit) for edit in made.edits):
        return made
    return replace(
        made, edits=(), applicability="display-only", reason="it would change more than the code of one cell"
    )


@dataclass(frozen=True, slots=True)
class Repair:
    """A finding with the fix that is to remove it."""

    finding: Finding
    fix: Fix


def faults(before: Report, after: Report, repairs: Sequence[Repair]) -> tuple[str, ...]:
    """What is wrong with a file after some repairs, as clauses about them; empty if they did what they should."""
    return tuple(_faults(before, after, repairs, edits_of(repairs)))


def edits_of(repairs: Sequence[Repair]) -> frozenset[Edit]:
    """The edits of several repairs."""
    return frozenset(edit for repair in repairs for edit in repair.fix.edits)


def edited(report: Report, edits: Collection[Edit], files: Files) -> Report:
    """The report on the file after some edits. Uses in other files count where they are of layers that stay as they
    were."""
    source = report.source.after(edits)
    others = tuple(
        replace(use, layer=replace(use.layer, site=moved(use.layer.site, edits)))
        for use in report.others
        if not any(use.layer.site.span.covers(edit.span) for edit in edits)
    )
    world = World(files.changed({source.path: source}), report.options)
    return report_of(study(source, world), report.options, others)


def moved(location: Location, edits: Collection[Edit]) -> Location:
    """Where a place is after some edits of its file."""

    def offset(place: int) -> int:
        before = (edit for edit in edits if edit.span.end <= place)
        return place + sum(len(edit.text) - (edit.span.end - edit.span.start) for edit in before)

    return Location(location.path, Span(offset(location.span.start), offset(location.span.end)))


def _faults(before: Report, after: Report, repairs: Sequence[Repair], edits: Collection[Edit]) -> Iterator[str]:
    if _broken_parts(after) > _broken_parts(before):
        yield "leaves a statement that does not parse"
        return
    known = {_start(finding.location, edits) for finding in before.findings}
    repaired = {(repair.finding.code, _start(repair.finding.location, edits)) for repair in repairs}
    for finding in after.findings:
        start = finding.location.span.start
        row = after.source.position(start).row
        if (finding.code, start) in repaired:
            yield f"leaves the finding in line {row}"
        elif start not in known:
            yield f"brings a new finding in line {row}"
    # An unsafe fix says itself under which condition it may do that.
    tolerated = {_start(r.finding.location, edits) for r in repairs if r.fix.applicability != "safe"}
    missed = {site.location.span.start for site in after.flow.sites if site.misses} - tolerated
    for site in before.flow.sites:
        if not site.misses and _start(site.location, edits) in missed:
            yield f"takes a bias away from {named(site.layer)} where that has an effect"


def _start(location: Location, edits: Collection[Edit]) -> int:
    return moved(location, edits).span.start


def _broken_parts(report: Report) -> int:
    return sum(problem.kind == "syntax" for problem in report.problems)
