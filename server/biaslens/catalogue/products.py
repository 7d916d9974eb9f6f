"""Products that sum over axes: matmul, einsum, outer products and attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from biaslens.algebra.axes import ALL, NONE, Axes, Shape, all_but, axes, axes_from
from biaslens.algebra.outcome import CARRIES, Cancels, Carries, Effect, reads
from biaslens.algebra.sizes import Size
from biaslens.catalogue.entry import KEY_CANCELLED, Call, Operand, Rule, Step
from biaslens.catalogue.shapes import Moves, aligned, at_least, broadcast, with_rank
from biaslens.catalogue.steps import Unclear, listed, row, single, tensor

# --- matrix products -------------------------------------------------------------------------------------------------


def matmul(*names: str, rank: int | None = None) -> Rule:
    """`left @ right` over the last axis of the left and the last but one of the right.

    names: the two operands, after a summand where there are three. rank: of both where the function says it.
    """

    def rule(call: Call) -> Step:
        left, right = tensor(call, names[-2]), tensor(call, names[-1])
        if left.index == right.index:
            raise Unclear("it multiplies itself here")
        ranked = [_known(operand, rank) for operand in (left, right)]
        if 1 in (ranked[0].rank, ranked[1].rank):
            return _with_vector(call, left, right)
        before = _matrices(*ranked)
        shape = _product_shape(*before)
        known: dict[int, Effect | None] = {
            left.index: _left_effect(right, before),
            right.index: _right_effect(left, before),
        }
        refined = tuple((x.index, b) for x, b in zip((left, right), before, strict=True) if not x.maybe)
        if len(names) == 3:
            summand = tensor(call, names[0])
            known[summand.index] = _scaled_summand(call, summand, shape)
            return single(call, shape, known, refined=refined)
        return single(call, shape, known, product=True, refined=refined)

    return rule


def _known(operand: Operand, rank: int | None) -> Shape:
    return operand.shape if rank is None else with_rank(operand.shape, rank)


def _matrices(left: Shape, right: Shape) -> tuple[Shape, Shape]:
    """The shapes with at least the axes of matrices; where that cannot be told, only the left may be a vector."""
    if left.rank is None and right.rank is None and left.token == right.token != -1:
        least = max(left.at_least, right.at_least)
        left, right = at_least(left, least), at_least(right, least)
    if right.rank is None and right.at_least < 2:
        raise Unclear("whether it is multiplied by a vector or a matrix is not known")
    return left, right


def _product_shape(left: Shape, right: Shape) -> Shape:
    """(…, n, m) @ (…, m, p) = (…, n, p), the axes in front broadcast."""
    if _may_be_vector(left):
        sizes = (right.size(-1),)
        return Shape(None, sizes, left.token if right.rank == 2 else -1, max(left.at_least, right.at_least - 1, 1))
    front = broadcast((left.with_size(-1, None).with_size(-2, None), right.with_size(-1, None).with_size(-2, None)))
    return front.with_size(-2, left.size(-2)).with_size(-1, right.size(-1))


def _may_be_vector(shape: Shape) -> bool:
    return shape.rank is None and shape.at_least < 2


def _left_effect(right: Operand, before: tuple[Shape, Shape]) -> Effect:
    moves = ((-1, ()),)
    gains, may_gain = _batch(before[1])
    if right.stochastic is not None and not right.maybe and before[1].same_axis(right.stochastic, -2) is True:
        return _averaged(axes(-1), moves, gains.union(axes(-1)), may_gain)
    return Carries(mixes=ALL, moves=moves, gains=gains.union(axes(-1)), may_gain=may_gain, keeps_mask=False)


def _right_effect(left: Operand, before: tuple[Shape, Shape]) -> Effect:
    moves = ((-2, ()),)
    gains, may_gain = _batch(before[0])
    if _may_be_vector(before[0]):
        return Carries(mixes=ALL, moves=moves, may_gain=ALL, keeps_mask=False)
    if left.stochastic is not None and not left.maybe and before[0].same_axis(left.stochastic, -1) is True:
        return _averaged(axes(-2), moves, gains.union(axes(-2)), may_gain)
    return Carries(mixes=ALL, moves=moves, gains=gains.union(axes(-2)), may_gain=may_gain, keeps_mask=False)


def _averaged(over: Axes, moves: Moves, gains: Axes, may_gain: Axes = NONE) -> Effect:
    """Weights that sum to one along an axis: what is constant along it stays as it is."""
    return Carries(mixes=over, averages=over, moves=moves, gains=gains, may_gain=may_gain, keeps_mask=False)


def _batch(shape: Shape) -> tuple[Axes, Axes]:
    """The axes in front of a matrix: (certain, possible)."""
    if shape.rank is None:
        return NONE, all_but(-2, -1)
    named = [axis for axis in range(-shape.rank, -2) if not shape.is_single(axis)]
    return axes_from(named) if named else NONE, NONE


def _with_vector(call: Call, left: Operand, right: Operand) -> Step:
    """A product with a vector, whose only axis is contracted."""
    if left.shape.rank is None or right.shape.rank is None:
        raise Unclear("the number of axes is not known")
    letters = "abcdefghijklmnopqrstuvwxy"
    first = letters[: left.shape.rank - 1] + "z"
    if right.shape.rank == 1:
        second, out = "z", first[:-1]
    else:
        batch = letters[1 : right.shape.rank - 1] if left.shape.rank == 1 else ""
        second = batch + "zA"
        out = batch + "A"
    return _summed(call, (left, right), (first, second), out)


def _scaled_summand(call: Call, summand: Operand, shape: Shape) -> Effect:
    if call.get("beta", 1) != 1:
        return replace(CARRIES, moves=aligned(summand.shape, shape), scale=None)
    return Carries(moves=aligned(summand.shape, shape))


def outer(call: Call) -> Step:
    """Every entry of one vector times every entry of another."""
    left, right = tensor(call), tensor(call, "vec2")
    if left.index == right.index:
        raise Unclear("it multiplies itself here")
    return _summed(call, (left, right), ("a", "b"), "ab")


# --- einsum ----------------------------------------------------------------------------------------------------------


def einsum(call: Call) -> Step:
    """`torch.einsum("bhqd,bhkd->bhqk", q, k)`; a repeated letter in one operand or an ellipsis is not followed."""
    items = listed(call["args"]) or ()
    if len(items) == 2 and listed(items[1]) is not None:
        items = (items[0], *(listed(items[1]) or ()))
    equation = items[0] if items else None
    operands = [item for item in items[1:] if isinstance(item, Operand)]
    if not isinstance(equation, str) or len(operands) != len(items) - 1 or not operands:
        raise Unclear("its equation is not known")
    equation = equation.replace(" ", "")
    inside, arrow, out = equation.partition("->")
    labels = inside.split(",")
    if not arrow:
        every = "".join(labels)
        out = "".join(sorted(letter for letter in set(every) if every.count(letter) == 1))
    if "." in equation:
        labels, out = _spelled(labels, out, operands)
    if len(labels) != len(operands) or any(len(set(text)) != len(text) for text in (*labels, out)):
        raise Unclear("its equation is not followed")
    if len({operand.index for operand in operands}) != len(operands):
        raise Unclear("it multiplies itself here")
    return _summed(call, tuple(operands), tuple(labels), out)


def _spelled(labels: list[str], out: str, operands: list[Operand]) -> tuple[list[str], str]:
    """The equation with letters for its ellipses, where all ranks are known."""
    spare = [chr(code) for code in range(0x3B1, 0x3B1 + 20)]
    spelled: list[str] = []
    longest = 0
    for text, operand in zip(labels, operands, strict=False):
        if "..." not in text:
            spelled.append(text)
            continue
        if operand.shape.rank is None:
            raise Unclear("the number of axes is not known")
        count = operand.shape.rank - len(text) + 3
        if not 0 <= count <= len(spare):
            raise Unclear("its equation does not fit")
        longest = max(longest, count)
        spelled.append(text.replace("...", "".join(spare[len(spare) - count :])))
    return spelled, out.replace("...", "".join(spare[len(spare) - longest :]))


def _summed(call: Call, operands: tuple[Operand, ...], labels: tuple[str, ...], out: str) -> Step:
    shapes = [with_rank(operand.shape, len(text)) for operand, text in zip(operands, labels, strict=True)]
    parts = [_Part(o, s, text) for o, s, text in zip(operands, shapes, labels, strict=True)]
    shape = Shape.of(*(_size_of(letter, parts) for letter in out))
    known: dict[int, Effect | None] = {part.operand.index: _part_effect(part, parts, out) for part in parts}
    refined = tuple((part.operand.index, part.shape) for part in parts if not part.operand.maybe)
    return single(call, shape, known, product=len(parts) > 1, refined=refined)


@dataclass(frozen=True, slots=True)
class _Part:
    """One operand of a product, with a letter for each axis."""

    operand: Operand
    shape: Shape
    labels: str

    def axis(self, letter: str) -> int:
        return self.labels.index(letter) - len(self.labels)


def _part_effect(part: _Part, parts: list[_Part], out: str) -> Effect:
    moves = tuple(
        (part.axis(letter), (out.index(letter) - len(out),) if letter in out else ()) for letter in part.labels
    )
    others = [other for other in parts if other is not part]
    varying = {letter for other in others for letter in other.labels if not other.shape.is_single(other.axis(letter))}
    gains = [out.index(letter) - len(out) for letter in out if letter in varying]
    if len(others) == 1 and (letter := _summed_letter(part, others[0], out)) is not None:
        return _averaged(axes(part.axis(letter)), moves, axes_from(gains))
    return Carries(mixes=ALL, moves=moves, gains=axes_from(gains) if gains else NONE, keeps_mask=False)


def _summed_letter(part: _Part, weights: _Part, out: str) -> str | None:
    """The letter along which the other operand's entries sum to one, where that is all that is summed."""
    axis = weights.operand.stochastic
    if axis is None or weights.operand.maybe:
        return None
    place = weights.shape.canonical(axis)
    if not -len(weights.labels) <= place < 0:
        return None
    letter = weights.labels[place]
    gone = [other for other in (*weights.labels, *part.labels) if other not in out]
    return letter if letter in part.labels and set(gone) == {letter} else None


