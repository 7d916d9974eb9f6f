"""What structural operations do to shapes and axes: each gives the new shape and where the axes go.

While the rank is unknown, axes in front of a change keep their front numbers and axes behind it their back
numbers; what cannot be told that way is left to the algebra, which then answers "possibly".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from biaslens.algebra.axes import NONE, Axes, Shape, axes_from
from biaslens.algebra.outcome import Carries
from biaslens.algebra.sizes import Size, number, same_size
from biaslens.catalogue.steps import Impossible, Unclear

Moves: TypeAlias = tuple[tuple[int, tuple[int, ...]], ...]

DEEP = 12
"""No axis further from the end than this is followed while the rank is unknown."""


def at_least(shape: Shape, rank: int) -> Shape:
    """The same shape, with the knowledge that its rank is no smaller."""
    return shape if shape.rank is not None else replace(shape, at_least=max(shape.at_least, rank))


def with_rank(shape: Shape, rank: int) -> Shape:
    """The same shape, with the knowledge of its rank."""
    if shape.rank is not None:
        if shape.rank != rank:
            raise Impossible("the tensor has another number of axes than it should have")
        return shape
    if shape.at_least > rank:
        raise Impossible("the tensor has more axes than it should have")
    sizes = (None,) * (rank - len(shape.sizes)) + shape.sizes[max(0, len(shape.sizes) - rank) :]
    return replace(shape, rank=rank, sizes=sizes, at_least=rank)


def without(shape: Shape, dropped: Sequence[int]) -> tuple[Shape, Moves]:
    """The shape without some axes."""
    gone = {shape.canonical(axis) for axis in dropped}
    if shape.rank is not None:
        kept = [axis for axis in range(-shape.rank, 0) if axis not in gone]
        moves = [(old, (new - len(kept),)) for new, old in enumerate(kept) if old != new - len(kept)]
        return Shape.of(*(shape.size(axis) for axis in kept)), (*((axis, ()) for axis in sorted(gone)), *moves)
    least = max(shape.at_least - len(gone), 0)
    if all(axis < 0 for axis in gone):
        kept = [axis for axis in range(-DEEP, 0) if axis not in gone]
        moves = [(old, (new - len(kept),)) for new, old in enumerate(kept) if old != new - len(kept)]
        sizes = tuple(shape.size(axis) for axis in kept if axis >= -len(shape.sizes))
        return Shape(None, sizes, -1, least), (*((axis, ()) for axis in sorted(gone)), *moves)
    if all(axis >= 0 for axis in gone):
        front = [axis for axis in range(max(gone)) if axis not in gone]
        moves = [(old, (new,)) for new, old in enumerate(front)]
        behind = max(shape.at_least - max(gone) - 1, 0)
        sizes = shape.sizes[max(0, len(shape.sizes) - behind) :]
        return Shape(None, sizes, -1, least), (*((axis, ()) for axis in sorted(gone)), *moves)
    raise Unclear("the number of axes is not known")


def reduced(shape: Shape, along: Sequence[int] | None, *, keep: bool) -> tuple[Shape, Moves]:
    """The shape after a reduction along some axes (None: all), which stay with size 1 where `keep`."""
    places = tuple(along) if along is not None else shape.axes() or tuple(range(-DEEP, 0))
    gone: Moves = tuple((axis, ()) for axis in places)
    if keep and along is None and shape.rank is None:
        return replace(shape, sizes=(number(1),) * len(shape.sizes)), gone
    if keep:
        for axis in places:
            shape = _forgetting(shape, axis).with_size(axis, number(1)) if axis < 0 else _forgetting(shape, axis)
        return shape, gone
    if along is None:
        return Shape.of(), gone
    return without(shape, along)


def _forgetting(shape: Shape, axis: int) -> Shape:
    """The shape where the sizes that may belong to a front-numbered axis are not known."""
    if shape.canonical(axis) < 0:
        return shape
    known = at_least(shape, axis + 1)
    sizes = tuple(
        size if known.same_axis(place, axis) is False else None
        for place, size in zip(range(-len(shape.sizes), 0), shape.sizes, strict=True)
    )
    return replace(known, sizes=sizes)


def inserted(shape: Shape, axis: int, size: Size | None) -> tuple[Shape, Moves]:
    """The shape with a new axis, which has the number `axis` afterwards."""
    if shape.rank is not None:
        rank = shape.rank + 1
        position = axis if axis >= 0 else axis + rank
        if not 0 <= position < rank:
            raise Impossible("the axis does not exist")
        sizes = (*shape.sizes[:position], size, *shape.sizes[position:])
        return Shape.of(*sizes), tuple((old - rank + 1, (old - rank,)) for old in range(position))
    least = max(shape.at_least, axis if axis >= 0 else -axis - 1) + 1
    if axis < 0:
        behind = -axis - 1
        known = len(shape.sizes)
        sizes = (*shape.sizes[: known - behind], size, *shape.sizes[known - behind :]) if known >= behind else ()
        return Shape(None, sizes, -1, least), tuple((old, (old - 1,)) for old in range(-DEEP, -behind))
    behind = max(shape.at_least - axis, 0)
    sizes = shape.sizes[max(0, len(shape.sizes) - behind) :]
    return Shape(None, sizes, -1, least), tuple((old, (old,)) for old in range(axis))


def swapped(shape: Shape, left: int, right: int) -> tuple[Shape, Moves]:
    """The shape with two axes exchanged."""
    left, right = shape.canonical(left), shape.canonical(right)
    if left == right:
        return shape, ()
    moves: Moves = ((left, (right,)), (right, (left,)))
    if shape.rank is not None or (left < 0 and right < 0):
        new = shape.with_size(left, shape.size(right)).with_size(right, shape.size(left))
        return replace(new, at_least=max(shape.at_least, -left, -right)), moves
    known = at_least(shape, max(_needed(left), _needed(right)))
    sizes = tuple(
        size if known.same_axis(axis, left) is False and known.same_axis(axis, right) is False else None
        for axis, size in zip(range(-len(shape.sizes), 0), shape.sizes, strict=True)
    )
    return replace(known, sizes=sizes), moves


def permuted(shape: Shape, order: Sequence[int]) -> tuple[Shape, Shape, Moves]:
    """The operand's shape with its rank, the permuted shape, and the moves."""
    operand = with_rank(shape, len(order))
    places = [operand.canonical(axis) for axis in order]
    if sorted(places) != list(range(-len(order), 0)):
        raise Unclear("the order of the axes does not fit")
    moves = tuple((old, (new - len(order),)) for new, old in enumerate(places) if old != new - len(order))
    return operand, Shape.of(*(operand.size(axis) for axis in places)), moves


