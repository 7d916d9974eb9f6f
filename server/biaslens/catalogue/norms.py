"""Normalisation: what each norm averages over, and so which shifts it subtracts again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from biaslens.algebra.axes import Shape, all_but, axes, axes_from
from biaslens.algebra.outcome import Cancels, Carries, Effect, reads, unknown, weighs
from biaslens.algebra.sizes import Size, same_size
from biaslens.catalogue.entry import Argument, Call, LearnableShift, Mode, Operand, Rule, Step
from biaslens.catalogue.shapes import at_least, with_rank
from biaslens.catalogue.steps import Unclear, as_size, flag, listed, row, single, tensor

PAIR = "for (batch, features) input"
"""The assumption under which a BatchNorm1d after a Linear of unknown rank works on the features."""

_UNCENTRED = reads("it divides by the size of the values without subtracting their mean")
_FROZEN = weighs(gains=axes(1))


# --- batch and instance norm -----------------------------------------------------------------------------------------


def batch_norm(rank: int | None) -> Rule:
    """Subtracts the mean over all axes but the channels, which are axis 1; frozen, it only weighs the channels.

    rank: of the input; None for BatchNorm1d, which takes 2 or 3 axes, and 0 for any.
    """

    def rule(call: Call) -> Step:
        x = tensor(call)
        channels = call.size("num_features")
        frozen = call.mode is Mode.FROZEN and flag(call, "track_running_stats")
        return _batch_norm(call, x, rank, channels, frozen)

    return rule


def functional_batch_norm(call: Call) -> Step:
    """`F.batch_norm`: with `training` a batch norm, else frozen. On the eval side its mean contains the bias."""
    x = tensor(call)
    mean = call.get("running_mean")
    channels = mean.shape.size(-1) if isinstance(mean, Operand) else None
    frozen = call.mode is not Mode.EVAL and not flag(call, "training")
    return _batch_norm(call, x, 0, channels, frozen)


def _batch_norm(call: Call, x: Operand, rank: int | None, channels: Size | None, frozen: bool) -> Step:
    shape, effect = x.shape, Cancels(all_but(1), "batch norm", why="it varies within a channel")
    if rank:
        shape = with_rank(shape, rank)
    elif shape.rank is None and rank is None:
        shape, effect = _features_or_sequence(shape, effect, channels)
    shape = _with_channels(at_least(shape, 2), channels)
    effect = _FROZEN if frozen else effect
    return single(call, shape, {**_scale_and_shift(call, 1), x.index: effect}, refined=((x.index, shape),))


def _features_or_sequence(shape: Shape, effect: Cancels, channels: Size | None) -> tuple[Shape, Cancels]:
    """Whether an input of unknown rank is (batch, features) or (batch, channels, length), as its last size tells."""
    last = shape.size(-1)
    if shape.at_least > 2 and shape.at_least == 3:
        return with_rank(shape, 3), effect
    if last is None or channels is None:
        return shape, effect
    match same_size(last, channels):
        case True:
            return shape, replace(effect, assumed_rank=2, assumption=PAIR)
        case False:
            return with_rank(shape, 3), effect
        case _:
            return shape, effect


def instance_norm(rank: int) -> Rule:
    """Subtracts each sample's own mean over the places of a channel, over all axes but the first two."""

    def rule(call: Call) -> Step:
        x = tensor(call)
        shape = _with_channels(with_rank(x.shape, rank), call.size("num_features"))
        stored = call.mode is Mode.FROZEN and flag(call, "track_running_stats")
        effect = _FROZEN if stored else _INSTANCE
        return single(call, shape, {x.index: effect}, refined=((x.index, shape),))

    return rule


def functional_instance_norm(call: Call) -> Step:
    """`F.instance_norm`: with `use_input_stats` an instance norm, else frozen."""
    x = tensor(call)
    effect = _INSTANCE if call.mode is Mode.EVAL or flag(call, "use_input_stats") else _FROZEN
    shape = at_least(x.shape, 3)
    return single(call, shape, {**_scale_and_shift(call, 1), x.index: effect}, refined=((x.index, shape),))


_INSTANCE = Cancels(all_but(0, 1), "instance norm", why="it varies within a channel of one sample")


# --- group and layer norm --------------------------------------------------------------------------------------------


