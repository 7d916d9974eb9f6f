"""Operations that rename, merge, split, repeat and reorder axes."""

from __future__ import annotations

from biaslens.algebra.axes import ALL, Shape, axes, axes_from
from biaslens.algebra.outcome import CARRIES, Carries, Effect, unknown
from biaslens.algebra.sizes import Size, number
from biaslens.catalogue.entry import Argument, Call, Operand, Result, Rule, Step
from biaslens.catalogue.shapes import (
    DEEP,
    Moves,
    aligned,
    at_least,
    broadcast,
    followed,
    inserted,
    permuted,
    regrouped,
    swapped,
    without,
)
from biaslens.catalogue.steps import (
    Unclear,
    as_size,
    axes_of,
    axis_of,
    effects,
    listed,
    place,
    row,
    single,
    starred,
    tensor,
    whole,
)

# --- view, reshape, flatten ------------------------------------------------------------------------------------------


def view(call: Call) -> Step:
    """`x.view(2, -1)`; `x.view(torch.float32)` is not followed."""
    wanted = starred(call, "shape")
    if any(isinstance(size, str) for size in wanted):
        raise Unclear("its memory is read as another type")
    return _reshaped(call, tensor(call), wanted)


def reshape(call: Call) -> Step:
    """`torch.reshape(x, (2, -1))`."""
    wanted = listed(call["shape"])
    if wanted is None:
        raise Unclear("its new shape is not known")
    return _reshaped(call, tensor(call), wanted)


def view_as(call: Call) -> Step:
    """`x.view_as(y)`: only the shape of the other is used."""
    x, other = tensor(call), tensor(call, "other")
    if other.shape.rank is None:
        raise Unclear("its new shape is not known")
    effect = regrouped(x.shape, other.shape)
    return single(call, other.shape, {other.index: None, x.index: effect}, view=True)


def _reshaped(call: Call, x: Operand, wanted: tuple[Argument, ...]) -> Step:
    sizes = [None if whole(size) == -1 else as_size(size) for size in wanted]
    open_places = [i for i, size in enumerate(wanted) if whole(size) == -1]
    if len(open_places) == 1:
        sizes[open_places[0]] = _rest(x.shape, [size for i, size in enumerate(sizes) if i != open_places[0]])
    before = x.shape
    if before.rank is not None and sum(size is None for size in before.sizes) == 1 and None not in sizes:
        missing = before.sizes.index(None)
        total = Shape.of(*(size for size in sizes))
        size = _rest(total, [size for i, size in enumerate(before.sizes) if i != missing])
        before = before.with_size(missing, size)
    after = Shape.of(*sizes)
    effect = regrouped(before, after)
    stochastic = None
    if x.stochastic is not None and not effect.scatters:
        mixed = effect.mixes.has(x.stochastic, before)
        stochastic = followed(x.stochastic, before, after, effect.moves) if mixed is False else None
    return single(
        call,
        after,
        {x.index: effect},
        view=True,
        stochastic=stochastic,
        blocked=x.blocked,
        refined=((x.index, before),),
    )


def _rest(shape: Shape, others: list[Size | None]) -> Size | None:
    """The size that makes up the whole content beside the others; the division has to come out even."""
    if shape.rank is None or None in shape.sizes or None in others:
        return None
    total, known = number(1), number(1)
    for size in shape.sizes:
        total = total * size if size is not None else total
    for size in others:
        known = known * size if size is not None else known
    return total.taking_divisions_as_exact().exactly_divided_by(known.taking_divisions_as_exact())


def flatten(call: Call) -> Step:
    """Merges the axes from `start_dim` to `end_dim`."""
    x = tensor(call)
    start, end = place(x.shape, call["start_dim"]), place(x.shape, call["end_dim"])
    shape = x.shape
    if shape.rank is None:
        return _flattened_open(call, x, start, end)
    if shape.rank == 0:
        return single(call, Shape.of(number(1)), {x.index: CARRIES}, view=True)
    sizes = list(shape.sizes)
    first, last = start + shape.rank, end + shape.rank
    if first > last:
        raise Unclear("the axes to flatten do not fit")
    merged: Size | None = number(1)
    for size in sizes[first : last + 1]:
        merged = merged * size if merged is not None and size is not None else None
    after = Shape.of(*sizes[:first], merged, *sizes[last + 1 :])
    rank = after.rank or 0
    moves = tuple(
        (axis - shape.rank, (min(axis, first) - rank if axis <= last else axis - (last - first) - rank,))
        for axis in range(shape.rank)
    )
    moves = tuple((old, new) for old, new in moves if (old,) != new)
    run = [axis for axis in range(start, end + 1) if not shape.is_single(axis)]
    effect = Carries(moves=moves, mixes=axes_from(run if len(run) > 1 else ()))
    return single(call, after, {x.index: effect}, view=True, blocked=x.blocked)


