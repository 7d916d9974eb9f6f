"""Sums, products with numbers and tensors entry by entry, comparisons, masks and casts."""

from __future__ import annotations

import math
from fractions import Fraction

from biaslens.algebra.axes import ALL, NONE, Axes, Shape, axes
from biaslens.algebra.outcome import CARRIES, Carries, Effect, reads, unknown
from biaslens.algebra.sizes import Size
from biaslens.catalogue.activations import nonlinear
from biaslens.catalogue.entry import Argument, Call, Operand, Rule, Step, Unknowable
from biaslens.catalogue.shapes import aligned, broadcast, spans
from biaslens.catalogue.steps import Unclear, row, single, tensor

VERY_NEGATIVE = -1e4
"""A fill of this size or below leaves nothing of an entry after a softmax."""

# --- sums ------------------------------------------------------------------------------------------------------------


def added(sign: int, *, reverse: bool = False) -> Rule:
    """`input + sign · alpha · other`, or with `reverse` `other + sign · alpha · input`."""

    def rule(call: Call) -> Step:
        first, second = call["input"], call["other"]
        factor = _times(Fraction(sign), _factor(call.get("alpha", 1)))
        one = Fraction(1)
        scales = (factor, one) if reverse else (one, factor)
        shape = _shape_of(first, second)
        known = {
            value.index: Carries(moves=aligned(value.shape, shape), scale=scale)
            for value, scale in ((first, scales[0]), (second, scales[1]))
            if isinstance(value, Operand)
        }
        if isinstance(first, Operand) and isinstance(second, Operand) and first.index == second.index:
            raise Unclear("it meets itself here")
        blocked = any(operand.blocked for operand in call.operands)
        return single(call, shape, known, blocked=blocked)

    return rule


def negated(call: Call) -> Step:
    """`-x`."""
    x = tensor(call)
    return single(call, x.shape, {x.index: Carries(scale=Fraction(-1), keeps_mask=False)})


def blended(call: Call) -> Step:
    """`torch.lerp(input, end, weight)`: `input + weight · (end - input)`."""
    x, end, weight = tensor(call), tensor(call, "end"), call["weight"]
    shape = _shape_of(x, end, weight)
    if isinstance(weight, Operand):
        gains, may_gain = _gains(weight)
        effect = Carries(mixes=ALL, gains=gains, may_gain=may_gain, keeps_mask=False)
        return single(call, shape, {x.index: effect, end.index: effect, weight.index: unknown("it weighs others")})
    factor = _factor(weight)
    rest = None if factor is None else 1 - factor
    return single(call, shape, {x.index: Carries(scale=rest), end.index: Carries(scale=factor)})


def added_product(*, divides: bool) -> Rule:
    """`input + value · tensor1 · tensor2`, or `tensor1 / tensor2`."""

    def rule(call: Call) -> Step:
        x, left, right = tensor(call), tensor(call, "tensor1"), tensor(call, "tensor2")
        shape = _shape_of(x, left, right)
        known: dict[int, Effect | None] = {
            left.index: _weighted(left, right, shape),
            right.index: reads(_DIVISOR) if divides else _weighted(right, left, shape),
        }
        if left.index == right.index:
            raise Unclear("it meets itself here")
        known[x.index] = Carries(moves=aligned(x.shape, shape))
        return single(call, shape, known)

    return rule


# --- products --------------------------------------------------------------------------------------------------------

_DIVISOR = "a division is not linear in its divisor"


def multiplied(call: Call) -> Step:
    """`input * other`: by a number the shift is scaled, by a tensor it varies along its axes as well."""
    first, second = call["input"], call["other"]
    shape = _shape_of(first, second)
    known: dict[int, Effect | None] = {}
    for value, other in ((first, second), (second, first)):
        if isinstance(value, Operand):
            known[value.index] = _weighted(value, other, shape)
    return single(call, shape, known, product=True)


def divided(call: Call) -> Step:
    """`input / other`; with a rounding mode nothing is linear any more."""
    first, second = call["input"], call["other"]
    shape = _shape_of(first, second)
    if call.get("rounding_mode") is not None:
        return single(call, shape, {operand.index: reads("rounding is not linear") for operand in call.operands})
    known: dict[int, Effect | None] = {}
    if isinstance(second, Operand):
        known[second.index] = unknown("it may be a divisor") if second.maybe else reads(_DIVISOR)
    if isinstance(first, Operand):
        known[first.index] = _weighted(first, second, shape, inverse=True)
        if isinstance(second, Operand) and second.index == first.index:
            known[first.index] = unknown("it is divided by itself")
    return single(call, shape, known)


