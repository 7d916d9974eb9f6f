"""`biaslens check`: findings for people and programs, and their repair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from biaslens.cli.choices import Choices
from biaslens.cli.console import Console
from biaslens.cli.inputs import Inputs, gather, note_if_empty, reports
from biaslens.cli.writing import encoded_like, write
from biaslens.lint import Report
from biaslens.render.diff import unified_diffs
from biaslens.render.json import finding_object
from biaslens.render.place import Read, displayed
from biaslens.render.text import concise, full, summary
from biaslens.repair import why_no_fixes
from biaslens.rounds import Fixed, is_safe, repaired, unrepaired
from biaslens.rules.rule import Finding, Fix

Format: TypeAlias = Literal["full", "concise", "json"]


@dataclass(frozen=True, slots=True)
class Request:
    """What one command line asks for; the fields are its flags."""

    paths: tuple[str, ...]
    choices: Choices = field(default_factory=Choices)
    output_format: Format = "full"
    fix: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    exit_zero: bool = False
    quiet: bool = False
    stdin_filename: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """One file as it is, and as it is after the repairs that were asked for.

    read: gives the texts that the report `after` speaks of. checked: False where a bug of ours kept us from looking.
    """

    before: Fixed
    after: Fixed
    read: Read
    checked: bool


def check(request: Request, console: Console) -> int:
    """Checks, repairs and prints; gives the exit code: 0 clean, 1 findings, 2 nothing could be checked."""
    inputs = gather(request.paths, request.stdin_filename, request.choices)
    note_if_empty(inputs, console)
    if request.diff:
        return _print_diffs(request, inputs, console)
    if request.fix and inputs.from_stdin is not None:
        return _filter(request, inputs, inputs.from_stdin, console)
    return _print_findings(request, inputs, console)


def _print_findings(request: Request, inputs: Inputs, console: Console) -> int:
    objects: list[dict[str, object]] = []
    findings: list[Finding] = []
    codes: set[str] = set()
    fixes: list[Fix | None] = []
    repaired = files = checked = 0
    for item in _checked(request, inputs, console):
        after, read = item.after, item.read
        checked += item.checked
        if request.fix and after.count:
            problem = write(item.before.source, after.source)
            if problem is not None:
                console.complain(problem, inputs.files.read)
                after, read = item.before, inputs.files.read
        for finding, fix in zip(after.report.findings, after.fixes, strict=True):
            if request.output_format == "json":
                objects.append(finding_object(finding, fix, read))
            else:
                style = full if request.output_format == "full" else concise
                console.say(style(finding, fix, read, console.folder, console.paint))
        codes |= {finding.code for finding in (*item.before.report.findings, *after.report.findings)}
        findings += after.report.findings
        fixes += after.fixes
        repaired += after.count
        files += bool(after.report.findings or after.count)
    if request.output_format == "json":
        console.say(json.dumps(objects, indent=2))
    elif checked and not request.quiet:
        console.say(summary(findings, fixes, repaired if request.fix else None, files, codes))
    return _exit_code(request, inputs, checked, bool(findings))


def _print_diffs(request: Request, inputs: Inputs, console: Console) -> int:
    """Prints what `--fix` would change; exits with 1 where it would change anything."""
    fixes = files = checked = 0
    for item in _checked(request, inputs, console):
        checked += item.checked
        if item.after.count:
            name = displayed(item.before.source.path, console.folder)
            console.out.write(unified_diffs(item.before.source, item.after.source, name, console.paint))
            fixes += item.after.count
            files += 1
    if checked and not request.quiet:
        amount = f"{fixes} {'finding' if fixes == 1 else 'findings'} in {files} {'file' if files == 1 else 'files'}"
        console.note(f"Would fix {amount}." if fixes else "Nothing to fix.")
    return _exit_code(request, inputs, checked, bool(fixes))


def _filter(request: Request, inputs: Inputs, data: bytes, console: Console) -> int:
    """The repaired standard input on the standard output, and what remains on the standard error."""
    items = tuple(_checked(request, inputs, console))
    if not items:
        console.out.buffer.write(data)
        return _exit_code(request, inputs, 0, found=False)
    after = items[0].after
    encoded = encoded_like(data, items[0].before.source, after.source)
    if encoded is None:
        console.note("The encoding of the standard input cannot hold the fixed text, so it is passed on as it is.")
    console.out.buffer.write(data if encoded is None else encoded)
    for finding, fix in zip(after.report.findings, after.fixes, strict=True):
        console.note(concise(finding, fix, items[0].read, console.folder, console.paint))
    return _exit_code(request, inputs, len(items), bool(after.report.findings))


def _checked(request: Request, inputs: Inputs, console: Console) -> Iterator[Checked]:
    """Every readable file with its findings, repaired where asked; complains about the others."""
    found = (unrepaired(report, inputs.files) for report in reports(inputs, console))
    if not (request.fix or request.diff):
        yield from (Checked(before, before, inputs.files.read, _was_checked(before.report)) for before in found)
        return
    files = tuple(found)
    if any(file.report.findings for file in files) and (why := why_no_fixes()):
        console.note(why)
    wanted = _any_fix if request.unsafe_fixes else is_safe
    afters = repaired(files, inputs.files, inputs.resolver.options_for, wanted)
    new = inputs.files.changed({after.source.path: after.source for after in afters if after.count})
    for before, after in zip(files, afters, strict=True):
        for problem in after.problems:
            console.complain(problem, inputs.files.read)
        read = new.read if after.count else inputs.files.read
        yield Checked(before, after, read, _was_checked(before.report))


def _any_fix(_: Finding, __: Fix) -> bool:
    return True


def _was_checked(report: Report) -> bool:
    """Whether a report says anything: False where a bug of ours kept us from looking."""
    failed = any(problem.kind in ("unreadable", "internal") for problem in report.problems)
    return not failed or bool(report.findings)


def _exit_code(request: Request, inputs: Inputs, checked: int, found: bool) -> int:
    if not checked and (inputs.paths or inputs.problems):
        return 2
    return 1 if found and not request.exit_zero else 0
