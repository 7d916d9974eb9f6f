"""Sums, means, variances, extrema and other reductions along axes."""

from __future__ import annotations

from fractions import Fraction

from biaslens.algebra.axes import ALL, Axes, axes, axes_from
from biaslens.algebra.outcome import Cancels, Carries, reads
from biaslens.algebra.sizes import Size
from biaslens.catalogue.activations import nonlinear
from biaslens.catalogue.entry import Call, Operand, Result, Rule, Step
from biaslens.catalogue.shapes import at_least, reduced
from biaslens.catalogue.steps import as_size, axes_of, axis_of, effects, flag, row, single, tensor

_ALONG = "it varies along the axis that is reduced"


def mean(call: Call) -> Step:
    """The mean along some axes: a shift comes out as its own mean."""
    x = tensor(call)
    along = axes_of(call, x)
    shape, moves = reduced(x.shape, along, keep=flag(call, "keepdim"))
    return single(call, shape, {x.index: Carries(moves=moves, mixes=_set(along), keeps_mask=False)})


def total(call: Call) -> Step:
    """The sum along some axes: a shift comes out as many times as there are entries."""
    x = tensor(call)
    along = axes_of(call, x)
    shape, moves = reduced(x.shape, along, keep=flag(call, "keepdim"))
    effect = Carries(moves=moves, mixes=_set(along), scale=_entries(x, along), keeps_mask=False)
    return single(call, shape, {x.index: effect})


def _entries(x: Operand, along: tuple[int, ...] | None) -> Fraction | None:
    places = along if along is not None else x.shape.axes()
    if places is None:
        return None
    count = Fraction(1)
    for axis in places:
        size = x.shape.size(axis)
        if size is None or size.value is None:
            return None
        count *= size.value
    return count


def _set(along: tuple[int, ...] | None) -> Axes:
    return ALL if along is None else axes(*along)


def variance(*, pair: bool) -> Rule:
    """A variance or deviation, which is blind to what is constant along its axes; with `pair` the mean as well."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        along = axes_of(call, x)
        shape, moves = reduced(x.shape, along, keep=flag(call, "keepdim"))
        spread = Result(shape, effects(call, {x.index: Cancels(_set(along), "centering", why=_ALONG)}))
        if not pair:
            return Step((spread,))
        middle = Result(shape, effects(call, {x.index: Carries(moves=moves, mixes=_set(along), keeps_mask=False)}))
        return Step((spread, middle), sequence=True)

    return rule


def extremum(*, pair: bool, axis: int | None = None) -> Rule:
    """A maximum, minimum, median or the like: it moves with whatever is constant along its axes.

    pair: with an axis the result is a pair of values and indices. axis: the default one.
    """

    def rule(call: Call) -> Step:
        x = tensor(call)
        if isinstance(call.get("dim"), Operand):  # torch.max(x, y)
            return _larger(call)
        along = axes_of(call, x)
        if along is None and axis is not None:
            along = (x.shape.canonical(axis),)
        shape, moves = reduced(x.shape, along, keep=flag(call, "keepdim"))
        values = Result(shape, effects(call, {x.index: _follows(along, moves)}))
        if not pair or along is None:
            return Step((values,))
        return Step((values, Result(shape, (None,) * len(call.operands))), sequence=True)

    return rule


def _larger(call: Call) -> Step:
    return nonlinear("a maximum is not linear")(call)


def _follows(along: tuple[int, ...] | None, moves: tuple[tuple[int, tuple[int, ...]], ...] = ()) -> Carries:
    return Carries(constant_along=_set(along), why=_ALONG, moves=moves, keeps_mask=False)


def ranked(*, keeps_size: bool) -> Rule:
    """`sort`, `topk` and `kthvalue`-like: values in order along an axis, and where they were."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        axis = axis_of(call, x)
        shape = at_least(x.shape, 1)
        if not keeps_size:
            shape = shape.with_size(axis, as_size(call["k"]))
        values = Result(shape, effects(call, {x.index: _follows((axis,))}))
        return Step((values, Result(shape, (None,) * len(call.operands))), sequence=True)

    return rule


def place_of_extremum(call: Call) -> Step:
    """`argmax` and `argsort`: blind to what is constant along the axis."""
    x = tensor(call)
    along = axes_of(call, x)
    keep = call.get("keepdim", True)
    shape, _ = reduced(x.shape, along, keep=keep is True)
    if "descending" in call.arguments:
        shape = x.shape
    return single(call, shape, {x.index: Cancels(_set(along), "centering", why=_ALONG)})


def running(call: Call) -> Step:
    """`cumsum`: a sum that grows along the axis."""
    x = tensor(call)
    axis = axis_of(call, x)
    return single(call, x.shape, {x.index: Carries(mixes=ALL, gains=axes(axis), keeps_mask=False)})


