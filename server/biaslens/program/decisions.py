"""Which runs to make: the default one, then one answer changed at a time, then pairs, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from biaslens.program.run import BudgetExceeded, PathEnds, Run


@dataclass(frozen=True, slots=True)
class Explored:
    """The runs of one entry that are paths, the default one first.

    unexplored: keys of questions of which some answer was never followed. exceeded: a run was too long.
    """

    runs: tuple[Run, ...]
    unexplored: frozenset[str]
    exceeded: bool


def explore(start: Callable[[Mapping[str, str]], Run], max_runs: int, max_steps: int) -> Explored:
    """Makes runs until every question was answered in every way, alone and in pairs, or the budget is spent.

    start: makes one run with some answers forced; raises PathEnds where it is no path.
    max_steps: for all runs together; a single run keeps its own limit.
    """
    paths: list[Run] = []
    tried: set[frozenset[tuple[str, str]]] = set()
    followed: set[tuple[str, str]] = set()
    choices: dict[str, tuple[str, ...]] = {}
    steps = 0
    queue: list[dict[str, str]] = [{}]
    rounds = 0
    exceeded = False
    while queue and rounds < max_runs and steps < max_steps:
        forced = queue.pop(0)
        rounds += 1
        try:
            run, ended = _attempt(start, forced)
        except BudgetExceeded:
            exceeded = True
            continue
        steps += run.steps
        for key, answer in run.answers.items():
            followed.add((key, answer.choice))
            choices[key] = run.choices[key]
        if not ended:
            paths.append(run)
        if len(forced) < 2 or ended:
            for flipped in _flips(run, forced):
                mark = frozenset(flipped.items())
                if mark not in tried:
                    tried.add(mark)
                    queue.append(flipped)
        queue.sort(key=len)
    unexplored = {key for key, options in choices.items() for option in options if (key, option) not in followed}
    return Explored(tuple(paths), frozenset(unexplored), exceeded)


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


def _flips(run: Run, forced: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Every set of answers that differs from this run's in one question."""
    for key, options in run.choices.items():
        if key in forced:
            continue
        for option in options:
            if option != run.answers[key].choice:
                yield {**forced, key: option}
