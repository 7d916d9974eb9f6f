"""Which entries of a bias go which way, where its shift is taken apart along the axis along which it varies.

A fused projection makes queries, keys and values with one bias. Until something mixes its entries, a shift is that bias
itself, in another layout: each entry of an axis stands for certain entries of the bias. A `Digit` says which, a reshape
splits it into several, and what takes a part of the axis tells an interval. A shift that is left of one part depends on
no entry of another, so each part is followed by itself (`follow.py`), as if it were a bias of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from biaslens.algebra.axes import ALL, NONE, Shape, axes
from biaslens.algebra.outcome import Carries
from biaslens.algebra.sizes import Size, number, product
from biaslens.flow import Part
from biaslens.program.ir import Equation, Path, Var
from biaslens.program.symbols import Kind, Symbol, inside

MAX_PARTS = 8
"""So many parts of one bias are followed on a path."""


@dataclass(frozen=True, slots=True)
class Split:
    """One part of the bias of a layer, and the variables whose shift depends on none of its entries."""

    part: Part
    without: frozenset[Var]


def splits_of(path: Path, layers: Collection[int]) -> Iterator[tuple[int, Split]]:
    """The parts into which the biases of some layers, by number, are taken apart on a path, the larger ones first."""
    for layer in sorted(_taken_apart(path, layers)):
        layouts, regions = _layouts(path, layer)
        whole = _length(path, layer, layouts)
        for region in sorted(regions, key=len)[:MAX_PARTS]:
            without = [var for var, layout in layouts.items() if _disjoint(layout.region, region)]
            yield layer, Split(_part(region, whole, path), frozenset(without))


def _taken_apart(path: Path, layers: Collection[int]) -> set[int]:
    """The layers of whose shift something takes a part before its entries are mixed; at a glance, so perhaps more."""
    direct: dict[Var, int] = {}
    found: set[int] = set()
    for equation in path.equations:
        for operand, *effects in zip(equation.operands, *equation.effects, strict=False):
            layer = direct.get(operand)
            if layer is not None:
                for result, effect in zip(equation.results, effects, strict=True):
                    if isinstance(effect, Carries) and effect.mixes != ALL:
                        direct[result] = layer
                        if effect.takes:
                            found.add(layer)
        if equation.layer in layers and equation.layer is not None and equation.results:
            direct[equation.results[0]] = equation.layer
    return found


def _layouts(path: Path, layer: int) -> tuple[dict[Var, _Layout], dict[_Region, None]]:
    """What the shift of a layer is made of wherever that is known, and the regions that something takes."""
    layouts: dict[Var, _Layout] = {}
    taken: dict[_Region, None] = {}
    shifted: set[Var] = set()
    for equation in path.equations:
        operands = [operand for operand in equation.operands if operand in shifted]
        for result, row in zip(equation.results, equation.effects, strict=True) if operands else ():
            carried = [
                (operand, effect)
                for operand, effect in zip(equation.operands, row, strict=True)
                if isinstance(effect, Carries) and operand in shifted
            ]
            if not carried:
                continue
            shifted.add(result)
            layout = _next(path, carried, result, layouts)
            if layout is not None:
                layouts[result] = layout
                if layout.region and carried[0][1].takes:
                    taken[layout.region] = None
        if equation.layer == layer and equation.results:
            _begin(path, equation, layouts, shifted)
    return layouts, taken


# --- which entry of the bias stands where ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Digit:
    """Along an axis, entry `i` stands for the entries of the bias at `first + stride · i` of every `period`.

    length: of the axis. period: None for the whole bias. stride: None where nothing is known.
    """

    stride: Size | None
    length: Size | None
    first: Size
    period: Size | None


@dataclass(frozen=True, slots=True)
class _Interval:
    """The entries whose index in each `period` is from `low` up to `high`, without it."""

    period: Size | None
    low: Size
    high: Size


_Region = tuple[_Interval, ...]
"""The entries that are in all of these intervals; none of them: all entries."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a tensor's shift is made of. digits: by axis, in negative numbers; it is constant along all others."""

    digits: Mapping[int, _Digit]
    region: _Region = ()


