"""Pooling, resampling, padding and the rearrangements of images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from biaslens.algebra.axes import ALL, NONE, Shape, all_but, axes, axes_from
from biaslens.algebra.outcome import Carries, Effect, reads, weighs
from biaslens.algebra.sizes import Size, number
from biaslens.catalogue.entry import Argument, Call, Operand, Result, Rule, Step
from biaslens.catalogue.shapes import at_least, with_rank
from biaslens.catalogue.steps import Unclear, as_size, effects, flag, listed, row, single, spread, tensor, whole
from biaslens.catalogue.windows import slid, spatial, touched

_MAXIMUM = "the maximum is taken along axes along which it varies"

# --- pooling ---------------------------------------------------------------------------------------------------------


def max_pool(count: int) -> Rule:
    """A maximum over windows of the last axes: moves with whatever is constant along them, also where it is padded."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        shape = _windowed(call, at_least(x.shape, count + 1), count)
        effect = Carries(constant_along=axes_from(spatial(count)), why=_MAXIMUM)
        return _with_indices(call, x, shape, effect)

    return rule


def average_pool(count: int) -> Rule:
    """A mean over windows; zero padding that counts, or a divisor of its own, makes the border differ."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        shape = _windowed(call, at_least(x.shape, count + 1), count)
        along = axes_from(spatial(count))
        borders = spread(call["padding"], count)
        certain, possible = touched(borders)
        divisor = call.get("divisor_override")
        if divisor is None:
            counted = call["count_include_pad"]
            if counted is False:
                certain = possible = NONE
            elif counted is not True:
                certain, possible = NONE, certain.union(possible)
            effect = Carries(mixes=along, gains=certain, may_gain=possible)
        else:
            ragged = call["ceil_mode"] is not False
            effect = Carries(
                mixes=along,
                gains=certain,
                may_gain=possible.union(along) if ragged else possible,
                scale=_window_over(divisor, spread(call["kernel_size"], count)),
            )
        return single(call, shape, {x.index: effect}, refined=((x.index, at_least(x.shape, count + 1)),))

    return rule


def adaptive_pool(count: int, *, maximum: bool) -> Rule:
    """Pooling to a given size."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        shape = at_least(x.shape, count + 1)
        wanted = spread(call["output_size"], count)
        after = shape
        for axis in spatial(count):
            after = after.with_size(axis, shape.size(axis) if wanted[axis] is None else as_size(wanted[axis]))
        along = axes_from(spatial(count))
        if not maximum:
            return single(call, after, {x.index: Carries(mixes=along)}, refined=((x.index, shape),))
        return _with_indices(call, x, after, Carries(constant_along=along, why=_MAXIMUM))

    return rule


def fractional_pool(count: int) -> Rule:
    """A maximum over windows of random places."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        shape = at_least(x.shape, count + 1)
        after = shape
        for axis in spatial(count):
            after = after.with_size(axis, None)
        return _with_indices(call, x, after, Carries(constant_along=axes_from(spatial(count)), why=_MAXIMUM))

    return rule


def power_pool(count: int) -> Rule:
    """A power mean, which is not linear."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        shape = at_least(x.shape, count + 1)
        return single(call, _windowed(call, shape, count), {x.index: reads("power-average pooling is not linear")})

    return rule


def unpool(call: Call) -> Step:
    """Puts each entry where its maximum was, among zeros."""
    x = tensor(call)
    shape = Shape(x.shape.rank, (None,) * len(x.shape.sizes), x.shape.token, x.shape.at_least)
    known: dict[int, Effect | None] = {
        operand.index: reads("its values are used as indices") for operand in call.operands
    }
    known[x.index] = weighs(may_gain=ALL)
    return single(call, shape, known)


def _windowed(call: Call, shape: Shape, count: int) -> Shape:
    kernel = spread(call["kernel_size"], count)
    strides = kernel if call["stride"] is None or listed(call["stride"]) == () else spread(call["stride"], count)
    borders = spread(call.get("padding", 0), count)
    dilations = spread(call.get("dilation", 1), count)
    for axis in spatial(count):
        size = None
        if isinstance(call["ceil_mode"], bool):
            ceil = call["ceil_mode"]
            size = slid(shape.size(axis), kernel[axis], strides[axis], borders[axis], dilations[axis], ceil=ceil)
        shape = shape.with_size(axis, size)
    return shape


