"""`biaslens check`: findings for people and programs, and their repair."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from biaslens.cli.checking import Manner, results
from biaslens.cli.choices import Choices
from biaslens.cli.console import Console
from biaslens.cli.inputs import Inputs, gather, note_if_empty
from biaslens.cli.results import Result
from biaslens.cli.writing import encoded_like, write
from biaslens.render.diff import unified_diffs
from biaslens.render.json import finding_object
from biaslens.render.notice import Notice
from biaslens.render.place import Read, displayed
from biaslens.render.text import concise, full, summary
from biaslens.text import Source

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding, Fix

Format: TypeAlias = Literal["full", "concise", "json"]


@dataclass(frozen=True, slots=True)
class Request:
    """What one command line asks for; the fields are its flags."""

    paths: tuple[str, ...]
    choices: Choices = field(default_factory=Choices)
    manner: Manner = field(default_factory=Manner)
    output_format: Format = "full"
    fix: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    exit_zero: bool = False
    quiet: bool = False
    stdin_filename: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What is said of one file, after the repairs that were asked for.

    before, after: its text, None where nothing was repaired. read: gives the texts that the notices speak of. fixed:
    how many findings are gone. codes: of the rules by which anything was found. is_checked: as `Result` has it.
    unrepaired: the same without the repairs. unfollowed: as `Result` has it.
    """

    notices: tuple[Notice, ...]
    read: Read
    is_checked: bool
    codes: frozenset[str]
    before: Source | None = None
    after: Source | None = None
    fixed: int = 0
    unrepaired: Checked | None = None
    unfollowed: int = 0


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
    notices: list[Notice] = []
    codes: set[str] = set()
    fixed = files = checked = unfollowed = 0
    for item in _checked(request, inputs, console):
        checked += item.is_checked
        unfollowed += item.unfollowed
        if request.fix and item.before is not None and item.after is not None:
            problem = write(item.before, item.after)
            if problem is not None:
                console.complain(problem, inputs.files.read)
                item = item.unrepaired or item  # noqa: PLW2901
        for notice in item.notices:
            if request.output_format == "json":
                objects.append(finding_object(notice, item.read))
            else:
                style = full if request.output_format == "full" else concise
                console.say(style(notice, item.read, console.folder, console.paint))
        codes |= item.codes
        notices += item.notices
        fixed += item.fixed
        files += bool(item.notices or item.fixed)
    if request.output_format == "json":
        console.say(json.dumps(objects, indent=2))
    elif checked and not request.quiet:
        console.say(summary(notices, fixed if request.fix else None, files, codes, unfollowed))
    return _exit_code(request, inputs, checked, bool(notices))


def _print_diffs(request: Request, inputs: Inputs, console: Console) -> int:
    """Prints what `--fix` would change; exits with 1 where it would change anything."""
    fixes = files = checked = 0
    for item in _checked(request, inputs, console):
        checked += item.is_checked
        if item.before is not None and item.after is not None:
            name = displayed(item.before.path, console.folder)
            console.out.write(unified_diffs(item.before, item.after, name, console.paint))
            fixes += item.fixed
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
    (item,) = items
    encoded = data
    if item.before is not None and item.after is not None:
        written = encoded_like(data, item.before, item.after)
        if written is None:
            console.note("The encoding of the standard input cannot hold the fixed text, so it is passed on as it is.")
        else:
            encoded = written
    console.out.buffer.write(encoded)
    for notice in item.notices:
        console.note(concise(notice, item.read, console.folder, console.paint))
    return _exit_code(request, inputs, len(items), bool(item.notices))


def _checked(request: Request, inputs: Inputs, console: Console) -> list[Checked]:
    """Every file with its findings, repaired where asked; complains about what was skipped."""
    found = results(inputs, request.manner, console)
    repaired = _repaired(found, request, inputs, console) if request.fix or request.diff else {}
    return [repaired.get(result.path) or _as_it_is(result, inputs.files.read) for result in found]


def _as_it_is(result: Result, read: Read) -> Checked:
    codes = frozenset(notice.code for notice in result.notices)
    return Checked(result.notices, read, result.is_checked, codes, unfollowed=result.unfollowed)


def _repaired(found: Sequence[Result], request: Request, inputs: Inputs, console: Console) -> dict[str, Checked]:
    """The files in which anything could be repaired, by their paths. They are followed again, with all that uses their
    layers: a repair needs to know what a finding rests on."""
    if not any(result.notices for result in found):
        return {}
    from biaslens.repair import why_no_fixes

    if why := why_no_fixes():
        console.note(why)
    wanted = [result for result in found if any(notice.fix and notice.fix.edits for notice in result.notices)]
    if not wanted:
        return {}
    from biaslens.lint import Report, lint_all
    from biaslens.render.judgement import notice_of
    from biaslens.rounds import is_safe, repaired, unrepaired

    names = {result.path for result in wanted}
    needed = names.union(*(result.users for result in wanted))
    options = inputs.resolver.options_for
    reports = list(lint_all([path for path in inputs.paths if path in needed], inputs.files, options))
    befores = [unrepaired(one, inputs.files) for one in reports if isinstance(one, Report) and one.source.path in names]
    afters = repaired(befores, inputs.files, options, _any_fix if request.unsafe_fixes else is_safe)
    new = inputs.files.changed({after.source.path: after.source for after in afters if after.count})
    by_path = {result.path: result for result in wanted}
    items: dict[str, Checked] = {}
    for before, after in zip(befores, afters, strict=True):
        for problem in after.problems:
            console.complain(problem, inputs.files.read)
        if not after.count:
            continue
        result = by_path[before.source.path]
        pairs = zip(after.report.findings, after.fixes, strict=True)
        items[result.path] = Checked(
            tuple(notice_of(finding, fix, new.read) for finding, fix in pairs),
            new.read,
            result.is_checked,
            frozenset(one.code for one in (*before.report.findings, *after.report.findings)),
            before.source,
            after.source,
            after.count,
            _as_it_is(result, inputs.files.read),
            result.unfollowed,
        )
    return items


def _any_fix(_: Finding, __: Fix) -> bool:
    return True


def _exit_code(request: Request, inputs: Inputs, checked: int, found: bool) -> int:
    if not checked and (inputs.paths or inputs.problems):
        return 2
    return 1 if found and not request.exit_zero else 0