def _begin(path: Path, equation: Equation, layouts: dict[Var, _Layout], shifted: set[Var]) -> None:
    """Effect: the layer's bias begins its way in the equation's result, unless it meets itself there."""
    assert equation.layer is not None
    result = equation.results[0]
    shift, shape = path.layers[equation.layer].entry.shift, path.shapes[result]
    axis = -1 if equation.starts or shift is None or shift.axis is None else shape.canonical(shift.axis)
    if result in shifted:
        layouts.pop(result, None)
    elif axis < 0:
        layouts[result] = _Layout({axis: _Digit(number(1), shape.size(axis), number(0), None)})
    shifted.add(result)


def _next(
    path: Path, operands: Sequence[tuple[Var, Carries]], result: Var, layouts: Mapping[Var, _Layout]
) -> _Layout | None:
    """The layout of an equation's result, from the operands that carry the shift; None where entries are mixed."""
    if len(operands) != 1 or operands[0][0] not in layouts:
        return None
    operand, effect = operands[0]
    return _carried(layouts[operand], effect, path.shapes[operand], path.shapes[result])


def _carried(layout: _Layout, effect: Carries, before: Shape, after: Shape) -> _Layout | None:
    """The layout behind one operation; None where no axis is left of which the entries are known."""
    if effect.mixes == ALL or effect.gains != NONE or effect.may_gain != NONE or effect.averages != NONE:
        return None
    digits: dict[int, _Digit] = {}
    region = layout.region
    for axis, digit in layout.digits.items():
        source = digit
        taken = [take for take in effect.takes if before.same_axis(take.axis, axis)]
        for take in taken:
            source, interval = _taken(digit, take.first, take.count)
            if interval is not None:  # it lies inside of what was taken of the same digit before
                region = (*(known for known in region if known.period != interval.period), interval)
        targets = _targets(axis, effect, before, after)
        if not targets:
            continue
        mixed = not taken and effect.mixes.overlaps(axes(axis), before) is not False
        if mixed and not effect.splits:
            continue
        others = [
            t for s, ts in effect.moves if before.same_axis(s, axis) is not True for t in map(after.canonical, ts)
        ]
        if mixed and len(targets) == 1 and targets[0] in others:
            continue
        lengths = [None if target in others else after.size(target) for target in targets]
        parts = [source] if len(targets) == 1 else _split(source, lengths)
        digits.update((t, part) for t, part in zip(targets, parts, strict=True) if t not in others)
    return _Layout(digits, region) if digits or region != layout.region else None


def _targets(axis: int, effect: Carries, before: Shape, after: Shape) -> tuple[int, ...] | None:
    """Where an axis goes, in negative numbers; None where that is not known."""
    if any(before.same_axis(axis, source) is not False for source, _ in effect.scatters):
        return None
    for source, targets in effect.moves:
        same = before.same_axis(axis, source)
        if same is None:
            return None
        if same:
            places = tuple(map(after.canonical, targets))
            return places if all(place < 0 for place in places) else None
    return (axis,)


def _taken(digit: _Digit, first: Size, count: Size) -> tuple[_Digit, _Interval | None]:
    if digit.stride is None:
        return replace(digit, length=count), None
    low = digit.first + first * digit.stride
    return replace(digit, first=low, length=count), _Interval(digit.period, low, low + count * digit.stride)


def _split(digit: _Digit, lengths: Sequence[Size | None]) -> list[_Digit]:
    """The digits of the axes into which one axis is split, the slowest first."""
    strides = [_stride(digit, lengths, place) for place in range(len(lengths))]
    outer = strides[0]
    aligned = not digit.first.terms or (outer is not None and _whole_quotient(digit.first, outer) is not None)
    digits = [_Digit(outer, lengths[0], digit.first, digit.period)]
    for place in range(1, len(lengths)):
        period = strides[place - 1]
        known = strides[place] if aligned and period is not None else None
        digits.append(_Digit(known, lengths[place], number(0), period))
    return digits


