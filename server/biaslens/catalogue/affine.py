"""Layers with weights: linear maps and convolutions, as layers and as functions, and embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from biaslens.algebra.axes import NONE, Axes, Shape, axes, axes_from
from biaslens.algebra.outcome import Carries, Reads, reads, unknown, weighs
from biaslens.algebra.sizes import Size, number
from biaslens.catalogue.entry import Argument, Call, LearnableShift, Operand, Step
from biaslens.catalogue.shapes import DEEP, at_least, broadcast, spans, with_rank
from biaslens.catalogue.steps import as_size, row, single, spread, tensor, whole
from biaslens.catalogue.windows import slid, spatial, touched

_INDEXED = reads("its values are used as indices")


# --- linear maps -----------------------------------------------------------------------------------------------------


def linear(call: Call) -> Step:
    """`x @ weight.T + bias` over the last axis."""
    return _linear(call, call.size("in_features"), call.size("out_features"), {})


def functional_linear(call: Call) -> Step:
    """`F.linear`: the weight is (out_features, in_features)."""
    weight = call.get("weight")
    known = weight.shape if isinstance(weight, Operand) else Shape()
    extra: dict[int, Reads | Carries] = {}
    if isinstance(weight, Operand):
        extra[weight.index] = _WEIGHT
    if isinstance(bias := call.get("bias"), Operand):
        extra[bias.index] = Carries()
    return _linear(call, known.size(-1), known.size(-2) if known.rank != 1 else None, extra)


def _linear(call: Call, inside: Size | None, outside: Size | None, extra: dict[int, Reads | Carries]) -> Step:
    x = tensor(call)
    refined = at_least(x.shape, 1)
    if inside is not None:
        refined = refined.with_size(-1, inside)
    result = refined.with_size(-1, outside)
    return single(call, result, {**extra, x.index: weighs(gains=axes(-1))}, refined=((x.index, refined),))


def bilinear(call: Call) -> Step:
    """`x1 · W · x2 + b`: linear in each input, over the last axes."""
    names = ("input1", "input2")
    left, right = tensor(call, names[0]), tensor(call, names[1])
    result = broadcast((left.shape.with_size(-1, None), right.shape.with_size(-1, None)))
    size = call.size("out_features")
    if size is None and isinstance(weight := call.get("weight"), Operand):
        size = weight.shape.size(0)
    known: dict[int, Reads | Carries] = {
        x.index: weighs(gains=_along(other).union(axes(-1)), may_gain=_perhaps_along(other))
        for x, other in ((left, right), (right, left))
    }
    if isinstance(weight := call.get("weight"), Operand):
        known[weight.index] = _WEIGHT
    if isinstance(bias := call.get("bias"), Operand):
        known[bias.index] = Carries()
    return single(call, result.with_size(-1, size), known, product=True)


def _along(other: Operand) -> Axes:
    return spans(other.shape)[0]


def _perhaps_along(other: Operand) -> Axes:
    return NONE if spans(other.shape)[1] else Axes(others=True)


# --- convolutions ----------------------------------------------------------------------------------------------------


def convolution(count: int):
    """A convolution over the last `count` axes; with zero padding its output varies at the border."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        kernel = spread(call["kernel_size"], count)
        mode = call.get("padding_mode", "zeros")
        borders = _borders(call["padding"], kernel, count)
        certain, possible = touched(borders)
        if mode not in {"zeros", "reflect", "replicate", "circular"}:
            certain, possible = NONE, certain.union(possible)
        elif mode != "zeros":
            certain = possible = NONE
        return _convolved(call, x, call.size("in_channels"), call.size("out_channels"), kernel, certain, possible, {})

    return rule


