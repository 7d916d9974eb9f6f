"""The façade: everything we can say about one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from biaslens.flow import Flow
from biaslens.follow import Followed, Follower, judged, together
from biaslens.options import Options
from biaslens.program.ir import Program
from biaslens.program.trace import trace
from biaslens.program.world import Stopped, World, go_on
from biaslens.rules.registry import judge
from biaslens.rules.rule import Finding
from biaslens.runtime import collect_now, deeply
from biaslens.syntax.files import Files
from biaslens.syntax.suppressions import Suppressions
from biaslens.text import Problem, Source
from biaslens.verdicts import Use

OptionsFor: TypeAlias = Callable[[str], Options]
"""Gives the options of a file by its absolute name."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything said about one file. `findings` are sorted by place and concern this file only.

    options: with which it was looked at. others: uses of its layers in other files.
    """

    source: Source
    program: Program
    flow: Flow
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    options: Options = field(default_factory=Options)
    others: tuple[Use, ...] = ()

    @property
    def whole(self) -> Report:
        """Itself; what an incremental lint gives has to be told anew first."""
        return self

    @property
    def users(self) -> frozenset[str]:
        """The other files whose uses of this file's layers were counted."""
        return frozenset(use.run.location.path for use in self.others)


def lint(
    source: Source,
    files: Files,
    options: Options,
    others: Sequence[Use] = (),
    pause: Callable[[], None] = go_on,
) -> Report:
    """Parses, follows and judges one file. Never touches the disk except through `files`.

    others: uses of its layers in other files. pause: called every now and then; only what it raises is raised here.
    """
    return report_of(study(source, World(files, options, pause)), options, others)


def lint_all(
    paths: Sequence[str], files: Files, options: Options | OptionsFor, pause: Callable[[], None] = go_on
) -> Iterator[Report | Problem]:
    """Several files, each judged by all uses of its layers that are found in any of them; in the order of the paths.

    options: for all files, or those of each. pause: as `lint` has it. A Problem stands for a file that cannot be read.
    The reports hold no equations, which many files have too many of.
    """
    options_for = by_file(options)
    worlds: dict[Options, World] = {}  # what was followed with other options means something else
    studies: list[Study | Problem] = []
    others: dict[str, list[Use]] = {}
    for path in paths:
        source = files.read(path)
        if isinstance(source, Problem):
            studies.append(source)
            continue
        following = options_for(path).following
        if following not in worlds:
            worlds[following] = World(files, following, pause)
        own, elsewhere = without_equations(study(source, worlds[following].afresh()))
        studies.append(own)
        for use in elsewhere:
            others.setdefault(use.layer.site.path, []).append(use)
        if sum(world.size for world in worlds.values()) > MOST_KEPT:
            worlds.clear()
            collect_now()
    for item in studies:
        if isinstance(item, Problem):
            yield item
        else:
            yield report_of(item, options_for(item.source.path), others.get(item.source.path, ()))


def by_file(options: Options | OptionsFor) -> OptionsFor:
    """The options of each file, where they are the same for all as well."""
    if isinstance(options, Options):
        return lambda _: options
    return options


MOST_KEPT = 2_000_000
"""So many characters of parsed source, about a hundred bytes each, are kept while several files are looked at."""


@dataclass(frozen=True, slots=True)
class Study:
    """One file followed, before anything is said about it."""

    source: Source
    program: Program
    followed: Followed
    problems: tuple[Problem, ...]


def study(source: Source, world: World) -> Study:
    """Parses and follows one file. Raises nothing but what the world's pause raises.

    world: of the files and options; where several files are looked at, what they import is parsed once in it.
    Effect: raises Python's recursion limit.
    """
    try:
        return deeply(_study, source, world)
    except Stopped:
        raise
    except Exception as error:  # a bug of ours must not take the other files, or the server, with it
        return Study(source, Program(source.path, ()), Followed((), ()), (bug(source, error),))


def _study(source: Source, world: World) -> Study:
    follower = Follower(world.pause)
    program = trace(world.add(source), world, follower.reached).program
    followed = together(follower.follow(run) for run in program.runs)
    return Study(source, program, followed, program.problems)


def report_of(study: Study, options: Options, others: Sequence[Use] = ()) -> Report:
    """What there is to say about a file. Never raises.

    others: uses of its layers in other files.
    """
    try:
        flow = judged(study.program, study.followed, others)
        found = judge(flow, options.selects, Suppressions(study.source), complete=not study.problems)
        findings = with_severity(found, options)
        return Report(
            study.source, study.program, flow, findings, study.problems, options=options, others=tuple(others)
        )
    except Exception as error:  # as above
        flow = Flow(study.source.path, (), ())
        return Report(study.source, study.program, flow, (), (*study.problems, bug(study.source, error)))


def with_severity(findings: Iterable[Finding], options: Options) -> tuple[Finding, ...]:
    """Findings as severe as the user wants them to be."""
    if not options.severity:
        return tuple(findings)
    return tuple(replace(one, severity=options.severity_of(one.code, one.severity)) for one in findings)


def bug(source: Source, error: Exception) -> Problem:
    """What is said where the analysis of a file fails."""
    message = f"BiasLens failed on this file ({type(error).__name__}: {error}); please report it with the file."
    return Problem("internal", message, source.path)


def without_equations(whole: Study) -> tuple[Study, list[Use]]:
    """The study of a file's own layers, and the uses of layers that other files make."""
    paths = {id(path): replace(path, equations=(), shapes=()) for run in whole.program.runs for path in run.paths}
    runs = {id(run): replace(run, paths=tuple(paths[id(path)] for path in run.paths)) for run in whole.program.runs}
    uses = [replace(use, run=runs[id(use.run)], path=paths[id(use.path)]) for use in whole.followed.uses]
    own = tuple(use for use in uses if use.layer.site.path == whole.source.path)
    program = replace(whole.program, runs=tuple(runs.values()))
    study = replace(whole, program=program, followed=replace(whole.followed, uses=own))
    return study, [use for use in uses if use.layer.site.path != whole.source.path]
