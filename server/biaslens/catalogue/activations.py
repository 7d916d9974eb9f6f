"""Activations and dropout: everything that is applied to each entry and is not linear, and softmax."""

from __future__ import annotations

from biaslens.algebra.axes import axes
from biaslens.algebra.outcome import CARRIES, Cancels, Carries, Effect, Reads, reads, unknown
from biaslens.algebra.sizes import number
from biaslens.catalogue.entry import Argument, Call, Entry, Mode, Operand, Rule, Step, Unknowable
from biaslens.catalogue.shapes import at_least, broadcast, reduced
from biaslens.catalogue.steps import Unclear, axes_of, axis_of, flag, row, single, tensor, whole

# --- one entry at a time ---------------------------------------------------------------------------------------------


def nonlinear(why: str) -> Rule:
    """Every tensor that goes in is read; the result has the shape of all of them together."""
    effect = reads(why)

    def rule(call: Call) -> Step:
        shape = broadcast([operand.shape for operand in call.operands])
        return single(call, shape, {operand.index: effect for operand in call.operands})

    return rule


def threshold_relu(call: Call) -> Step:
    """PReLU and F.prelu: the slopes do not shape the result."""
    x = tensor(call)
    return single(call, x.shape, {x.index: reads("PReLU is not linear")})