def _size_of(letter: str, parts: list[_Part]) -> Size | None:
    sizes = [part.shape.size(part.axis(letter)) for part in parts if letter in part.labels]
    wide = [size for size in sizes if size is not None and size.value != 1]
    return wide[0] if wide else sizes[0] if sizes and None not in sizes else None


# --- attention -------------------------------------------------------------------------------------------------------


def attention(call: Call) -> Step:
    """`F.scaled_dot_product_attention`: keys are cancelled, values carried where no weight is dropped or masked."""
    query, key, value = tensor(call, "query"), tensor(call, "key"), tensor(call, "value")
    before = [at_least(operand.shape, 2) for operand in (query, key, value)]
    front = broadcast([shape.with_size(-1, None).with_size(-2, None) for shape in before])
    shape = front.with_size(-2, before[0].size(-2)).with_size(-1, before[2].size(-1))
    known: dict[int, Effect | None] = {
        query.index: reads("the query decides where the attention looks"),
        key.index: Cancels(axes(-2), "softmax", why="it varies along the keys"),
        value.index: _value_effect(call),
    }
    if len({query.index, key.index, value.index}) < 3:
        known |= {query.index: reads("it is the query as well")}
    mask = call.get("attn_mask")
    if isinstance(mask, Operand):
        known[mask.index] = Cancels(axes(-1), "softmax", why="it varies along the keys", unmasks=True)
    refined = tuple((x.index, b) for x, b in zip((query, key, value), before, strict=True))
    return single(call, shape, known, refined=refined)


