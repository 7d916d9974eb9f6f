"""Follows the shift of every bias through every path of a program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from biaslens.absorption import with_absorption
from biaslens.algebra.outcome import Cancelled, Cancels, Carried, Outcome, Read, Shift, apply, combine
from biaslens.flow import Ending, Fate, Flow, NormUse, own_axes
from biaslens.program.ir import Equation, Layer, Path, Program, Run, Var
from biaslens.text import Location
from biaslens.unshifted import unshifted_layers
from biaslens.verdicts import Use, sites_of


def follow(program: Program) -> Followed:
    """What becomes of the bias of every affine layer on every path."""
    uses = tuple(
        use for run in program.runs for use in with_absorption(run, [u for p in run.paths for u in _uses(run, p)])
    )
    return Followed(uses, _norm_uses(program, uses))


def judged(program: Program, followed: Followed, others: Sequence[Use] = ()) -> Flow:
    """One verdict for each constructor call of a file.

    others: uses of its layers that were found in other files.
    """
    own = [use for use in followed.uses if use.layer.site.path == program.path]
    return Flow(program.path, sites_of(program, [*own, *others]), followed.norms)


@dataclass(frozen=True, slots=True)
class Followed:
    """Every use of every layer on the paths of one file, those of layers made in other files included."""

    uses: tuple[Use, ...]
    norms: tuple[NormUse, ...]


@dataclass(frozen=True, slots=True)
class _Trail:
    """A linked list of equations: the last one, and the trail before it."""

    equation: Equation
    before: _Trail | None

    def equations(self) -> tuple[Equation, ...]:
        found: list[Equation] = []
        trail: _Trail | None = self
        while trail is not None:
            found.append(trail.equation)
            trail = trail.before
        return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class _Carrying:
    shift: Shift
    trail: _Trail


_Environment = dict[Var, dict[int, _Carrying]]


def _uses(run: Run, path: Path) -> Iterator[Use]:
    """For every affine layer of a path, how the uses of its bias end."""
    fates: dict[int, list[Fate]] = {layer.number: [] for layer in path.layers if layer.entry.shift is not None}
    environment: _Environment = {}
    by_hand: dict[int, list[Location]] = {}
    for index, equation in enumerate(path.equations):
        for number in _carried(equation, environment):
            if not _is_needed(fates[number]):
                fates[number] += _step(run, path, index, equation, number, environment)
        if equation.layer in fates and equation.results:
            if equation.starts:
                by_hand.setdefault(equation.layer, []).append(equation.location)
            fate = _start(run, path, equation, environment)
            fates[equation.layer] += [fate] if fate else []
    for var in path.outputs:
        for number, carrying in environment.get(var, {}).items():
            fates[number].append(_fate(run, path, carrying.trail, Ending.RETURNED, "it is returned"))
    unshifted = unshifted_layers(path)
    for number, ends in fates.items():
        layer = path.layers[number]
        if layer.tampered:  # then nothing that was seen of its own shift says anything
            ends[:] = [Fate(Ending.UNKNOWN, (), layer.tampered, run.name, path.answers)]
        places = tuple(dict.fromkeys(by_hand.get(number, ())))
        yield Use(run, path, layer, _distinct(ends), unshifted=number in unshifted, by_hand=places)


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
        trail: _Trail | None = None
        for position, operand in enumerate(equation.operands):
            carrying = environment.get(operand, {}).get(number)
            effect = equation.effects[place][position]
            if carrying is None or effect is None:
                continue
            trail = trail or _Trail(equation, carrying.trail)
            stamp = (index, place, position)
            outcomes.append(apply(effect, carrying.shift, path.shapes[operand], path.shapes[result], stamp))
        outcome = combine(outcomes, product=equation.product)
        if trail is None or outcome is None:
            continue
        match outcome:
            case Carried(shift):
                environment.setdefault(result, {})[number] = _Carrying(shift, trail)
            case Cancelled(by, assumption):
                norm = path.layers[equation.layer] if equation.layer is not None else None
                equations = trail.equations()
                arriving = [
                    held[number].shift for var in equation.operands if number in (held := environment.get(var, {}))
                ]
                shift = arriving[0] if len(arriving) == 1 else None
                yield Fate(Ending.CANCELLED, equations, "", run.name, path.answers, by, assumption, norm, shift)
            case Read(why, known):
                yield _fate(run, path, trail, Ending.READ if known else Ending.UNKNOWN, why)


def _start(run: Run, path: Path, equation: Equation, environment: _Environment) -> Fate | None:
    """Adds the layer's own shift to its result."""
    number = equation.layer
    assert number is not None
    result = equation.results[0]
    varies = own_axes(equation, path.layers[number]).canonical(path.shapes[result])
    own = Carried(Shift.start(("bias", number), varies))
    held = environment.setdefault(result, {})
    trail = _Trail(equation, None)
    combined = combine([own, Carried(held[number].shift)]) if number in held else own
    match combined:
        case Carried(total):
            held[number] = _Carrying(total, trail)
            return None
        case Read(why, known):
            held.pop(number, None)
            return _fate(run, path, trail, Ending.READ if known else Ending.UNKNOWN, why)
        case _:
            held.pop(number, None)
            return None


def _fate(run: Run, path: Path, trail: _Trail, ending: Ending, reason: str) -> Fate:
    return Fate(ending, trail.equations(), reason, run.name, path.answers)


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


def _norm_uses(program: Program, uses: Sequence[Use]) -> tuple[NormUse, ...]:
    """Every norm and softmax of the program, with the biases that it cancels or reads."""
    found: dict[Location, dict[str, object]] = {}
    cancels: dict[Location, set[Location]] = {}
    reads: dict[Location, set[Location]] = {}
    calls: dict[Location, set[Location]] = {}
    for run in program.runs:
        for path in run.paths:
            for equation in path.equations:
                if any(isinstance(effect, Cancels) for effects in equation.effects for effect in effects):
                    place, label, name = _norm_place(equation, path.layers)
                    found.setdefault(place, {"label": label, "name": name})
                    calls.setdefault(place, set()).add(equation.location)
    for use in uses:
        for fate in use.fates:
            if fate.end is None or fate.ending not in (Ending.CANCELLED, Ending.READ):
                continue
            place, _, _ = _norm_place(fate.end, use.path.layers)
            if place in found:
                (cancels if fate.ending is Ending.CANCELLED else reads).setdefault(place, set()).add(use.layer.site)
    return tuple(
        NormUse(
            place,
            tuple(sorted(calls[place])),
            str(about["label"]),
            str(about["name"]),
            tuple(sorted(cancels.get(place, ()))),
            tuple(sorted(reads.get(place, ()))),
        )
        for place, about in sorted(found.items())
    )


def _norm_place(equation: Equation, layers: tuple[Layer, ...]) -> tuple[Location, str, str]:
    if equation.layer is None:
        return equation.location, equation.label, equation.label
    layer = layers[equation.layer]
    return layer.site, layer.label, layer.entry.name