def _flattened_open(call: Call, x: Operand, start: int, end: int) -> Step:
    if start < 0 and end < 0:
        count = end - start
        kept = x.shape.sizes[: max(0, len(x.shape.sizes) + start)]
        behind = tuple(x.shape.size(axis) for axis in range(end + 1, 0))
        merged: Size | None = number(1)
        for axis in range(start, end + 1):
            size = x.shape.size(axis)
            merged = merged * size if merged is not None and size is not None else None
        after = Shape(None, (*kept, merged, *behind), -1, max(x.shape.at_least, -start) - count)
        moves: Moves = (
            *((axis, (end,)) for axis in range(start, end + 1)),
            *((axis, (axis + count,)) for axis in range(-DEEP, start)),
        )
        effect = Carries(moves=moves, mixes=axes_from(range(start, end + 1)))
        return single(call, after, {x.index: effect}, view=True, refined=((x.index, at_least(x.shape, -start)),))
    if start < 0 or end != -1:
        raise Unclear("the number of axes is not known")
    shape = at_least(x.shape, start + 1)
    after = Shape.of(*(None for _ in range(start + 1)))
    moves = ((-1, (-1,)), *((axis, (axis,)) for axis in range(start)), *((axis, (-1,)) for axis in range(start, DEEP)))
    effect = Carries(moves=moves, mixes=ALL)
    return single(call, after, {x.index: effect}, view=True, refined=((x.index, shape),))


def unflatten(call: Call) -> Step:
    """Splits one axis into several."""
    x = tensor(call)
    axis = axis_of(call, x)
    parts = listed(call.get("sizes", call.get("unflattened_size")))
    if parts is None or x.shape.rank is None:
        raise Unclear("its new shape is not known")
    position = axis + x.shape.rank
    before, behind = x.shape.sizes[:position], x.shape.sizes[position + 1 :]
    return _reshaped(call, x, (*_wild(before), *parts, *_wild(behind)))


def _wild(sizes: tuple[Size | None, ...]) -> tuple[Argument, ...]:
    return tuple(sizes)


# --- order of axes ---------------------------------------------------------------------------------------------------


def permute(call: Call) -> Step:
    """`torch.permute(x, dims)` and `x.permute(*dims)`."""
    dims = call["dims"]
    order = starred(call, "dims") if isinstance(dims, tuple) else None
    if order is None:
        raise Unclear("the order of the axes is not known")
    x = tensor(call)
    numbers = [whole(axis) for axis in order]
    if None in numbers:
        raise Unclear("the order of the axes is not known")
    before, after, moves = permuted(x.shape, [axis for axis in numbers if axis is not None])
    return _moved(call, x, before, after, moves)


def transpose(call: Call) -> Step:
    """Exchanges two axes."""
    x = tensor(call)
    left, right = (place(x.shape, call.get(a, call.get(b))) for a, b in (("dim0", "axis0"), ("dim1", "axis1")))
    after, moves = swapped(x.shape, left, right)
    before = at_least(x.shape, max(axis + 1 if axis >= 0 else -axis for axis in (left, right)))
    return _moved(call, x, before, after, moves)


def matrix_transpose(call: Call) -> Step:
    """`x.mT`: exchanges the last two axes."""
    x = tensor(call)
    after, moves = swapped(at_least(x.shape, 2), -2, -1)
    return _moved(call, x, at_least(x.shape, 2), after, moves)


def reversed_axes(call: Call) -> Step:
    """`x.T` and `x.t()`: all axes in reverse."""
    x = tensor(call)
    if x.shape.rank is None:
        raise Unclear("the number of axes is not known")
    before, after, moves = permuted(x.shape, range(x.shape.rank)[::-1])
    return _moved(call, x, before, after, moves)


