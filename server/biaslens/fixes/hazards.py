"""What else in a file leans on a bias that a fix would take away: loaded weights, and reads of `.bias`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from biaslens.fixes.guards import is_guarded, is_question
from biaslens.program.ir import Layer
from biaslens.syntax.parse import parse
from biaslens.text import Source

_LOADS = re.compile(r"\b(?:load_state_dict(?:_from_url)?|from_pretrained|model_zoo|torch\.(?:hub|load))\b")


@dataclass(frozen=True, slots=True)
class Hazard:
    """loads: the name by which the file loads weights, or "". reads: a use of the bias that nothing guards, or "".

    crashes: such a use would fail on None, as `nn.init.zeros_(conv.bias)` does.
    """

    loads: str = ""
    reads: str = ""
    crashes: bool = False


def hazard(source: Source, layer: Layer, labels: frozenset[str]) -> Hazard:
    """What in the file would notice that `layer` has no bias any more.

    labels: all names by which models hold the layers that the same call makes.
    Layers that a loop or a function visits (`m.bias`) count as this one unless an `isinstance` or a test of the class's
    name tells them apart. A statement that does not parse counts as a use if it mentions the attribute.
    """
    loads = _LOADS.search(source.text)
    attribute = layer.entry.shift.attribute if layer.entry.shift else "bias"
    if f".{attribute}" not in source.text:
        return Hazard(loads.group() if loads else "")
    module = parse(source)
    subject = _Subject(layer, _words(labels, layer))
    uses = [use for statement in module.statements for use in _uses(statement, attribute, subject, ())]
    unread = [p.span for p in module.problems if p.span and f".{attribute}" in source.excerpt(p.span)]
    worst = next((use for use in uses if use.crashes), uses[0] if uses else None)
    reads = module.excerpt(worst.node) if worst else f".{attribute}" if unread else ""
    return Hazard(loads.group() if loads else "", reads, bool(unread) or (worst is not None and worst.crashes))


@dataclass(frozen=True, slots=True)
class _Subject:
    """words: the attributes on the way to it; empty where it may be held by any."""

    layer: Layer
    words: frozenset[str]


def _words(labels: frozenset[str], layer: Layer) -> frozenset[str]:
    names = [{word for word in label.split(".") if not word.isdigit()} - {layer.entry.label} for label in labels]
    return frozenset(word for words in names for word in words) if all(names) else frozenset()


@dataclass(frozen=True, slots=True)
class _Use:
    node: ast.Attribute
    crashes: bool


def _uses(node: ast.AST, attribute: str, subject: _Subject, outside: tuple[ast.AST, ...]) -> Iterator[_Use]:
    """Accesses of the attribute that may be this layer's and that nothing guards; `outside` are the nodes around."""
    if (
        isinstance(node, ast.Attribute)
        and node.attr == attribute
        and _may_be(node.value, subject, outside)
        and not is_question(node, outside)
        and not is_guarded(node, subject.layer, outside)
    ):
        yield _Use(node, _fails_on_none(node, outside))
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, attribute, subject, (*outside, node))


def _may_be(base: ast.expr, subject: _Subject, outside: tuple[ast.AST, ...]) -> bool:
    """Whether `base.bias` can be the layer's bias: by the last name of the chain, or as a variable of any name."""
    while isinstance(base, ast.Subscript):
        base = base.value
    match base:
        case ast.Name("self" | "cls"):
            return _inside_subclass(subject.layer, outside)
        case ast.Name():
            return True
        case ast.Attribute(attr=name):
            return not subject.words or name in subject.words
        case _:
            return True


def _inside_subclass(layer: Layer, outside: tuple[ast.AST, ...]) -> bool:
    """Whether `self` may be the layer itself: in a class that derives from it."""
    classes = [node for node in outside if isinstance(node, ast.ClassDef)]
    return bool(classes) and any(ast.unparse(b).rpartition(".")[2] == layer.entry.label for b in classes[-1].bases)


def _fails_on_none(node: ast.Attribute, outside: tuple[ast.AST, ...]) -> bool:
    match outside[-1]:
        case ast.Attribute() | ast.Subscript() | ast.BinOp() | ast.UnaryOp() | ast.AugAssign() | ast.For():
            return True
        case ast.Call(func=function, args=arguments) if node in arguments:
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            return name.endswith("_") or name in ("len", "iter", "list", "tuple")  # `nn.init.zeros_` and its kin
        case _:
            return False
