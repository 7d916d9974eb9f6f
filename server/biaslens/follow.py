"""Follows the shift of every bias through every path of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from biaslens.absorption import with_absorption
from biaslens.algebra.axes import Axes
from biaslens.algebra.outcome import Cancelled, Cancels, Carried, Outcome, Read, Shift, apply, combine
from biaslens.asides import Asides
from biaslens.catalogue import norms
from biaslens.flow import Ending, Fate, Flow, NormUse, Part, own_axes
from biaslens.parts import splits_of
from biaslens.program.ir import Equation, Layer, Path, Program, Run, Var
from biaslens.program.run import go_on
from biaslens.text import Location, in_order
from biaslens.unshifted import unshifted_layers
from biaslens.verdicts import Known, Use, sites_of


def follow(run: Run, pause: Callable[[], None] = go_on) -> Followed:
    """What becomes of the bias of every affine layer on every path of one entry.

    pause: called between paths; it may raise.
    """
    found: list[Use] = []
    for path in run.paths:
        pause()
        found += _uses(run, path)
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


def _uses(run: Run, path: Path) -> Iterator[Use]:
    """For every affine layer of a path, how the uses of its bias end."""
    numbers = [layer.number for layer in path.layers if layer.entry.shift is not None]
    asides = Asides(path)
    fates = _fates(run, path, numbers, asides)
    parts = _parts(run, path, fates)
    unshifted = unshifted_layers(path)
    by_hand = _taken_by_hand(path)
    for number, ends in fates.items():
        layer = path.layers[number]
        if layer.tampered:  # then nothing that was seen of its own shift says anything
            ends[:] = [Fate(Ending.UNKNOWN, (), layer.tampered, run.name, path.answers)]
            parts.pop(number, None)
        whole, apart = _distinct(ends), tuple(parts.get(number, ()))
        places = by_hand.get(number, ())
        handed = asides.handed_to(number, whole)
        unshifted_here = number in unshifted
        yield Use(run, path, layer, whole, parts=apart, unshifted=unshifted_here, by_hand=places, handed=handed)


def _taken_by_hand(path: Path) -> dict[int, tuple[Location, ...]]:
    """Where code takes the bias of a layer itself, `layer.bias`; not where it lists all that there are."""
    found: dict[int, tuple[Location, ...]] = {}
    for equation in path.equations:
        if not equation.starts or equation.listed or equation.layer is None:
            continue
        if equation.location not in found.get(equation.layer, ()):
            found[equation.layer] = (*found.get(equation.layer, ()), equation.location)
    return found


def _fates(run: Run, path: Path, numbers: Sequence[int], asides: Asides) -> dict[int, list[Fate]]:
    """How the shifts of some layers end on a path."""
    fates: dict[int, list[Fate]] = {number: [] for number in numbers}
    environment: _Environment = {}
    for index, equation in enumerate(path.equations):
        for number in _carried(equation, environment):
            if not _is_needed(fates[number]):
                fates[number] += asides.uses(number, _step(run, path, index, equation, number, environment))
        if equation.layer in fates and equation.results:
            fate = _start(run, path, equation, environment)
            fates[equation.layer] += [fate] if fate else []
    for var in path.outputs:
        for number, carrying in environment.get(var, {}).items():
            fates[number].append(_fate(run, path, carrying, None, Ending.RETURNED, "it is returned"))
    for number, carrying in (pair for var in path.losses for pair in environment.get(var, {}).items()):
        fate = _fate(run, path, carrying, None, Ending.RETURNED, "it is a part of the loss")
        if fate.trail[0].starts:  # a penalty; what a model gives has been judged where it gives it
            fates[number].append(fate)
    return fates


def _parts(run: Run, path: Path, fates: Mapping[int, Sequence[Fate]]) -> dict[int, list[tuple[Part, tuple[Fate, ...]]]]:
    """The parts of biases that are cancelled wherever they go, while the whole is not."""
    numbers = [
        number
        for number, ends in fates.items()
        if path.layers[number].entry.role == "affine" and any(fate.ending is not Ending.CANCELLED for fate in ends)
    ]
    found: dict[int, list[tuple[Part, tuple[Fate, ...]]]] = {}
    for number, split in splits_of(path, numbers):
        ends = _cancellations(run, path, number, split.without)
        if ends:
            found.setdefault(number, []).append((split.part, _distinct(ends)))
    return found


def _cancellations(run: Run, path: Path, number: int, without: frozenset[Var]) -> list[Fate]:
    """How a part of one shift ends on a path where it is cancelled wherever it goes; nothing where it is not.

    without: variables that it does not reach.
    """
    fates: list[Fate] = []
    environment: _Environment = {}
    start = next((index for index, equation in enumerate(path.equations) if equation.layer == number), 0)
    for index, equation in islice(enumerate(path.equations), start, None):
        if environment and not environment.keys().isdisjoint(equation.operands):
            fates += _step(run, path, index, equation, number, environment)
            for var in without.intersection(equation.results):
                environment.pop(var, None)
        if equation.layer == number and equation.results:
            fate = _start(run, path, equation, environment)
            fates += [fate] if fate else []
        if any(fate.ending is not Ending.CANCELLED for fate in fates):
            return []
    return fates if environment.keys().isdisjoint(path.outputs) else []


def _is_needed(fates: Sequence[Fate]) -> bool:
    """Whether something reads the bias for sure: then the rest of its ways decides nothing."""
    return any(fate.ending is Ending.READ for fate in fates)


def _carried(equation: Equation, environment: _Environment) -> list[int]:
    """The layers whose shift goes into an equation."""
    held = [environment[var] for var in equation.operands if var in environment]
    return sorted({number for numbers in held for number in numbers}) if held else []


def _step(
    run: Run, path: Path, index: int, equation: Equation, number: int, environment: _Environment
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
                fate = _fate(run, path, before, equation, Ending.CANCELLED, "")
                yield replace(fate, cancelled_by=by, assumption=assumption, norm=norm, shift=shift)
            case Read(why, known):
                yield _fate(run, path, before, equation, Ending.READ if known else Ending.UNKNOWN, why)


def _start(run: Run, path: Path, equation: Equation, environment: _Environment) -> Fate | None:
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
            return _fate(run, path, None, equation, Ending.READ if known else Ending.UNKNOWN, why)
        case _:
            held.pop(number, None)
            return None


def _carrying(shift: Shift, equation: Equation, before: _Carrying | None) -> _Carrying:
    varies = shift.varies
    if before is not None and before.varies == varies:
        varies = before.varies  # thousands of fates keep them, and few steps change them
    return _Carrying(shift, equation, before, varies)


def _fate(run: Run, path: Path, carrying: _Carrying | None, end: Equation | None, ending: Ending, reason: str) -> Fate:
    """How one shift ends. end: the equation that carries it no further, None where the entry returns it."""
    way: list[_Carrying] = []
    while carrying is not None:
        way.append(carrying)
        carrying = carrying.before
    way.reverse()
    trail = (*(one.equation for one in way), *((end,) if end is not None else ()))
    return Fate(ending, trail, reason, run.name, path.answers, varies=tuple(one.varies for one in way))


def _distinct(fates: list[Fate]) -> tuple[Fate, ...]:
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
        for fate in (fate for _, fates in use.parts for fate in fates if fate.end is not None):
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