def movedim(call: Call) -> Step:
    """Moves axes to other places; the rest keep their order."""
    x = tensor(call)
    if x.shape.rank is None:
        raise Unclear("the number of axes is not known")
    rank = x.shape.rank
    given = (call["source"], call["destination"])
    pairs = [listed(value) or (value,) for value in given]
    sources, targets = ([place(x.shape, axis) + rank for axis in pair] for pair in pairs)
    if len(sources) != len(targets):
        raise Unclear("the axes do not fit")
    rest = iter([axis for axis in range(rank) if axis not in sources])
    there = dict(zip(targets, sources, strict=True))
    order = [there[axis] if axis in there else next(rest, 0) for axis in range(rank)]
    before, after, moves = permuted(x.shape, order)
    return _moved(call, x, before, after, moves)


def _moved(call: Call, x: Operand, before: Shape, after: Shape, moves: Moves) -> Step:
    stochastic = followed(x.stochastic, before, after, moves)
    return single(
        call,
        after,
        {x.index: Carries(moves=moves)},
        view=True,
        stochastic=stochastic,
        blocked=x.blocked,
        refined=((x.index, before),),
    )


# --- axes of size one ------------------------------------------------------------------------------------------------


def unsqueeze(call: Call) -> Step:
    """A new axis of size one."""
    x, axis = tensor(call), whole(call["dim"])
    if axis is None:
        raise Unclear("the axis is not known")
    after, moves = inserted(x.shape, axis, number(1))
    return single(call, after, {x.index: Carries(moves=moves)}, view=True, blocked=x.blocked)


def squeeze(call: Call) -> Step:
    """Without axes of size one: the given ones, where they have it, or all."""
    x = tensor(call)
    along = axes_of(call, x)
    if along is None:
        if x.shape.rank is None:
            raise Unclear("the number of axes is not known")
        sizes = [x.shape.size(axis) for axis in range(-x.shape.rank, 0)]
        if any(size is None or size.value is None for size in sizes):
            raise Unclear("which axes have size one is not known")
        along = tuple(axis for axis in range(-x.shape.rank, 0) if x.shape.is_single(axis))
    gone: list[int] = []
    for axis in along:
        size = x.shape.size(axis)
        if size is not None and size.value is not None and size.value != 1:
            continue
        if size is None or size.value is None:
            raise Unclear("whether this axis has size one is not known")
        gone.append(axis)
    after, moves = without(x.shape, gone)
    return single(call, after, {x.index: Carries(moves=moves)}, view=True, blocked=x.blocked)


# --- repetition ------------------------------------------------------------------------------------------------------


def expand(call: Call) -> Step:
    """Repeats axes of size one; -1 keeps a size."""
    x, wanted = tensor(call), starred(call, "size")
    return _expanded(call, x, wanted)


def expand_as(call: Call) -> Step:
    """`x.expand_as(y)`: only the shape of the other is used."""
    x, other = tensor(call), tensor(call, "other")
    effect = Carries(moves=aligned(x.shape, other.shape))
    return single(call, other.shape, {other.index: None, x.index: effect}, view=True)


def broadcast_to(call: Call) -> Step:
    """`torch.broadcast_to(x, size)`."""
    wanted = listed(call.get("size"))
    if wanted is None:
        raise Unclear("its new shape is not known")
    return _expanded(call, tensor(call), wanted)


def _expanded(call: Call, x: Operand, wanted: tuple[Argument, ...]) -> Step:
    if x.shape.rank is not None and x.shape.rank > len(wanted):
        raise Unclear("the new shape has too few axes")
    places = range(-len(wanted), 0)
    sizes = [x.shape.size(a) if whole(wanted[a]) == -1 else as_size(wanted[a]) for a in places]
    after = Shape.of(*sizes)
    return single(call, after, {x.index: Carries(moves=aligned(x.shape, after))}, view=True, blocked=x.blocked)