def _stride(digit: _Digit, lengths: Sequence[Size | None], place: int) -> Size | None:
    """How far apart in the bias the entries of one of several axes are: by the axes before it, or by those behind."""
    if digit.stride is None:
        return None
    before = [length for length in lengths[: place + 1] if length is not None]
    behind = [length for length in lengths[place + 1 :] if length is not None]
    if digit.length is not None and len(before) == place + 1:
        rest = _whole_quotient(digit.length, product(tuple(before)))
        if rest is not None:
            return rest * digit.stride
    return product(tuple(behind)) * digit.stride if len(behind) == len(lengths) - place - 1 else None


def _whole_quotient(total: Size, divisor: Size) -> Size | None:
    """A division that comes out as a size for every value of the unknowns."""
    found = total.taking_divisions_as_exact().exactly_divided_by(divisor.taking_divisions_as_exact())
    if found is None:
        return None
    whole = all(isinstance(factor, int) and all(power > 0 for _, power in names) for names, factor in found.terms)
    return found if whole else None


def _disjoint(left: _Region, right: _Region) -> bool:
    """Whether no entry is in both."""
    return any(
        one.period == other.period and (_at_most(one.high, other.low) or _at_most(other.high, one.low))
        for one in left
        for other in right
    )


def _at_most(left: Size, right: Size) -> bool:
    return all(factor > 0 for _, factor in (right - left).terms)


# --- a part in words -------------------------------------------------------------------------------------------------

_SHARES: Mapping[int, str] = {2: "half", 3: "a third", 4: "a quarter"}


def _length(path: Path, layer: int, layouts: Mapping[Var, _Layout]) -> Size | None:
    """How many entries the bias of a layer has."""
    starts = [e.results[0] for e in path.equations if e.layer == layer and e.results and e.results[0] in layouts]
    return next((digit.length for var in starts for digit in layouts[var].digits.values()), None)


def _part(region: _Region, whole: Size | None, path: Path) -> Part:
    """A part by its name, which does not depend on the path."""
    (*outer, inner) = region
    fraction = None if outer else _fraction(inner, whole if inner.period is None else inner.period)
    if fraction is not None and inner.period is None:
        count, place = fraction
        return Part(_SHARES.get(count, "a part"), f"bias.chunk({count})[{place}]")
    sizes = [size for interval in region for size in (interval.period, interval.low, interval.high) if size is not None]
    detail = repr([(interval.period, interval.low, interval.high) for interval in region])
    if not all(map(_is_settled, sizes)):  # its numbers mean something else on another path
        detail = f"{detail} where {path.answers!r}"
    if fraction is None or inner.period is None:
        low, high = inner.low.value, inner.high.value
        plain = not outer and inner.period is None and low is not None and high is not None
        return Part("a part", f"bias[{low}:{high}]" if plain else "", detail)
    count, place = fraction
    width = (inner.high - inner.low).value
    return Part(_SHARES.get(count, "a part"), f"bias.view(-1, {count}, {width or 'n'})[:, {place}]", detail)


def _fraction(interval: _Interval, total: Size | None) -> tuple[int, int] | None:
    """Which of how many equal parts of a length an interval is: (how many, which one)."""
    width = interval.high - interval.low
    count = _whole_quotient(total, width) if total is not None and width.terms else None
    place = _whole_quotient(interval.low, width) if count is not None else None
    if count is None or place is None or count.value is None or place.value is None:
        return None
    return count.value, place.value


def _is_settled(size: Size) -> bool:
    """Whether a size is made of numbers and of arguments of constructors: sizes of tensors differ from path to path."""
    return not any(isinstance(name, Symbol) and name.kind is Kind.SIZE for name in inside(size))
