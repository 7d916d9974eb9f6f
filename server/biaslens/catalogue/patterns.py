"""The patterns of einops: `b n (h d) -> b h n d`, read as einops reads them."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from biaslens.catalogue.steps import Unclear

Group: TypeAlias = tuple[str, ...]
"""The elementary axes that make up one axis of a tensor, the slowest first; none for an axis of size one."""

_ELLIPSIS = "..."
_MERGED = "(...)"
"""An ellipsis inside parentheses: its axes become one."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Both sides of a pattern, a group for every axis. numbers: the lengths of the axes that are written as one."""

    left: tuple[Group, ...]
    right: tuple[Group, ...]
    numbers: Mapping[str, int]

    @property
    def gone(self) -> frozenset[str]:
        """The elementary axes of the left side that the right side does not have."""
        return _names(self.left) - _names(self.right)

    @property
    def new(self) -> frozenset[str]:
        """The elementary axes of the right side that the left side does not have."""
        return _names(self.right) - _names(self.left)

    def spelled(self, rank: int | None) -> Pattern:
        """The same pattern with names for the axes of its ellipsis, of which the rank tells the number."""
        if (_ELLIPSIS,) not in self.left:
            return self
        if rank is None:
            raise Unclear("the number of axes is not known")
        count = rank - len(self.left) + 1
        if count < 0:
            raise Unclear("the tensor has fewer axes than its pattern")
        names = tuple(f"{_ELLIPSIS}{place}" for place in range(count))
        return Pattern(_replaced(self.left, names), _replaced(self.right, names), self.numbers)


def parsed(text: object) -> Pattern:
    """Reads a pattern; Unclear where it is not known, or einops would refuse it."""
    left, right = _sides(text)
    numbers: dict[str, int] = {}
    pattern = Pattern(_side(left, numbers), _side(right, numbers), numbers)
    if _MERGED in _names(pattern.left) or ("..." in right and "..." not in left):
        raise Unclear("its pattern has an ellipsis where none may be")
    return pattern


def lettered(text: object) -> str:
    """The pattern of a product, `b i d, b j d -> b i j`, as an equation of torch: `abc,adc->abd`."""
    left, right = _sides(text)
    letters: dict[str, str] = {}
    return ",".join(_letters(operand, letters) for operand in left.split(",")) + "->" + _letters(right, letters)


def _sides(text: object) -> tuple[str, str]:
    if not isinstance(text, str):
        raise Unclear("its pattern is not known")
    left, arrow, right = text.partition("->")
    if not arrow:
        raise Unclear("its pattern has no arrow")
    return left, right


def _side(text: str, numbers: dict[str, int]) -> tuple[Group, ...]:
    """The groups of one side. Effect: notes the lengths of axes that are numbers, each an axis of its own."""
    groups: list[Group] = []
    inside: list[str] | None = None
    for word in re.split("([() ])", text):
        if word in ("", " "):
            continue
        if word == "(" and inside is None:
            inside = []
        elif word == ")" and inside is not None:
            groups.append(tuple(inside))
            inside = None
        elif inside is None:
            groups.append(_axis(word, numbers))
        else:
            inside += (_MERGED,) if word == _ELLIPSIS else _axis(word, numbers)
    every = [name for group in groups for name in group]
    if inside is not None or len(set(every)) != len(every) or text.count(_ELLIPSIS) > 1:
        raise Unclear("its pattern could not be read")
    return tuple(groups)


def _axis(word: str, numbers: dict[str, int]) -> Group:
    if word == "1":
        return ()
    if word.isdecimal() and int(word) > 1:
        name = f"{word} at {len(numbers)}"
        numbers[name] = int(word)
        return (name,)
    if word == _ELLIPSIS or (word.isidentifier() and not word.startswith("_") and not word.endswith("_")):
        return (word,)
    raise Unclear("its pattern could not be read")


def _letters(text: str, letters: dict[str, str]) -> str:
    """One operand of a product. Effect: gives a letter to every axis that has none yet."""
    numbers: dict[str, int] = {}
    groups = _side(text, numbers)
    if numbers or any(len(group) != 1 or group == (_MERGED,) for group in groups):
        raise Unclear("its pattern could not be read")
    for (name,) in groups:
        letters.setdefault(name, _ELLIPSIS if name == _ELLIPSIS else string.ascii_letters[len(letters)])
    return "".join(letters[name] for (name,) in groups)


def _names(side: Sequence[Group]) -> frozenset[str]:
    return frozenset(name for group in side for name in group)


def _replaced(side: Sequence[Group], names: Group) -> tuple[Group, ...]:
    """One side with names in place of its ellipsis."""
    groups: list[Group] = []
    for group in side:
        if group == (_ELLIPSIS,):
            groups += [(name,) for name in names]
        else:
            groups.append(tuple(new for name in group for new in (names if name == _MERGED else (name,))))
    return tuple(groups)