def repeat(call: Call) -> Step:
    """Copies of the whole, one count for each axis of the result."""
    x = tensor(call)
    counts = starred(call, "repeats") if "repeats" in call.arguments else starred(call, "dims")
    tiles = "dims" in call.arguments
    rank = x.shape.rank
    if rank is None or (len(counts) < rank and not tiles):
        raise Unclear("the number of axes is not known")
    counts = (1,) * (rank - len(counts)) + counts
    sizes: list[Size | None] = []
    mixed: list[int] = []
    for axis in range(-len(counts), 0):
        size = x.shape.size(axis) if axis >= -rank else number(1)
        times = as_size(counts[axis])
        sizes.append(size * times if size is not None and times is not None else None)
        if whole(counts[axis]) != 1:
            mixed.append(axis)
    return single(call, Shape.of(*sizes), {x.index: Carries(mixes=axes_from(mixed))})


def repeat_interleave(call: Call) -> Step:
    """Copies of each entry along an axis."""
    x = tensor(call)
    if call["dim"] is None:
        places = x.shape.axes() or tuple(range(-DEEP, 0))
        effect = Carries(moves=tuple((axis, (-1,)) for axis in places), mixes=ALL)
        return single(call, Shape.of(None), _only(call, x, effect))
    axis = axis_of(call, x)
    size, times = x.shape.size(axis), as_size(call["repeats"])
    after = x.shape.with_size(axis, size * times if size is not None and times is not None else None)
    return single(call, after, _only(call, x, Carries(mixes=axes(axis))))


def _only(call: Call, x: Operand, effect: Effect) -> dict[int, Effect | None]:
    return {**{operand.index: unknown("it counts copies") for operand in call.operands}, x.index: effect}


# --- order of entries ------------------------------------------------------------------------------------------------