def _weighted(value: Operand, other: Argument, shape: Shape, *, inverse: bool = False) -> Effect:
    moves = aligned(value.shape, shape)
    if isinstance(other, Operand):
        gains, may_gain = _gains(other)
        return Carries(moves=moves, mixes=ALL, gains=gains, may_gain=may_gain, keeps_mask=False)
    if other is Unknowable.VALUE:
        return Carries(moves=moves, mixes=ALL, may_gain=ALL, keeps_mask=False)
    factor = _factor(other)
    if inverse:
        factor = 1 / factor if factor else None
    return Carries(moves=moves, scale=factor, keeps_mask=factor is not None and factor > 0)


def _gains(other: Operand) -> tuple[Axes, Axes]:
    """The axes that a product with another tensor adds: (certainly, possibly)."""
    if other.maybe:
        return NONE, ALL
    named, complete = spans(other.shape)
    return named, NONE if complete else ALL


def _factor(value: Argument) -> Fraction | None:
    if isinstance(value, (bool, int)):
        return Fraction(value)
    if isinstance(value, float) and math.isfinite(value):
        return Fraction(value)
    if isinstance(value, Size) and value.value is not None:
        return Fraction(value.value)
    return None


def _times(left: Fraction, right: Fraction | None) -> Fraction | None:
    return None if right is None else left * right


def _shape_of(*values: Argument) -> Shape:
    shapes = [value.shape for value in values if isinstance(value, Operand)]
    if any(value is Unknowable.VALUE for value in values):
        shapes.append(Shape())
    return broadcast(shapes)


# --- masks -----------------------------------------------------------------------------------------------------------


def masked_fill(call: Call) -> Step:
    """A very negative fill leaves a shift that only a softmax may see; any other fill makes it vary with the mask."""
    x, mask, value = tensor(call), call["mask"], call["value"]
    if isinstance(mask, Operand):
        shape = broadcast((x.shape, mask.shape))
    else:
        shape = broadcast((x.shape, Shape()))
    known: dict[int, Effect | None] = {
        operand.index: reads("it is used as a mask or a fill") for operand in call.operands
    }
    known[x.index] = _filled(x, value, mask, shape)
    return single(call, shape, known, blocked=x.blocked or value == -math.inf)


def where(call: Call) -> Step:
    """`torch.where(condition, input, other)`: as a masked fill where one branch is very negative."""
    condition = call["condition"]
    first, second = call.get("input"), call.get("other")
    shape = _shape_of(condition, first, second)
    known: dict[int, Effect | None] = {operand.index: reads("it decides a condition") for operand in call.operands}
    for value, other in ((first, second), (second, first)):
        if isinstance(value, Operand):
            known[value.index] = _filled(value, other, condition, shape)
    if isinstance(first, Operand) and isinstance(second, Operand) and first.index == second.index:
        raise Unclear("it meets itself here")
    blocked = any(o.blocked for o in call.operands) or -math.inf in (_number(first), _number(second))
    return single(call, shape, known, blocked=blocked)


def selected_by(call: Call) -> Step:
    """`x.where(condition, other)`."""
    order = {"condition": call["condition"], "input": call["self"], "other": call["other"]}
    return where(Call(order, call.operands, call.mode))


def _filled(x: Operand, fill: Argument, mask: Argument, shape: Shape) -> Effect:
    value = _number(fill)
    if value is not None and value <= VERY_NEGATIVE:
        return Carries(moves=aligned(x.shape, shape), masks=True)
    if isinstance(fill, Unknowable) or (isinstance(fill, Operand) and fill.maybe):
        return unknown("what replaces its masked entries is not known")
    gains, may_gain = _gains(mask) if isinstance(mask, Operand) else (NONE, ALL)
    return Carries(moves=aligned(x.shape, shape), mixes=ALL, gains=gains, may_gain=may_gain, keeps_mask=False)


def _number(value: Argument) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def triangle(call: Call) -> Step:
    """`tril` and `triu`: zeros on one side of a diagonal."""
    x = tensor(call)
    return single(call, x.shape, {x.index: Carries(mixes=ALL, gains=axes(-2, -1), keeps_mask=False)})


