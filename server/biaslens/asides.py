"""What code does beside a model, with parameters and modules that it takes: a script, a builder, a constructor.

A parameter that is compared or printed there is no use of it by the model. Nor is a penalty that nobody returns; one
whose gradient is taken is part of what trains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from biaslens.catalogue import keepers
from biaslens.flow import Ending, Fate
from biaslens.program.ir import Equation, Path, Var


class Asides:
    """What is done beside a model on one path.

    handed: by the number of a layer, code that nobody knows which got its bias.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._used: frozenset[Var] | None = None
        self._is_handed_over = any(layer.handed for layer in path.layers) or any(e.handed for e in path.equations)
        self.handed: dict[int, str] = {}

    def uses(self, number: int, fates: Iterable[Fate]) -> Iterator[Fate]:
        """Those of a bias's fates that are uses of it. Effect: notes which code got it that nobody knows."""
        for fate in fates:
            end = fate.end
            is_aside = end is not None and end.aside and fate.trail[0].starts and fate.trail[0].aside
            if end is None or not is_aside or self._is_used(end.results):
                yield fate
            elif _is_idle(fate.ending, end):
                for name in self._given_to(end.results):
                    self.handed.setdefault(number, name)
            elif fate.ending is Ending.UNKNOWN and end.handed:
                self.handed.setdefault(number, end.handed)
            else:
                yield fate

    def handed_to(self, number: int, fates: Iterable[Fate]) -> str:
        """The code that nobody knows on which these fates rest: it got the layer, its bias, or a module on the way."""
        if number in self.handed:
            return self.handed[number]
        if not self._is_handed_over:
            return ""
        names = [self._path.layers[number].handed]
        for fate in (fate for fate in fates if fate.ending is Ending.CANCELLED):
            names += [step.handed for step in fate.trail]
            names += [fate.norm.handed] if fate.norm is not None else []
        return next(filter(None, names), "")

    def _is_used(self, results: Iterable[Var]) -> bool:
        """Whether one of some tensors goes into a model, out of the entry, or into a loss."""
        if self._used is None:
            self._used = frozenset(_used(self._path))
        return not self._used.isdisjoint(results)

    def _given_to(self, results: Iterable[Var]) -> Iterator[str]:
        """The code that nobody knows to which something made of some tensors is handed."""
        reached = set(results)
        for step in self._path.equations if self._is_handed_over else ():
            if step.aside and not reached.isdisjoint(step.operands):
                reached.update(step.results)
                if step.handed and not _takes_values(step):
                    yield step.handed


def _is_idle(ending: Ending, end: Equation) -> bool:
    """Whether nothing can come of the tensors that a step gives, if nobody uses them."""
    return ending is Ending.READ or (ending is Ending.UNKNOWN and _takes_values(end))


def _takes_values(step: Equation) -> bool:
    return step.operation.rpartition(".")[2] in keepers.VALUES_ONLY


def _used(path: Path) -> set[Var]:
    used = {*path.outputs, *path.losses, *(var for step in path.equations if not step.aside for var in step.operands)}
    for step in reversed(path.equations):
        if not used.isdisjoint(step.results):
            used.update(step.operands)
    return used
