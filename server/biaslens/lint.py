"""The façade: everything we can say about one file."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from biaslens.flow import Flow
from biaslens.follow import follow
from biaslens.options import Options
from biaslens.program.ir import Program
from biaslens.program.run import World
from biaslens.program.trace import trace
from biaslens.rules.registry import judge
from biaslens.rules.rule import Finding, Fix
from biaslens.syntax.files import Files
from biaslens.text import Problem, Source

RECURSION_LIMIT = 4000
"""Frames for the deepest chain of calls and imports that is followed; within the stack of a thread on every Python."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything said about one file. `findings` are sorted by place and concern this file only."""

    source: Source
    program: Program
    flow: Flow
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]


def lint(source: Source, files: Files, options: Options, world: World | None = None) -> Report:
    """Parses, follows and judges one file. Never raises, never touches the disk except through `files`.

    world: of the same files and options, where several are looked at; what they import is then evaluated once.
    Effect: raises Python's recursion limit, since following one call of a model takes a dozen frames.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    try:
        world = world or World(files, options)
        module = world.add(source)
        program = trace(module, world)
        flow = follow(program)
        return Report(source, program, flow, judge(flow, options.selects), program.problems)
    except Exception as error:  # a bug of ours must not take the other files, or the server, with it
        message = f"BiasLens failed on this file ({type(error).__name__}: {error}); please report it with the file."
        problem = Problem("internal", message, source.path)
        return Report(source, Program(source.path, ()), Flow(source.path, (), ()), (), (problem,))


def fix_of(finding: Finding, report: Report) -> Fix | None:
    """The repair of one finding, computed on demand (LibCST is imported here), or None where there is no fix."""
    from biaslens.fixes.remove_bias import fix

    return fix(report.source, finding.site, report.program)
