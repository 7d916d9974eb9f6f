"""Which runs to make: the default one, then one answer changed at a time, then pairs, within a budget."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, islice

from biaslens.algebra.outcome import Cancels, Carries
from biaslens.program.ir import Var
from biaslens.program.run import BudgetExceeded, PathEnds, Run
from biaslens.text import Location

MAX_PAIRS = 16
"""How many pairs of changed answers are combined, at most."""


@dataclass(frozen=True, slots=True)
class Explored:
    """The runs of one entry that are paths, the default one first.

    unexplored: keys of questions of which some answer was never followed. exceeded: a run was too long. spent: with
    more steps there might have been more runs.
    """

    runs: tuple[Run, ...]
    unexplored: frozenset[str]
    exceeded: bool
    spent: bool


def explore(
    start: Callable[[Mapping[str, str]], Run], is_worth_it: Callable[[Run], bool], max_runs: int, max_steps: int
) -> Explored:
    """Makes runs until every question was answered in every way, alone and in pairs, or the budget is spent.

    start: makes one run with some answers forced. is_worth_it: whether a default run leaves anything to find out.
    max_steps: for all runs together.
    An answer that changes nothing of what is computed is not combined with others.
    """
    search = _Search(start, max_runs, max_steps)
    base = _base(search)
    if base is None or not is_worth_it(base):
        return search.result()
    plain = _computation(base)
    telling: list[dict[str, str]] = []
    waiting = _Waiting(base)
    waiting.add(base, defaults=_may_spare_a_bias(base))
    for about_circumstances in (False, True):
        for forced, run in waiting.taken(about_circumstances):
            if search.is_over:
                return search.result()
            changes = len(forced) - len(base.forced)
            if changes > 1 and not search.is_new(run, forced):
                continue
            found = search.follow(forced)
            if found is None:
                continue
            if changes == 1 and _computation(found) != plain:
                telling.append(forced)
            waiting.add(found, defaults=False)
        pairs = (pair for pair in combinations(telling, 2) if _are_independent(*pair, base))
        for left, right in islice(pairs, MAX_PAIRS):
            search.follow({**left, **right})
    return search.result()


def _base(search: _Search) -> Run | None:
    """The default run; where that ends in an exception of the program, the first path that is found instead.

    From a run that ends, one answer is changed at a time, inputs of forward first. Where no such change is enough, the
    one with which the program gets furthest is kept.
    """
    run = search.follow({})
    while run is not None and not search.has_path:
        run = _further(search, run)
    return run


def _further(search: _Search, run: Run) -> Run | None:
    nearest_first = [*_flips(run, defaults=True)][::-1]
    nearest_first.sort(key=lambda forced: _distance(run, next(key for key in forced if key not in run.forced)))
    furthest = run
    for forced in nearest_first:
        found = search.follow(forced)
        if found is None or search.has_path:
            return found
        furthest = max(furthest, found, key=lambda other: len(other.equations))
    return furthest if furthest is not run else None


def _distance(run: Run, key: str) -> int:
    """How far a question is from what decides whether a program raises: inputs, tests that led to the place where it
    does, other arguments, circumstances."""
    question = run.answers[key].question
    if question.is_about_default and question.origin == "forward":
        return 0
    if key in run.blamed:
        return 1
    return 3 if _is_circumstance(run, key) else 2


def _are_independent(left: Mapping[str, str], right: Mapping[str, str], base: Run) -> bool:
    """Whether two changes concern different questions."""
    return left.keys() & right.keys() == base.forced.keys()


class _Waiting:
    """Answers to be tried: one changed, and those behind it, such as an `elif` behind an `elif`.

    Arguments come before circumstances (what the environment or unknown code gives): the user decides on them.
    """

    def __init__(self, base: Run) -> None:
        self._base = base
        self._queues: tuple[deque[tuple[dict[str, str], Run]], ...] = (deque(), deque())

    def add(self, run: Run, *, defaults: bool) -> None:
        """Effect: puts every set of answers into line that differs from this run's in one question more."""
        for further in _flips(run, defaults=defaults):
            added = next(key for key in further if key not in run.forced)
            if run is self._base or added not in self._base.answers:
                own = further.keys() - self._base.forced.keys()
                self._queues[any(_is_circumstance(run, key) for key in own)].append((further, run))

    def taken(self, about_circumstances: bool) -> Iterator[tuple[dict[str, str], Run]]:
        """The answers of one kind in their order, also those that are put into line meanwhile."""
        queue = self._queues[about_circumstances]
        while queue:
            yield queue.popleft()