def reduced_nonlinearly(why: str) -> Rule:
    """Norms, products and counts along axes."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        along = axes_of(call, x)
        shape, _ = reduced(x.shape, along, keep=call.get("keepdim", False) is True)
        return single(call, shape, {operand.index: reads(why) for operand in call.operands})

    return rule


def running_product(call: Call) -> Step:
    """`cumprod`."""
    x = tensor(call)
    return single(call, x.shape, {x.index: reads("a product is not linear")})


def covariance(call: Call) -> Step:
    """`torch.cov`: each row less its mean."""
    x = tensor(call)
    size: Size | None = x.shape.size(0) if x.shape.rank == 2 else None
    return single(call, x.shape.of(size, size), {x.index: Cancels(axes_from((-1,)), "centering", why=_ALONG)})


_AXIS = "dim=None, keepdim=False"
_NORM = reduced_nonlinearly("a norm is not linear")

ROWS = (
    row(
        f"torch.mean(input, {_AXIS}, *, dtype=None)",
        mean,
        "x, 1 | 2 4 5",
        "x, (1, 2), True | 2 4 5",
        "x | 2 4 5",
        also="Tensor.mean torch.nanmean Tensor.nanmean",
    ),
    row(
        f"torch.sum(input, {_AXIS}, *, dtype=None)",
        total,
        "x, 1 | 2 4 5",
        "x, (1, 2), True | 2 4 5",
        "x | 2 4 5",
        also="Tensor.sum torch.nansum Tensor.nansum",
    ),
    *(
        row(
            f"torch.{name}(input, dim=None, unbiased=True, keepdim=False, *, correction=1)",
            variance(pair=False),
            "x, 1 | 2 4 5",
            "x, (1, 2), keepdim=True | 2 4 5",
            also=f"Tensor.{name}",
        )
        for name in ("var", "std")
    ),
    *(
        row(
            f"torch.{name}(input, dim=None, unbiased=True, keepdim=False, *, correction=1)",
            variance(pair=True),
            "x, 1 | 2 4 5",
        )
        for name in ("var_mean", "std_mean")
    ),
    *(
        row(
            f"torch.{name}(input, {_AXIS})",
            extremum(pair=True),
            "x, 1 | 2 4 5",
            "x, -1, True | 2 4 5",
            "x / 99 | 3 4 5",
            "x, y | 2 4 5 | 2 4 5",
            also=f"Tensor.{name}",
        )
        for name in ("max", "min")
    ),
    *(
        row(
            f"torch.{name}(input, dim=(), keepdim=False)",
            extremum(pair=False),
            "x, 1 | 2 4 5",
            "x, (1, 2), True | 2 4 5",
            also=f"Tensor.{name}",
        )
        for name in ("amax", "amin")
    ),
    row(
        f"torch.median(input, {_AXIS})",
        extremum(pair=True),
        "x, 1 | 2 4 5",
        "x | 2 4 5",
        also="Tensor.median torch.nanmedian",
    ),
    row(
        "torch.kthvalue(input, k, dim=-1, keepdim=False)",
        extremum(pair=True),
        "x, 2, 1 | 2 4 5",
        also="Tensor.kthvalue",
    ),
    row(
        "torch.topk(input, k, dim=-1, largest=True, sorted=True)",
        ranked(keeps_size=False),
        "x, 2 | 2 4 5",
        "x, 3, 1 | 2 4 5",
        also="Tensor.topk",
    ),
    row(
        "torch.sort(input, dim=-1, descending=False, stable=False)",
        ranked(keeps_size=True),
        "x | 2 4 5",
        "x, 1 | 2 4 5",
        also="Tensor.sort",
    ),
    *(
        row(f"torch.{name}(input, {_AXIS})", place_of_extremum, "x, 1 | 2 4 5", "x / 99 | 3 4 5", also=f"Tensor.{name}")
        for name in ("argmax", "argmin")
    ),
    row(
        "torch.argsort(input, dim=-1, descending=False, stable=False)",
        place_of_extremum,
        "x | 2 4 5",
        also="Tensor.argsort",
    ),
    row("torch.cumsum(input, dim, *, dtype=None)", running, "x, 1 | 2 4 5", also="Tensor.cumsum"),
    row(
        "torch.prod(input, dim=None, keepdim=False, *, dtype=None)",
        reduced_nonlinearly("a product is not linear"),
        "x, 1 | 2 4 5",
        also="Tensor.prod",
    ),
    row("torch.cumprod(input, dim, *, dtype=None)", running_product, "x, 1 | 2 4 5", also="Tensor.cumprod"),
    row(
        "torch.norm(input, p='fro', dim=None, keepdim=False, out=None, dtype=None)",
        _NORM,
        "x, 2, 1 | 2 4 5",
        also="Tensor.norm",
    ),
    row("torch.linalg.norm(input, ord=None, dim=None, keepdim=False)", _NORM, "x, 2, 1 | 2 4 5"),
    row("torch.linalg.vector_norm(input, ord=2, dim=None, keepdim=False)", _NORM, "x, 2, 1, True | 2 4 5"),
    *(
        row(
            f"torch.{name}(input, {_AXIS})",
            reduced_nonlinearly("a comparison reads it"),
            "x > 0, 1 | 2 4 5",
            also=f"Tensor.{name}",
        )
        for name in ("any", "all")
    ),
    row(
        "torch.count_nonzero(input, dim=None)",
        reduced_nonlinearly("a comparison reads it"),
        "x > 0, 1 | 2 4 5",
        also="Tensor.count_nonzero",
    ),
    row("torch.cov(input)", covariance, "x | 4 9", also="Tensor.cov"),
)