def functional_convolution(count: int):
    """`F.conv*`: the weight is (out_channels, in_channels / groups, *kernel)."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        weight = call.get("weight")
        known = weight.shape if isinstance(weight, Operand) else Shape()
        kernel = tuple(known.size(axis) for axis in spatial(count))
        certain, possible = touched(_borders(call["padding"], kernel, count))
        outside = known.size(0) if known.rank is not None else known.size(-count - 2)
        inside = known.size(-count - 1)
        groups = call.size("groups")
        inside = inside * groups if inside is not None and groups is not None else None
        return _convolved(call, x, inside, outside, kernel, certain, possible, _weights(call, count))

    return rule


def _convolved(
    call: Call,
    x: Operand,
    inside: Size | None,
    outside: Size | None,
    kernel: tuple[Argument, ...],
    certain: Axes,
    possible: Axes,
    extra: dict[int, Reads | Carries],
) -> Step:
    count = len(kernel)
    refined = with_rank(x.shape, count + 2)
    if inside is not None:
        refined = refined.with_size(1, inside)
    strides, dilations = spread(call["stride"], count), spread(call["dilation"], count)
    padding = call["padding"]
    borders = spread(0 if isinstance(padding, str) else padding, count)
    sizes = [
        refined.size(axis)
        if padding == "same"
        else slid(refined.size(axis), kernel[axis], strides[axis], borders[axis], dilations[axis])
        for axis in spatial(count)
    ]
    result = Shape.of(refined.size(0), outside, *sizes)
    effect = weighs(gains=axes(-count - 1).union(certain), may_gain=possible)
    return single(call, result, {**extra, x.index: effect}, refined=((x.index, refined),))


def transposed_convolution(count: int):
    """A transposed convolution: every output place sees other weights, unless the kernel is a single one."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        weight = call.get("weight")
        known = weight.shape if isinstance(weight, Operand) else Shape()
        functional = "kernel_size" not in call.arguments
        if functional:
            kernel: tuple[Argument, ...] = tuple(known.size(axis) for axis in spatial(count))
            inside = known.size(0) if known.rank is not None else None
            outside, groups = known.size(-count - 1), call.size("groups")
            outside = outside * groups if outside is not None and groups is not None else None
        else:
            kernel = spread(call["kernel_size"], count)
            inside, outside = call.size("in_channels"), call.size("out_channels")
        refined = with_rank(x.shape, count + 2)
        if inside is not None:
            refined = refined.with_size(1, inside)
        settings = [spread(call[name], count) for name in ("stride", "padding", "output_padding", "dilation")]
        places = [_Place(kernel[a], *(setting[a] for setting in settings)) for a in spatial(count)]
        given = call.get("output_size") is not None
        certain = [a for a in spatial(count) if places[a].varies() is True]
        possible = [a for a in spatial(count) if places[a].varies() is None]
        sizes = [None if given else places[a].size(refined.size(a)) for a in spatial(count)]
        effect = weighs(gains=axes(-count - 1, *certain), may_gain=axes_from(possible))
        result = Shape.of(refined.size(0), outside, *sizes)
        return single(call, result, {**_weights(call, count), x.index: effect}, refined=((x.index, refined),))

    return rule


class _Place:
    """The settings of a transposed convolution along one axis."""

    __slots__ = ("dilation", "kernel", "output_padding", "padding", "stride")

    def __init__(self, kernel: Argument, stride: Argument, padding: Argument, extra: Argument, dilation: Argument):
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.output_padding, self.dilation = extra, dilation

    def varies(self) -> bool | None:
        """Whether output places see different weights; None where the settings are not known."""
        wanted = ((self.kernel, 1), (self.stride, 1), (self.output_padding, 0))
        values = [(whole(value), plain) for value, plain in wanted]
        if any(value is not None and value != plain for value, plain in values):
            return True
        return None if any(value is None for value, _ in values) else False

    def size(self, size: Size | None) -> Size | None:
        """`(size - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1`."""
        parts = [as_size(v) for v in (self.kernel, self.stride, self.padding, self.output_padding, self.dilation)]
        kernel, stride, padding, extra, dilation = parts
        if size is None or kernel is None or stride is None or padding is None or extra is None or dilation is None:
            return None
        one = number(1)
        return (size - one) * stride - number(2) * padding + dilation * (kernel - one) + extra + one