def _is_circumstance(run: Run, key: str) -> bool:
    return key in run.answers and run.answers[key].question.origin in ("data", "result")


class _Search:
    """The runs made so far, and what they asked."""

    def __init__(self, start: Callable[[Mapping[str, str]], Run], max_runs: int, max_steps: int) -> None:
        self._start = start
        self._runs_left = max_runs
        self._steps_left = max_steps
        self._paths: list[Run] = []
        self._exceeded = False
        self._followed: set[tuple[Location, str]] = set()
        self._choices: dict[str, tuple[Location, tuple[str, ...]]] = {}

    def follow(self, forced: Mapping[str, str]) -> Run | None:
        """One run, or None without budget. Also a run that is no path tells its questions."""
        if self.is_over:
            return None
        self._runs_left -= 1
        try:
            run, ended = _attempt(self._start, forced)
        except BudgetExceeded:
            self._exceeded = True
            return None
        self._steps_left -= run.steps
        for key, answer in run.answers.items():
            self._followed.add((answer.question.location, answer.choice))
            self._choices[key] = (answer.question.location, run.choices[key])
        if not ended:
            self._paths.append(run)
        return run

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return self._runs_left <= 0 or self._steps_left <= 0

    def is_new(self, run: Run, forced: Mapping[str, str]) -> bool:
        """Whether some answers take a branch that no run took yet."""
        return any(
            (run.answers[key].question.location, choice) not in self._followed
            for key, choice in forced.items()
            if key in run.answers
        )

    @property
    def has_path(self) -> bool:
        """Whether a run so far did not end in an exception of the program."""
        return bool(self._paths)

    def result(self) -> Explored:
        """What came of it. A branch counts as followed when any run took it, whatever led there."""
        missing = {
            key
            for key, (place, options) in self._choices.items()
            if any((place, option) not in self._followed for option in options)
        }
        return Explored(tuple(self._paths), frozenset(missing), self._exceeded, self._exceeded or self._steps_left <= 0)


def _computation(run: Run) -> Hashable:
    """What a run computes, to compare it with another one."""
    layers = tuple((layer.site, layer.shift, layer.tampered, layer.frozen_shift) for layer in run.layers)
    return layers, tuple((e.results, e.operands, e.effects, e.location, e.layer) for e in run.equations)


def _may_spare_a_bias(run: Run) -> bool:
    """Whether anything on this run could cancel or absorb a bias; if not, numbers other than defaults do not matter."""
    adding = {layer.number for layer in run.layers if layer.entry.shift is not None}
    shifted: set[Var] = set()
    for equation in run.equations:
        if any(isinstance(effect, Cancels) for effects in equation.effects for effect in effects):
            return True
        arrives = any(
            operand in shifted and isinstance(effect, Carries)
            for effects in equation.effects
            for operand, effect in zip(equation.operands, effects, strict=True)
        )
        if arrives and equation.layer in adding:
            return True
        if arrives or equation.layer in adding:
            shifted.update(equation.results)
    return False


def _attempt(start: Callable[[Mapping[str, str]], Run], forced: Mapping[str, str]) -> tuple[Run, bool]:
    """The run, and whether it ended in an exception of the program."""
    try:
        return start(forced), False
    except _Ended as error:
        return error.run, True


class _Ended(Exception):
    """A run that is no path; what it asked still counts."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run


def guarded(run: Run, body: Callable[[], None]) -> Run:
    """Runs the body; where the program raises, tells so together with the run."""
    try:
        body()
    except PathEnds as end:
        run.blamed = tuple(end.tests)
        raise _Ended(run) from None
    return run


def _flips(run: Run, *, defaults: bool) -> Iterator[dict[str, str]]:
    """Every set of answers that differs from this run's in one question."""
    forced = run.forced
    for key, options in run.choices.items():
        if key in forced or (not defaults and _is_plain_default(run, key)):
            continue
        for option in options:
            if option != run.answers[key].choice:
                yield {**forced, key: option}


def _is_plain_default(run: Run, key: str) -> bool:
    """Whether a question is about a default that is a number: a size, seldom a switch."""
    question = run.answers[key].question
    return question.is_about_default and question.text.rpartition("=")[2].lstrip("-")[:1].isdigit()
