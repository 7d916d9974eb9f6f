"""Arithmetic on numbers that may be unknown: sizes of layers and of tensors."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from biaslens.algebra.sizes import Quotient, Size, number, unknown
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
    return isinstance(key, tuple) and key[:2] == ("number", "%")


def is_of_round(key: Hashable) -> bool:
    """Whether a value is told from the index of a round between the first and the last: one of many."""
    match key:
        case ("number", "middle" | "carried", *_):
            return True
        case tuple():
            return any(map(is_of_round, key))
        case Size(terms=terms):
            return any(is_of_round(name) for monomial, _ in terms for name, _ in monomial)
        case Quotient(dividend=dividend, divisor=divisor):
            return is_of_round(dividend) or is_of_round(divisor)
        case _:
            return False


def names_in(key: Hashable) -> Iterator[Hashable]:
    """A key and all keys that it is made of."""
    yield key
    match key:
        case tuple():
            for part in key:
                yield from names_in(part)
        case Size(terms=terms):
            for monomial, _ in terms:
                for name, _ in monomial:
                    yield from names_in(name)
        case Quotient(dividend=dividend, divisor=divisor):
            yield from names_in(dividend)
            yield from names_in(divisor)
        case _:
            pass


def is_number(value: Value) -> bool:
    """Whether a value is a scalar, known or not. A constructor's argument that is calculated with counts as one."""
    if isinstance(value, (int, float)):
        return True
    return isinstance(value, Unknown) and (value.number or value.origin in ("constructor", "default"))


def calculate(symbol: str, left: Value, right: Value) -> Unknown:
    """The result of arithmetic on numbers of which at least one is unknown."""
    origin = "data"
    for value in (left, right):
        if isinstance(value, Unknown) and value.origin != "data":
            origin = value.origin
    if any(isinstance(value, Unknown) and is_of_round(value.key) for value in (left, right)):
        origin = "data"
    text = f"{_text(left)} {symbol} {_text(right)}"[:MAX_TEXT]
    first, second = as_size(left), as_size(right)
    if symbol in _EXACT and first is not None and second is not None:
        size = _EXACT[symbol](first, second)
        if weight(size) <= MAX_WEIGHT:
            return Unknown(("number", size), text, True, origin, size)
    key = bounded(("number", symbol, _key(left), _key(right)))
    return Unknown(key, text, True, origin)


MAX_WEIGHT = 200
"""A name made of more parts than this is shortened: numbers that a loop keeps combining double it in every round."""


def bounded(key: Hashable) -> Hashable:
    """A key, or a short one in its place; equal keys stay equal."""
    if weight(key) <= MAX_WEIGHT:
        return key
    return ("long", hashlib.blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest())


def weight(key: Hashable) -> int:
    """How many parts a name has."""
    match key:
        case tuple():
            return 1 + sum(map(weight, key))
        case Size(terms=terms):
            return 1 + sum(weight(name) for monomial, _ in terms for name, _ in monomial)
        case Quotient(dividend=dividend, divisor=divisor):
            return weight(dividend) + weight(divisor)
        case _:
            return 1


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


def _key(value: Value) -> Any:
    return value.key if isinstance(value, Unknown) else value


def _text(value: Value) -> str:
    return value.text if isinstance(value, Unknown) else str(value)
