"""Along which axes a bias varies on its way, in words, as far as the code tells what the axes mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from biaslens.algebra.axes import Axes
from biaslens.algebra.outcome import Carries
from biaslens.flow import Fate
from biaslens.program.ir import Equation, Layer

_Names = Mapping[int, str]
"""What axes mean, by their negative numbers."""

_LAYOUTS: Mapping[str, _Names] = {
    "1": {-2: "channel", -1: "position"},
    "2": {-3: "channel", -2: "row", -1: "column"},
    "3": {-4: "channel", -3: "slice", -2: "row", -1: "column"},
}
_TOGETHER = ((frozenset({"slice", "row", "column"}), "voxel"), (frozenset({"row", "column"}), "pixel"))
_FEATURES = ("linear", "lazylinear", "bilinear")


@dataclass(frozen=True, slots=True)
class Variation:
    """What a bias looks like after one step.

    axes: along how many axes it varies, None where that is not sure. words: "per channel", "per channel and pixel",
    "one number"; "" where the code does not tell what the axes mean.
    """

    axes: int | None
    words: str = ""


def variations(layer: Layer, fate: Fate) -> tuple[Variation, ...]:
    """What the bias of a layer looks like after each step from which it goes on."""
    found: list[Variation] = []
    names: _Names = {}
    for step, axes in enumerate(fate.varies):
        equation = fate.trail[step]
        if step == 0:
            names = _names_at_start(layer, equation, axes)
        else:
            following = fate.trail[step + 1] if step + 1 < len(fate.trail) else None
            names = _names_after(names, fate.trail[step - 1], equation, following)
        found.append(Variation(None) if axes is None else Variation(len(axes.named), _words(axes, names)))
    return tuple(found)


def widening(layer: Layer, fate: Fate) -> Equation | None:
    """The last step that makes the bias vary along more axes than before; None where there is none that is sure."""
    looks = variations(layer, fate)
    for step in range(len(looks) - 1, 0, -1):
        before, after = looks[step - 1].axes, looks[step].axes
        if before is None or after is None:
            return None
        if after > before:
            return fate.trail[step]
    return None


def _words(axes: Axes, names: _Names) -> str:
    if not axes:
        return "one number"
    if not axes.named <= names.keys():
        return ""
    kinds = [names[axis] for axis in sorted(axes.named)]
    for parts, whole in _TOGETHER:
        if parts <= {*kinds}:
            kinds = [*(kind for kind in kinds if kind not in parts), whole]
    return f"per {' and '.join(kinds)}" if len(kinds) <= 2 else ""


def _names_at_start(layer: Layer, equation: Equation, axes: Axes | None) -> _Names:
    """What the axes of a layer's result mean. A bias that is itself the result has one entry per channel or feature."""
    given: _Names = {} if equation.starts else _names_given(layer.entry.label)
    if given or axes is None or len(axes.named) != 1:
        return given
    own = "feature" if layer.entry.shift is None or layer.entry.shift.axis in (-1, None) else "channel"
    return dict.fromkeys(axes.named, own)


def _names_given(operation: str) -> _Names:
    """What the axes of a result mean where the operation itself says it: convolutions and the norms after them.

    The input of BatchNorm1d may have a last axis behind the channels or not.
    """
    found = re.search(r"(?:conv|convtranspose|norm)([123])d$", operation.lower().replace("_", ""))
    return {} if found is None or operation.endswith("Norm1d") else _LAYOUTS[found.group(1)]


def _names_after(names: _Names, before: Equation, equation: Equation, following: Equation | None) -> _Names:
    """What the axes mean after one more step."""
    given = _names_given(equation.operation)
    if given:
        return given
    used = following.operands if following is not None else ()
    effects = {
        effect
        for result, row in zip(equation.results, equation.effects, strict=True)
        if result in used or len(equation.results) == 1
        for operand, effect in zip(equation.operands, row, strict=True)
        if operand in before.results
    }
    match [*effects]:
        case [Carries() as effect] if not effect.scatters:
            moved = _moved(names, effect.moves)
        case _:
            moved = {}
    return {**moved, -1: "feature"} if equation.operation.lower() in _FEATURES else moved


def _moved(names: _Names, moves: tuple[tuple[int, tuple[int, ...]], ...]) -> _Names:
    """The names that go with their axes. None where numbers from the front do not tell which axis is meant."""
    if any(axis >= 0 for source, targets in moves for axis in (source, *targets)):
        return {}
    goes = dict(moves)
    arrivals = Counter(target for _, targets in moves for target in targets)
    arrivals.update(axis for axis in arrivals.keys() - goes.keys())  # what stays where another one arrives
    kept: dict[int, str] = {}
    for axis, name in names.items():
        targets = goes.get(axis, (axis,))
        if len(targets) == 1 and arrivals[targets[0]] <= 1:
            kept[targets[0]] = name
    return kept
