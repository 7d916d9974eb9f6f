"""Tries every fix on real code: `python -m benchmarks.fixes ROOT …` with folders of unpacked packages or repositories.

Each fix that is offered, safe or not, is applied by itself in memory, and has to keep its promises: the file parses, no
node of it changed but one argument of one call, the finding is gone, no other one came, and a second run has nothing
left to do there. Files are followed one by one, so uses in other files do not count.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.repair import Repair, edited, edits_of, faults, fix_of, moved
from biaslens.rules.rule import Finding, Fix
from biaslens.syntax.discover import discover
from biaslens.syntax.files import Files
from biaslens.syntax.parse import Module, parse
from biaslens.text import Problem, Source, Span


@dataclass(frozen=True)
class Tried:
    """What came of the fixes of one file. kinds: for each fix its safety and form. broken: promises, with places."""

    file: str
    findings: int
    kinds: tuple[tuple[str, str], ...]
    broken: tuple[str, ...]
    seconds: float


def try_file(path: str) -> Tried:
    """Applies each fix of a file by itself."""
    start = time.perf_counter()
    files = Files()
    source = files.read(path)
    if isinstance(source, Problem):
        return Tried(path, 0, (), (), 0.0)
    report = lint(source, files, Options())
    kinds: list[tuple[str, str]] = []
    broken: list[str] = []
    for finding in report.findings:
        fix = fix_of(finding, report, files)
        if fix is not None and fix.edits:
            kinds.append((fix.applicability, _form(finding, fix, source)))
            row = source.line_and_column(finding.location.span.start)[0] + 1
            broken += [f"{path}:{row}: {promise}" for promise in broken_promises(report, finding, fix, files)]
    return Tried(path, len(report.findings), tuple(kinds), tuple(broken), time.perf_counter() - start)


def broken_promises(report: Report, finding: Finding, fix: Fix, files: Files) -> Iterator[str]:
    """What one fix does wrong when it is applied by itself, as clauses about it."""
    repair = Repair(finding, fix)
    after = edited(report, fix.edits, files)
    yield from faults(report, after, [repair])
    place = moved(finding.location, edits_of([repair]))
    companions = fix.edits[1:]  # what they may do has tests of its own; here they count as done before
    before = Source(report.source.path, report.source.edited(companions))
    yield from _changes_elsewhere(before, moved(finding.location, companions).span, after.source, place.span)
    for left in after.findings:
        second = fix_of(left, after, files) if left.location.span.start == place.span.start else None
        if second is not None and second.edits:
            yield "finds something to do in a second run"


def _changes_elsewhere(before: Source, call: Span, after: Source, new_call: Span) -> Iterator[str]:
    """Compares the trees of two texts, where one call may differ in one argument."""
    old, new = parse(before), parse(after)
    old_call, new_one = _call_at(old, call), _call_at(new, new_call)
    if old_call is None or new_one is None:
        yield "leaves no call where one was"
        return
    old_arguments, new_arguments = _without_arguments(old_call), _without_arguments(new_one)
    if [ast.dump(statement) for statement in old.statements] != [ast.dump(statement) for statement in new.statements]:
        yield "changes something else than the arguments of the call"
    kept = [argument for argument in old_arguments if argument in new_arguments]
    if len(new_arguments) - len(kept) != 1 or len(old_arguments) - len(kept) > 1:
        yield f"changes more than one argument: {old_arguments} to {new_arguments}"


def _call_at(module: Module, span: Span) -> ast.Call | None:
    nodes = (node for statement in module.statements for node in ast.walk(statement))
    calls = (node for node in nodes if isinstance(node, ast.Call))
    return next((node for node in calls if module.span(node) == span), None)


def _without_arguments(call: ast.Call) -> list[str]:
    """The arguments of a call, as text. Effect: takes them away."""
    arguments = [ast.dump(argument) for argument in (*call.args, *call.keywords)]
    call.args, call.keywords = [], []
    return arguments


def _form(finding: Finding, fix: Fix, source: Source) -> str:
    """What kind of edit a fix makes in the call."""
    edit = next(edit for edit in fix.edits if finding.location.span.covers(edit.span))
    text = edit.text.strip(" ,\n\t")
    if source.excerpt(edit.span).strip():
        return "replaced" if text in ("False", "bias=False") else "replaced by a condition"
    return "added" if text.endswith("False") else "added with a condition"


def table(tried: Sequence[tuple[str, Sequence[Tried]]]) -> Table:
    """One row a root, and one for all together."""
    forms = sorted({form for _, items in tried for item in items for _, form in item.kinds})
    result = Table("root", "findings", "fixes", "safe", "unsafe", "display-only", *forms, "broken", "seconds")
    total = Counter[str]()
    for root, items in tried:
        row = Counter[str]()
        for item in items:
            row.update(word for kind in item.kinds for word in kind)
            row.update(findings=item.findings, fixes=len(item.kinds), broken=len(item.broken))
        total += row
        seconds = sum(item.seconds for item in items)
        result.add_row(os.path.basename(os.path.normpath(root)), *_cells(row, forms), f"{seconds:.0f}")
    result.add_row("together", *_cells(total, forms), "", style="bold")
    return result


def _cells(row: Counter[str], forms: Sequence[str]) -> list[str]:
    names = ("findings", "fixes", "safe", "unsafe", "display-only", *forms, "broken")
    return [str(row[name]) for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the broken promises and a table; 1 where a fix breaks one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fixes", description=__doc__)
    parser.add_argument("roots", nargs="+", metavar="ROOT", help="folders to look for Python files in")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="look at each Nth file only")
    options = parser.parse_args(arguments)
    console = Console(width=160, highlight=False)
    tried: list[tuple[str, list[Tried]]] = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for root in options.roots:
            items: list[Tried] = []
            for item in pool.map(try_file, discover((root,)).files[:: options.every]):
                items.append(item)
                for line in item.broken:
                    console.print(f"BROKEN {line}", markup=False)
            tried.append((root, items))
            print(f"{root}: {sum(len(item.kinds) for item in items)} fixes", file=sys.stderr, flush=True)
    console.print(table(tried))
    return 1 if any(item.broken for _, items in tried for item in items) else 0


if __name__ == "__main__":
    sys.exit(main())
