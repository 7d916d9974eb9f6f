"""The façade: everything we can say about one file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from biaslens.flow import Flow
from biaslens.follow import Followed, follow, judged
from biaslens.options import Options
from biaslens.program.ir import Equation, Path, Program
from biaslens.program.run import World
from biaslens.program.trace import trace
from biaslens.rules.registry import judge
from biaslens.rules.rule import Finding, Fix
from biaslens.syntax.files import Files
from biaslens.syntax.suppressions import Suppressions
from biaslens.text import Problem, Source
from biaslens.verdicts import Use

RECURSION_LIMIT = 4000
"""Frames for the deepest chain of calls and imports that is followed; within the stack of a thread on every Python."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything said about one file. `findings` are sorted by place and concern this file only.

    program: with the runs of other files that read a bias of this one by hand. users: the other files whose uses of
    this file's layers were counted.
    """

    source: Source
    program: Program
    flow: Flow
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    users: frozenset[str] = frozenset()


def lint(source: Source, files: Files, options: Options) -> Report:
    """Parses, follows and judges one file. Never raises, never touches the disk except through `files`."""
    return report_of(study(source, World(files, options)), options)


def lint_all(paths: Sequence[str], files: Files, options: Options) -> Iterator[Report | Problem]:
    """Several files, each judged by all uses of its layers that are found in any of them; in the order of the paths.

    A Problem stands for a file that cannot be read. The reports hold no equations but reads of a bias, since many files
    have too many.
    """
    world = World(files, options)
    studies: list[Study | Problem] = []
    others: dict[str, list[Use]] = {}
    users: dict[str, set[str]] = {}
    for path in paths:
        source = files.read(path)
        if isinstance(source, Problem):
            studies.append(source)
            continue
        own, elsewhere = without_equations(study(source, world))
        studies.append(own)
        for use in elsewhere:
            others.setdefault(use.layer.site.path, []).append(use)
            users.setdefault(use.layer.site.path, set()).add(path)
        if world.size > MAX_MODULES:
            world = World(files, options)
    for item in studies:
        if isinstance(item, Problem):
            yield item
        else:
            path = item.source.path
            yield replace(report_of(item, options, others.get(path, ())), users=frozenset(users.get(path, ())))


MAX_MODULES = 600
"""So many parsed modules are kept in memory while several files are looked at."""


@dataclass(frozen=True, slots=True)
class Study:
    """One file followed, before anything is said about it."""

    source: Source
    program: Program
    followed: Followed
    problems: tuple[Problem, ...]


def study(source: Source, world: World) -> Study:
    """Parses and follows one file. Never raises.

    world: of the files and options; where several files are looked at, what they import is evaluated once in it.
    Effect: raises Python's recursion limit, since following one call of a model takes a dozen frames.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    try:
        module = world.add(source)
        program = trace(module, world)
        return Study(source, program, follow(program), program.problems)
    except Exception as error:  # a bug of ours must not take the other files, or the server, with it
        return Study(source, Program(source.path, ()), Followed((), ()), (_bug(source, error),))


def report_of(study: Study, options: Options, others: Sequence[Use] = ()) -> Report:
    """What there is to say about a file. Never raises.

    others: uses of its layers in other files.
    """
    try:
        flow = judged(study.program, study.followed, others)
        comments = Suppressions(study.source)
        findings = judge(flow, options.selects, comments, complete=not study.problems)
        readers = {id(use.run): use.run for use in others if any(step.starts for step in use.path.equations)}
        program = replace(study.program, runs=(*study.program.runs, *readers.values()))
        return Report(study.source, program, flow, findings, study.problems)
    except Exception as error:  # as above
        flow = Flow(study.source.path, (), ())
        return Report(study.source, study.program, flow, (), (*study.problems, _bug(study.source, error)))


def _bug(source: Source, error: Exception) -> Problem:
    message = f"BiasLens failed on this file ({type(error).__name__}: {error}); please report it with the file."
    return Problem("internal", message, source.path)


def without_equations(whole: Study) -> tuple[Study, list[Use]]:
    """The study of a file's own layers, and the uses of layers that other files make.

    Equations that read a bias by hand stay: whether it can be removed hangs on them.
    """
    paths = {
        id(path): replace(path, equations=_bias_reads(path), shapes=())
        for run in whole.program.runs
        for path in run.paths
    }
    runs = {id(run): replace(run, paths=tuple(paths[id(path)] for path in run.paths)) for run in whole.program.runs}
    uses = [replace(use, run=runs[id(use.run)], path=paths[id(use.path)]) for use in whole.followed.uses]
    own = tuple(use for use in uses if use.layer.site.path == whole.source.path)
    program = replace(whole.program, runs=tuple(runs.values()))
    study = replace(whole, program=program, followed=replace(whole.followed, uses=own))
    return study, [use for use in uses if use.layer.site.path != whole.source.path]


def _bias_reads(path: Path) -> tuple[Equation, ...]:
    return tuple(equation for equation in path.equations if equation.starts)


def fix_of(finding: Finding, report: Report) -> Fix | None:
    """The repair of one finding, computed on demand (LibCST is imported here), or None where there is no fix."""
    if finding.site is None:
        return finding.fix
    from biaslens.fixes.remove_bias import fix

    return fix(report.source, finding.site, report.program)


def fixes_of(finding: Finding, report: Report) -> tuple[Fix, ...]:
    """All repairs of one finding, for a person to choose from: that of `fix_of` first.

    report: with equations, as `lint` makes it.
    """
    from biaslens.fixes.load_hook import fix

    keeping = fix(report.source, finding.site, report.program) if finding.site is not None else None
    found = (fix_of(finding, report), keeping)
    return tuple(made for made in found if made is not None)
