"""Which biases a later layer's own bias can take over.

A change δ of a bias arrives at a later layer as `M δ`. Where that varies along the axes of that layer's own bias only,
changing this one by `-M δ` undoes it, provided that M is one fixed matrix of weights: in every use of the later layer,
whatever goes in. The later bias then absorbs the earlier one, and the shift ends there. So in every chain the last
bias is left: on a path, the layer of a group that is applied first receives the shift of none of the others.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from biaslens.algebra.axes import Axes
from biaslens.algebra.outcome import MAX_TERMS, Cancelled, Carried, Carries, Outcome, Read, Shift, apply, combine
from biaslens.catalogue.reshaping import REARRANGING
from biaslens.flow import Ending, Fate, own_axes
from biaslens.program.ir import Equation, Layer, Path, Run, Var
from biaslens.program.origins import Origin
from biaslens.verdicts import Use

MAX_ATTEMPTS = 4
"""How often an absorber that does not always receive the shift is passed over for a later one."""


def with_absorption(run: Run, uses: Sequence[Use]) -> Iterator[Use]:
    """The uses of one run, with the fates that their biases have where later biases absorb them."""
    ways = _Ways(run)
    for use in uses:
        meets_another = not use.cancelled and any(
            _may_absorb(equation, use.path) for fate in use.fates for equation in fate.trail[1:]
        )
        yield replace(use, absorbed=_absorbed(ways, use)) if meets_another else use


@dataclass(frozen=True, slots=True)
class _Held:
    """A shift on its way. fixed: it is the same linear map of the bias whatever goes into the model."""

    shift: Shift
    fixed: bool
    equation: Equation
    before: _Held | None = None

    def way(self) -> list[_Held]:
        """What it came from, step by step, and itself."""
        found: list[_Held] = [self]
        while (before := found[-1].before) is not None:
            found.append(before)
        return found[::-1]


@dataclass(frozen=True, slots=True)
class _Way:
    """How a bias that nothing reads ends on one path: the cancellations, and by equation what arrives at absorbers."""

    cancelled: tuple[Fate, ...]
    arrivals: dict[int, _Held]


class _Indexed:
    """The equations of one path, found by what goes into them and by the layer that they apply."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.readers: dict[Var, list[int]] = {}
        self.applications: dict[int, list[int]] = {}
        self.read_by_hand: set[int] = set()
        for index, equation in enumerate(path.equations):
            for operand in equation.operands:
                self.readers.setdefault(operand, []).append(index)
            if equation.layer is not None and equation.results and not equation.starts:
                self.applications.setdefault(equation.layer, []).append(index)
        for equation in path.equations:
            used = any(var in self.readers or var in path.outputs for var in equation.results)
            if equation.starts and used and equation.layer is not None:  # an initialiser only reads it
                self.read_by_hand.add(equation.layer)


class _Ways:
    """The ways of biases on all paths of a run, each followed once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._indexed: dict[int, _Indexed] = {}
        self._found: dict[tuple[int, int, frozenset[int]], _Way | None] = {}

    def of(self, path: Path, number: int, barred: frozenset[int]) -> _Way | None:
        """The way of one layer's bias, None where something reads it; barred: layers that are no absorbers."""
        key = (id(path), number, barred)
        if key not in self._found:
            self._found[key] = _way(self.run, self.index(path), number, barred)
        return self._found[key]

    def index(self, path: Path) -> _Indexed:
        """The path's equations, indexed once."""
        if id(path) not in self._indexed:
            self._indexed[id(path)] = _Indexed(path)
        return self._indexed[id(path)]


def _absorbed(ways: _Ways, use: Use) -> tuple[Fate, ...]:
    """The fates of a bias that is cancelled or absorbed wherever it goes on this path; else none."""
    barred: frozenset[int] = frozenset()
    for _ in range(MAX_ATTEMPTS):
        way = ways.of(use.path, use.layer.number, barred)
        if way is None or not way.arrivals:
            return ()
        absorbers = {held.equation.layer: held for held in way.arrivals.values()}
        unfit = {
            number
            for number, held in absorbers.items()
            if number is not None and not _arrives_always(ways, use, number, _signature(held.shift), barred)
        }
        if not unfit:
            return (*way.cancelled, *(_fate(use, number, held) for number, held in absorbers.items()))
        barred |= unfit
    return ()


