"""The globals of modules, evaluated once for all runs that answer the questions of module level alike.

A class body, a registry or a table of settings means the same on every path, so one `ModuleRun` evaluates it and the
runs of all entries look it up there. What makes tensors or layers at module level is left to each run. A run that
changes a shared object (a registry, a class attribute) does so for itself only: `Run.touch` keeps what was there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Hashable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from biaslens.program import names
from biaslens.program.influence import Influence, Influences, Learned
from biaslens.program.ir import Answer, Test
from biaslens.program.moments import Moment, at
from biaslens.program.origins import Origin
from biaslens.program.run import NO_TESTS, BudgetExceeded, ModuleState, PathEnds, Run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import Unknown, Value
from biaslens.program.world import World
from biaslens.syntax.parse import Module
from biaslens.text import Location

MAX_STEPS = 100_000
"""What one global may cost; a global that costs more is unknown."""


@dataclass(eq=False, slots=True)
class Circumstances:
    """What the evaluation of some globals rests on.

    reads: other globals, as `Run.reads` has them. questions: those that it asked. learned: what the answers fixed.
    local: it made tensors or layers, or it failed, so each run has to evaluate it by itself.
    """

    reads: set[tuple[str, str]] = field(default_factory=set)
    questions: dict[Symbol, Answer] = field(default_factory=dict)
    learned: dict[Symbol, Value] = field(default_factory=dict)
    local: bool = False

    def add(self, other: Circumstances) -> None:
        """Effect: rests on what the other rests on as well."""
        self.reads |= other.reads
        self.questions.update(other.questions)
        self.learned.update(other.learned)
        self.local = self.local or other.local


class _Unmarked(Influences):
    """Those of globals: runs learn from `Circumstances` on what they rest. A set of bits means nothing to another run,
    and scopes and objects of module level are seen by all."""

    def bit(self, question: Symbol) -> Influence:
        """Nothing."""
        return 0


@dataclass(eq=False)
class ModuleRun(Run):
    """The run in which the globals of all modules are evaluated. Its numbers are negative, so that what it names is
    never taken for what a run of an entry names alike."""

    def __post_init__(self) -> None:
        self.influence = _Unmarked()
        super().__post_init__()
        self._open: list[Circumstances] = []
        self._statements: dict[tuple[str, int], Circumstances] = {}
        self._found: dict[tuple[str, str, int | None], tuple[Value, Circumstances]] = {}
        self.known = _Recorder(self.influence, self._open)

    def global_name(self, run: Run, module: Module, name: str, moment: Moment) -> tuple[Value, Influence]:
        """A global at some moment for a run of an entry, and on which answers of that run it rests; LOCAL where the run
        has to evaluate it by itself."""
        found = self._found.get((module.path, name, moment))
        if found is None:
            found = self._found[module.path, name, moment] = self._look_up(module, name, moment)
        value, about = found
        run.rests_on.add(about)
        if about.local:
            return LOCAL, 0
        influence = 0
        for key, answer in about.questions.items():
            influence |= run.influence.bit(key)
            if key not in run.answers:
                run.answers[key], run.choices[key] = answer, self.choices[key]
        before = run.influence.value
        run.influence.value |= influence
        for key, learned in about.learned.items():
            run.known.setdefault(key, learned)
        run.influence.value = before
        return value, influence

    def execute(self, module: Module, index: int) -> None:
        """Effect: runs a statement of module level, and notes what that rests on."""
        about = Circumstances()
        size = self._size()
        self._open.append(about)
        try:
            super().execute(module, index)
        except BaseException:  # it is half done: nobody may take what it left
            about.local = True
            raise
        finally:
            self._open.pop()
            about.local = about.local or self._size() != size
            self._statements[module.path, index] = about
            self._note(about)

    def read(self, path: str, name: str) -> None:
        """Effect: what is being evaluated rests on a global."""
        if self._open:
            self._open[-1].reads.add((path, name))

    @contextmanager
    def evaluated_for(self, run: Run) -> Generator[None]:
        """What is evaluated meanwhile is evaluated for a run of an entry."""
        about = Circumstances()
        self._open.append(about)
        try:
            yield
        finally:
            self._open.pop()
            run.rests_on.add(about)

    def reuse(self, module: Module, index: int) -> None:
        """Effect: notes that what is evaluated rests on a statement that ran before."""
        about = self._statements.get((module.path, index))
        if about is not None:
            self._note(about)

    def decide(
        self,
        key: Symbol,
        text: str,
        origin: Origin,
        location: Location,
        choices: Sequence[tuple[str, str]],
        tests: Mapping[str, Test] = NO_TESTS,
    ) -> str:
        """As any run does; the question belongs to what is being evaluated."""
        choice = super().decide(key, text, origin, location, choices, tests)
        if self._open:
            self._open[-1].questions[key] = self.answers[key]
        return choice

    def aside(self, evaluate: Callable[[], Value], otherwise: Value) -> Value:
        """As any run does; where the value comes out unchanged, nothing rests on what was asked on the way."""
        about = Circumstances()
        self._open.append(about)
        result = otherwise
        try:
            result = super().aside(evaluate, otherwise)
        finally:
            self._open.pop()
            if result is not otherwise:
                self._note(about)
        return result

    def count(self, key: Hashable) -> int:
        """A negative number."""
        return -1 - super().count(key)

    def ordinal(self, value: Value) -> int:
        """A negative number."""
        return -1 - super().ordinal(value)

    def _look_up(self, module: Module, name: str, moment: Moment) -> tuple[Value, Circumstances]:
        state = self.globals.setdefault(module.path, ModuleState())
        about = Circumstances()
        self._open.append(about)
        self.max_steps = self.steps + MAX_STEPS
        try:
            with at(state, moment):
                value = names.global_name(self, module, name)
        except PathEnds:
            about.local = True
            value = LOCAL
        except BudgetExceeded:
            value = Unknown(Symbol(Kind.GLOBAL, module.path, name, moment), name)
        finally:
            self._open.pop()
        return value, about

    def _note(self, about: Circumstances) -> None:
        if self._open:
            self._open[-1].add(about)

    def _size(self) -> tuple[int, ...]:
        return len(self.shapes), len(self.layers), len(self.equations)


LOCAL = object()
"""A global that each run has to evaluate by itself."""


def module_run(world: World, forced: Mapping[Symbol, str], questions: Collection[Symbol]) -> ModuleRun:
    """The shared run for those of some answers that concern questions of module level.

    questions: those that are known by now.
    """
    relevant = {key: choice for key, choice in forced.items() if key in questions}
    found = world.module_runs.get(frozenset(relevant.items()))
    if found is None:
        found = ModuleRun(world, relevant, MAX_STEPS)
        world.module_runs[frozenset(relevant.items())] = found
    return found


class _Recorder(Learned[Symbol]):
    """What answers have fixed; tells what is being evaluated about each."""

    def __init__(self, influences: Influences, open_: list[Circumstances]) -> None:
        super().__init__(influences)
        self._open = open_

    def __setitem__(self, key: Symbol, value: Value) -> None:
        super().__setitem__(key, value)
        if self._open:
            self._open[-1].learned[key] = value