_WEIGHT = unknown("it is used as a weight")


def _weights(call: Call, count: int) -> dict[int, Reads | Carries]:
    """The effects on a functional convolution's weight and bias."""
    known: dict[int, Reads | Carries] = {}
    if isinstance(weight := call.get("weight"), Operand):
        known[weight.index] = _WEIGHT
    if isinstance(bias := call.get("bias"), Operand):
        known[bias.index] = Carries(moves=((-1, (-count - 1,)),))
    return known


def _borders(padding: Argument, kernel: tuple[Argument, ...], count: int) -> tuple[Argument, ...]:
    if padding == "valid":
        return (0,) * count
    if padding == "same":
        return tuple(None if whole(width) is None else (whole(width) or 1) - 1 for width in kernel)
    return spread(padding, count)


# --- embeddings ------------------------------------------------------------------------------------------------------


def embedding(call: Call) -> Step:
    """Looks up rows of a table; the table of the functional form is carried along its features."""
    x = tensor(call)
    shape = x.shape
    table = call.get("weight")
    width = call.size("embedding_dim")
    known: dict[int, Reads | Carries] = {x.index: _INDEXED}
    if isinstance(table, Operand):
        width = table.shape.size(-1)
        places = tuple(range(-1 - (DEEP if shape.rank is None else shape.rank), -1))
        known[table.index] = Carries(mixes=axes(-2), moves=((-1, (-1,)),), scatters=((-2, places),))
    if shape.rank is not None:
        return single(call, Shape.of(*shape.sizes, width), known)
    result = replace(shape, sizes=(*shape.sizes, width), token=-1, at_least=shape.at_least + 1)
    return single(call, result, known)


def embedding_bag(call: Call) -> Step:
    """Sums of rows of a table: one row for each bag."""
    x = tensor(call)
    known = {operand.index: unknown("it weighs embeddings") for operand in call.operands}
    known[x.index] = _INDEXED
    return single(call, Shape.of(None, call.size("embedding_dim")), known)


_BIAS = "bias"
_CONV = (
    "kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode='zeros', device=None, dtype=None)"
)
_UP = (
    "kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1, padding_mode='zeros', "
    "device=None, dtype=None)"
)
_INPUT: Mapping[int, str] = {1: "2 4 9", 2: "2 4 7 6", 3: "2 4 5 4 5"}
_WEIGHTS: Mapping[int, str] = {1: "6 4 3", 2: "6 4 3 3", 3: "6 4 3 3 3"}
_UP_WEIGHTS: Mapping[int, str] = {1: "4 6 3", 2: "4 6 3 3", 3: "4 6 3 3 3"}
_FUNCTION = "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)"
_UP_FUNCTION = "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1)"

LINEAR = LearnableShift(_BIAS, -1, "out_features")

