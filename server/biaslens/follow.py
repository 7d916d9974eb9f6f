"""Follows the shift of every bias through every path of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from biaslens.absorption import with_absorption
from biaslens.algebra.axes import Axes
from biaslens.algebra.outcome import Cancelled, Cancels, Carried, Outcome, Read, Shift, apply, combine
from biaslens.asides import Asides
from biaslens.catalogue import norms
from biaslens.flow import Ending, Fate, Flow, NormUse, Part, own_axes
from biaslens.parts import splits_of
from biaslens.program.coverage import cube
from biaslens.program.influence import Influence, Reached
from biaslens.program.ir import Equation, Layer, Path, Program, Run, Var
from biaslens.program.world import go_on
from biaslens.text import Location, in_order
from biaslens.unshifted import unshifted_layers
from biaslens.verdicts import Known, Use, sites_of


class Follower:
    """Follows shifts path by path, once each: while an entry is explored, and then for its verdicts.

    pause: called between paths; it may raise.
    """

    def __init__(self, pause: Callable[[], None] = go_on) -> None:
        self._pause = pause
        self._known: dict[int, tuple[Path, _Ends]] = {}

    def reached(self, name: str, path: Path) -> Mapping[int, Reached]:
        """What is known of each layer's shift on one path of an entry, by the layer's number."""
        ends = self._ends(name, path)
        return {number: _reached(ends, number, path.layers[number]) for number in ends.fates}

    def follow(self, run: Run) -> Followed:
        """What becomes of the bias of every affine layer on every path of one entry."""
        found: list[Use] = []
        for path in run.paths:
            self._pause()
            found += _uses(run, path, self._ends(run.name, path))
            self._known.pop(id(path), None)
        return _followed(run, found)

    def _ends(self, name: str, path: Path) -> _Ends:
        known = self._known.get(id(path))
        if known is None:
            numbers = [layer.number for layer in path.layers if layer.entry.shift is not None]
            ends = _fates(name, path, numbers)
            known = self._known[id(path)] = path, replace(ends, parts=_parts(name, path, ends.fates))
        return known[1]


def _reached(ends: _Ends, number: int, layer: Layer) -> Reached:
    influence, parts = ends.influences[number], ends.parts.get(number, ())
    is_cancelled = all(fate.ending is Ending.CANCELLED for fate in ends.fates[number])
    for _, _, of_part in parts:
        influence |= of_part
    return Reached(influence, (is_cancelled or bool(parts)) and not layer.tampered)


def follow(run: Run, pause: Callable[[], None] = go_on) -> Followed:
    """What becomes of the bias of every affine layer on every path of one entry. pause: as `Follower` has it."""
    return Follower(pause).follow(run)


def _followed(run: Run, found: Sequence[Use]) -> Followed:
    uses = tuple(with_absorption(run, found))
    return Followed(uses, _norm_uses(run, uses), _compounds(run))


def together(parts: Iterable[Followed]) -> Followed:
    """What was followed of several entries."""
    uses: list[Use] = []
    norms: dict[Location, NormUse] = {}
    compounds: list[Layer] = []
    for part in parts:
        uses += part.uses
        compounds += part.compounds
        for norm in part.norms:
            known = norms.get(norm.location)
            norms[norm.location] = _merged(known, norm) if known is not None else norm
    return Followed(tuple(uses), tuple(norms[place] for place in in_order(norms)), tuple(compounds))


def judged(program: Program, followed: Followed, others: Sequence[Use] = (), known: Known | None = None) -> Flow:
    """One verdict for each constructor call of a file.

    others: uses of its layers that were found in other files. known: as `sites_of` has it.
    """
    own = [use for use in followed.uses if use.layer.site.path == program.path]
    sites = sites_of(program, [*own, *others], known)
    return Flow(program.path, sites, followed.norms, _sure(followed.compounds, program.path))


def _sure(compounds: Iterable[Layer], path: str) -> tuple[Layer, ...]:
    """The layers of a file of which the same is known in all that a constructor call makes, one for each call."""
    found: dict[Location, list[Layer]] = {}
    for layer in compounds:
        found.setdefault(layer.site, []).append(layer)
    sure = (its[0] for site, its in found.items() if site.path == path and len({layer.inner for layer in its}) == 1)
    return tuple(layer for layer in sure if layer.inner)


def _compounds(run: Run) -> tuple[Layer, ...]:
    """Of all that a constructor call makes, one layer for each thing that is known of its inner steps."""
    made = (layer for path in run.paths for layer in path.layers if layer.entry.inner is not None)
    return tuple({(layer.site, layer.inner): layer for layer in made}.values())


@dataclass(frozen=True, slots=True)
class Followed:
    """Every use of every layer on some paths, those of layers made in other files included.

    compounds: the layers whose inner steps are not followed.
    """

    uses: tuple[Use, ...]
    norms: tuple[NormUse, ...]
    compounds: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True)
class _Carrying:
    """A shift that comes out of an equation, what carried it there, and along which axes it varies, if that is sure."""

    shift: Shift
    equation: Equation
    before: _Carrying | None
    varies: Axes | None


_Environment = dict[Var, dict[int, _Carrying]]


@dataclass(frozen=True, slots=True)
class _Ends:
    """How the shifts of a path's layers end, and on which answers that rests, by the layer's number.

    asides: what is done beside the model. parts: of biases that are not cancelled, those parts that are, with their
    fates and what these rest on.
    """

    fates: dict[int, list[Fate]]
    influences: dict[int, Influence]
    asides: Asides
    parts: dict[int, list[tuple[Part, tuple[Fate, ...], Influence]]] = field(
        default_factory=dict[int, "list[tuple[Part, tuple[Fate, ...], Influence]]"]
    )


def _uses(run: Run, path: Path, found: _Ends) -> Iterator[Use]:
    """For every affine layer of a path, how the uses of its bias end."""
    unshifted = unshifted_layers(path)
    by_hand = _taken_by_hand(path)
    answers = {answer.question.key: answer for answer in path.answers}
    questions = [key for key, _ in run.questions]
    for number in found.fates:
        layer, ends, parts = path.layers[number], found.fates[number], found.parts.get(number, [])
        rests_on = cube(answers, found.influences[number], questions)
        if layer.tampered:  # then nothing that was seen of its own shift says anything
            ends, parts = [Fate(Ending.UNKNOWN, (), layer.tampered, run.name, path.answers)], []
        whole = _distinct(ends)
        apart = tuple((part, its, cube(answers, influence, questions)) for part, its, influence in parts)
        places = by_hand.get(number, ())
        handed = found.asides.handed_to(number, whole)
        yield Use(
            run,
            path,
            layer,
            whole,
            rests_on,
            apart,
            unshifted=number in unshifted,
            by_hand=places,
            handed=handed,
        )


def _taken_by_hand(path: Path) -> dict[int, tuple[Location, ...]]:
    """Where code takes the bias of a layer itself, `layer.bias`; not where it lists all that there are."""
    found: dict[int, tuple[Location, ...]] = {}
    for equation in path.equations:
        if not equation.starts or equation.listed or equation.layer is None:
            continue
        if equation.location not in found.get(equation.layer, ()):
            found[equation.layer] = (*found.get(equation.layer, ()), equation.location)
    return found


def _fates(name: str, path: Path, numbers: Sequence[int]) -> _Ends:
    """How the shifts of some layers end on a path of an entry with this name."""
    asides = Asides(path)
    fates: dict[int, list[Fate]] = {number: [] for number in numbers}
    influences = {number: path.layers[number].influence for number in numbers}
    environment: _Environment = {}
    forks = [*path.forks[::-1]]
    for index, equation in enumerate(path.equations):
        while forks and forks[-1][0] <= index:
            _note_fork(forks.pop(), environment, influences)
        for number in _carried(equation, environment):
            if not _is_needed(fates[number]):
                influences[number] |= equation.influence
                steps = _step(name, path, index, equation, number, environment)
                fates[number] += asides.uses(number, steps)
        if equation.layer in fates and equation.results:
            influences[equation.layer] |= equation.influence
            fate = _start(name, path, equation, environment)
            fates[equation.layer] += [fate] if fate else []
    for fork in reversed(forks):
        _note_fork(fork, environment, influences)
    for var in path.outputs:
        for number, carrying in environment.get(var, {}).items():
            influences[number] |= path.returning
            fates[number].append(_fate(name, path, carrying, None, Ending.RETURNED, "it is returned"))
    for number, carrying in (pair for var in path.losses for pair in environment.get(var, {}).items()):
        fate = _fate(name, path, carrying, None, Ending.RETURNED, "it is a part of the loss")
        if fate.trail[0].starts:  # a penalty; what a model gives has been judged where it gives it
            fates[number].append(fate)
    return _Ends(fates, influences, asides)


def _note_fork(
    fork: tuple[int, tuple[Var, ...], Influence], environment: _Environment, influences: dict[int, Influence]
) -> None:
    """Effect: what becomes of the shifts in some tensors rests on the test of a branch that would have used them."""
    _, variables, influence = fork
    for var in variables:
        for number in environment.get(var, ()):
            influences[number] |= influence


def _parts(
    name: str, path: Path, fates: Mapping[int, Sequence[Fate]]
) -> dict[int, list[tuple[Part, tuple[Fate, ...], Influence]]]:
    """The parts of biases that are cancelled wherever they go, while the whole is not."""
    numbers = [
        number
        for number, ends in fates.items()
        if path.layers[number].entry.role == "affine" and any(fate.ending is not Ending.CANCELLED for fate in ends)
    ]
    found: dict[int, list[tuple[Part, tuple[Fate, ...], Influence]]] = {}
    for number, split in splits_of(path, numbers):
        ends, influence = _cancellations(name, path, number, split.without)
        if ends:
            found.setdefault(number, []).append((split.part, _distinct(ends), influence))
    return found


def _cancellations(name: str, path: Path, number: int, without: frozenset[Var]) -> tuple[Sequence[Fate], Influence]:
    """How a part of one shift ends on a path where it is cancelled wherever it goes, and on which answers that rests;
    nothing where it is not.

    without: variables that it does not reach.
    """
    fates: list[Fate] = []
    environment: _Environment = {}
    influences = {number: path.layers[number].influence}
    forks = [*path.forks[::-1]]
    start = next((index for index, equation in enumerate(path.equations) if equation.layer == number), 0)
    for index, equation in islice(enumerate(path.equations), start, None):
        while forks and forks[-1][0] <= index:
            _note_fork(forks.pop(), environment, influences)
        if environment and not environment.keys().isdisjoint(equation.operands):
            influences[number] |= equation.influence
            fates += _step(name, path, index, equation, number, environment)
            for var in without.intersection(equation.results):
                environment.pop(var, None)
        if equation.layer == number and equation.results:
            influences[number] |= equation.influence
            fate = _start(name, path, equation, environment)
            fates += [fate] if fate else []
        if any(fate.ending is not Ending.CANCELLED for fate in fates):
            return (), 0
    for fork in reversed(forks):
        _note_fork(fork, environment, influences)
    return (fates, influences[number]) if environment.keys().isdisjoint(path.outputs) else ((), 0)


def _is_needed(fates: Sequence[Fate]) -> bool:
    """Whether something reads the bias for sure: then the rest of its ways decides nothing."""
    return any(fate.ending is Ending.READ for fate in fates)


def _carried(equation: Equation, environment: _Environment) -> list[int]:
    """The layers whose shift goes into an equation."""
    held = [environment[var] for var in equation.operands if var in environment]
    return sorted({number for numbers in held for number in numbers}) if held else []


def _step(
    name: str, path: Path, index: int, equation: Equation, number: int, environment: _Environment
) -> Iterator[Fate]:
    """Carries one layer's shift through one equation."""
    for place, result in enumerate(equation.results):
        outcomes: list[Outcome] = []
        before: _Carrying | None = None
        for position, operand in enumerate(equation.operands):
            carrying = environment.get(operand, {}).get(number)
            effect = equation.effects[place][position]
            if carrying is None or effect is None:
                continue
            before = before or carrying
            stamp = (index, place, position)
            outcomes.append(apply(effect, carrying.shift, path.shapes[operand], path.shapes[result], stamp))
        outcome = combine(outcomes, product=equation.product)
        if before is None or outcome is None:
            continue
        match outcome:
            case Carried(shift):
                environment.setdefault(result, {})[number] = _carrying(shift, equation, before)
            case Cancelled(by, assumption):
                norm = path.layers[equation.layer] if equation.layer is not None else None
                arriving = [
                    held[number].shift for var in equation.operands if number in (held := environment.get(var, {}))
                ]
                shift = arriving[0] if len(arriving) == 1 else None
                fate = _fate(name, path, before, equation, Ending.CANCELLED, "")
                yield replace(fate, cancelled_by=by, assumption=assumption, norm=norm, shift=shift)
            case Read(why, known):
                yield _fate(name, path, before, equation, Ending.READ if known else Ending.UNKNOWN, why)