def reordered(name: str) -> Rule:
    """`flip` and `roll`: another order along some axes."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        dims = starred(call, name) if isinstance(call[name], tuple) else call[name]
        if dims is None or dims == ():
            return single(call, x.shape, {x.index: Carries(mixes=ALL, may_gain=ALL)})
        along = [place(x.shape, axis) for axis in (listed(dims) or (dims,))]
        return single(call, x.shape, {x.index: Carries(mixes=axes_from(along))})

    return rule


def rot90(call: Call) -> Step:
    """Turns a plane by quarters."""
    x, turns = tensor(call), whole(call["k"])
    dims = listed(call["dims"])
    if turns is None or dims is None or len(dims) != 2:
        raise Unclear("how it is turned is not known")
    left, right = place(x.shape, dims[0]), place(x.shape, dims[1])
    after, moves = swapped(x.shape, left, right) if turns % 2 else (x.shape, ())
    return single(call, after, {x.index: Carries(moves=moves, mixes=axes(left, right))})


# --- joining ---------------------------------------------------------------------------------------------------------


def concatenated(axis: int | None = None) -> Rule:
    """Tensors side by side: each keeps its shift in its own part, so it varies along that axis."""

    def rule(call: Call) -> Step:
        tensors = listed(call["tensors"])
        if tensors is None or not tensors:
            raise Unclear("what is joined is not known")
        operands = [value for value in tensors if isinstance(value, Operand)]
        if not operands:
            raise Unclear("what is joined is not known")
        place_ = whole(call.get("dim", axis) if axis is None else axis)
        shape = _joined(tensors, operands)
        if place_ is None:
            raise Unclear("the axis is not known")
        along = place(shape, place_)
        lengths = [value.shape.size(along) if isinstance(value, Operand) else None for value in tensors]
        total: Size | None = number(0)
        for length in lengths:
            total = total + length if total is not None and length is not None else None
        after = shape.with_size(along, total)
        several = len(tensors) > 1
        effect = Carries(mixes=axes(along), gains=axes(along)) if several else CARRIES
        known: dict[int, Effect | None] = {operand.index: effect for operand in operands}
        blocked = any(operand.blocked for operand in operands)
        return single(call, after, known, blocked=blocked)

    return rule


def _joined(tensors: tuple[Argument, ...], operands: list[Operand]) -> Shape:
    """What the parts agree on."""
    ranks = [operand.shape.rank for operand in operands if operand.shape.rank is not None]
    best = max(operands, key=lambda operand: (operand.shape.rank is not None, operand.shape.at_least)).shape
    if not ranks:
        tokens = {operand.shape.token for operand in operands}
        token = tokens.pop() if len(tokens) == 1 and len(operands) == len(tensors) else -1
        return Shape(None, (), token, best.at_least)
    sizes = [
        next((o.shape.size(axis) for o in operands if o.shape.size(axis) is not None), None)
        for axis in range(-ranks[0], 0)
    ]
    return Shape.of(*sizes)


def stacked(call: Call) -> Step:
    """Tensors along a new axis."""
    tensors = listed(call["tensors"])
    axis = whole(call["dim"])
    if tensors is None or axis is None or not all(isinstance(value, Operand) for value in tensors):
        raise Unclear("what is stacked is not known")
    operands = [value for value in tensors if isinstance(value, Operand)]
    shape = _joined(tensors, operands)
    after, moves = inserted(shape, axis, number(len(tensors)))
    effect = Carries(moves=moves, mixes=ALL, gains=axes(after.canonical(axis)) if len(tensors) > 1 else axes())
    return single(call, after, {operand.index: effect for operand in operands})


def side_by_side(call: Call) -> Step:
    """`hstack`: along axis 1, or 0 for vectors."""
    tensors = listed(call["tensors"]) or ()
    ranks = {value.shape.rank for value in tensors if isinstance(value, Operand)}
    if len(ranks) != 1 or None in ranks or 0 in ranks:
        raise Unclear("the number of axes is not known")
    return concatenated(0 if ranks == {1} else 1)(call)


def on_top(call: Call) -> Step:
    """`vstack`: along axis 0, for tensors of at least two axes."""
    tensors = listed(call["tensors"]) or ()
    ranks = {value.shape.rank for value in tensors if isinstance(value, Operand)}
    if None in ranks or ranks & {0, 1}:
        raise Unclear("the number of axes is not known")
    return concatenated(0)(call)


def meet(call: Call) -> Step:
    """`broadcast_tensors`: each in the shape of all."""
    operands = call.operands
    shape = broadcast([operand.shape for operand in operands])
    results = tuple(
        Result(
            shape, effects(call, {**{o.index: None for o in operands}, x.index: Carries(moves=aligned(x.shape, shape))})
        )
        for x in operands
    )
    return Step(results, sequence=True)


REARRANGING = frozenset(
    {
        *("view", "reshape", "view_as", "reshape_as", "flatten", "Flatten", "unflatten", "Unflatten"),
        *("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "mT", "T", "t", "adjoint"),
        *("unsqueeze", "squeeze", "cat", "concat", "concatenate", "stack", "chunk", "unbind", "rearrange", "Rearrange"),
    }
)
"""Names of operations that put entries into another order, always the same one."""

ROWS = (
    row("Tensor.view(input, *shape)", view, "x, 2, 20 | 2 4 5", "x, 2, 2, -1, 5 | 2 4 5", "x, (4, 10) | 2 4 5"),
    row("Tensor.reshape(input, *shape)", view, "x, -1, 5 | 2 4 5", "x, 5, 8 | 2 4 5"),
    row("torch.reshape(input, shape)", reshape, "x, (2, 1, 4, 5) | 2 4 5"),
    row("Tensor.view_as(input, other)", view_as, "x, y | 2 4 5 | 8 5", also="Tensor.reshape_as"),
    row("nn.Flatten(start_dim=1, end_dim=-1)", flatten, " | 2 4 5 3", "2 | 2 4 5 3", inputs="input", role="layer"),
    row(
        "torch.flatten(input, start_dim=0, end_dim=-1)",
        flatten,
        "x, 1, 2 | 2 4 5 3",
        "x | 2 4 5",
        also="Tensor.flatten",
    ),
    row("nn.Unflatten(dim, unflattened_size)", unflatten, "1, (2, 2) | 3 4 5", inputs="input", role="layer"),
    row("torch.unflatten(input, dim, sizes)", unflatten, "x, 1, (2, -1) | 3 4 5", also="Tensor.unflatten"),
    row("Tensor.permute(input, *dims)", permute, "x, 0, 2, 1 | 2 4 5", "x, (2, 0, 1) | 2 4 5"),
    row("torch.permute(input, dims)", permute, "x, (0, 2, 1) | 2 4 5"),
    row(
        "torch.transpose(input, dim0, dim1)",
        transpose,
        "x, 1, 2 | 2 4 5",
        "x, -1, 0 | 2 4 5",
        also="Tensor.transpose torch.swapdims Tensor.swapdims",
    ),
    row("torch.swapaxes(input, axis0, axis1)", transpose, "x, 1, 2 | 2 4 5", also="Tensor.swapaxes"),
    row("Tensor.mT(input)", matrix_transpose, "x | 2 4 5", also="torch.adjoint Tensor.adjoint"),
    row("Tensor.T(input)", reversed_axes, "x | 4 5"),
    row("torch.t(input)", reversed_axes, "x | 4 5", also="Tensor.t"),
    row(
        "torch.movedim(input, source, destination)",
        movedim,
        "x, 1, -1 | 2 4 5 3",
        "x, (0, 1), (1, 0) | 2 4 5",
        also="Tensor.movedim torch.moveaxis Tensor.moveaxis",
    ),
    row("torch.unsqueeze(input, dim)", unsqueeze, "x, 1 | 2 4 5", "x, -1 | 2 4 5", also="Tensor.unsqueeze"),
    row(
        "torch.squeeze(input, dim=None)", squeeze, "x | 2 1 4 1", "x, 1 | 2 1 4", "x, 0 | 2 1 4", also="Tensor.squeeze"
    ),
    row("Tensor.expand(input, *size)", expand, "x, -1, 4, 5 | 2 1 5", "x, 3, 2, 5 | 2 5"),
    row("Tensor.expand_as(input, other)", expand_as, "x, y | 4 1 | 2 4 5"),
    row("torch.broadcast_to(input, size)", broadcast_to, "x, (2, 4, 5) | 4 1", also="Tensor.broadcast_to"),
    row("Tensor.repeat(input, *repeats)", repeat, "x, 2, 1, 3 | 2 4 5", "x, 2, 1, 1 | 4 5"),
    row("torch.tile(input, dims)", repeat, "x, (2, 1) | 2 4 5"),
    row("Tensor.tile(input, *dims)", repeat, "x, 2, 1 | 2 4 5"),
    row(
        "torch.repeat_interleave(input, repeats, dim=None, *, output_size=None)",
        repeat_interleave,
        "x, 2, 1 | 2 4 5",
        "x, 2 | 2 4 5",
        also="Tensor.repeat_interleave",
    ),
    row("torch.flip(input, dims)", reordered("dims"), "x, (1,) | 2 4 5"),
    row("Tensor.flip(input, *dims)", reordered("dims"), "x, 1, 2 | 2 4 5"),
    row(
        "torch.fliplr(input)",
        lambda call: reordered("dims")(Call({**call.arguments, "dims": 1}, call.operands)),
        "x | 2 4 5",
        also="Tensor.fliplr",
    ),
    row(
        "torch.flipud(input)",
        lambda call: reordered("dims")(Call({**call.arguments, "dims": 0}, call.operands)),
        "x | 2 4 5",
        also="Tensor.flipud",
    ),
    row(
        "torch.roll(input, shifts, dims=None)",
        reordered("dims"),
        "x, 1, 1 | 2 4 5",
        "x, (1, 2), (1, 2) | 2 4 5",
        "x, 3 | 2 4 5",
        also="Tensor.roll",
    ),
    row(
        "torch.rot90(input, k=1, dims=(0, 1))",
        rot90,
        "x, 1, (1, 2) | 2 4 5",
        "x, 2, (1, 2) | 2 4 5",
        also="Tensor.rot90",
    ),
    row(
        "torch.cat(tensors, dim=0)",
        concatenated(),
        "(x, y), 1 | 2 4 5 | 2 3 5",
        "[x], 1 | 2 4 5",
        also="torch.concat torch.concatenate",
    ),
    row("torch.stack(tensors, dim=0)", stacked, "(x, y), 1 | 2 4 | 2 4", "[x, y], -1 | 2 4 | 2 4"),
    row("torch.hstack(tensors)", side_by_side, "(x, y) | 2 4 5 | 2 3 5"),
    row("torch.vstack(tensors)", on_top, "(x, y) | 2 4 5 | 3 4 5", also="torch.row_stack"),
    row("torch.broadcast_tensors(*tensors)", meet, "x, y | 2 4 5 | 4 1"),
)
