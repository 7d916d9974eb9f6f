"""`biaslens check --add-ignore`: a comment for every finding, to start clean in an existing repository."""

from __future__ import annotations

from biaslens.cli.choices import Choices
from biaslens.cli.console import Console
from biaslens.cli.inputs import gather, note_if_empty, reports
from biaslens.cli.writing import write
from biaslens.lint import Report
from biaslens.syntax.suppressions import Suppressions
from biaslens.text import Problem, Span


def add_ignore(paths: tuple[str, ...], choices: Choices, console: Console) -> int:
    """Adds the comments and says how many; 1 where a finding is left without one, 2 where nothing could be checked.

    A comment that silences nothing gets none: it is to be removed.
    """
    inputs = gather(paths, None, choices)
    note_if_empty(inputs, console)
    found = list(reports(inputs, console))
    problems: list[Problem] = []
    lines = files = 0
    for report in found:
        comments = Suppressions(report.source)
        findings = [(finding.code, finding.location.span) for finding in report.findings if finding.site is not None]
        problems += [_no_room(report, span) for _, span in findings if not comments.have_room(span)]
        edits = comments.with_ignored(findings)
        problem = write(report.source, report.source.after(edits)) if edits else None
        if problem is not None:
            problems.append(problem)
        elif edits:
            lines, files = lines + len(edits), files + 1
    for problem in problems:
        console.complain(problem, inputs.files.read)
    where = f" in {files} {'file' if files == 1 else 'files'}" if files else ""
    console.say(f"Added ignore comments to {lines} {'line' if lines == 1 else 'lines'}{where}.")
    return (1 if problems else 0) if found or not (inputs.paths or inputs.problems) else 2


def _no_room(report: Report, span: Span) -> Problem:
    return Problem("unreadable", "No comment can be added here; the finding stays.", report.source.path, span)
