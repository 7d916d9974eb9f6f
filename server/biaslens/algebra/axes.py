"""Axes of tensors whose rank may be unknown.

An axis is an int as in torch: 0, 1, … from the front, -1, -2, … from the back. Where the rank is known both name the
same axis, and `canonical` turns them into the negative form; broadcasting aligns tensors at the back, so
negative numbers survive it. Where the rank is unknown, a front and a back number can be the same axis or not, so
questions about them have three answers: True, False, None.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from biaslens.algebra.sizes import Size

_NO_AXES: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a tensor's shape.

    sizes: the trailing sizes, all of them where the rank is known; None for a size without a name.
    token: names the unknown rank; shapes with equal tokens have equal ranks.
    at_least: no smaller rank is possible.
    singles: the axes, in negative numbers, that are known to have size 1.
    """

    rank: int | None = None
    sizes: tuple[Size | None, ...] = ()
    token: int = -1
    at_least: int = 0
    singles: frozenset[int] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        found = [place - len(self.sizes) for place, size in enumerate(self.sizes) if size is not None and size.is_one]
        object.__setattr__(self, "singles", frozenset(found) if found else _NO_AXES)

    @staticmethod
    def of(*sizes: Size | None) -> Shape:
        """A shape of known rank."""
        return Shape(len(sizes), sizes, -1, len(sizes))

    def canonical(self, axis: int) -> int:
        """The negative number of an axis where that can be told, else the axis as it is."""
        return axis - self.rank if self.rank is not None and axis >= 0 else axis

    def same_axis(self, left: int, right: int) -> bool | None:
        """Whether two numbers name one axis of this shape."""
        left, right = self.canonical(left), self.canonical(right)
        if self.rank is not None or (left < 0) == (right < 0):
            return left == right
        front, back = max(left, right), min(left, right)
        rank_if_same = front - back  # front = rank + back
        return None if rank_if_same >= max(self.at_least, front + 1, -back) else False

    def has_axis(self, axis: int) -> bool | None:
        """Whether the axis exists."""
        if self.rank is not None:
            return -self.rank <= self.canonical(axis) < 0
        needed = axis + 1 if axis >= 0 else -axis
        return True if needed <= self.at_least else None

    def size(self, axis: int) -> Size | None:
        """The size along an axis, None where it is not known."""
        axis = self.canonical(axis)
        return self.sizes[axis] if -len(self.sizes) <= axis < 0 else None

    def is_single(self, axis: int) -> bool:
        """Whether the axis is known to have size 1, so that nothing can vary along it."""
        return self.canonical(axis) in self.singles

    def with_size(self, axis: int, size: Size | None) -> Shape:
        """The same shape with another size along one axis; forgets sizes where the axis cannot be placed."""
        place = self.canonical(axis)
        if place >= 0:
            return replace(self, sizes=())
        padded = (None,) * (-place - len(self.sizes)) + self.sizes
        sizes = (*padded[:place], size, *(padded[place + 1 :] if place != -1 else ()))
        return replace(self, sizes=sizes, at_least=max(self.at_least, -place))

    def axes(self) -> tuple[int, ...] | None:
        """All axes in negative form, front to back, or None while the rank is unknown."""
        return tuple(range(-self.rank, 0)) if self.rank is not None else None

    def __str__(self) -> str:
        front = "" if self.rank is not None else "..., "
        return f"({front}{', '.join('?' if size is None else str(size) for size in self.sizes)})"


@dataclass(frozen=True, slots=True)
class Axes:
    """A set of axes: the named ones, or with `others` all except the named ones."""

    named: frozenset[int] = frozenset()
    others: bool = False

    def __bool__(self) -> bool:
        return bool(self.named) or self.others

    def has(self, axis: int, shape: Shape) -> bool | None:
        """Whether the set contains an axis of `shape`; None where the rank would decide."""
        if not self.named:
            return self.others
        answers = [shape.same_axis(axis, named) for named in self.named]
        if True in answers:
            return not self.others
        if None in answers:
            return None
        return self.others

    def canonical(self, shape: Shape) -> Axes:
        """The same set in negative numbers, without axes of size 1; listed where the rank is known."""
        if not self:
            return self
        rank = shape.rank
        if rank is None and self.others:
            return self
        named = self.named
        if rank is not None and any(not -rank <= axis < 0 for axis in named):
            named = frozenset(place for place in map(shape.canonical, named) if -rank <= place < 0)
        if rank is not None and self.others:
            named = frozenset(axis for axis in range(-rank, 0) if axis not in named)
        if shape.singles:
            named = named - shape.singles
        return self if named is self.named and not self.others else Axes(named)

    def union(self, other: Axes) -> Axes:
        """The axes of both, which have to be canonical for one shape to be compared by number."""
        if not other or self == other:
            return self
        match self.others, other.others:
            case False, False:
                return Axes(self.named | other.named)
            case True, True:
                return Axes(self.named & other.named, others=True)
            case True, False:
                return Axes(self.named - other.named, others=True)
            case _:
                return Axes(other.named - self.named, others=True)

    def overlaps(self, other: Axes, shape: Shape) -> bool | None:
        """Whether the two sets share an axis of `shape`."""
        if not self or not other:
            return False
        if self.others:
            if other.others:
                return _shared_complement(self.named | other.named, shape)
            return other.overlaps(self, shape)
        answers = [other.has(axis, shape) for axis in self.named if not shape.is_single(axis)]
        return True if True in answers else None if None in answers else False

    def __str__(self) -> str:
        names = ", ".join(str(axis) for axis in sorted(self.named))
        return f"{{all but {names}}}" if self.others and names else "{all}" if self.others else f"{{{names}}}"


NONE = Axes()
ALL = Axes(others=True)


@lru_cache(maxsize=256)
def axes(*named: int) -> Axes:
    """The set of the named axes."""
    return Axes(frozenset(named))


def all_but(*named: int) -> Axes:
    """The set of all axes except the named ones."""
    return Axes(frozenset(named), others=True)


def axes_from(named: Iterable[int]) -> Axes:
    """The set of the axes of a sequence."""
    return Axes(frozenset(named))


def _shared_complement(excluded: frozenset[int], shape: Shape) -> bool | None:
    """Whether an axis remains besides the excluded ones."""
    remaining = shape.axes()
    if remaining is None:
        return None
    gone = {shape.canonical(axis) for axis in excluded}
    return any(axis not in gone and not shape.is_single(axis) for axis in remaining)
