"""Parts of tensors: subscripts, chunks, selections and look-ups along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from biaslens.algebra.axes import ALL, Shape, axes, axes_from
from biaslens.algebra.outcome import Carries, Effect, Take, reads, unknown
from biaslens.algebra.sizes import Size, number
from biaslens.catalogue.entry import Argument, Call, Operand, Result, Step, Unknowable
from biaslens.catalogue.shapes import DEEP, Moves, at_least, without
from biaslens.catalogue.steps import (
    Unclear,
    as_size,
    axis_of,
    effects,
    listed,
    opaque,
    place,
    row,
    single,
    tensor,
    whole,
)

# --- subscripts ------------------------------------------------------------------------------------------------------


def subscript(x: Operand, items: Sequence[Argument]) -> Step:
    """The step of `x[items]`.

    x: the subscripted tensor, with index 0. items: what stands between the brackets, always as a sequence: ints and
    sizes, `slice` objects over them (or over None and unknown values), None, Ellipsis, a tuple of ints for a list,
    and anything else. Tensors among the items are operands 1, 2, … in their order.
    """
    indices = [item for item in items if isinstance(item, Operand)]
    call = Call({"input": x}, (x, *indices))
    try:
        return _subscripted(call, x, tuple(items))
    except Unclear as reason:
        return opaque(call, str(reason))


def _subscripted(call: Call, x: Operand, items: tuple[Argument, ...]) -> Step:
    if sum(item is Ellipsis for item in items) > 1:
        raise Unclear("its index is not understood")
    middle = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    front, back = items[:middle], items[middle + 1 :]
    shape = at_least(x.shape, sum(item is not None for item in (*front, *back)))
    if shape.rank is not None and shape.rank < shape.at_least:
        raise Unclear("its index has too many axes")
    if shape.rank is not None:
        used = sum(item is not None for item in (*front, *back))
        if used > shape.rank:
            raise Unclear("its index has too many axes")
        every = (*front, *(slice(None),) * (shape.rank - used), *back)
        return _ranked(call, x, shape, every)
    return _open(call, x, shape, front, back)


def _ranked(call: Call, x: Operand, shape: Shape, items: tuple[Argument, ...]) -> Step:
    """All axes are told by one item each; None adds one."""
    sizes: list[Size | None] = []
    places: list[tuple[int, int | None]] = []
    mixed: list[int] = []
    takes: list[Take] = []
    axis = -(shape.rank or 0)
    for item in items:
        if item is None:
            sizes.append(number(1))
            continue
        kept, size, identical = _item(item, shape.size(axis))
        if not identical:
            mixed.append(axis)
            takes += _taken(axis, item, kept, size, shape.size(axis))
        places.append((axis, len(sizes) if kept else None))
        if kept:
            sizes.append(size)
        axis += 1
    count = len(sizes)
    moves = tuple(
        (old, () if new is None else (new - count,)) for old, new in places if new is None or new - count != old
    )
    effect = Carries(moves=moves, mixes=axes_from(mixed), takes=tuple(takes))
    return _part(call, x, Shape.of(*sizes), effect, shape)


def _open(call: Call, x: Operand, shape: Shape, front: tuple[Argument, ...], back: tuple[Argument, ...]) -> Step:
    """The rank is not known: items in front count from the front, those behind an ellipsis from the back."""
    moves: list[tuple[int, tuple[int, ...]]] = []
    mixed: list[int] = []
    takes: list[Take] = []
    behind: list[Size | None] = []
    old = -sum(item is not None for item in back)
    new = -sum(item is None or _item(item, None)[0] for item in back)
    shift = new - old
    moves += [(axis, (axis + shift,)) for axis in range(old - DEEP, old)] if shift else []
    if back:
        for item in back:
            if item is None:
                behind.append(number(1))
                new += 1
                continue
            kept, size, identical = _item(item, shape.size(old))
            moves.append((old, (new,) if kept else ()))
            mixed += [] if identical else [old]
            takes += [] if identical else _taken(old, item, kept, size, shape.size(old))
            behind += [size] if kept else []
            old, new = old + 1, new + kept
    place_, target = 0, 0
    for item in front:
        if item is None:
            target += 1
            continue
        kept, _, identical = _item(item, None)
        moves.append((place_, (target,) if kept else ()))
        mixed += [] if identical else [place_]
        place_, target = place_ + 1, target + kept
    least = max(shape.at_least - place_ - sum(item is not None for item in back), 0) + target + len(behind)
    same = all((before,) == after for before, after in moves)
    token = shape.token if same and place_ == target else -1
    known = max(0, shape.at_least - place_) if not back else 0
    trailing = shape.sizes[max(0, len(shape.sizes) - known) :] if not back else tuple(behind)
    after = Shape(None, trailing, token, least)
    effect = Carries(moves=tuple(moves) if not same else (), mixes=axes_from(mixed), takes=tuple(takes))
    return _part(call, x, after, effect, shape)


def _part(call: Call, x: Operand, after: Shape, effect: Effect, refined: Shape) -> Step:
    return single(call, after, {x.index: effect}, view=True, blocked=x.blocked, refined=((x.index, refined),))


def _item(item: Argument, size: Size | None) -> tuple[bool, Size | None, bool]:
    """Of one item: whether its axis stays, its new size, and whether all entries stay where they are."""
    if isinstance(item, slice):
        return _slice(cast("slice[Argument, Argument, Argument]", item), size)
    if isinstance(item, Size) or (isinstance(item, int) and not isinstance(item, bool)) or item is Unknowable.NUMBER:
        return False, None, False
    chosen = listed(item)
    if chosen is not None and all(whole(entry) is not None for entry in chosen):
        return True, number(len(chosen)), False
    raise Unclear("it is indexed by a tensor or an unknown value")


def _slice(item: slice[Argument, Argument, Argument], size: Size | None) -> tuple[bool, Size | None, bool]:
    start, stop, step = item.start, item.stop, item.step
    if (start is None or whole(start) == 0) and stop is None and (step is None or whole(step) == 1):
        return True, size, True
    if (start is None or whole(start) == 0) and isinstance(stop, Size) and stop == size and step is None:
        return True, size, True
    return True, _length(start, stop, step, size), False


def _length(start: Argument, stop: Argument, step: Argument, size: Size | None) -> Size | None:
    numbers = [whole(value) for value in (start, stop, step)]
    known = [value is None or plain is not None for value, plain in zip((start, stop, step), numbers, strict=True)]
    if size is not None and size.value is not None and all(known) and numbers[2] != 0:
        return number(len(range(*slice(*numbers).indices(size.value))))
    if size is None or (step is not None and whole(step) != 1):
        return None
    first = number(0) if start is None else as_size(start)
    last = size if stop is None else as_size(stop)
    if first is None or last is None:
        return None
    first = size + first if _negative(first) else first
    last = size + last if _negative(last) else last
    inside = _at_most(first, last) and _at_most(last, size)
    return last - first if inside else None


def _taken(axis: int, item: Argument, kept: bool, count: Size | None, size: Size | None) -> tuple[Take, ...]:
    """What an int or a slice without a step keeps of an axis, where that is known."""
    if isinstance(item, slice):
        part = cast("slice[Argument, Argument, Argument]", item)
        start, count = (0 if part.start is None else part.start), count if part.step is None else None
    else:
        start, count = item, None if kept else number(1)
    first = as_size(start)
    if first is not None and _negative(first):
        first = size + first if size is not None else None
    if first is None or count is None or not _at_most(number(0), first):
        return ()
    return (Take(axis, first, count),)


def _negative(size: Size) -> bool:
    return bool(size.terms) and all(factor < 0 for _, factor in size.terms)


def _at_most(left: Size, right: Size) -> bool:
    return all(factor > 0 for _, factor in (right - left).terms)


# --- parts along one axis --------------------------------------------------------------------------------------------


def narrow(call: Call) -> Step:
    """`x.narrow(dim, start, length)`."""
    x = tensor(call)
    axis = axis_of(call, x)
    length = as_size(call["length"])
    takes = _taken(axis, slice(call["start"], None), True, length, x.shape.size(axis))
    after = x.shape.with_size(axis, length)
    return single(call, after, {x.index: Carries(mixes=axes(axis), takes=takes)}, view=True)


def select(call: Call) -> Step:
    """`x.select(dim, index)`."""
    x = tensor(call)
    axis = axis_of(call, x)
    after, moves = without(x.shape, (axis,))
    takes = _taken(axis, call["index"], False, None, x.shape.size(axis))
    return single(call, after, {x.index: Carries(moves=moves, mixes=axes(axis), takes=takes)}, view=True)


def unbind(call: Call) -> Step:
    """All selections along an axis, whose size has to be known."""
    x = tensor(call)
    axis = axis_of(call, x)
    size = x.shape.size(axis)
    count = size.value if size is not None else None
    if count is None or count > _MANY:
        raise Unclear("how many parts it has is not known")
    after, moves = without(x.shape, (axis,))
    results = [
        Result(after, effects(call, {x.index: Carries(moves=moves, mixes=axes(axis), takes=takes)}))
        for takes in ((Take(axis, number(place), number(1)),) for place in range(count))
    ]
    return Step(tuple(results), sequence=True, view=True)


def chunk(call: Call) -> Step:
    """A number of parts of equal size."""
    x, count = tensor(call), whole(call.get("chunks", call.get("indices_or_sections")))
    axis = axis_of(call, x)
    if count is None or not 0 < count <= _MANY:
        raise Unclear("how many parts it has is not known")
    size = x.shape.size(axis)
    exact = "indices_or_sections" in call.arguments
    if size is not None and size.value is not None and not exact:
        width = -(-size.value // count)
        lengths: list[Size | None] = [number(min(width, size.value - at)) for at in range(0, size.value, width or 1)]
    elif size is not None and size.value is not None:
        lengths = [number(size.value // count + (i < size.value % count)) for i in range(count)]
    else:
        lengths = [_share(size, count)] * count
    return _parts(call, x, axis, lengths)


def _share(size: Size | None, count: int) -> Size | None:
    """An equal part of a size, where it comes out even for every value of its unknowns."""
    part = size.exactly_divided_by(number(count)) if size is not None else None
    return part if part is not None and all(factor.denominator == 1 for _, factor in part.terms) else None


def split(call: Call) -> Step:
    """Parts of one size, or of the listed sizes."""
    x = tensor(call, "tensor")
    wanted = call["split_size_or_sections"]
    axis = axis_of(call, x)
    size = x.shape.size(axis)
    parts = listed(wanted)
    if parts is None:
        width = as_size(wanted)
        share = size.exactly_divided_by(width) if size is not None and width is not None else None
        count = share.value if share is not None else None
        if count is None and size is not None and size.value is not None and (plain := whole(wanted)):
            widths = [number(min(plain, size.value - at)) for at in range(0, size.value, plain)]
            return _parts(call, x, axis, widths)
        if count is None or not 0 < count <= _MANY:
            raise Unclear("how many parts it has is not known")
        parts = (width,) * count
    return _parts(call, x, axis, [as_size(part) for part in parts])


def _parts(call: Call, x: Operand, axis: int, lengths: Sequence[Size | None]) -> Step:
    """Parts of some lengths, one behind the other."""
    results: list[Result] = []
    first: Size | None = number(0)
    for length in lengths:
        takes = () if first is None or length is None else (Take(axis, first, length),)
        effect = Carries(mixes=axes(axis), takes=takes)
        results.append(Result(x.shape.with_size(axis, length), effects(call, {x.index: effect})))
        first = None if first is None or length is None else first + length
    return Step(tuple(results), sequence=True, view=True)


_MANY = 64

# --- look-ups --------------------------------------------------------------------------------------------------------

_INDEX = reads("its values are used as indices")


def index_select(call: Call) -> Step:
    """Entries along an axis, in the order of an index."""
    x, index = tensor(call), tensor(call, "index")
    axis = axis_of(call, x)
    after = x.shape.with_size(axis, index.shape.size(-1))
    return single(call, after, {x.index: Carries(mixes=axes(axis)), index.index: _INDEX})


def gather(call: Call) -> Step:
    """For each place an entry from along the axis."""
    x, index = tensor(call), tensor(call, "index")
    if call["dim"] is None:
        raise Unclear("the axis is not known")
    axis = axis_of(call, x)
    same = index.shape.rank is None and x.shape.rank is None
    after = index.shape if not same else at_least(Shape(None, (), x.shape.token, x.shape.at_least), 1)
    if after.rank is None and x.shape.rank is not None:
        after = Shape(x.shape.rank, (None,) * x.shape.rank, -1, x.shape.rank)
    effect = Carries(mixes=axes(axis), gains=ALL, averages=axes(axis))  # an index differs from place to place
    known: dict[int, Effect | None] = {index.index: _INDEX, x.index: effect}
    return single(call, after, known)


def masked_select(call: Call) -> Step:
    """The entries under a mask, in one row: which axis they came from is lost."""
    x = tensor(call)
    mask = tensor(call, "mask")
    effect = Carries(
        mixes=ALL, moves=tuple((axis, (-1,)) for axis in (x.shape.axes() or range(-DEEP, 0))), keeps_mask=False
    )
    return single(call, Shape.of(None), {mask.index: reads("it is used as a mask"), x.index: effect})


def scattered(call: Call) -> Step:
    """Writes at indexed places."""
    x = tensor(call)
    known: dict[int, Effect | None] = {
        operand.index: unknown("it is written to places that depend on data") for operand in call.operands
    }
    if isinstance(index := call.get("index"), Operand):
        known[index.index] = _INDEX
    return single(call, x.shape, known)


def windows(call: Call) -> Step:
    """`x.unfold(dimension, size, step)`: sliding windows in a new last axis."""
    x = tensor(call)
    axis = place(x.shape, call["dimension"])
    if x.shape.rank is None:
        raise Unclear("the number of axes is not known")
    rank, length, width, step = x.shape.rank, x.shape.size(axis), as_size(call["size"]), whole(call["step"])
    count = None
    if length is not None and width is not None and step:
        count = (length - width) // number(step) + number(1)
    sizes = [count if a == axis else x.shape.size(a) for a in range(-rank, 0)]
    moves: Moves = tuple((old, (old - 1, -1) if old == axis else (old - 1,)) for old in range(-rank, 0))
    return single(call, Shape.of(*sizes, width), {x.index: Carries(moves=moves, mixes=axes(axis))}, view=True)


ROWS = (
    row("torch.narrow(input, dim, start, length)", narrow, "x, 1, 1, 2 | 2 4 5", also="Tensor.narrow"),
    row("torch.select(input, dim, index)", select, "x, 1, 2 | 2 4 5", also="Tensor.select"),
    row("torch.unbind(input, dim=0)", unbind, "x, 1 | 2 3 5", also="Tensor.unbind"),
    row("torch.chunk(input, chunks, dim=0)", chunk, "x, 2, 1 | 2 4 5", "x, 3, -1 | 2 4 5", also="Tensor.chunk"),
    row("torch.tensor_split(input, indices_or_sections, dim=0)", chunk, "x, 2, 2 | 2 4 5", also="Tensor.tensor_split"),
    row(
        "torch.split(tensor, split_size_or_sections, dim=0)",
        split,
        "x, 2, 1 | 2 4 5",
        "x, [1, 3], 1 | 2 4 5",
        also="torch.functional.split torch.split_with_sizes Tensor.split_with_sizes",
    ),
    row(
        "Tensor.split(tensor, split_size, dim=0)",
        lambda call: split(Call({**call.arguments, "split_size_or_sections": call["split_size"]}, call.operands)),
        "x, 2, 2 | 2 4 5",
    ),
    row("torch.index_select(input, dim, index)", index_select, "x, 1, i | 2 4 5 | i 3", also="Tensor.index_select"),
    row(
        "torch.gather(input, dim, index, *, sparse_grad=False)",
        gather,
        "x, 1, i | 2 4 5 | i 2 3 5",
        also="Tensor.gather",
    ),
    row(
        "torch.take_along_dim(input, index, dim=None)",
        gather,
        "x, i, 1 | 2 4 5 | i 2 3 5",
        also="Tensor.take_along_dim",
    ),
    row("torch.masked_select(input, mask)", masked_select, "x, m | 2 4 5 | 2 4 5", also="Tensor.masked_select"),
    row(
        "torch.scatter(input, dim, index, src)",
        scattered,
        "x, 1, i, y | 2 4 5 | i 2 3 5 | 2 3 5",
        also="Tensor.scatter",
    ),
    row(
        "torch.scatter_add(input, dim, index, src)",
        scattered,
        "x, 1, i, y | 2 4 5 | i 2 3 5 | 2 3 5",
        also="Tensor.scatter_add",
    ),
    row(
        "torch.index_add(input, dim, index, source, *, alpha=1)",
        scattered,
        "x, 1, i, y | 2 4 5 | i 3 | 2 3 5",
        also="Tensor.index_add",
    ),
    row("Tensor.unfold(input, dimension, size, step)", windows, "x, 1, 3, 1 | 2 6 5"),
)
