"""Which runs to make: the default one, then one answer changed at a time, then those that leave nothing out.

A bias is redundant whatever the options are only where every combination of the answers was followed on which it rests
what becomes of it (`evidence.py`). These are few: most questions of a model are about something else.

One line of source may ask the same of many objects: twelve blocks that are built in a loop ask twelve times whether
their input has three axes. Such questions are answered in another way all at once, since no reader tells them apart.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from biaslens.algebra.outcome import Cancels, Carries, Reads
from biaslens.program.coverage import Cube
from biaslens.program.evidence import Evidence, kind_of
from biaslens.program.influence import Reached
from biaslens.program.ir import Equation, Path, Var
from biaslens.program.origins import Origin
from biaslens.program.run import MAX_IN_VAIN, BudgetExceeded, PathEnds, Run
from biaslens.program.symbols import Symbol
from biaslens.text import Location

MAX_PAIRS = 24
"""How many pairs of changed answers are combined, at most, that have biases which the default run lacks."""

MAX_ATTEMPTS, FEW = 64, 8
"""So many runs are made to leave nothing out for one constructor call, all combinations of six options; and so many
also of a large model, or for a call in another entry."""

MAX_STEPS_FOR_ONE = 20_000
"""What these runs may cost together."""

MAX_CHANGES = 64
"""So many runs are made to find out what single answers change."""

MAX_ALONE = 8
"""So many numbers are changed by themselves where all of them together change something."""

MAX_FRUITLESS = 5_000
"""Steps that an entry may take without a single layer where it came to its end without one: it is a function of
tensors or texts."""


@dataclass(frozen=True, slots=True)
class Explored:
    """What came of one entry.

    paths: the default one first. evidence: what its runs say of each constructor call. used: names of the classes and
    functions that they used. extends: of those from which the entry derives. exceeded: a run was too long.
    spent: with more steps there might have been more runs. given_up: they took long, and none made a layer.
    """

    paths: tuple[Path, ...]
    evidence: Evidence
    used: frozenset[str]
    extends: frozenset[str]
    exceeded: bool
    spent: bool
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """What can be explored.

    start: makes one run with some answers forced. tell: the path of a run, and how far shifts get on it. bits: as
    `Influences` has them. has_own_layers: whether a run leaves anything to find out besides how others are used.
    path: of its file.
    settled: constructor calls of which other entries tell what becomes of them by themselves.
    """

    start: Callable[[Mapping[Symbol, str]], Run]
    tell: Callable[[Run], tuple[Path, Mapping[int, Reached]]]
    bits: Mapping[Symbol, int]
    has_own_layers: Callable[[Run], bool]
    path: str
    settled: Collection[Location]


def explore(entry: Entry, max_runs: int, max_steps: int) -> Explored:
    """Makes runs until every bias that is cancelled somewhere was followed with all answers that matter to it, or the
    budget is spent.

    max_runs, max_steps: for all runs together. An entry that makes no layer is soon left.
    """
    search = _Search(entry, max_runs, max_steps)
    base = _base(search)
    if base is not None and entry.has_own_layers(base):
        opening = _change_one(search, base)
        _leave_nothing_out(search, entry)
        for left, right in opening:
            search.follow({**left.answers, **right.answers})
    if base is not None:
        _leave_nothing_out(search, entry)
        _read_what_others_cancel(search, entry)
    return search.result()


def _change_one(search: _Search, base: Run) -> list[tuple[_Trial, _Trial]]:
    """Effect: follows every answer that changes something, alone and with those behind it.

    Gives pairs of them to be followed as well: what other answers do to biases that the default run does not have shows
    in these only.
    """
    plain = _computation(base)
    telling: list[_Telling] = []
    waiting = _Waiting(base)
    waiting.add(base, search.telling(base), defaults=not base.layers or _may_spare_a_bias(base))
    for about_circumstances in (False, True):
        for trial in waiting.taken(about_circumstances):
            if search.is_over or search.runs > MAX_CHANGES:
                return _pairs(telling)
            if trial.behind is not base and not search.is_new(trial):
                continue
            found = search.follow(trial.answers)
            if found is None or not search.is_path(found):
                waiting.add_each(trial)
            if found is None:
                continue
            if trial.behind is base and _computation(found) != plain:
                if trial.only_sizes and len(trial.changed) > 1:
                    waiting.add_each(trial)
                    continue
                telling.append(_Telling(trial, _sites(found) <= _sites(base)))
            waiting.add(found, search.telling(found), defaults=False)
    return _pairs(telling)


def _leave_nothing_out(search: _Search, entry: Entry) -> None:
    """Effect: follows answers with which a bias of the file was not followed yet, though it is cancelled somewhere.

    It has to be there: of one that nobody has nothing but an explanation follows.
    """
    tried: set[Cube] = set()
    attempts: Counter[Location] = Counter()
    steps: Counter[Location] = Counter()
    while not search.is_over:
        place = next(search.evidence.open_sites(search.done), None)
        if place is None:
            return
        is_about_a_bias = place.path == entry.path and search.evidence.has_a_bias(place)
        missing = search.evidence.missing(place) if is_about_a_bias else None
        answers = frozenset((missing or {}).items())
        is_too_much = attempts[place] >= MAX_ATTEMPTS or (steps[place] > MAX_STEPS_FOR_ONE and attempts[place] >= FEW)
        if missing is None or answers in tried or is_too_much:
            search.done.add(place)
        else:
            tried.add(answers)
            attempts[place] += 1
            run = search.follow(missing)
            steps[place] += run.steps if run is not None else 0


def _read_what_others_cancel(search: _Search, entry: Entry) -> None:
    """Effect: follows answers with which this entry may read a bias that is cancelled where only others are looked at.

    It may replace or freeze a norm of theirs, or call the layer itself. Only answers are changed on which it rests what
    becomes of the bias, one at a time, for each bias in turn; those about arguments first, which a person chooses.
    """
    tried: set[Cube] = set()
    steps = 0
    for origins in ((Origin.CONSTRUCTOR, Origin.DEFAULT), (*Origin,)):
        attempts: Counter[Location] = Counter()
        done = set[Location]()
        while not search.is_over and steps <= MAX_STEPS_FOR_ONE:
            open_ = [place for place in search.evidence.open_sites(done) if _is_of_others(search, entry, place)]
            if not open_:
                break
            place = min(open_, key=lambda place: attempts[place])
            around = (frozenset(other.items()) for other in search.evidence.around(place, origins))
            answers = next((other for other in around if other not in tried), None)
            attempts[place] += 1
            if answers is None or attempts[place] > FEW:
                done.add(place)
            else:
                tried.add(answers)
                run = search.follow(dict(answers))
                steps += run.steps if run is not None else 0


def _is_of_others(search: _Search, entry: Entry, place: Location) -> bool:
    is_elsewhere = place.path != entry.path or place in entry.settled
    return is_elsewhere and search.evidence.has_a_bias(place)


def _base(search: _Search) -> Run | None:
    """The default run; where that ends in an exception of the program, the first path that is found instead.

    From a run that ends, one answer is changed at a time of those on which it rests that it ends, inputs of forward
    first. Where no such change is enough, the one with which the program gets furthest is kept.
    """
    run = search.follow({})
    while run is not None and not search.has_path and not search.is_in_vain:
        run = _further(search, run)
    return run


def _further(search: _Search, run: Run) -> Run | None:
    about = search.evidence.blamed(run)
    nearest_first = [(key, option) for key, option in _flips(run) if key in about or key in run.blamed][::-1]
    nearest_first.sort(key=lambda flip: _distance(run, flip[0]))
    furthest = run
    for key, option in nearest_first:
        found = search.follow({**run.forced, key: option})
        if found is None or search.has_path or search.is_in_vain:
            return found
        furthest = max(furthest, found, key=lambda other: len(other.equations))
    return furthest if furthest is not run else None


def _distance(run: Run, key: Symbol) -> int:
    """How far a question is from what decides whether a program raises: inputs, tests that led to the place where it
    does, other arguments, circumstances."""
    question = run.answers[key].question
    if question.is_about_default and question.origin is Origin.FORWARD:
        return 0
    if key in run.blamed:
        return 1
    return 3 if _is_circumstance(run, key) else 2


@dataclass(frozen=True, slots=True)
class _Trial:
    """Answers to try: those of the run behind it, some of them changed.

    only_sizes: they replace numbers that are defaults by unknown ones.
    """

    behind: Run
    changed: Mapping[Symbol, str]
    only_sizes: bool = False

    @property
    def answers(self) -> dict[Symbol, str]:
        """All answers that are forced."""
        return {**self.behind.forced, **self.changed}


@dataclass(frozen=True, slots=True)
class _Telling:
    """A trial whose answers make a difference. closed: all biases that it has are those of the default run as well."""

    trial: _Trial
    closed: bool


def _pairs(telling: Sequence[_Telling]) -> list[tuple[_Trial, _Trial]]:
    """Two trials each that change different answers, of which one has biases that the default run does not have."""
    found = [
        (left.trial, right.trial)
        for left, right in combinations(telling, 2)
        if not (left.closed and right.closed) and left.trial.changed.keys().isdisjoint(right.trial.changed)
    ]
    return sorted(found, key=lambda pair: sum(trial.only_sizes for trial in pair))[:MAX_PAIRS]


def _sites(run: Run) -> set[Location]:
    return {layer.site for layer in run.layers if layer.entry.role == "affine"}


class _Waiting:
    """Answers to be tried: one changed, and those behind it, such as an `elif` behind an `elif`.

    Arguments come before circumstances (what the environment or unknown code gives): the user decides on them.
    """

    def __init__(self, base: Run) -> None:
        self._base = base
        self._queues: tuple[deque[_Trial], ...] = (deque(), deque())

    def add(self, run: Run, telling: Collection[Symbol], *, defaults: bool) -> None:
        """Effect: puts into line what differs from this run's answers in one respect more, if that may change anything.

        telling: the questions that matter.
        """
        for trial in _trials(run, telling, defaults=defaults):
            if run is self._base or not self._base.answers.keys() >= trial.changed.keys():
                self._queue_of(trial).append(trial)

    def add_each(self, trial: _Trial) -> None:
        """Effect: puts the changes of a trial into line again, one by one, as the next ones; of questions that are
        alike, the first and the last."""
        alone = [replace(trial, changed={key: choice}) for key, choice in trial.changed.items()]
        if len(alone) > 1:
            chosen = alone[:MAX_ALONE] if trial.only_sizes else [alone[0], alone[-1]]
            self._queue_of(trial).extendleft(chosen[::-1])

    def taken(self, about_circumstances: bool) -> Iterator[_Trial]:
        """The trials of one kind in their order, also those that are put into line meanwhile."""
        queue = self._queues[about_circumstances]
        while queue:
            yield queue.popleft()

    def _queue_of(self, trial: _Trial) -> deque[_Trial]:
        own = trial.answers.keys() - self._base.forced.keys()
        return self._queues[any(_is_circumstance(trial.behind, key) for key in own)]


def _trials(run: Run, telling: Collection[Symbol], *, defaults: bool) -> Iterator[_Trial]:
    """What differs from a run's answers in one respect: all questions that are alike, or, last, numbers by default.

    defaults: whether such numbers matter.
    """
    flips = [(key, option) for key, option in _flips(run) if key in telling]
    sizes = {key: option for key, option in flips if run.answers[key].question.is_about_number}
    alike: dict[Hashable, dict[Symbol, str]] = {}
    for key, option in flips:
        if key not in sizes:
            alike.setdefault((*_kind(run, key), option), {})[key] = option
    yield from (_Trial(run, changed) for changed in alike.values())
    if sizes and defaults:
        yield _Trial(run, sizes, only_sizes=True)


def _kind(run: Run, key: Symbol) -> tuple[Hashable, ...]:
    """Equal for questions that no reader tells apart: asked in the same place, about the same parameters."""
    return kind_of(run.answers[key].question), run.choices[key]


def _is_circumstance(run: Run, key: Symbol) -> bool:
    return key in run.answers and run.answers[key].question.origin in (Origin.DATA, Origin.RESULT)


class _Search:
    """The runs made so far, and what they asked. done: constructor calls for which nothing more is tried."""

    def __init__(self, entry: Entry, max_runs: int, max_steps: int) -> None:
        self.evidence = Evidence(entry.bits)
        self.done = set(entry.settled)
        self._entry = entry
        self._max_runs = max_runs
        self.runs = 0
        self._max_steps = max_steps
        self._steps = 0
        self._makes_layers = self._is_fruitless = False
        self._paths: dict[Run, Path] = {}
        self._telling: dict[Run, frozenset[Symbol]] = {}
        self._exceeded = False
        self._followed: set[tuple[Location, str]] = set()

    def follow(self, forced: Mapping[Symbol, str]) -> Run | None:
        """One run, or None without budget. Also a run that is no path tells its questions."""
        if self.is_over:
            return None
        self.runs += 1
        try:
            run, ended = _attempt(self._entry.start, forced)
        except BudgetExceeded:
            self._exceeded = True
            return None
        self._steps += run.steps
        self._makes_layers = self._makes_layers or bool(run.layers)
        self._is_fruitless = self._is_fruitless or run.fruitless
        for answer in run.answers.values():
            self._followed.add((answer.question.location, answer.choice))
        if ended:
            self.evidence.add_ended(run)
        else:
            self._paths[run], reached = self._entry.tell(run)
            self.evidence.add(run, reached)
            self._telling[run] = self.evidence.telling(run, reached)
        return run

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return self.runs >= self._max_runs or self._steps >= self._max_steps

    def is_new(self, trial: _Trial) -> bool:
        """Whether some answers take a branch that no run took yet."""
        return any(
            (trial.behind.answers[key].question.location, choice) not in self._followed
            for key, choice in trial.answers.items()
            if key in trial.behind.answers
        )

    def is_path(self, run: Run) -> bool:
        """Whether a run did not end in an exception of the program."""
        return run in self._paths

    def telling(self, run: Run) -> Collection[Symbol]:
        """The questions of a run whose answers matter; of a run that ended, all of them."""
        return self._telling.get(run, frozenset(run.answers))

    @property
    def is_in_vain(self) -> bool:
        """Whether no run made a layer, though they took long."""
        return not self._makes_layers and self._steps > (MAX_FRUITLESS if self._is_fruitless else MAX_IN_VAIN)

    @property
    def has_path(self) -> bool:
        """Whether a run so far did not end in an exception of the program."""
        return bool(self._paths)

    def result(self) -> Explored:
        """What came of it."""
        spent = self._exceeded or self._steps >= self._max_steps
        used = frozenset(name for run in self._paths for name in run.used)
        paths = tuple(self._paths.values())
        extends = frozenset(name for run in self._paths for name in run.extends)
        return Explored(paths, self.evidence, used, extends, self._exceeded, spent, self.is_in_vain)


def _computation(run: Run) -> Hashable:
    """What a run computes, to compare it with another one; why something reads a bias makes no difference."""
    layers = tuple(
        (layer.site, layer.shift, layer.tampered or layer.handed, layer.frozen_shift) for layer in run.layers
    )
    return layers, tuple((e.results, e.operands, _telling(e), e.location, e.layer) for e in run.equations)


def _telling(equation: Equation) -> Hashable:
    return tuple(
        tuple("reads" if isinstance(effect, Reads) else effect for effect in effects) for effects in equation.effects
    )


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


def _attempt(start: Callable[[Mapping[Symbol, str]], Run], forced: Mapping[Symbol, str]) -> tuple[Run, bool]:
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


def _flips(run: Run) -> Iterator[tuple[Symbol, str]]:
    """Every question with every answer that this run gave not."""
    for key, options in run.choices.items():
        if key not in run.forced:
            yield from ((key, option) for option in options if option != run.answers[key].choice)