def _value_effect(call: Call) -> Effect:
    moves = ((-2, ()),)
    mixes = axes(-3, -2) if call.get("enable_gqa", False) is not False else axes(-2)
    every = Axes(frozenset({-1}), others=True)
    if call["dropout_p"] != 0:
        drops = isinstance(call["dropout_p"], (int, float))
        return Carries(mixes=ALL, moves=moves, gains=axes(-2) if drops else NONE, may_gain=every, keeps_mask=False)
    if call["attn_mask"] is not None:
        return Carries(mixes=ALL, moves=moves, may_gain=every, keeps_mask=False)
    return Carries(mixes=mixes, averages=axes(-2), moves=moves, gains=every, keeps_mask=False)


def key_bias(arguments: Mapping[str, object]) -> str:
    """Whether the keys' part of `in_proj_bias` meets nothing but the softmax: no key beside those of the input."""
    plain = all(arguments.get(name) is False for name in ("add_bias_kv", "add_zero_attn"))
    return KEY_CANCELLED if plain and arguments.get("bias") is True else ""


def unfollowed_attention(call: Call) -> Step:
    """Layers of attention: their inner projections are not followed."""
    raise Unclear("the inner steps of an attention layer are not followed")


ROWS = (
    row(
        "torch.matmul(input, other)",
        matmul("input", "other"),
        "x, y | 2 3 4 | 2 4 5",
        "x, y | 2 3 4 | 4 5",
        "x, y | 2 3 4 | 4",
        "x, y | 4 | 4 5",
        also="Tensor.matmul Tensor.__matmul__ torch.linalg.matmul",
    ),
    row("torch.mm(input, mat2)", matmul("input", "mat2", rank=2), "x, y | 3 4 | 4 5", also="Tensor.mm"),
    row("torch.bmm(input, mat2)", matmul("input", "mat2", rank=3), "x, y | 2 3 4 | 2 4 5", also="Tensor.bmm"),
    row("torch.mv(input, vec)", matmul("input", "vec"), "x, y | 3 4 | 4", also="Tensor.mv"),
    row(
        "torch.baddbmm(input, batch1, batch2, *, beta=1, alpha=1)",
        matmul("input", "batch1", "batch2", rank=3),
        "x, y, z | 3 5 | 2 3 4 | 2 4 5",
        also="Tensor.baddbmm",
    ),
    row(
        "torch.addmm(input, mat1, mat2, *, beta=1, alpha=1)",
        matmul("input", "mat1", "mat2", rank=2),
        "x, y, z | 5 | 3 4 | 4 5",
        also="Tensor.addmm",
    ),
    row("torch.outer(input, vec2)", outer, "x, y | 3 | 4", also="torch.ger Tensor.outer"),
    row(
        "torch.einsum(*args)",
        einsum,
        "'bnd,bmd->bnm', x, y | 2 3 4 | 2 5 4",
        "'bcn->bn', x | 2 3 4",
        "'...nd,...md->...nm', x, y | 2 3 4 | 2 5 4",
        "'ij,jk', x, y | 2 3 | 3 4",
        also="torch.functional.einsum",
    ),
    row(
        "F.scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, "
        "enable_gqa=False)",
        attention,
        "x, y, z | 2 3 4 6 | 2 3 5 6 | 2 3 5 7",
        "x, y, z, is_causal=True | 2 3 5 6 | 2 3 5 6 | 2 3 5 7",
        "x, y, z, w | 2 3 4 6 | 2 3 5 6 | 2 3 5 7 | 4 5",
        also="torch._C._nn.scaled_dot_product_attention",
    ),
    row(
        "nn.MultiheadAttention(embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, "
        "kdim=None, vdim=None, batch_first=False, device=None, dtype=None)",
        unfollowed_attention,
        "4, 2 | 3 2 4 | 3 2 4 | 3 2 4",
        inputs="query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, "
        "average_attn_weights=True, is_causal=False",
        role="layer",
        inner=key_bias,
    ),
)
