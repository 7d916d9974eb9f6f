"""Sizes of tensor axes: polynomials with integer coefficients over named unknowns.

Two sizes are the same exactly when their polynomials are. Nothing is assumed about an unknown, so
"not provably equal" is not "different": `same_size` answers True, False or None.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from typing import TypeAlias

Name: TypeAlias = Hashable

Monomial: TypeAlias = frozenset[tuple[Name, int]]
"""Unknowns with their powers; the empty monomial is the number one."""

Factor: TypeAlias = int | Fraction
"""A coefficient; a Fraction only where a division was taken as exact, for the int is several times faster."""

ONE: Monomial = frozenset()

_ONE: frozenset[tuple[Monomial, Factor]] = frozenset({(ONE, 1)})


@dataclass(frozen=True, slots=True)
class Quotient:
    """The atom `a // b` of a division that does not come out as a polynomial."""

    dividend: Size
    divisor: Size


@dataclass(frozen=True, slots=True, repr=False)
class Size:
    """A polynomial such as `2·dim + 1`; build it with `number`, `unknown` and the operators."""

    terms: frozenset[tuple[Monomial, Factor]]

    def __hash__(self) -> int:
        return hash(self.terms)  # which keeps its own; sizes stand in the keys of most unknown numbers

    @property
    def value(self) -> int | None:
        """The number that this is, or None while an unknown is in it."""
        if not self.terms:
            return 0
        if len(self.terms) == 1:
            ((monomial, factor),) = self.terms
            if not monomial and isinstance(factor, int):
                return factor
        return None

    @property
    def is_one(self) -> bool:
        """Whether this is the number 1."""
        return self.terms == _ONE

    def __add__(self, other: Size) -> Size:
        return _sum(self, other, 1) if other.terms else self

    def __sub__(self, other: Size) -> Size:
        return _sum(self, other, -1) if other.terms else self

    def __mul__(self, other: Size) -> Size:
        return _product(self, other)

    def __floordiv__(self, other: Size) -> Size:
        if self.value is not None and other.value:
            return number(self.value // other.value)
        exact = self.exactly_divided_by(other)
        if exact is not None and all(isinstance(f, int) and _whole(m) for m, f in exact.terms):
            return exact
        return unknown(Quotient(self, other))

    def exactly_divided_by(self, other: Size) -> Size | None:
        """This over a monomial, where unknowns may end up below the line; None for other divisors."""
        if len(other.terms) != 1:
            return None
        ((monomial, factor),) = other.terms
        inverse = frozenset((name, -power) for name, power in monomial)
        return self * Size(frozenset({(inverse, factor if factor == 1 else _plain(Fraction(1) / factor))}))

    def taking_divisions_as_exact(self) -> Size:
        """`(dim // heads) * heads` as `dim`: only for code that fails when the division has a remainder."""
        if not any(isinstance(name, Quotient) for monomial, _ in self.terms for name, _ in monomial):
            return self
        return _with_exact_divisions(self)

    def __str__(self) -> str:
        if self.value is not None:
            return str(self.value)
        return " + ".join(sorted(_show(monomial, factor) for monomial, factor in self.terms))

    def __repr__(self) -> str:
        return f"Size({self})"  # equal sizes have equal texts, whatever the order of their sets


@lru_cache(maxsize=1024, typed=True)
def number(value: int) -> Size:
    """The size that is a plain number."""
    return Size(frozenset({(ONE, value)}) if value else frozenset())


def unknown(name: Name) -> Size:
    """The size called `name`; equal names are equal sizes."""
    return Size(frozenset({(frozenset({(name, 1)}), 1)}))


def product(sizes: tuple[Size, ...]) -> Size:
    """All of them multiplied; 1 for none."""
    return reduce(Size.__mul__, sizes, number(1))


def same_size(left: Size, right: Size) -> bool | None:
    """True or False where the polynomials decide it for every value of the unknowns (sizes are positive), else None."""
    difference = left - right
    if not difference.terms:
        return True
    if len({factor > 0 for _, factor in difference.terms}) == 1:  # sizes are positive: this sum cannot vanish
        return False
    return None


@lru_cache(maxsize=4096)
def _sum(left: Size, right: Size, sign: int) -> Size:
    """`left + sign * right`. Kept, as products are: the blocks of a model calculate with the same few sizes."""
    terms = dict(left.terms)
    for monomial, factor in right.terms:
        terms[monomial] = terms.get(monomial, 0) + sign * factor
    return _polynomial(terms)


@lru_cache(maxsize=4096)
def _product(left: Size, right: Size) -> Size:
    terms: dict[Monomial, Factor] = {}
    for monomial, factor in left.terms:
        for other, other_factor in right.terms:
            both = _times(monomial, other)
            terms[both] = terms.get(both, 0) + factor * other_factor
    return _polynomial(terms)


def _polynomial(terms: dict[Monomial, Factor]) -> Size:
    return Size(frozenset((monomial, _plain(factor)) for monomial, factor in terms.items() if factor))


def _plain(factor: Factor) -> Factor:
    return factor if type(factor) is int or factor.denominator != 1 else factor.numerator  # isinstance takes long here


def _times(left: Monomial, right: Monomial) -> Monomial:
    if not left or not right:
        return left or right
    powers = dict(left)
    for name, power in right:
        powers[name] = powers.get(name, 0) + power
    return frozenset((name, power) for name, power in powers.items() if power)


def _whole(monomial: Monomial) -> bool:
    return all(power > 0 for _, power in monomial)


@lru_cache(maxsize=4096)
def _with_exact_divisions(size: Size) -> Size:
    """Kept, since divisions of divisions are asked about again and again."""
    total = number(0)
    for monomial, factor in size.terms:
        product = Size(frozenset({(ONE, factor)}))
        for name, power in monomial:
            product = product * _exact_power(name, power)
        total = total + product
    return total


def _exact_power(name: Name, power: int) -> Size:
    base = unknown(name)
    if isinstance(name, Quotient):
        dividend, divisor = name.dividend.taking_divisions_as_exact(), name.divisor.taking_divisions_as_exact()
        base = dividend.exactly_divided_by(divisor) or base
    if power < 0:
        inverted = number(1).exactly_divided_by(base)
        return product((inverted,) * -power) if inverted else Size(frozenset({(frozenset({(name, power)}), 1)}))
    return product((base,) * power)


def _show(monomial: Monomial, factor: Factor) -> str:
    names = sorted(str(name) if power == 1 else f"{name}^{power}" for name, power in monomial)
    return "·".join(names if factor == 1 and names else [str(factor), *names])