ROWS = (
    row(
        "nn.Linear(in_features, out_features, bias=True, device=None, dtype=None)",
        linear,
        "4, 6 | 2 4",
        "4, 6 | 2 5 4",
        "4, 1 | 2 3 5 4",
        inputs="input",
        role="affine",
        shift=LINEAR,
    ),
    row(
        "nn.LazyLinear(out_features, bias=True, device=None, dtype=None)",
        linear,
        "6 | 2 5 4",
        inputs="input",
        role="affine",
        shift=LINEAR,
    ),
    row(
        "nn.Bilinear(in1_features, in2_features, out_features, bias=True, device=None, dtype=None)",
        bilinear,
        "4, 3, 6 | 5 4 | 5 3",
        inputs="input1, input2",
        role="affine",
        shift=LINEAR,
    ),
    row(
        "F.linear(input, weight, bias=None)", functional_linear, "x, y, z | 2 5 4 | 6 4 | 6", also="torch._C._nn.linear"
    ),
    row("F.bilinear(input1, input2, weight, bias=None)", bilinear, "x, y, z, w | 5 4 | 5 3 | 6 4 3 | 6"),
    *(
        row(
            f"nn.Conv{n}d(in_channels, out_channels, {_CONV}",
            convolution(n),
            f"4, 6, 3 | {_INPUT[n]}",
            f"4, 6, 3, padding=1 | {_INPUT[n]}",
            f"4, 6, 1, padding=1 | {_INPUT[n]}",
            f"4, 6, 3, padding='same' | {_INPUT[n]}",
            f"4, 6, 1, padding='same' | {_INPUT[n]}",
            f"4, 6, 3, stride=2, padding=1, padding_mode='reflect', groups=2 | {_INPUT[n]}",
            f"4, 6, 2, padding=({'0, ' * (n - 1)}2,), dilation=2 | {_INPUT[n]}",
            inputs="input",
            role="affine",
            shift=LearnableShift(_BIAS, -n - 1, "out_channels"),
        )
        for n in (1, 2, 3)
    ),
    *(
        row(
            f"nn.LazyConv{n}d(out_channels, {_CONV}",
            convolution(n),
            f"6, 3, padding=1 | {_INPUT[n]}",
            inputs="input",
            role="affine",
            shift=LearnableShift(_BIAS, -n - 1, "out_channels"),
        )
        for n in (1, 2, 3)
    ),
    *(
        row(
            f"nn.ConvTranspose{n}d(in_channels, out_channels, {_UP}",
            transposed_convolution(n),
            f"4, 6, 2, stride=2 | {_INPUT[n]}",
            f"4, 6, 1 | {_INPUT[n]}",
            f"4, 6, 3, 2, 1, 1 | {_INPUT[n]}",
            inputs="input, output_size=None",
            role="affine",
            shift=LearnableShift(_BIAS, -n - 1, "out_channels"),
        )
        for n in (1, 2, 3)
    ),
    *(
        row(
            f"nn.LazyConvTranspose{n}d(out_channels, {_UP}",
            transposed_convolution(n),
            f"6, 2, stride=2 | {_INPUT[n]}",
            inputs="input, output_size=None",
            role="affine",
            shift=LearnableShift(_BIAS, -n - 1, "out_channels"),
        )
        for n in (1, 2, 3)
    ),
    *(
        row(
            f"F.conv{n}d({_FUNCTION}",
            functional_convolution(n),
            f"x, y, z | {_INPUT[n]} | {_WEIGHTS[n]} | 6",
            f"x, y, padding=1 | {_INPUT[n]} | {_WEIGHTS[n]}",
            also=f"torch.conv{n}d",
        )
        for n in (1, 2, 3)
    ),
    *(
        row(
            f"F.conv_transpose{n}d({_UP_FUNCTION}",
            transposed_convolution(n),
            f"x, y, z, stride=2 | {_INPUT[n]} | {_UP_WEIGHTS[n]} | 6",
            also=f"torch.conv_transpose{n}d",
        )
        for n in (1, 2, 3)
    ),
    row(
        "nn.Embedding(num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0, "
        "scale_grad_by_freq=False, sparse=False, _weight=None, _freeze=False, device=None, dtype=None)",
        embedding,
        "5, 4 | i 2 3",
        inputs="input",
        role="layer",
    ),
    row(
        "nn.EmbeddingBag(num_embeddings, embedding_dim, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, "
        "mode='mean', sparse=False, _weight=None, include_last_offset=False, padding_idx=None, device=None, "
        "dtype=None)",
        embedding_bag,
        "5, 4 | i 2 3",
        inputs="input, offsets=None, per_sample_weights=None",
        role="layer",
    ),
    row(
        "F.embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, "
        "sparse=False)",
        embedding,
        "i, y | i 2 3 | 5 4",
    ),
)