def _fate(use: Use, number: int | None, held: _Held) -> Fate:
    absorber = use.path.layers[number] if number is not None else None
    way = held.way()
    trail, varies = tuple(one.equation for one in way), tuple(one.shift.varies for one in way[:-1])
    return Fate(Ending.ABSORBED, trail, "", use.run.name, use.path.answers, norm=absorber, varies=varies)


# --- one way ---------------------------------------------------------------------------------------------------------


def _way(run: Run, indexed: _Indexed, number: int, barred: frozenset[int]) -> _Way | None:
    path = indexed.path
    if number in indexed.read_by_hand:
        return None
    held: dict[Var, _Held] = {}
    cancelled: list[Fate] = []
    arrivals: dict[int, _Held] = {}
    todo = list(indexed.applications.get(number, ()))
    heapq.heapify(todo)
    done = -1
    while todo:
        index = heapq.heappop(todo)
        if index == done:
            continue
        done = index
        equation = path.equations[index]
        for place, result in enumerate(equation.results):
            outcome, before, fixed = _outcome(path, equation, place, held)
            if isinstance(outcome, Read):
                return None
            if isinstance(outcome, Cancelled):
                cancelled.append(_cancellation(run, path, equation, before, outcome))
            shifts = [outcome.shift] if isinstance(outcome, Carried) else []
            if equation.layer == number and place == 0:
                shifts.append(Shift.start(("bias", number), _own(equation, path)))
            total = combine([Carried(shift) for shift in shifts])
            if not isinstance(total, Carried):
                continue  # nothing arrives, or what arrives is taken away by what the layer adds itself
            arrived = _Held(total.shift, fixed, equation, before)
            if equation.layer not in (number, *barred) and _absorbs(arrived, path):
                arrivals[index] = arrived
            else:
                held[result] = arrived
                for reader in indexed.readers.get(result, ()):
                    heapq.heappush(todo, reader)
    return None if any(var in held for var in path.outputs) else _Way(tuple(cancelled), arrivals)


def _cancellation(run: Run, path: Path, equation: Equation, before: _Held | None, outcome: Cancelled) -> Fate:
    way = before.way() if before else []
    trail, varies = (*(one.equation for one in way), equation), tuple(one.shift.varies for one in way)
    norm = path.layers[equation.layer] if equation.layer is not None else None
    by, assumption = outcome.by, outcome.assumption
    return Fate(Ending.CANCELLED, trail, "", run.name, path.answers, by, assumption, norm, varies=varies)


def _outcome(
    path: Path, equation: Equation, place: int, held: dict[Var, _Held]
) -> tuple[Outcome | None, _Held | None, bool]:
    """What becomes of a shift in one result of an equation, from where it came, and whether it stays fixed."""
    outcomes: list[Outcome] = []
    first: _Held | None = None
    fixed = True
    for position, operand in enumerate(equation.operands):
        before, effect = held.get(operand), equation.effects[place][position]
        if before is None or effect is None:
            continue
        first = first or before
        shapes = path.shapes[operand], path.shapes[equation.results[place]]
        outcome = apply(effect, before.shift, *shapes, _stamp(path, equation, place, position, before.shift))
        fixed = fixed and before.fixed and _stays_fixed(path, equation, place, position, before.shift, outcome)
        outcomes.append(outcome)
    return combine(outcomes, product=equation.product), first, fixed


def _stamp(path: Path, equation: Equation, place: int, position: int, shift: Shift) -> Hashable:
    """Names what an equation does to a shift: equal for equal maps, so that uses of one layer can be compared."""
    if equation.layer is not None and path.layers[equation.layer].entry.shift is not None:
        return ("layer", equation.layer, place, position)
    if equation.operation not in REARRANGING:
        return ("result", equation.results, place, position)
    effect, after = equation.effects[place][position], path.shapes[equation.results[place]]
    assert effect is not None
    outcome = apply(effect, shift, path.shapes[equation.operands[position]], after, ())
    terms = outcome.shift.terms if isinstance(outcome, Carried) else ()
    axes = sorted({axis for term in terms for axis in (*term.certain.named, *term.possible.named)})
    sizes = tuple((axis, after.size(axis)) for axis in axes)
    return (equation.location, equation.label, place, position, sizes)


