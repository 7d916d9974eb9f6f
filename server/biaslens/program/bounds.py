"""What is known of unknown numbers: that a count is not less than another, that a round lies between two others."""

from __future__ import annotations

from biaslens.algebra.sizes import ONE, Name, Size, number, product, unknown
from biaslens.program.run import Run
from biaslens.program.symbols import Kind, Symbol


def decided(run: Run, symbol: str, difference: Size) -> bool | None:
    """Whether `difference symbol 0` holds, None where what is known leaves it open."""
    if not run.lowest and not run.between:
        return None
    parts = _from_zero(run, difference)
    if parts is None:
        return None
    signs = {factor > 0 for monomial, factor in parts.terms if monomial != ONE}
    start = dict(parts.terms).get(ONE, 0)
    if len(signs) > 1:
        return None
    grows = signs != {False}
    if symbol == "==":
        return False if (start > 0 and grows) or (start < 0 and signs != {True}) else None
    limit = start > 0 if symbol == "<=" else start >= 0
    if grows and limit:
        return False
    met = start <= 0 if symbol == "<=" else start < 0
    return True if signs != {True} and met else None


def at_least(run: Run, size: Size, value: int) -> None:
    """Effect: notes that a number is not less than another one."""
    base = base_of(size)
    if base is not None:
        name, offset = base
        run.lowest[name] = max(run.lowest.get(name, value - offset), value - offset)


def base_of(size: Size) -> tuple[Name, int] | None:
    """The one unknown in `name + offset`, and the offset; None for other sizes."""
    terms = dict(size.terms)
    offset = terms.pop(ONE, 0)
    if len(terms) != 1 or not isinstance(offset, int):
        return None
    ((monomial, factor),) = terms.items()
    if factor != 1 or len(monomial) != 1:
        return None
    ((name, power),) = monomial
    return (name, offset) if power == 1 else None


def _from_zero(run: Run, size: Size) -> Size | None:
    """The same in unknowns of which each may be any number from 0 on; None where one may be anything."""
    for name in _names(size):
        count = run.between.get(name)
        base = base_of(count) if count is not None else None
        if base is not None:  # count = round + 2 + others
            further = unknown(name) + number(2 - base[1]) + unknown(_behind(name))
            replaced = _replaced(size, base[0], further)
            if replaced is None:
                return None
            size = replaced
    for name in _names(size):
        if _is(Kind.BEHIND, name):
            continue
        lowest = 1 if name in run.between or _is(Kind.SIZE, name) else run.lowest.get(name)
        if lowest is None:
            return None
        replaced = _replaced(size, name, unknown(name) + number(lowest))
        if replaced is None:
            return None
        size = replaced
    return size


def _behind(name: Name) -> Symbol:
    """How many rounds are behind one."""
    assert isinstance(name, Symbol), "only rounds lie between others"
    return Symbol(Kind.BEHIND, name)


def _is(kind: Kind, name: Name) -> bool:
    return isinstance(name, Symbol) and name.kind is kind


def _names(size: Size) -> list[Name]:
    return list(dict.fromkeys(name for monomial, _ in size.terms for name, _ in monomial))


def _replaced(size: Size, name: Name, other: Size) -> Size | None:
    """A size with an unknown replaced; None where it stands below a line."""
    total = number(0)
    for monomial, factor in size.terms:
        powers = dict(monomial)
        power = powers.pop(name, 0)
        if power < 0:
            return None
        rest = Size(frozenset({(frozenset(powers.items()), factor)}))
        total = total + rest * product((other,) * power)
    return total