def glu(call: Call) -> Step:
    """One half of the channels gates the other."""
    x = tensor(call)
    axis = axis_of(call, x)
    size = x.shape.size(axis)
    half = whole(size) if size is not None else None
    shape = x.shape.with_size(axis, number(half // 2) if half is not None else None)
    return single(call, shape, {x.index: reads("GLU is not linear")})


# --- dropout ---------------------------------------------------------------------------------------------------------


def dropout(call: Call) -> Step:
    """A random mask while training; the identity with p = 0 or in eval mode."""
    if call.mode is not Mode.TRAIN:
        return _same(call, CARRIES, keeps=True)
    return _same(call, _dropped(call["p"]), keeps=call["p"] == 0)


def functional_dropout(call: Call) -> Step:
    """`F.dropout`, switched by its argument `training`, and `torch.dropout`, by `train`."""
    training = call.get("training", call.get("train"))
    if training is False:
        return _same(call, CARRIES, keeps=True)
    if call["p"] == 0:
        return _same(call, CARRIES, keeps=True)
    if training is not True:
        return _same(call, unknown("whether this dropout is on is not known"), keeps=False)
    return _same(call, _dropped(call["p"]), keeps=False)


def _dropped(p: Argument) -> Effect:
    if isinstance(p, (int, float)):
        return CARRIES if p == 0 else reads("dropout's random mask multiplies it")
    return Reads("whether this dropout drops anything is not known", known=False)


def _same(call: Call, effect: Effect, *, keeps: bool) -> Step:
    x = tensor(call)
    return single(call, x.shape, {x.index: effect}, stochastic=x.stochastic if keeps else None, blocked=x.blocked)


# --- softmax ---------------------------------------------------------------------------------------------------------


def softmax(call: Call) -> Step:
    """Subtracts whatever is constant along `dim`; its entries sum to one along it unless a mask may empty a row."""
    x = tensor(call)
    axis = _softmax_axis(call, x)
    shape = at_least(x.shape, axis + 1 if axis >= 0 else -axis)
    effect = Cancels(axes(axis), "softmax", why="it varies along the axis of the softmax", unmasks=True)
    return single(call, shape, {x.index: effect}, stochastic=None if x.blocked else axis, refined=((x.index, shape),))


def log_softmax(call: Call) -> Step:
    """The logarithm of a softmax; a very negative fill stays visible in it."""
    x = tensor(call)
    axis = _softmax_axis(call, x)
    shape = at_least(x.shape, axis + 1 if axis >= 0 else -axis)
    effect = Cancels(axes(axis), "softmax", why="it varies along the axis of the softmax")
    return single(call, shape, {x.index: effect}, blocked=x.blocked, refined=((x.index, shape),))


def channel_softmax(call: Call) -> Step:
    """`Softmax2d`: over the channels of an image."""
    x = tensor(call)
    shape = at_least(x.shape, 3)
    effect = Cancels(axes(-3), "softmax", why="it varies along the axis of the softmax", unmasks=True)
    return single(call, shape, {x.index: effect}, stochastic=None if x.blocked else -3, refined=((x.index, shape),))


def gumbel_softmax(call: Call) -> Step:
    """A softmax of the scores and noise, which is independent of them."""
    x = tensor(call, "logits")
    effect = Cancels(axes(axis_of(call, x)), "softmax", why="it varies along the axis of the softmax", unmasks=True)
    return single(call, x.shape, {x.index: effect}, stochastic=None if x.blocked else axis_of(call, x))


def log_sum_exp(call: Call) -> Step:
    """Carries what is constant along its axes, as a maximum does."""
    x = tensor(call)
    along = axes_of(call, x)
    if along is None:
        raise Unclear("the axis is not known")
    shape, moves = reduced(x.shape, along, keep=flag(call, "keepdim"))
    effect = Carries(constant_along=axes(*along), why="a logarithm of a sum is not linear", moves=moves)
    return single(call, shape, {x.index: effect}, refined=((x.index, at_least(x.shape, 1)),))


def _softmax_axis(call: Call, x: Operand) -> int:
    value = call.get("dim")
    if isinstance(value, Unknowable):
        raise Unclear("the axis of the softmax is not known")
    if value is None:
        if x.shape.rank is None:
            raise Unclear("the axis of the softmax is not known")
        return x.shape.canonical(0 if x.shape.rank in (0, 1, 3) else 1)
    return axis_of(call, x)


# --- rows ------------------------------------------------------------------------------------------------------------

_SAMPLE = "x | 2 4 5"


def _layer(text: str, label: str, sample: str = "", spec: str = "2 4 5") -> Entry:
    return row(f"nn.{text}", nonlinear(f"{label} is not linear"), f"{sample} | {spec}", inputs="input", role="layer")


def _pointwise(text: str, also: str = "", label: str = "", sample: str = _SAMPLE) -> Entry:
    name = text.partition("(")[0].rpartition(".")[2]
    return row(text, nonlinear(f"{label or name} is not linear"), sample, also=also)


def _everywhere(name: str, label: str = "", sample: str = _SAMPLE) -> Entry:
    """A function of one tensor that exists as `torch.name` and as a method."""
    return _pointwise(f"torch.{name}(input)", also=f"Tensor.{name}", label=label, sample=sample)


ACTIVATIONS = frozenset(
    {
        *("relu", "relu6", "leakyrelu", "rrelu", "prelu", "elu", "celu", "selu", "gelu", "glu", "silu", "mish"),
        *("sigmoid", "logsigmoid", "hardsigmoid", "tanh", "hardtanh", "tanhshrink", "softplus", "softsign"),
        *("softshrink", "hardshrink", "hardswish", "threshold"),
    }
)
"""The non-linearities that stand between the layers of a network, in small letters without underscores."""

ROWS = (
    _layer("ReLU(inplace=False)", "ReLU"),
    _layer("ReLU6(inplace=False)", "ReLU6"),
    _layer("LeakyReLU(negative_slope=0.01, inplace=False)", "LeakyReLU"),
    _layer("RReLU(lower=0.125, upper=0.3333333333333333, inplace=False)", "RReLU"),
    _layer("ELU(alpha=1.0, inplace=False)", "ELU"),
    _layer("CELU(alpha=1.0, inplace=False)", "CELU"),
    _layer("SELU(inplace=False)", "SELU"),
    _layer("GELU(approximate='none')", "GELU"),
    _layer("SiLU(inplace=False)", "SiLU"),
    _layer("Mish(inplace=False)", "Mish"),
    _layer("Sigmoid(*args, **kwargs)", "sigmoid"),
    _layer("Tanh(*args, **kwargs)", "tanh"),
    _layer("LogSigmoid(*args, **kwargs)", "log-sigmoid"),
    _layer("Softsign(*args, **kwargs)", "softsign"),
    _layer("Tanhshrink(*args, **kwargs)", "tanhshrink"),
    _layer("Softplus(beta=1.0, threshold=20.0)", "softplus"),
    _layer("Softshrink(lambd=0.5)", "softshrink"),
    _layer("Hardshrink(lambd=0.5)", "hardshrink"),
    _layer("Hardsigmoid(inplace=False)", "hardsigmoid", spec="2 40 5"),
    _layer("Hardswish(inplace=False)", "hardswish"),
    _layer("Hardtanh(min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None)", "hardtanh"),
    _layer("Threshold(threshold, value, inplace=False)", "a threshold", "0.1, 20.0"),
    row(
        "nn.PReLU(num_parameters=1, init=0.25, device=None, dtype=None)",
        threshold_relu,
        "4 | 2 4 5",
        inputs="input",
        role="layer",
    ),
    row("nn.GLU(dim=-1)", glu, "1 | 2 4 5", inputs="input", role="layer"),
    _pointwise("F.relu(input, inplace=False)", "torch.relu Tensor.relu", "ReLU"),
    _pointwise("F.relu6(input, inplace=False)", label="ReLU6"),
    _pointwise("F.leaky_relu(input, negative_slope=0.01, inplace=False)", label="LeakyReLU"),
    _pointwise(
        "F.rrelu(input, lower=0.125, upper=0.3333333333333333, training=False, inplace=False)", "torch.rrelu", "RReLU"
    ),
    _pointwise("F.elu(input, alpha=1.0, inplace=False)", label="ELU"),
    _pointwise("F.celu(input, alpha=1.0, inplace=False)", "torch.celu", "CELU"),
    _pointwise("F.selu(input, inplace=False)", "torch.selu", "SELU"),
    _pointwise("F.gelu(input, approximate='none')", label="GELU"),
    _pointwise("F.silu(input, inplace=False)", label="SiLU"),
    _pointwise("F.mish(input, inplace=False)", label="Mish"),
    _pointwise("F.logsigmoid(input)", label="log-sigmoid"),
    _pointwise("F.softsign(input)"),
    _pointwise("F.tanhshrink(input)"),
    _pointwise("F.softplus(input, beta=1.0, threshold=20.0)"),
    _pointwise("F.softshrink(input, lambd=0.5)"),
    _pointwise("F.hardshrink(input, lambd=0.5)", "torch.hardshrink Tensor.hardshrink"),
    _pointwise("F.hardsigmoid(input, inplace=False)", sample="x * 6 | 2 4 5"),
    _pointwise("F.hardswish(input, inplace=False)"),
    _pointwise("F.hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False)"),
    _pointwise("F.threshold(input, threshold, value, inplace=False)", "torch.threshold", sample="x, 0.1, 20.0 | 2 4 5"),
    row("F.prelu(input, weight)", threshold_relu, "x, y | 2 4 5 | 4", also="torch.prelu Tensor.prelu"),
    row("F.glu(input, dim=-1)", glu, "x, 1 | 2 4 5"),
    _everywhere("sigmoid"),
    _pointwise("F.sigmoid(input)", "torch.special.expit"),
    _everywhere("tanh"),
    _pointwise("F.tanh(input)"),
    _everywhere("exp", "an exponential"),
    _everywhere("expm1", "an exponential"),
    _everywhere("exp2", "an exponential"),
    _everywhere("log", "a logarithm", "x ** 2 + 1 | 2 4 5"),
    _everywhere("log2", "a logarithm", "x ** 2 + 1 | 2 4 5"),
    _everywhere("log10", "a logarithm", "x ** 2 + 1 | 2 4 5"),
    _everywhere("log1p", "a logarithm", "x ** 2 + 1 | 2 4 5"),
    _everywhere("sqrt", "a square root", "x ** 2 + 1 | 2 4 5"),
    _everywhere("rsqrt", "a square root", "x ** 2 + 1 | 2 4 5"),
    _everywhere("square", "a square"),
    _everywhere("abs", "an absolute value"),
    _everywhere("sin", "a sine"),
    _everywhere("cos", "a cosine"),
    _everywhere("tan", "a tangent"),
    _everywhere("atan", "an arc tangent"),
    _everywhere("sinh", "a hyperbolic sine"),
    _everywhere("cosh", "a hyperbolic cosine"),
    _everywhere("erf", "the error function"),
    _everywhere("sign", "a sign"),
    _everywhere("reciprocal", "a reciprocal"),
    _everywhere("floor", "rounding down"),
    _everywhere("ceil", "rounding up"),
    _everywhere("round", "rounding"),
    _everywhere("trunc", "rounding towards zero"),
    _pointwise(
        "torch.clamp(input, min=None, max=None)",
        "Tensor.clamp torch.clip Tensor.clip",
        "clamping",
        "x, -0.1, 9.0 | 2 4 5",
    ),
    _pointwise("torch.clamp_min(input, min)", "Tensor.clamp_min", "clamping", "x, -0.1 | 2 4 5"),
    _pointwise("torch.clamp_max(input, max)", "Tensor.clamp_max", "clamping", "x, 0.1 | 2 4 5"),
    *(
        row(f"nn.{name}(p=0.5, inplace=False)", dropout, f" | {shape}", f"0.0 | {shape}", inputs="input", role="layer")
        for name, shape in (
            ("Dropout", "2 4 5"),
            ("Dropout1d", "2 9 5"),
            ("Dropout2d", "2 9 5 6"),
            ("Dropout3d", "2 9 3 4 3"),
            ("AlphaDropout", "2 4 5"),
            ("FeatureAlphaDropout", "2 9 5 6"),
        )
    ),
    *(
        row(f"F.{name}(input, p=0.5, training={default}, inplace=False)", functional_dropout, *samples)
        for name, default, samples in (
            ("dropout", True, ("x | 2 4 5", "x, 0.5, False | 2 4 5", "x, p=0.0 | 2 4 5")),
            ("dropout1d", True, ("x | 2 9 5",)),
            ("dropout2d", True, ("x | 2 9 5 6",)),
            ("dropout3d", True, ("x | 2 9 3 4 3",)),
            ("alpha_dropout", False, ("x, training=True | 2 4 5", "x | 2 4 5")),
            ("feature_alpha_dropout", False, ("x, training=True | 2 9 5 6",)),
        )
    ),
    row("torch.dropout(input, p, train)", functional_dropout, "x, 0.5, True | 2 4 5"),
    row("nn.Softmax(dim=None)", softmax, "-1 | 2 4 5", "1 | 2 4 5", inputs="input", role="layer"),
    row("nn.Softmin(dim=None)", softmax, "-1 | 2 4 5", inputs="input", role="layer"),
    row("nn.LogSoftmax(dim=None)", log_softmax, "-1 | 2 4 5", inputs="input", role="layer"),
    row("nn.Softmax2d(*args, **kwargs)", channel_softmax, " | 2 4 5 6", inputs="input", role="layer"),
    row("F.softmax(input, dim=None, _stacklevel=3, dtype=None)", softmax, "x, -1 | 2 4 5", "x, 0 | 3 4 5"),
    row("torch.softmax(input, dim, dtype=None)", softmax, "x, 1 | 2 4 5", also="Tensor.softmax torch.special.softmax"),
    row("F.softmin(input, dim=None, _stacklevel=3, dtype=None)", softmax, "x, -1 | 2 4 5"),
    row("F.log_softmax(input, dim=None, _stacklevel=3, dtype=None)", log_softmax, "x, -1 | 2 4 5"),
    row(
        "torch.log_softmax(input, dim, dtype=None)",
        log_softmax,
        "x, 1 | 2 4 5",
        also="Tensor.log_softmax torch.special.log_softmax",
    ),
    row("F.gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1)", gumbel_softmax, "x, 2 | 2 4 5"),
    row(
        "torch.logsumexp(input, dim, keepdim=False)",
        log_sum_exp,
        "x, 1 | 2 4 5",
        "x, (1, 2), True | 2 4 5",
        also="Tensor.logsumexp torch.special.logsumexp",
    ),
)