# --- casts and identities --------------------------------------------------------------------------------------------

_WHOLE = ("int", "uint", "bool", "long", "short", "Long", "Int", "Bool", "Short", "Byte", "Char")


def same(call: Call) -> Step:
    """The identity on values."""
    x = call.operands[0] if call.operands else tensor(call)
    known: dict[int, Effect | None] = {operand.index: None for operand in call.operands}
    known[x.index] = CARRIES
    return single(call, x.shape, known, stochastic=x.stochastic, blocked=x.blocked)


def same_view(call: Call) -> Step:
    """The identity, on the same memory."""
    step = same(call)
    return Step(step.results, view=True)


def cast(call: Call) -> Step:
    """`x.to(...)` and `x.type(...)`: the identity but for whole numbers and bools."""
    words = [value for value in _flat(call.arguments.values()) if isinstance(value, str)]
    if any(word.rpartition(".")[2].startswith(_WHOLE) for word in words):
        return whole_cast(call)
    return same(call)


def whole_cast(call: Call) -> Step:
    """Casts to whole numbers and bools."""
    x = call.operands[0] if call.operands else tensor(call)
    known: dict[int, Effect | None] = {operand.index: None for operand in call.operands}
    known[x.index] = reads("a cast to whole numbers or bools is not linear")
    return single(call, x.shape, known)


def untouched(call: Call) -> Step:
    """Whether entries are numbers, which no finite shift changes."""
    x = tensor(call)
    return single(call, x.shape, {x.index: None})


def copied(call: Call) -> Step:
    """`x.copy_(src)`: the source takes the place of the old values."""
    x, source = tensor(call, "self"), tensor(call, "src")
    known: dict[int, Effect | None] = {x.index: None, source.index: Carries(moves=aligned(source.shape, x.shape))}
    return single(call, x.shape, known)


def overwritten(call: Call) -> Step:
    """`x.zero_()`, `x.fill_(0)`: nothing is left of the old values."""
    x = tensor(call, "self")
    return single(call, x.shape, {operand.index: None for operand in call.operands})


def _flat(values: object) -> list[Argument]:
    flat: list[Argument] = []
    for value in values:  # type: ignore[attr-defined]
        flat += value if isinstance(value, (tuple, list)) else [value]
    return flat


# --- rows ------------------------------------------------------------------------------------------------------------

_COMPARES = nonlinear("a comparison reads it")
_PAIR = "x, y | 2 4 5 | 4 1"


def _both(name: str, rule: Rule, *samples: str, also: str = "", more: str = ""):
    return row(f"torch.{name}(input, other{more})", rule, *samples, also=f"Tensor.{name} {also}")