def _stays_fixed(path: Path, equation: Equation, place: int, position: int, shift: Shift, outcome: Outcome) -> bool:
    """Whether what an equation does to a shift is the same for every input, whatever its size.

    It is where the image stays what it was, whatever else goes in (an addition, a mean over other axes), where a layer
    weighs it with weights of its own so that it varies along the layer's features alone, and where entries are only
    put into another order. At a zero-padded border it depends on the size of the input, which a later mean hides.
    """
    effects = equation.effects[place]
    effect = effects[position]
    if not isinstance(effect, Carries) or not isinstance(outcome, Carried):
        return True
    if effect.scale is None or len(shift.terms) > MAX_TERMS:  # what becomes of so many has an image that tells nothing
        return False
    images = {term.image for term in shift.terms}
    if all(term.image in images for term in outcome.shift.terms):
        return True
    if equation.layer is not None and path.layers[equation.layer].entry.shift is not None:
        return len(equation.operands) == 1 and _within_own(outcome.shift, equation, path)
    return equation.operation in REARRANGING and all(isinstance(other, Carries) for other in effects)


# --- absorbers -------------------------------------------------------------------------------------------------------


def _may_absorb(equation: Equation, path: Path) -> bool:
    return equation.layer is not None and not equation.starts and _is_absorber(path.layers[equation.layer])


def _is_absorber(layer: Layer) -> bool:
    """Whether a layer surely has a trainable bias of its own that belongs to it alone."""
    return layer.entry.shift is not None and layer.bias is True and not layer.frozen and not layer.tampered


def _absorbs(held: _Held, path: Path) -> bool:
    """Whether what comes out of an equation is something that the bias of the layer applied there could add."""
    if not held.fixed or held.shift.masked or not _may_absorb(held.equation, path):
        return False
    return _within_own(held.shift, held.equation, path)


def _within_own(shift: Shift, equation: Equation, path: Path) -> bool:
    """Whether a shift varies along no other axes than the layer's own."""
    own = _own(equation, path)
    return all(_within(part, own) for term in shift.terms for part in (term.certain, term.possible))


def _own(equation: Equation, path: Path) -> Axes:
    assert equation.layer is not None
    return own_axes(equation, path.layers[equation.layer]).canonical(path.shapes[equation.results[0]])


def _within(part: Axes, own: Axes) -> bool:
    return not part.others and not own.others and part.named <= own.named


def _arrives_always(ways: _Ways, use: Use, absorber: int, signature: Hashable, barred: frozenset[int]) -> bool:
    """Whether a layer receives the same shift at each of its applications, on all paths that one model can take."""
    for path in ways.run.paths:
        if not _is_of_one_model(path, use.path):
            continue
        indexed = ways.index(path)
        if not _has_same_layer(path, use.path, absorber):
            if _has_its_like(path, use.path.layers[absorber]):
                return False
            continue
        applications = indexed.applications.get(absorber, ())
        if not applications:
            continue
        if absorber in indexed.read_by_hand or not _is_absorber(path.layers[absorber]):
            return False
        if not _has_same_layer(path, use.path, use.layer.number):
            return False
        way = ways.of(path, use.layer.number, barred)
        arrivals = [way.arrivals.get(index) if way else None for index in applications]
        if any(held is None or _signature(held.shift) != signature for held in arrivals):
            return False
    return True


def _signature(shift: Shift) -> Hashable:
    return frozenset((term.image, term.coefficient, term.certain, term.possible) for term in shift.terms)


def _is_of_one_model(left: Path, right: Path) -> bool:
    """Whether two paths may be runs of the same object: no answer about its construction differs."""
    if left is right:
        return True
    built = {
        a.question.key: a.choice for a in left.answers if a.question.origin in (Origin.CONSTRUCTOR, Origin.DEFAULT)
    }
    return all(built.get(answer.question.key, answer.choice) == answer.choice for answer in right.answers)


def _has_same_layer(path: Path, other: Path, number: int) -> bool:
    return number < len(path.layers) and path.layers[number].site == other.layers[number].site


def _has_its_like(path: Path, layer: Layer) -> bool:
    return any(other.site == layer.site for other in path.layers)
