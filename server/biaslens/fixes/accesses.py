"""Accesses to a layer's bias in the text of a file, such as `m.bias`, that nothing keeps from meeting None."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from biaslens.fixes.guards import is_guarded, is_question
from biaslens.program.ir import Layer
from biaslens.syntax.parse import Module

_WANTS_A_VALUE = re.compile("len|iter|list|tuple|sum|abs|float|sorted|max|min|zip|enumerate")
_LEGACY_INITIALISER = re.compile(
    "uniform|normal|constant|eye|dirac|sparse|orthogonal|(xavier|kaiming)_(uniform|normal)"
)
_FUNCTIONAL = re.compile("linear|bilinear|conv(_transpose)?[123]d")


@dataclass(frozen=True, slots=True)
class Access:
    """One access of the attribute; `outside` are the nodes around it, outermost first."""

    node: ast.Attribute
    outside: tuple[ast.AST, ...]

    @property
    def crashes(self) -> bool:
        """Whether it surely fails on None, as `nn.init.zeros_(conv.bias)` does."""
        match self.outside[-1]:
            case ast.Attribute() | ast.Subscript() | ast.BinOp() | ast.UnaryOp() | ast.AugAssign() | ast.Compare():
                return True
            case ast.For() | ast.comprehension() | ast.Starred():
                return True
            case ast.Call(func=function, args=arguments) if self.node in arguments:
                return _wants_a_value(function)
            case ast.keyword() if isinstance(call := self.outside[-2], ast.Call):
                return _wants_a_value(call.func)
            case _:
                return False


def is_initialiser(function: ast.expr) -> bool:
    """Whether a function sets the tensor that it gets: `nn.init.zeros_`, or `init.constant` of early versions."""
    name = last_name(function)
    if _LEGACY_INITIALISER.fullmatch(name):
        return isinstance(function, ast.Attribute) and last_name(function.value) == "init"
    return name.endswith("_") and not name.endswith("__")


def unguarded_accesses(module: Module, attribute: str, layer: Layer, labels: frozenset[str]) -> Iterator[Access]:
    """Accesses of the attribute that may be this layer's and that no test guards, in the order of the text.

    labels: all names by which models hold the layers that the same call makes.
    Layers that a loop or a function visits (`m.bias`) count as this one unless an `isinstance` or a test of the class's
    name tells them apart. `getattr(m, "bias")` stands in the tree as `m.bias` does, at its own place in the text.
    """
    subject = _Subject(layer, _words(labels, layer), attribute)
    plain = _PlainAccess()
    for statement in module.statements:
        yield from _accesses(plain.visit(statement), subject, ())


class _PlainAccess(ast.NodeTransformer):
    """Reads `getattr(m, "bias")` as `m.bias`."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name("getattr"), args=[value, ast.Constant(str(name)), *_]):
                return ast.copy_location(ast.Attribute(value, name, ast.Load()), node)
            case _:
                return node


@dataclass(frozen=True, slots=True)
class _Subject:
    """words: the attributes on the way to it; empty where it may be held by any."""

    layer: Layer
    words: frozenset[str]
    attribute: str


def _words(labels: frozenset[str], layer: Layer) -> frozenset[str]:
    names = [{word for word in label.split(".") if not word.isdigit()} - {layer.class_name} for label in labels]
    return frozenset(word for words in names for word in words) if all(names) else frozenset()


def _accesses(node: ast.AST, subject: _Subject, outside: tuple[ast.AST, ...]) -> Iterator[Access]:
    if (
        isinstance(node, ast.Attribute)
        and node.attr == subject.attribute
        and _may_be(node.value, subject, outside)
        and not is_question(node, outside)
        and not _takes_none(node, outside)
        and not is_guarded(node, subject.layer, outside)
    ):
        yield Access(node, outside)
    for child in ast.iter_child_nodes(node):
        yield from _accesses(child, subject, (*outside, node))


def _may_be(base: ast.expr, subject: _Subject, outside: tuple[ast.AST, ...]) -> bool:
    """Whether `base.bias` can be the layer's bias: by the last name of the chain, or as a variable of any name."""
    is_item = isinstance(base, ast.Subscript)
    while isinstance(base, ast.Subscript):
        base = base.value
    match base:
        case ast.Name() if is_item:
            return True
        case ast.Name("self" | "cls"):
            return _inside_subclass(subject.layer, outside)
        case ast.Name():
            return True
        case ast.Attribute(attr=name):
            return not subject.words or name in subject.words or name == "_modules"
        case _:
            return True


def _inside_subclass(layer: Layer, outside: tuple[ast.AST, ...]) -> bool:
    """Whether `self` may be the layer itself: in a class that derives from it."""
    classes = [node for node in outside if isinstance(node, ast.ClassDef)]
    return bool(classes) and any(ast.unparse(b).rpartition(".")[2] == layer.class_name for b in classes[-1].bases)


def _takes_none(access: ast.Attribute, outside: tuple[ast.AST, ...]) -> bool:
    """Whether the access is the bias of a functional form, which may be None: `F.conv2d(x, conv.weight, conv.bias)`."""
    match outside:
        case (*_, ast.Call(func=function, args=arguments)) if access in arguments[2:4]:
            return _FUNCTIONAL.fullmatch(last_name(function)) is not None
        case (*_, ast.Call(func=function), ast.keyword(arg="bias")):
            return _FUNCTIONAL.fullmatch(last_name(function)) is not None
        case _:
            return False


def _wants_a_value(function: ast.expr) -> bool:
    return is_initialiser(function) or _WANTS_A_VALUE.fullmatch(last_name(function)) is not None


def last_name(expression: ast.expr) -> str:
    """The name at the end of a dotted one, "" for anything else."""
    return expression.attr if isinstance(expression, ast.Attribute) else getattr(expression, "id", "")
