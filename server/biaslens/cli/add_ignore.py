"""`biaslens check --add-ignore`: a comment for every finding, to start clean in an existing repository."""

from __future__ import annotations

from biaslens.cli.checking import Manner, results
from biaslens.cli.choices import Choices
from biaslens.cli.console import Console
from biaslens.cli.inputs import gather, note_if_empty
from biaslens.cli.writing import write
from biaslens.syntax.suppressions import Suppressions
from biaslens.text import Problem, Span


def add_ignore(paths: tuple[str, ...], choices: Choices, manner: Manner, console: Console) -> int:
    """Adds the comments and says how many; 1 where a finding is left without one, 2 where nothing could be checked.

    A comment that silences nothing gets none: it is to be removed.
    """
    inputs = gather(paths, None, choices)
    note_if_empty(inputs, console)
    found = [result for result in results(inputs, manner, console) if result.is_checked]
    problems: list[Problem] = []
    lines = files = 0
    for result in found:
        findings = [(notice.code, notice.location.span) for notice in result.notices if notice.judgement]
        source = inputs.files.read(result.path)
        if not findings or isinstance(source, Problem):
            continue
        comments = Suppressions(source)
        problems += [_no_room(result.path, span) for _, span in findings if not comments.have_room(span)]
        edits = comments.with_ignored(findings)
        problem = write(source, source.after(edits)) if edits else None
        if problem is not None:
            problems.append(problem)
        elif edits:
            lines, files = lines + len(edits), files + 1
    for problem in problems:
        console.complain(problem, inputs.files.read)
    where = f" in {files} {'file' if files == 1 else 'files'}" if files else ""
    console.say(f"Added ignore comments to {lines} {'line' if lines == 1 else 'lines'}{where}.")
    return (1 if problems else 0) if found or not (inputs.paths or inputs.problems) else 2


def _no_room(path: str, span: Span) -> Problem:
    return Problem("unreadable", "No comment can be added here; the finding stays.", path, span)
