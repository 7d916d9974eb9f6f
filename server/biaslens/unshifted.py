"""Layers without a bias after which nothing else adds one before an activation: zeros stay zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from biaslens.catalogue import pooling
from biaslens.catalogue.activations import ACTIVATIONS
from biaslens.catalogue.reshaping import REARRANGING
from biaslens.flow import Ending, Fate
from biaslens.program.ir import Equation, Layer, Path, Var

_PLAIN = frozenset({"mul", "div", "neg", "contiguous", "clone", "float", "half", "double", "to", "index", "Identity"})
_POOLING = frozenset(entry.label for entry in pooling.ROWS if "pad" not in entry.label.lower())
_KEEPS_ZERO = REARRANGING | _PLAIN | _POOLING
"""Operations of one tensor that give zeros for zeros."""


def is_unshifted(
    path: Path, layer: Layer, fates: Sequence[Fate], environment: Mapping[Var, Mapping[int, object]]
) -> bool:
    """Whether a layer without a bias is read by activations alone, and nothing is added to it before them.

    environment: by variable, the numbers of the layers whose shift is in it: no shift from further up may arrive.
    """
    if layer.bias is not False or not fates:
        return False
    return all(_arrives_bare(path, fate, environment) for fate in fates)


def _arrives_bare(path: Path, fate: Fate, environment: Mapping[Var, Mapping[int, object]]) -> bool:
    end = fate.end
    if fate.ending is not Ending.READ or end is None or not _is_activation(path, end):
        return False
    if fate.trail[0].starts or not all(_keeps_zero(path, equation) for equation in fate.trail[1:-1]):
        return False
    shifted = {number for operand in end.operands for number in environment.get(operand, ())}
    return all(path.layers[number].bias is False for number in shifted)


def _is_activation(path: Path, equation: Equation) -> bool:
    return path.operation(equation).lower().replace("_", "") in ACTIVATIONS


def _keeps_zero(path: Path, equation: Equation) -> bool:
    if len(equation.operands) != 1:
        return False
    if equation.layer is not None and path.layers[equation.layer].entry.role == "affine":
        return path.layers[equation.layer].bias is False
    return path.operation(equation) in _KEEPS_ZERO