def followed(axis: int | None, before: Shape, after: Shape, moves: Moves) -> int | None:
    """Where one axis ends up, None where it is gone or that cannot be told."""
    if axis is None:
        return None
    axis = before.canonical(axis)
    for old, new in moves:
        same = before.same_axis(axis, old)
        if same is True:
            return after.canonical(new[0]) if len(new) == 1 else None
        if same is None:
            return None
    return axis if axis < 0 else None


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape of an elementwise result."""
    if not shapes:
        return Shape.of()
    least = max(shape.at_least for shape in shapes)
    ranks = {shape.rank for shape in shapes}
    widest = max(shape.rank if shape.rank is not None else len(shape.sizes) for shape in shapes)
    sizes = tuple(_together([_padded_size(shape, axis) for shape in shapes]) for axis in range(-widest, 0))
    if None not in ranks:
        return Shape(widest, sizes, -1, widest)
    tokens = {shape.token for shape in shapes if shape.rank is None}
    fits = all(shape.rank is None or shape.rank <= 1 or _fits(shape.rank, shapes) for shape in shapes)
    token = tokens.pop() if len(tokens) == 1 and fits else -1
    return Shape(None, sizes, token, least)


def aligned(before: Shape, after: Shape) -> Moves:
    """The moves of an operand that is broadcast to `after`: none, but front numbers may lose their meaning."""
    if before.rank is not None or (before.token == after.token and before.token != -1):
        return ()
    return ((-1, (-1,)),)


def spans(shape: Shape) -> tuple[Axes, bool]:
    """The axes along which a tensor may vary, as far as they are known, and whether that is all of them."""
    sizes = shape.sizes if shape.rank is None else tuple(shape.size(axis) for axis in range(-shape.rank, 0))
    named = [axis for axis, size in zip(range(-len(sizes), 0), sizes, strict=True) if size is None or size.value != 1]
    return axes_from(named) if named else NONE, shape.rank is not None


def regrouped(operand: Shape, after: Shape) -> Carries:
    """What a reshape between two shapes of equal content does; factors are matched from both ends."""
    if operand.rank is None:
        return _regrouped_open(operand, after)
    old = [axis for axis in range(-operand.rank, 0) if not operand.is_single(axis)]
    new = [axis for axis in range(-(after.rank or 0), 0) if not after.is_single(axis)]
    moves: list[tuple[int, tuple[int, ...]]] = []
    scatters: list[tuple[int, tuple[int, ...]]] = []
    mixed: list[int] = []
    for sources, targets in _groups(operand, after, old, new):
        if len(sources) <= 1 or len(targets) == 1:
            moves += [(source, tuple(targets)) for source in sources]
        else:
            scatters += [(source, tuple(targets)) for source in sources]
        if len(sources) != 1 or len(targets) != 1:
            mixed += sources
    if all((source,) == targets for source, targets in moves):
        moves = [] if len(scatters) == 0 and operand.rank == after.rank else moves
    return Carries(moves=tuple(moves), scatters=tuple(scatters), mixes=axes_from(mixed), splits=bool(mixed))


def _regrouped_open(operand: Shape, after: Shape) -> Carries:
    """As `regrouped` while the rank is unknown: factors are matched from the end, as far as sizes are known."""
    old = [axis for axis in range(-len(operand.sizes), 0) if not operand.is_single(axis)]
    new = [axis for axis in range(-(after.rank or 0), 0) if not after.is_single(axis)]
    moves: list[tuple[int, tuple[int, ...]]] = []
    mixed: list[int] = []
    while old and new:
        cut = _cut(operand, after, old[::-1], new[::-1])
        if cut is None or (cut[0] > 1 and cut[1] > 1):
            break
        sources, targets = old[len(old) - cut[0] :], new[len(new) - cut[1] :]
        moves += [(source, tuple(targets)) for source in sources]
        mixed += sources if len(sources) != len(targets) else []
        old, new = old[: len(old) - cut[0]], new[: len(new) - cut[1]]
    behind = {axis for axis, _ in moves}
    scatters = tuple((axis, tuple(new)) for axis in range(-DEEP, 0) if axis not in behind)
    return Carries(moves=tuple(moves), scatters=scatters, mixes=axes_from(mixed), splits=bool(mixed))


def _groups(operand: Shape, after: Shape, old: list[int], new: list[int]) -> list[tuple[list[int], list[int]]]:
    """Pairs of runs of axes with equal products, as small as can be told."""
    groups: list[tuple[list[int], list[int]]] = []
    while old and new:
        cut = _cut(operand, after, old, new)
        if cut is None:
            break
        groups.append((old[: cut[0]], new[: cut[1]]))
        old, new = old[cut[0] :], new[cut[1] :]
    tail: list[tuple[list[int], list[int]]] = []
    while old and new:
        cut = _cut(operand, after, old[::-1], new[::-1])
        if cut is None:
            break
        tail.insert(0, (old[len(old) - cut[0] :], new[len(new) - cut[1] :]))
        old, new = old[: len(old) - cut[0]], new[: len(new) - cut[1]]
    if old or new:
        groups.append((old, new))
    return groups + tail


def _cut(operand: Shape, after: Shape, old: list[int], new: list[int]) -> tuple[int, int] | None:
    """How many of the axes before and after are the same numbers in all, as few as possible."""
    before = _products(operand.size(axis) for axis in old)
    behind = _products(after.size(axis) for axis in new)
    for total in range(2, len(before) + len(behind) + 1):
        for count in range(max(1, total - len(behind)), min(len(before), total - 1) + 1):
            if same_size(before[count - 1], behind[total - count - 1]) is True:
                return count, total - count
    return None


def _products(sizes: Iterable[Size | None]) -> list[Size]:
    """The product of the first one, of the first two, and so on, as far as they are known."""
    products: list[Size] = []
    total = number(1)
    for size in sizes:
        if size is None:
            break
        total = total * size
        products.append(total.taking_divisions_as_exact())
    return products


def _together(sizes: list[Size | None]) -> Size | None:
    """The size of a broadcast axis."""
    wide = [size for size in sizes if size is None or size.value != 1]
    if not wide:
        return sizes[0]
    return next((size for size in wide if size is not None), None)


def _padded_size(shape: Shape, axis: int) -> Size | None:
    if shape.rank is not None and axis < -shape.rank:
        return number(1)
    return shape.size(axis)


def _fits(rank: int, shapes: Sequence[Shape]) -> bool:
    return all(shape.rank is not None or shape.at_least >= rank for shape in shapes)


def _needed(axis: int) -> int:
    return axis + 1 if axis >= 0 else -axis
