"""What else in a file leans on a bias that a fix would take away: loaded weights, initialisers, other reads of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from biaslens.fixes.accesses import unguarded_accesses
from biaslens.fixes.companions import Unfit, companions
from biaslens.fixes.neighbours import LOADS
from biaslens.program.ir import Layer
from biaslens.syntax.parse import parse
from biaslens.text import Edit, Source, Span


@dataclass(frozen=True, slots=True)
class Hazard:
    """loads: the name by which the file loads weights, or "". reads: a use of the bias that nothing guards, or "".

    companions: edits without which initialisers would fail on None, as `nn.init.zeros_(conv.bias)` does.
    crashes: a use would fail on None, and no such edit helps.
    """

    loads: str = ""
    reads: str = ""
    companions: tuple[Edit, ...] = ()
    crashes: bool = False


def hazard(source: Source, layer: Layer, labels: frozenset[str], call: Span) -> Hazard:
    """What in the file would notice that `layer`, which `call` makes, has no bias any more.

    labels: all names by which models hold the layers that the same call makes.
    A statement that does not parse counts as a use if it mentions the attribute.
    """
    found = LOADS.search(source.text)
    loads = found.group() if found else ""
    attribute = layer.entry.shift.attribute if layer.entry.shift else "bias"
    mention = re.compile(rf"\.\s*{attribute}\b|['\"]{attribute}['\"]")
    if not mention.search(source.text):
        return Hazard(loads)
    module = parse(source)
    unread = [problem for problem in module.problems if problem.span and mention.search(source.excerpt(problem.span))]
    if unread:
        return Hazard(loads, f".{attribute}", crashes=True)
    accesses = tuple(unguarded_accesses(module, attribute, layer, labels))
    edits = companions(module, [access for access in accesses if access.crashes], call)
    if isinstance(edits, Unfit):
        return Hazard(loads, module.excerpt(edits.access.node), crashes=True)
    reads = next((module.excerpt(access.node) for access in accesses if not access.crashes), "")
    return Hazard(loads, reads, edits)
