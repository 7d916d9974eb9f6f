"""Layers without a bias after which nothing else adds one before an activation: zeros stay zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from biaslens.algebra.outcome import Carries, Reads
from biaslens.catalogue import pooling
from biaslens.catalogue.activations import ACTIVATIONS
from biaslens.catalogue.reshaping import REARRANGING
from biaslens.program.ir import Equation, Path, Var

_PLAIN = frozenset({"mul", "div", "neg", "contiguous", "clone", "float", "half", "double", "to", "index", "Identity"})
_POOLING = frozenset(entry.label for entry in pooling.ROWS if "pad" not in entry.label.lower())
_KEEPS_ZERO = REARRANGING | _PLAIN | _POOLING
"""Operations of one tensor that give zeros for zeros."""


def unshifted_layers(path: Path) -> frozenset[int]:
    """The layers of a path, by number, that have no bias, and whose results all come to activations with none added.

    No shift from further up comes through them either.
    """
    readers: dict[Var, list[Equation]] = {}
    for equation in path.equations:
        for operand in equation.operands:
            readers.setdefault(operand, []).append(equation)
    shifted = _shifted(path)
    found: dict[int, bool] = {}
    for equation in path.equations:
        number = equation.layer
        if number is not None and _lacks_shift(path, number) and equation.results:
            bare = not equation.starts and not shifted.intersection(equation.results)
            found[number] = found.get(number, True) and bare and _meets_activations(path, equation, readers)
    return frozenset(number for number, bare in found.items() if bare)


def _shifted(path: Path) -> set[Var]:
    """The variables that a bias may have been added to, and not been taken away from again."""
    shifted: set[Var] = set()
    for equation in path.equations:
        number = equation.layer
        adds = number is not None and path.layers[number].entry.shift is not None and not _lacks_shift(path, number)
        for result, effects in zip(equation.results, equation.effects, strict=True):
            carried = any(
                operand in shifted and isinstance(effect, Carries)
                for operand, effect in zip(equation.operands, effects, strict=True)
            )
            if adds or carried:
                shifted.add(result)
    return shifted


def _lacks_shift(path: Path, number: int) -> bool:
    layer = path.layers[number]
    return layer.entry.shift is not None and layer.bias is False and not layer.tampered


def _meets_activations(path: Path, start: Equation, readers: Mapping[Var, Sequence[Equation]]) -> bool:
    """Whether every way from an equation leads to an activation through operations that keep zeros."""
    seen: set[Var] = set()
    todo = list(start.results)
    met = False
    while todo:
        var = todo.pop()
        if var in path.outputs or var not in readers:
            return False
        for reader in readers[var]:
            if _is_activation(reader):
                met = True
            elif _keeps_zero(path, reader):
                todo += [result for result in reader.results if result not in seen]
                seen.update(reader.results)
            else:
                return False
    return met


def _is_activation(equation: Equation) -> bool:
    known = any(isinstance(effect, Reads) and effect.known for effects in equation.effects for effect in effects)
    return known and equation.operation.lower().replace("_", "") in ACTIVATIONS


def _keeps_zero(path: Path, equation: Equation) -> bool:
    if len(equation.operands) != 1 or not all(isinstance(effect, Carries) for (effect,) in equation.effects):
        return False
    if equation.layer is not None and path.layers[equation.layer].entry.role == "affine":
        return _lacks_shift(path, equation.layer)
    return equation.operation in _KEEPS_ZERO