def _start(name: str, path: Path, equation: Equation, environment: _Environment) -> Fate | None:
    """Adds the layer's own shift to its result."""
    number = equation.layer
    assert number is not None
    result = equation.results[0]
    varies = own_axes(equation, path.layers[number]).canonical(path.shapes[result])
    own = Carried(Shift.start(("bias", number), varies))
    held = environment.setdefault(result, {})
    combined = combine([own, Carried(held[number].shift)]) if number in held else own
    match combined:
        case Carried(total):
            held[number] = _carrying(total, equation, None)
            return None
        case Read(why, known):
            held.pop(number, None)
            return _fate(name, path, None, equation, Ending.READ if known else Ending.UNKNOWN, why)
        case _:
            held.pop(number, None)
            return None


def _carrying(shift: Shift, equation: Equation, before: _Carrying | None) -> _Carrying:
    varies = shift.varies
    if before is not None and before.varies == varies:
        varies = before.varies  # thousands of fates keep them, and few steps change them
    return _Carrying(shift, equation, before, varies)


def _fate(name: str, path: Path, carrying: _Carrying | None, end: Equation | None, ending: Ending, reason: str) -> Fate:
    """How one shift ends. end: the equation that carries it no further, None where the entry returns it."""
    way: list[_Carrying] = []
    while carrying is not None:
        way.append(carrying)
        carrying = carrying.before
    way.reverse()
    trail = (*(one.equation for one in way), *((end,) if end is not None else ()))
    return Fate(ending, trail, reason, name, path.answers, varies=tuple(one.varies for one in way))


