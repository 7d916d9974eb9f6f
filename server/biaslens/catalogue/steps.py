"""The vocabulary in which the catalogue's rows are written: rows, argument readers, and steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from biaslens.algebra.axes import Shape
from biaslens.algebra.outcome import Effect, unknown
from biaslens.algebra.sizes import Size, number
from biaslens.catalogue.entry import (
    Argument,
    Call,
    Entry,
    Inner,
    LearnableShift,
    Operand,
    Result,
    Rule,
    Step,
    Unknowable,
    signature,
)

_SHORT = (("nn.", "torch.nn."), ("F.", "torch.nn.functional."), ("Tensor.", "torch.Tensor."))


class Unclear(Exception):
    """An argument on which the effect depends is not known, or does not fit."""


class Impossible(Exception):
    """The call raises in torch, whatever the values: it is on no path."""


def row(
    text: str,
    rule: Rule,
    *samples: str,
    also: str = "",
    inputs: str = "",
    role: str = "function",
    shift: LearnableShift | None = None,
    inner: Inner | None = None,
) -> Entry:
    """One row of the catalogue.

    text: torch's own signature, with `nn.`, `F.` and `Tensor.` for the long prefixes. samples: see `Entry.samples`.
    also: other spellings, separated by blanks. inputs: the parameters of a layer's forward.
    """
    name, parameters = signature(long_name(text))
    return Entry(
        name=name,
        parameters=parameters,
        rule=guarded(rule),
        role=role,
        spellings=tuple(long_name(spelling) for spelling in also.split()),
        inputs=signature(f"forward({inputs})")[1] if inputs else (),
        shift=shift,
        samples=samples,
        inner=inner,
    )


def long_name(name: str) -> str:
    """A name with its short prefix spelled out."""
    for short, long in _SHORT:
        if name.startswith(short):
            return long + name.removeprefix(short)
    return name


def guarded(rule: Rule) -> Rule:
    """The same rule, where a call that it cannot understand reads everything as unknown."""

    def run(call: Call) -> Step:
        try:
            return rule(call)
        except Unclear as reason:
            return opaque(call, str(reason))

    return run


# --- steps -----------------------------------------------------------------------------------------------------------


def opaque(call: Call, why: str) -> Step:
    """The step of a call that we cannot follow."""
    return Step((Result(Shape(), (unknown(why),) * len(call.operands)),))


def effects(call: Call, known: Mapping[int, Effect | None]) -> tuple[Effect | None, ...]:
    """Effects in the order of the operands; operands without an effect of their own are read as unknown."""
    return tuple([known.get(operand.index, _NOT_FOLLOWED) for operand in call.operands])


_NOT_FOLLOWED = unknown("it is passed as an argument that we do not follow")


def single(
    call: Call,
    shape: Shape,
    known: Mapping[int, Effect | None],
    *,
    stochastic: int | None = None,
    blocked: bool = False,
    product: bool = False,
    view: bool = False,
    refined: tuple[tuple[int, Shape], ...] = (),
) -> Step:
    """A step with one result."""
    result = Result(shape, effects(call, known), stochastic, blocked)
    return Step((result,), product=product, view=view, refined=refined)


# --- arguments -------------------------------------------------------------------------------------------------------


def tensor(call: Call, name: str = "input") -> Operand:
    """The operand passed as `name`."""
    value = call.get(name)
    if not isinstance(value, Operand):
        raise Unclear("its input is not known to be a tensor")
    return value


def flag(call: Call, name: str) -> bool:
    """A bool that has to be known."""
    value = call.get(name)
    if isinstance(value, bool):
        return value
    if value is None or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise Unclear(f"`{name}` is not known")


def whole(value: Argument) -> int | None:
    """The number that an int or a constant size is, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return value.value if isinstance(value, Size) else None


def as_size(value: Argument) -> Size | None:
    """A size, where the value is one."""
    if isinstance(value, Size):
        return value
    plain = whole(value)
    return None if plain is None else number(plain)


def listed(value: Argument) -> tuple[Argument, ...] | None:
    """The items of a tuple or list, None where the value is something else."""
    if isinstance(value, (tuple, list)):
        return tuple(cast("Sequence[Argument]", value))
    return None


def spread(value: Argument, count: int) -> tuple[Argument, ...]:
    """A number for each of `count` axes, from one number or from a sequence with one for each."""
    items = listed(value)
    if items is None:
        return (value,) * count
    if len(items) == 1:
        return items * count
    if len(items) != count:
        raise Unclear("an argument has the wrong length")
    return items


def starred(call: Call, name: str) -> tuple[Argument, ...]:
    """`*args` that may be one sequence: `x.view(2, -1)` and `x.view((2, -1))`."""
    items = listed(call.get(name))
    if items is None:
        raise Unclear(f"`{name}` is not known")
    if len(items) == 1:
        inner = listed(items[0])
        if inner is not None:
            return inner
        if isinstance(items[0], Unknowable) and items[0] is Unknowable.VALUE:
            raise Unclear(f"`{name}` is not known")
    return items


def axis_of(call: Call, operand: Operand, name: str = "dim") -> int:
    """A known axis of the operand, in canonical form."""
    return place(operand.shape, call.get(name))


def place(shape: Shape, value: Argument) -> int:
    """An axis of `shape` in canonical form."""
    axis = whole(value)
    if axis is None or not -64 <= axis < 64:
        raise Unclear("the axis is not known")
    if shape.has_axis(axis) is False:
        raise Impossible("the axis does not exist")
    return shape.canonical(axis)


def axes_of(call: Call, operand: Operand, name: str = "dim") -> tuple[int, ...] | None:
    """Known axes of the operand in canonical form; None for "all of them"."""
    value = call.get(name)
    if value is None:
        return None
    items = listed(value)
    if items == ():
        return None
    return tuple(dict.fromkeys(place(operand.shape, item) for item in (items if items is not None else (value,))))


def unknown_effects(call: Call, why: str) -> tuple[Effect | None, ...]:
    """Every operand is read by something that we do not follow."""
    return (unknown(why),) * len(call.operands)