def group_norm(call: Call) -> Step:
    """Subtracts the mean of each group of channels; with one channel to a group it is an instance norm."""
    x = tensor(call)
    channels = call.size("num_channels") or x.shape.size(1)
    shape = _with_channels(at_least(x.shape, 2), channels)
    effect = _grouped(call.size("num_groups"), channels)
    return single(call, shape, {**_scale_and_shift(call, 1), x.index: effect}, refined=((x.index, shape),))


def _grouped(groups: Size | None, channels: Size | None) -> Effect:
    if groups is not None and groups.value == 1 and channels is None:
        return unknown("the number of its channels is not known")
    if groups is None or channels is None:
        return unknown("the number of its groups is not known")
    match same_size(groups, channels):
        case True:
            return Cancels(all_but(0, 1), "group norm", why="it varies within a channel of one sample")
        case False:
            return Cancels(all_but(0), "group norm", why="it varies within the groups")
        case _:
            return unknown("whether each channel is a group of its own is not known")


def layer_norm(call: Call) -> Step:
    """Subtracts each position's mean over the trailing axes of `normalized_shape`."""
    x = tensor(call)
    sizes = _normalized(call["normalized_shape"])
    shape = _with_trailing(x.shape, sizes)
    effect = Cancels(axes_from(range(-len(sizes), 0)), "layer norm", why="it varies along the normalised axes")
    return single(call, shape, {**_scale_and_shift(call, -1), x.index: effect}, refined=((x.index, shape),))


def rms_norm(call: Call) -> Step:
    """Divides by the root mean square; nothing is subtracted."""
    x = call.operands[0] if call.operands else tensor(call)
    known = {operand.index: unknown("it is used as a weight") for operand in call.operands}
    sizes = listed(call["normalized_shape"])
    shape = _with_trailing(x.shape, tuple(as_size(size) for size in sizes)) if sizes else x.shape
    known[x.index] = _UNCENTRED
    return single(call, shape, known, refined=((x.index, shape),))


def uncentred(call: Call) -> Step:
    """A division by a norm of the values, which nothing is subtracted from."""
    x = tensor(call)
    return single(call, x.shape, {x.index: _UNCENTRED})


def _normalized(value: Argument) -> tuple[Size | None, ...]:
    items = listed(value)
    if items is not None:
        return tuple(as_size(item) for item in items)
    size = as_size(value)
    if size is None:
        raise Unclear("the normalised axes are not known")
    return (size,)


def _with_channels(shape: Shape, channels: Size | None) -> Shape:
    return shape.with_size(1, channels) if channels is not None and shape.rank is not None else shape


def _with_trailing(shape: Shape, sizes: tuple[Size | None, ...]) -> Shape:
    if shape.rank is not None and shape.rank < len(sizes):
        raise Unclear("the tensor has fewer axes than it should have")
    shape = at_least(shape, len(sizes))
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        shape = shape.with_size(axis, size) if size is not None else shape
    return shape


def _scale_and_shift(call: Call, axis: int) -> dict[int, Effect | None]:
    """The effects on the weight, bias and stored statistics of a functional norm."""
    known: dict[int, Effect | None] = {}
    for name in ("weight", "running_mean", "running_var"):
        if isinstance(value := call.get(name), Operand):
            known[value.index] = unknown("it is used as a weight")
    if isinstance(bias := call.get("bias"), Operand):
        known[bias.index] = Carries(moves=((-1, (axis,)),)) if axis != -1 else Carries()
    return known


_SETTINGS = "eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *, bias=True)"
_INSTANCE_SETTINGS = _SETTINGS.replace("True, track_running_stats=True", "False, track_running_stats=False")
_INPUT: Mapping[int, str] = {1: "3 4 5", 2: "3 4 5 6", 3: "3 4 5 4 3"}


def _shift(axis: int) -> LearnableShift:
    return LearnableShift("affine", axis, "num_features", also="bias")


