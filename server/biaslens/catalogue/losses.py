"""Losses and distances: they read their inputs, but for what a softmax or a difference in them cancels."""

from __future__ import annotations

from biaslens.algebra.axes import Shape, axes
from biaslens.algebra.outcome import Cancels, reads, unknown
from biaslens.catalogue.entry import Call, Step
from biaslens.catalogue.steps import Unclear, row, single, tensor

_READ = "the loss is not linear in it"


def read_by_loss(call: Call) -> Step:
    """A loss that no shift of the input leaves alone; what it does with targets is not followed."""
    return single(call, _shape(call), {tensor(call).index: reads(_READ)})


def difference(call: Call) -> Step:
    """A loss or distance of a difference: a shift that both inputs share may go, so nothing is claimed."""
    effect = unknown("what is left of it in a difference of tensors is not known")
    return single(call, _shape(call), {operand.index: effect for operand in call.operands})


def cross_entropy(call: Call) -> Step:
    """A softmax over the classes, which are axis 1."""
    x = tensor(call)
    if x.shape.rank is None or x.shape.rank < 2:
        raise Unclear("the axis of the classes is not known")
    return single(call, _shape(call), {x.index: Cancels(axes(1), "softmax", why="it varies along the classes")})


def similarity(call: Call) -> Step:
    """A cosine: it divides by norms."""
    why = "a cosine is not linear"
    return single(call, Shape(), {operand.index: reads(why) for operand in call.operands})


def _shape(call: Call) -> Shape:
    return Shape.of() if call.get("reduction") in {"mean", "sum"} else Shape()


_OLD = "size_average=None, reduce=None, reduction='mean'"


ROWS = (
    row(
        "nn.MSELoss(size_average=None, reduce=None, reduction='mean')",
        difference,
        " | 2 4 | 2 4",
        inputs="input, target",
        role="layer",
    ),
    row(
        "nn.L1Loss(size_average=None, reduce=None, reduction='mean')",
        difference,
        " | 2 4 | 2 4",
        inputs="input, target",
        role="layer",
    ),
    row(
        "nn.SmoothL1Loss(size_average=None, reduce=None, reduction='mean', beta=1.0)",
        difference,
        " | 2 4 | 2 4",
        inputs="input, target",
        role="layer",
    ),
    row("nn.HuberLoss(reduction='mean', delta=1.0)", difference, " | 2 4 | 2 4", inputs="input, target", role="layer"),
    row(
        "F.mse_loss(input, target, size_average=None, reduce=None, reduction='mean', weight=None)",
        difference,
        "x, y | 2 4 | 2 4",
    ),
    row(
        "F.l1_loss(input, target, size_average=None, reduce=None, reduction='mean', weight=None)",
        difference,
        "x, y | 2 4 | 2 4",
    ),
    row(
        "F.smooth_l1_loss(input, target, size_average=None, reduce=None, reduction='mean', beta=1.0)",
        difference,
        "x, y | 2 4 | 2 4",
    ),
    row("F.huber_loss(input, target, reduction='mean', delta=1.0, weight=None)", difference, "x, y | 2 4 | 2 4"),
    row(
        "nn.BCEWithLogitsLoss(weight=None, size_average=None, reduce=None, reduction='mean', pos_weight=None)",
        read_by_loss,
        " | 2 4 | 2 4",
        inputs="input, target",
        role="layer",
    ),
    row(
        "F.binary_cross_entropy_with_logits(input, target, weight=None, size_average=None, reduce=None, "
        "reduction='mean', pos_weight=None)",
        read_by_loss,
        "x, y | 2 4 | 2 4",
    ),
    row(
        "nn.CrossEntropyLoss(weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean', "
        "label_smoothing=0.0)",
        cross_entropy,
        " | 3 4 | i 3",
        inputs="input, target",
        role="layer",
    ),
    row(
        "F.cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, "
        "reduction='mean', label_smoothing=0.0)",
        cross_entropy,
        "x, i | 3 4 | i 3",
    ),
    row(
        "torch.cdist(x1, x2, p=2.0, compute_mode='use_mm_for_euclid_dist_if_necessary')", difference, "x, y | 3 4 | 5 4"
    ),
    row(
        "F.pairwise_distance(x1, x2, p=2.0, eps=1e-06, keepdim=False)",
        difference,
        "x, y | 3 4 | 3 4",
        also="torch.pairwise_distance",
    ),
    row(
        "F.cosine_similarity(x1, x2, dim=1, eps=1e-08)", similarity, "x, y | 3 4 | 3 4", also="torch.cosine_similarity"
    ),
    row("nn.CosineSimilarity(dim=1, eps=1e-08)", similarity, " | 3 4 | 3 4", inputs="x1, x2", role="layer"),
)