def _distinct(fates: Sequence[Fate]) -> tuple[Fate, ...]:
    """Fates of one layer on one path without repetitions.

    Within a path an equation is known by its results; a whole trail takes long to hash.
    """
    if len(fates) < 2:
        return tuple(fates)
    found: dict[tuple[object, ...], Fate] = {}
    for fate in fates:
        trail = tuple(equation.results for equation in fate.trail)
        found.setdefault((fate.ending, fate.reason, fate.cancelled_by, fate.assumption, trail), fate)
    return tuple(found.values())


def _merged(norm: NormUse, other: NormUse) -> NormUse:
    """What two entries tell of one norm; it is called as the first one calls it."""
    return replace(
        norm,
        calls=in_order({*norm.calls, *other.calls}),
        cancels=in_order({*norm.cancels, *other.cancels}),
        reads=in_order({*norm.reads, *other.reads}),
        centres=norm.centres or other.centres,
        cancels_parts_of=in_order({*norm.cancels_parts_of, *other.cancels_parts_of}),
    )


def _norm_uses(run: Run, uses: Sequence[Use]) -> tuple[NormUse, ...]:
    """Every norm and softmax of an entry, with the biases that it cancels or reads."""
    found: dict[Location, tuple[str, str]] = {}
    centring: set[Location] = set()
    cancels: dict[Location, set[Location]] = {}
    reads: dict[Location, set[Location]] = {}
    parts: dict[Location, set[Location]] = {}
    calls: dict[Location, set[Location]] = {}
    for path in run.paths:
        for equation in path.equations:
            centres = any(isinstance(effect, Cancels) for effects in equation.effects for effect in effects)
            if centres or _is_norm(equation, path.layers):
                place, label, name = _norm_place(equation, path.layers)
                found.setdefault(place, (label, name))
                calls.setdefault(place, set()).add(equation.location)
                centring |= {place} if centres else set()
    for use in uses:
        for fate in use.fates:
            if fate.end is None or fate.ending not in (Ending.CANCELLED, Ending.READ):
                continue
            place, _, _ = _norm_place(fate.end, use.path.layers)
            if place in found:
                (cancels if fate.ending is Ending.CANCELLED else reads).setdefault(place, set()).add(use.layer.site)
        for fate in (fate for _, fates, _ in use.parts for fate in fates if fate.end is not None):
            place, _, _ = _norm_place(fate.trail[-1], use.path.layers)
            parts.setdefault(place, set()).add(use.layer.site)
    return tuple(
        NormUse(
            place,
            in_order(calls[place]),
            *found[place],
            in_order(cancels.get(place, ())),
            in_order(reads.get(place, ())),
            place in centring,
            in_order(parts.get(place, ())),
        )
        for place in in_order(found)
    )


def _is_norm(equation: Equation, layers: tuple[Layer, ...]) -> bool:
    """Whether it is a norm by name, also one that does not centre: an RMS norm, a batch norm in eval mode."""
    if equation.layer is None or equation.starts:
        return equation.operation in norms.FUNCTIONS
    return layers[equation.layer].entry.role == "norm"


def _norm_place(equation: Equation, layers: tuple[Layer, ...]) -> tuple[Location, str, str]:
    if equation.layer is None:
        return equation.location, equation.label, equation.label
    layer = layers[equation.layer]
    return layer.site, layer.label, layer.entry.name