ROWS = (
    _both(
        "add", added(1), "x, y | 2 4 5 | 4 5", "x, y, alpha=2 | 2 4 5 | 4 1", more=", *, alpha=1", also="Tensor.__add__"
    ),
    _both(
        "sub",
        added(-1),
        "x, y | 2 4 5 | 4 5",
        "x, y, alpha=2 | 2 4 5 | 4 1",
        more=", *, alpha=1",
        also="Tensor.subtract torch.subtract",
    ),
    row("torch.rsub(input, other, *, alpha=1)", added(-1, reverse=True), "x, y | 2 4 5 | 4 5", also="Tensor.__rsub__"),
    _both(
        "mul",
        multiplied,
        "x, y | 2 4 5 | 4 1",
        "x, 3 | 2 4 5",
        "x, -0.5 | 2 4 5",
        also="torch.multiply Tensor.multiply",
    ),
    _both(
        "div",
        divided,
        "x, y | 2 4 5 | 4 1",
        "x, 4 | 2 4 5",
        "x, 4, rounding_mode='floor' | 2 4 5",
        also="torch.divide Tensor.divide",
        more=", *, rounding_mode=None",
    ),
    _both("true_divide", divided, "x, y | 2 4 5 | 4 1"),
    row("torch.neg(input)", negated, "x | 2 4 5", also="Tensor.neg torch.negative Tensor.negative"),
    row(
        "torch.lerp(input, end, weight)",
        blended,
        "x, y, 0.25 | 2 4 5 | 2 4 5",
        "x, y, z | 2 4 5 | 2 4 5 | 5",
        also="Tensor.lerp",
    ),
    row(
        "torch.addcmul(input, tensor1, tensor2, *, value=1)",
        added_product(divides=False),
        "x, y, z | 2 4 5 | 4 1 | 5",
        also="Tensor.addcmul",
    ),
    row(
        "torch.addcdiv(input, tensor1, tensor2, *, value=1)",
        added_product(divides=True),
        "x, y, z | 2 4 5 | 4 1 | 5",
        also="Tensor.addcdiv",
    ),
    _both("floor_divide", nonlinear("rounding is not linear"), "x, 0.1 | 2 4 5"),
    _both("remainder", nonlinear("a remainder is not linear"), "x, 2.0 | 2 4 5"),
    _both("fmod", nonlinear("a remainder is not linear"), "x * 3, 2.0 | 2 4 5"),
    row(
        "torch.pow(input, exponent)",
        nonlinear("a power is not linear"),
        "x, 2 | 2 4 5",
        also="Tensor.pow Tensor.__pow__",
    ),
    _both("atan2", nonlinear("an arc tangent is not linear"), "x, y | 2 4 5 | 4 5"),
    _both("maximum", nonlinear("a maximum is not linear"), "x, y | 2 4 5 | 4 5"),
    _both("minimum", nonlinear("a minimum is not linear"), "x, y | 2 4 5 | 4 5"),
    *(
        _both(name, _COMPARES, f"{sample} | 2 40 5", also=f"Tensor.__{name}__")
        for names, sample in ((("eq", "ne"), "x.round(), 0.0"), (("lt", "le", "gt", "ge"), "x, 0.1"))
        for name in names
    ),
    *(
        row(f"torch.{name}(input)", untouched, "x | 2 4 5", also=f"Tensor.{name}")
        for name in ("isnan", "isinf", "isfinite")
    ),
    *(_both(name, _COMPARES, "m, n | 2 4 5 | 4 5") for name in ("logical_and", "logical_or", "logical_xor")),
    row("torch.logical_not(input)", _COMPARES, "m | 2 4 5", also="Tensor.logical_not"),
    row(
        "Tensor.masked_fill(input, mask, value)",
        masked_fill,
        "x, m, -1e9 | 2 4 5 | 4 5",
        "x, m, 0.0 | 2 4 5 | 4 5",
        also="torch.masked_fill",
    ),
    row("torch.where(condition, input, other)", where, "m, x, -1e9 | 4 5 | 2 4 5", "m, x, y | 4 5 | 2 4 5 | 2 4 5"),
    row("Tensor.where(self, condition, other)", selected_by, "x, m, y | 2 4 5 | 4 5 | 2 4 5"),
    row("torch.tril(input, diagonal=0)", triangle, "x | 2 4 5", also="Tensor.tril"),
    row("torch.triu(input, diagonal=0)", triangle, "x | 2 4 5", also="Tensor.triu"),
    row("nn.Identity(*args, **kwargs)", same, " | 2 4 5", inputs="input", role="layer"),
    *(
        row(f"Tensor.{name}(input)", same, "x | 2 4 5")
        for name in ("contiguous", "float", "double", "half", "bfloat16", "cpu", "requires_grad_")
    ),
    *(
        row(f"Tensor.{name}(input, *args, **kwargs)", cast, sample, also=also)
        for name, sample, also in (
            ("to", "x, torch.float32 | 2 4 5", "Tensor.cuda"),
            ("type", "x, torch.int64 | 2 4 5", ""),
        )
    ),
    row("Tensor.type_as(input, other)", same, "x, y | 2 4 5 | 3"),
    row("torch.clone(input, *, memory_format=None)", same, "x | 2 4 5", also="Tensor.clone"),
    row("torch.detach(input)", same_view, "x | 2 4 5", also="Tensor.detach"),
    row("torch.positive(input)", same, "x | 2 4 5", also="Tensor.positive"),
    *(row(f"Tensor.{name}(input)", whole_cast, "x.round() | 2 40 5") for name in ("int", "long", "bool", "short")),
    row("Tensor.copy_(self, src, non_blocking=False)", copied, "x, y | 2 4 5 | 4 5"),
    row("Tensor.zero_(self)", overwritten, "x | 2 4 5"),
    row("Tensor.fill_(self, value)", overwritten, "x, 2.0 | 2 4 5"),
    row("Tensor.normal_(self, mean=0, std=1)", overwritten, "x | 2 4 5"),
    row("Tensor.uniform_(self, a=0, b=1)", overwritten, "x | 2 4 5"),
)
