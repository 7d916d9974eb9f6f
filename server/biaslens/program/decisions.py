"""Which runs to make: the default one, then one answer changed at a time, then pairs, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import combinations, islice

from biaslens.algebra.outcome import Cancels
from biaslens.program.run import BudgetExceeded, PathEnds, Run
from biaslens.text import Location

MAX_PAIRS = 16
"""How many pairs of changed answers are combined, at most."""


@dataclass(frozen=True, slots=True)
class Explored:
    """The runs of one entry that are paths, the default one first.

    unexplored: keys of questions of which some answer was never followed. exceeded: a run was too long.
    """

    runs: tuple[Run, ...]
    unexplored: frozenset[str]
    exceeded: bool


def explore(
    start: Callable[[Mapping[str, str]], Run], is_worth_it: Callable[[Run], bool], max_runs: int, max_steps: int
) -> Explored:
    """Makes runs until every question was answered in every way, alone and in pairs, or the budget is spent.

    start: makes one run with some answers forced. is_worth_it: whether a default run leaves anything to find out.
    max_steps: for all runs together.
    An answer that changes nothing of what is computed is not combined with others.
    """
    search = _Search(start, max_runs, max_steps)
    first = search.follow({})
    if first is None or not (search.has_no_path or is_worth_it(first)):
        return search.result()
    plain = _computation(first)
    telling: list[dict[str, str]] = []
    for forced in _flips(first, {}, defaults=search.has_no_path or _normalises(first)):
        run = search.follow(forced)
        if run is None:
            break
        if _computation(run) != plain:
            telling.append(forced)
        _follow_branches(search, run, forced, known=first.answers.keys())
    pairs = (pair for pair in combinations(telling, 2) if pair[0].keys().isdisjoint(pair[1]))
    for left, right in islice(pairs, MAX_PAIRS):
        search.follow({**left, **right})
    return search.result()


def _follow_branches(search: _Search, run: Run, forced: Mapping[str, str], known: Set[str]) -> None:
    """Follows every branch behind a changed answer that no run took yet: an `elif` behind an `elif`."""
    waiting = [(run, forced)]
    while waiting:
        current, answers = waiting.pop(0)
        for further in _flips(current, answers, defaults=False):
            added = next(key for key in further if key not in answers)
            if added not in known and search.is_new(current, further):
                next_run = search.follow(further)
                if next_run is not None:
                    waiting.append((next_run, further))


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
        if self._runs_left <= 0 or self._steps_left <= 0:
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

    def is_new(self, run: Run, forced: Mapping[str, str]) -> bool:
        """Whether some answers take a branch that no run took yet."""
        return any(
            (run.answers[key].question.location, choice) not in self._followed
            for key, choice in forced.items()
            if key in run.answers
        )

    @property
    def has_no_path(self) -> bool:
        """Whether every run so far ended in an exception of the program."""
        return not self._paths

    def result(self) -> Explored:
        """What came of it. A branch counts as followed when any run took it, whatever led there."""
        missing = {
            key
            for key, (place, options) in self._choices.items()
            if any((place, option) not in self._followed for option in options)
        }
        return Explored(tuple(self._paths), frozenset(missing), self._exceeded)


def _computation(run: Run) -> Hashable:
    """What a run computes, to compare it with another one."""
    layers = tuple((layer.site, layer.shift, layer.tampered, layer.frozen_shift) for layer in run.layers)
    return layers, tuple((e.results, e.operands, e.effects, e.location, e.layer) for e in run.equations)


def _normalises(run: Run) -> bool:
    """Whether anything on this run could cancel a bias; if not, arguments other than the defaults do not matter."""
    return any(isinstance(effect, Cancels) for e in run.equations for effects in e.effects for effect in effects)


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
    except PathEnds:
        raise _Ended(run) from None
    return run


def _flips(run: Run, forced: Mapping[str, str], *, defaults: bool) -> Iterator[dict[str, str]]:
    """Every set of answers that differs from this run's in one question."""
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