def _with_indices(call: Call, x: Operand, shape: Shape, effect: Effect) -> Step:
    result = Result(shape, effects(call, {x.index: effect}))
    if call.get("return_indices", False) is False:
        return Step((result,))
    flag(call, "return_indices")
    return Step((result, Result(shape, (None,) * len(call.operands))), sequence=True)


def _window_over(divisor: Argument, kernel: tuple[Argument, ...]) -> Fraction | None:
    widths = [whole(width) for width in kernel]
    below = whole(divisor)
    if not below or any(width is None for width in widths):
        return None
    return Fraction(math.prod(width or 0 for width in widths), below)


# --- resampling ------------------------------------------------------------------------------------------------------


def interpolate(mode: str | None = None) -> Rule:
    """Weights that sum to one, along all axes but the first two."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        rank = _RANKS.get(call.get("mode", mode) if mode is None else mode)
        shape = with_rank(x.shape, rank) if rank else at_least(x.shape, 3)
        after = shape
        if shape.rank is not None:
            for axis in spatial(shape.rank - 2):
                after = after.with_size(axis, _resized(call, shape, axis))
        else:
            after = Shape(None, (), shape.token, shape.at_least)
        return single(call, after, {x.index: Carries(mixes=all_but(0, 1))}, refined=((x.index, shape),))

    return rule


_RANKS: Mapping[str, int] = {"linear": 3, "bilinear": 4, "bicubic": 4, "lanczos": 4, "trilinear": 5}


def _resized(call: Call, shape: Shape, axis: int) -> Size | None:
    count = (shape.rank or 2) - 2
    size, factor = call.get("size"), call.get("scale_factor")
    if size is not None:
        return as_size(spread(size, count)[axis])
    times = spread(factor, count)[axis]
    known = shape.size(axis)
    if isinstance(times, float) and times.is_integer():
        times = int(times)
    if isinstance(times, float) and known is not None and known.value is not None:
        return number(math.floor(known.value * times))
    scale = as_size(times)
    return known * scale if known is not None and scale is not None else None


def grid_sample(call: Call) -> Step:
    """Looks up places of an image; with zeros outside of it, its border differs."""
    x = tensor(call)
    grid = tensor(call, "grid")
    shape = at_least(x.shape, 4)
    if grid.shape.rank is not None:
        shape = with_rank(shape, grid.shape.rank)
    after = shape
    if shape.rank is not None:
        for axis in range(2, shape.rank):
            after = after.with_size(axis, grid.shape.size(axis - 1))
    inside = call["padding_mode"] in {"border", "reflection"}
    averages = all_but(0, 1) if inside else NONE
    certain = inside or call["padding_mode"] == "zeros"
    effect = Carries(
        mixes=all_but(0, 1),
        gains=all_but(1) if certain else NONE,
        may_gain=NONE if certain else all_but(1),
        averages=averages,
    )
    return single(
        call,
        after,
        {x.index: effect, grid.index: reads("it moves the places that are looked up")},
        refined=((x.index, shape),),
    )


# --- padding ---------------------------------------------------------------------------------------------------------


def pad_layer(count: int, *, constant: bool) -> Rule:
    """A padding layer: (left, right) of the last axis first."""

    def rule(call: Call) -> Step:
        return _padded(call, spread(call["padding"], 2 * count), constant)

    return rule


def pad(call: Call) -> Step:
    """`F.pad`."""
    borders = listed(call["pad"])
    if borders is None or len(borders) % 2:
        raise Unclear("the padding is not known")
    mode = call["mode"]
    if mode not in {"constant", "reflect", "replicate", "circular"}:
        raise Unclear("the padding mode is not known")
    return _padded(call, borders, mode == "constant")


def _padded(call: Call, borders: tuple[Argument, ...], constant: bool) -> Step:
    x = tensor(call)
    count = len(borders) // 2
    if x.shape.rank is not None and count > x.shape.rank:
        raise Unclear("the padding has more axes than the tensor")
    shape = at_least(x.shape, count)
    after = shape
    mixed: list[int] = []
    certain: list[int] = []
    possible: list[int] = []
    for place in range(count):
        axis, pair = -place - 1, borders[2 * place : 2 * place + 2]
        widths = [whole(width) for width in pair]
        if widths == [0, 0]:
            continue
        mixed.append(axis)
        size, left, right = shape.size(axis), as_size(pair[0]), as_size(pair[1])
        total = size + left + right if size is not None and left is not None and right is not None else None
        after = after.with_size(axis, total)
        if any(width is not None and width > 0 for width in widths):
            certain.append(axis)
        elif None in widths:
            possible.append(axis)
    effect = Carries(
        mixes=axes_from(mixed),
        gains=axes_from(certain) if constant else NONE,
        may_gain=axes_from(possible) if constant else NONE,
    )
    return single(call, after, {x.index: effect}, refined=((x.index, shape),))


# --- rearrangements of images ----------------------------------------------------------------------------------------


def pixel_shuffle(call: Call) -> Step:
    """Moves channels into places: neighbours get the shifts of different channels."""
    x = tensor(call)
    shape, factor = at_least(x.shape, 3), call.size("upscale_factor")
    after = shape
    channels = shape.size(-3)
    square = factor * factor if factor is not None else None
    exact = channels.exactly_divided_by(square) if channels is not None and square is not None else None
    after = after.with_size(-3, exact)
    for axis in (-2, -1):
        after = after.with_size(axis, _times(shape.size(axis), factor))
    effect = Carries(moves=((-3, (-3, -2, -1)),), mixes=axes(-3, -2, -1))
    return single(call, after, {x.index: effect}, refined=((x.index, shape),))


def pixel_unshuffle(call: Call) -> Step:
    """Moves places into channels."""
    x = tensor(call)
    shape, factor = at_least(x.shape, 3), call.size("downscale_factor")
    after = shape.with_size(-3, _times(_times(shape.size(-3), factor), factor))
    for axis in (-2, -1):
        size = shape.size(axis)
        after = after.with_size(axis, size.exactly_divided_by(factor) if size is not None and factor else None)
    effect = Carries(moves=((-2, (-3, -2)), (-1, (-3, -1))), mixes=axes(-3, -2, -1))
    return single(call, after, {x.index: effect}, refined=((x.index, shape),))


def channel_shuffle(call: Call) -> Step:
    """Reorders the channels, which are axis 1."""
    x = tensor(call)
    return single(call, x.shape, {x.index: Carries(mixes=axes(1))})


def unfold(call: Call) -> Step:
    """Image blocks as columns: (batch, channels · kernel, blocks)."""
    x = tensor(call)
    shape = with_rank(x.shape, 4)
    kernel, padding = spread(call["kernel_size"], 2), spread(call["padding"], 2)
    strides, dilations = spread(call["stride"], 2), spread(call["dilation"], 2)
    blocks = [slid(shape.size(a), kernel[a], strides[a], padding[a], dilations[a]) for a in spatial(2)]
    rows = _times(_times(shape.size(1), as_size(kernel[0])), as_size(kernel[1]))
    certain, possible = touched(padding)
    effect = Carries(
        moves=((-4, (-3,)), (-3, (-2,)), (-2, (-2, -1)), (-1, (-2, -1))),
        mixes=axes(-3, -2, -1),
        gains=axes(-2, -1) if certain else NONE,
        may_gain=axes(-2, -1) if possible else NONE,
    )
    after = Shape.of(shape.size(0), rows, _times(blocks[0], blocks[1]))
    return single(call, after, {x.index: effect}, refined=((x.index, shape),))


def fold(call: Call) -> Step:
    """Columns added up to an image: how many overlap depends on the place."""
    x = tensor(call)
    shape = with_rank(x.shape, 3)
    size, kernel = spread(call["output_size"], 2), spread(call["kernel_size"], 2)
    area = _times(as_size(kernel[0]), as_size(kernel[1]))
    rows = shape.size(1)
    channels = rows.exactly_divided_by(area) if rows is not None and area is not None else None
    effect = Carries(
        moves=((-3, (-4,)), (-2, (-3, -2, -1)), (-1, (-2, -1))), mixes=axes(-2, -1), gains=NONE, may_gain=axes(-2, -1)
    )
    after = Shape.of(shape.size(0), channels, as_size(size[0]), as_size(size[1]))
    return single(call, after, {x.index: effect}, refined=((x.index, shape),))


def _times(left: Size | None, right: Size | None) -> Size | None:
    return left * right if left is not None and right is not None else None


# --- rows ------------------------------------------------------------------------------------------------------------

_INPUT: Mapping[int, str] = {1: "2 4 9", 2: "2 4 7 6", 3: "2 4 5 4 6"}
_MAX = "kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False"
_MAX_FUNCTION = "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False"
_AVERAGE = "kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True"


def _divided(n: int) -> str:
    return "" if n == 1 else ", divisor_override=None"


def _layers(n: int):
    shape = _INPUT[n]
    average_samples = ["2", "3, 2, 1", "3, 2, 1, count_include_pad=False", "3, 2, 0, True"]
    average_samples += [] if n == 1 else ["2, divisor_override=3", "3, 1, 1, divisor_override=3"]
    return (
        row(
            f"nn.MaxPool{n}d({_MAX})",
            max_pool(n),
            *(f"{arguments} | {shape}" for arguments in ("2", "3, 2, 1", "2, ceil_mode=True", "3, 1, 1, 1, True")),
            inputs="input",
            role="layer",
        ),
        row(
            f"nn.AvgPool{n}d({_AVERAGE}{_divided(n)})",
            average_pool(n),
            *(f"{arguments} | {shape}" for arguments in average_samples),
            inputs="input",
            role="layer",
        ),
        row(
            f"nn.AdaptiveAvgPool{n}d(output_size)",
            adaptive_pool(n, maximum=False),
            f"1 | {shape}",
            f"3 | {shape}",
            inputs="input",
            role="layer",
        ),
        row(
            f"nn.AdaptiveMaxPool{n}d(output_size, return_indices=False)",
            adaptive_pool(n, maximum=True),
            f"3 | {shape}",
            inputs="input",
            role="layer",
        ),
        row(
            f"nn.LPPool{n}d(norm_type, kernel_size, stride=None, ceil_mode=False)",
            power_pool(n),
            f"2, 2 | {shape}",
            inputs="input",
            role="layer",
        ),
        row(
            f"nn.MaxUnpool{n}d(kernel_size, stride=None, padding=0)",
            unpool,
            f"1 | {shape} | i {shape}",
            inputs="input, indices, output_size=None",
            role="layer",
        ),
    )


def _functions(n: int):
    shape = _INPUT[n]
    return (
        row(
            f"F.max_pool{n}d({_MAX_FUNCTION})",
            max_pool(n),
            f"x, 2 | {shape}",
            f"x, 3, 1, 1 | {shape}",
            also=f"torch.max_pool{n}d",
        ),
        row(
            f"F.avg_pool{n}d(input, {_AVERAGE}{_divided(n)})",
            average_pool(n),
            f"x, 2 | {shape}",
            f"x, 3, 1, 1 | {shape}",
            also="torch.avg_pool1d" if n == 1 else f"torch._C._nn.avg_pool{n}d",
        ),
        row(
            f"F.adaptive_avg_pool{n}d(input, output_size)",
            adaptive_pool(n, maximum=False),
            f"x, 2 | {shape}",
            also="torch.adaptive_avg_pool1d" if n == 1 else "",
        ),
        row(
            f"F.adaptive_max_pool{n}d(input, output_size, return_indices=False)",
            adaptive_pool(n, maximum=True),
            f"x, 2 | {shape}",
        ),
        row(
            f"F.lp_pool{n}d(input, norm_type, kernel_size, stride=None, ceil_mode=False)",
            power_pool(n),
            f"x, 2, 2 | {shape}",
        ),
    )


_UPSAMPLE = "size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None"
_FRACTIONAL = "kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None"

ROWS = (
    *(entry for n in (1, 2, 3) for entry in (*_layers(n), *_functions(n))),
    *(
        row(
            f"nn.FractionalMaxPool{n}d({_FRACTIONAL})",
            fractional_pool(n),
            f"2, output_size=2 | {_INPUT[n]}",
            inputs="input",
            role="layer",
        )
        for n in (2, 3)
    ),
    row(
        f"nn.Upsample({_UPSAMPLE})",
        interpolate(),
        "scale_factor=2 | 2 4 5",
        "scale_factor=2, mode='bilinear' | 2 4 5 6",
        "size=(7, 4), mode='bicubic' | 2 4 5 6",
        "scale_factor=2, mode='trilinear' | 2 4 3 4 3",
        inputs="input",
        role="layer",
    ),
    row(
        "nn.UpsamplingNearest2d(size=None, scale_factor=None)",
        interpolate("bilinear"),
        "scale_factor=2 | 2 4 5 6",
        inputs="input",
        role="layer",
    ),
    row(
        "nn.UpsamplingBilinear2d(size=None, scale_factor=None)",
        interpolate("bilinear"),
        "scale_factor=2 | 2 4 5 6",
        inputs="input",
        role="layer",
    ),
    row(
        f"F.interpolate(input, {_UPSAMPLE}, antialias=False)",
        interpolate(),
        "x, scale_factor=1.5 | 2 4 5 6",
        "x, (3, 9), mode='area' | 2 4 5 6",
        "x, (3, 9), mode='bilinear', antialias=True | 2 4 5 6",
    ),
    row(
        "F.upsample(input, size=None, scale_factor=None, mode='nearest', align_corners=None)",
        interpolate(),
        "x, scale_factor=2 | 2 4 5 6",
    ),
    row(
        "F.grid_sample(input, grid, mode='bilinear', padding_mode='zeros', align_corners=None)",
        grid_sample,
        "x, y | 2 4 5 6 | 2 3 3 2",
        "x, y, padding_mode='border' | 2 4 5 6 | 2 3 3 2",
        also="",
    ),
    *(
        row(
            f"nn.{kind}Pad{n}d(padding{', value' if kind == 'Constant' else ''})",
            pad_layer(n, constant=kind in {"Constant", "Zero"}),
            f"{1 if n > 1 else 2}{', 3.0' if kind == 'Constant' else ''} | {_INPUT[n]}",
            f"({'0, 0, ' * (n - 1)}1, 2){', 3.0' if kind == 'Constant' else ''} | {_INPUT[n]}",
            inputs="input",
            role="layer",
        )
        for kind in ("Constant", "Zero", "Reflection", "Replication", "Circular")
        for n in (1, 2, 3)
    ),
    row(
        "F.pad(input, pad, mode='constant', value=None)",
        pad,
        "x, (1, 2) | 2 4 5 6",
        "x, (0, 0, 1, 0), value=-1.0 | 2 4 5 6",
        "x, (1, 1, 2, 2), 'reflect' | 2 4 5 6",
        "x, (-1, -1) | 2 4 5 6",
        also="torch._C._nn.pad",
    ),
    row("nn.PixelShuffle(upscale_factor)", pixel_shuffle, "2 | 2 8 3 4", inputs="input", role="layer"),
    row("F.pixel_shuffle(input, upscale_factor)", pixel_shuffle, "x, 2 | 2 8 3 4", also="torch.pixel_shuffle"),
    row("nn.PixelUnshuffle(downscale_factor)", pixel_unshuffle, "2 | 2 3 4 6", inputs="input", role="layer"),
    row("F.pixel_unshuffle(input, downscale_factor)", pixel_unshuffle, "x, 2 | 2 3 4 6", also="torch.pixel_unshuffle"),
    row("nn.ChannelShuffle(groups)", channel_shuffle, "2 | 2 4 3 5", inputs="input", role="layer"),
    row("F.channel_shuffle(input, groups)", channel_shuffle, "x, 2 | 2 4 3 5", also="torch.channel_shuffle"),
    row(
        "nn.Unfold(kernel_size, dilation=1, padding=0, stride=1)",
        unfold,
        "3 | 2 4 5 6",
        "3, padding=1 | 2 4 5 6",
        inputs="input",
        role="layer",
    ),
    row("F.unfold(input, kernel_size, dilation=1, padding=0, stride=1)", unfold, "x, 2 | 2 4 5 6"),
    row(
        "nn.Fold(output_size, kernel_size, dilation=1, padding=0, stride=1)",
        fold,
        "(4, 5), 2 | 2 12 12",
        inputs="input",
        role="layer",
    ),
    row("F.fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1)", fold, "x, (4, 5), 2 | 2 12 12"),
)
