"""What a command line asks to look at: files, folders, or the standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from biaslens.cli.console import Console
from biaslens.lint import Report, lint_all
from biaslens.options import Options
from biaslens.syntax.discover import discover
from biaslens.syntax.files import Files, decode
from biaslens.text import Problem, Source

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The texts to check and the snapshot that they come from.

    paths: absolute names, or the name given to the standard input. problems: what could not even be found.
    from_stdin: the bytes that were read from the standard input, where it is what to check.
    """

    files: Files
    paths: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    from_stdin: bytes | None = None


def gather(paths: tuple[str, ...], stdin_filename: str | None) -> Inputs:
    """The inputs that the arguments name; without any, the current folder.

    The standard input is read where `-` or a name for it is given.
    """
    if STANDARD_INPUT not in paths and stdin_filename is None:
        found = discover(paths or (os.curdir,))
        return Inputs(Files(), found.files, found.problems)
    name = os.path.abspath(stdin_filename) if stdin_filename else STANDARD_INPUT
    data = sys.stdin.buffer.read()
    match decode(data, name):
        case Source() as source:
            return Inputs(Files({name: source}), (name,), (), data)
        case problem:
            return Inputs(Files(), (), (problem,), data)


def note_if_empty(inputs: Inputs, console: Console) -> None:
    """Says so where the arguments name folders without Python files and notebooks."""
    if not inputs.paths and not inputs.problems:
        console.note("No Python files found under the given paths.")


def reports(inputs: Inputs, options: Options, console: Console) -> Iterator[Report]:
    """What is found in each file that can be read; complains about the others, and about what was skipped."""
    for problem in inputs.problems:
        console.complain(problem, inputs.files.read)
    for report in lint_all(inputs.paths, inputs.files, options):
        if isinstance(report, Problem):
            console.complain(report, inputs.files.read)
            continue
        for problem in report.problems:
            console.complain(problem, inputs.files.read)
        yield report
