"""Arithmetic on numbers that may be unknown: sizes of layers and of tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from biaslens.algebra.sizes import Size, number, unknown
from biaslens.program.origins import Origin
from biaslens.program.symbols import MAX_WEIGHT, Kind, Part, Symbol, bounded
from biaslens.program.values import Unknown, Value

_EXACT: Mapping[str, Callable[[Size, Size], Size]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
}
MAX_TEXT = 200
"""Nobody reads a longer expression in a message."""

MAX_DIGITS = 64
"""Powers and repetitions beyond this are not computed: no size of a model is that long."""


def as_size(value: Value) -> Size | None:
    """A value as a size: an int, or an unknown number by its name."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return number(value)
    if isinstance(value, Unknown) and not is_remainder(value.key):
        return value.size or unknown(value.key)
    return None


def is_remainder(key: Hashable) -> bool:
    """Whether a number is what a division leaves: often 0, which no size is."""
    match key:
        case Symbol(Kind.ARITHMETIC, ("%", *_)):
            return True
        case _:
            return False


def is_number(value: Value) -> bool:
    """Whether a value is a scalar, known or not. A constructor's argument that is calculated with counts as one."""
    if isinstance(value, (int, float)):
        return True
    return isinstance(value, Unknown) and (value.number or value.origin in (Origin.CONSTRUCTOR, Origin.DEFAULT))


def calculate(symbol: str, left: Value, right: Value) -> Unknown:
    """The result of arithmetic on numbers of which at least one is unknown."""
    origin = Origin.DATA
    for value in (left, right):
        if isinstance(value, Unknown) and value.origin is not Origin.DATA:
            origin = value.origin
    if any(isinstance(value, Unknown) and value.key.is_of_round for value in (left, right)):
        origin = Origin.DATA
    text = f"{_text(left)} {symbol} {_text(right)}"[:MAX_TEXT]
    first, second = as_size(left), as_size(right)
    if symbol in _EXACT and first is not None and second is not None:
        size = _EXACT[symbol](first, second)
        named = Symbol(Kind.NUMBER, size)
        if named.weight <= MAX_WEIGHT + 2:  # those of the size itself
            return Unknown(named, text, True, origin, size)
    key = bounded(Symbol(Kind.ARITHMETIC, symbol, _part(left), _part(right)))
    return Unknown(key, text, True, origin)


def constant(symbol: str, left: Any, right: Any) -> Any:
    """Arithmetic on known values; raises as Python does, and ArithmeticError where the result would be huge."""
    if symbol == "*" and not (isinstance(left, (int, float, complex)) and isinstance(right, (int, float, complex))):
        items: Any = left if isinstance(right, int) else right
        times = right if isinstance(right, int) else left
        if not isinstance(times, int) or len(items) * times > 100_000:
            raise ArithmeticError("a very long repetition")
    if symbol in ("**", "<<") and isinstance(left, int) and isinstance(right, int):
        digits = right if symbol == "<<" else abs(left).bit_length() * right
        if digits > MAX_DIGITS * 4:
            raise ArithmeticError("a very large power")
    return OPERATORS[symbol](left, right)


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "|": operator.or_,
    "&": operator.and_,
    "^": operator.xor,
}


def _part(value: Value) -> Part:
    return value.key if isinstance(value, Unknown) else value


def _text(value: Value) -> str:
    return value.text if isinstance(value, Unknown) else str(value)