ROWS = (
    *(
        row(
            f"nn.BatchNorm{n}d(num_features, {_SETTINGS}",
            batch_norm(None if n == 1 else n + 2),
            f"4 | {_INPUT[n]}",
            f"4, affine=False, track_running_stats=False | {_INPUT[n]}",
            *(["4 | 5 4"] if n == 1 else []),
            inputs="input",
            role="norm",
            shift=_shift(1),
        )
        for n in (1, 2, 3)
    ),
    row(
        "nn.SyncBatchNorm(num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, "
        "process_group=None, device=None, dtype=None, *, bias=True)",
        batch_norm(0),
        "4 | 3 4 5 6",
        inputs="input",
        role="norm",
        shift=_shift(1),
    ),
    *(
        row(
            f"nn.LazyBatchNorm{n}d({_SETTINGS}",
            batch_norm(None if n == 1 else n + 2),
            f" | {_INPUT[n]}",
            inputs="input",
            role="norm",
            shift=_shift(1),
        )
        for n in (1, 2, 3)
    ),
    *(
        row(
            f"nn.InstanceNorm{n}d(num_features, {_INSTANCE_SETTINGS}",
            instance_norm(n + 2),
            f"4 | {_INPUT[n]}",
            f"4, affine=True, track_running_stats=True | {_INPUT[n]}",
            inputs="input",
            role="norm",
            shift=_shift(1),
        )
        for n in (1, 2, 3)
    ),
    *(
        row(
            f"nn.LazyInstanceNorm{n}d({_SETTINGS}",
            instance_norm(n + 2),
            f" | {_INPUT[n]}",
            inputs="input",
            role="norm",
            shift=_shift(1),
        )
        for n in (1, 2, 3)
    ),
    row(
        "nn.GroupNorm(num_groups, num_channels, eps=1e-05, affine=True, device=None, dtype=None, *, bias=True)",
        group_norm,
        "4, 4 | 3 4 5 6",
        "2, 4 | 3 4 5 6",
        "1, 4 | 3 4 5 6",
        inputs="input",
        role="norm",
        shift=LearnableShift("affine", 1, "num_channels", also="bias"),
    ),
    row(
        "nn.LayerNorm(normalized_shape, eps=1e-05, elementwise_affine=True, bias=True, device=None, dtype=None)",
        layer_norm,
        "6 | 3 5 6",
        "(5, 6) | 3 4 5 6",
        inputs="input",
        role="norm",
        shift=LearnableShift("bias", None, "normalized_shape", also="elementwise_affine"),
    ),
    row(
        "nn.RMSNorm(normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None)",
        rms_norm,
        "6 | 3 5 6",
        inputs="x",
        role="norm",
    ),
    row(
        "nn.LocalResponseNorm(size, alpha=0.0001, beta=0.75, k=1.0)",
        uncentred,
        "3 | 3 4 5 6",
        inputs="input",
        role="norm",
    ),
    row(
        "nn.CrossMapLRN2d(size, alpha=0.0001, beta=0.75, k=1)",
        uncentred,
        "3 | 3 4 5 6",
        inputs="input",
        role="norm",
    ),
    row(
        "F.batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, "
        "eps=1e-05)",
        functional_batch_norm,
        "x, None, None, training=True | 3 4 5 6",
        "x, y, z ** 2 + 1 | 3 4 5 6 | 4 | 4",
    ),
    row(
        "F.instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, "
        "momentum=0.1, eps=1e-05)",
        functional_instance_norm,
        "x | 3 4 5 6",
        "x, weight=y, bias=z | 3 4 5 6 | 4 | 4",
    ),
    row(
        "F.group_norm(input, num_groups, weight=None, bias=None, eps=1e-05)",
        group_norm,
        "x, 4 | 3 4 5 6",
        "x, 2, y, z | 3 4 5 6 | 4 | 4",
    ),
    row(
        "F.layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05)",
        layer_norm,
        "x, (6,) | 3 4 5 6",
        "x, (5, 6), y, z | 3 4 5 6 | 5 6 | 5 6",
    ),
    row("F.rms_norm(input, normalized_shape, weight=None, eps=None)", rms_norm, "x, (6,), y | 3 4 5 6 | 6"),
    row("F.normalize(input, p=2.0, dim=1, eps=1e-12, out=None)", uncentred, "x | 3 4 5 6"),
    row("F.local_response_norm(input, size, alpha=0.0001, beta=0.75, k=1.0)", uncentred, "x, 3 | 3 4 5 6"),
)

FUNCTIONS = frozenset(entry.label for entry in ROWS if entry.role == "function")
"""The names of those that are no layers."""
