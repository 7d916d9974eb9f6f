"""Whether an access such as `m.bias` stands behind a test that keeps it from meeting a missing bias of one layer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from biaslens.program.ir import Layer

_EXITS = (ast.Continue, ast.Return, ast.Raise, ast.Break)
_TORCH_LAYER = re.compile(
    r"(Lazy)?(Conv|ConvTranspose|BatchNorm|InstanceNorm)[123]d|(Lazy)?Linear|Bilinear|Embedding|EmbeddingBag"
    r"|SyncBatchNorm|GroupNorm|LayerNorm|RMSNorm|PReLU|MultiheadAttention|LSTM|GRU|RNN|LSTMCell|GRUCell|RNNCell"
)


def is_question(access: ast.Attribute, outside: tuple[ast.AST, ...]) -> bool:
    """Whether the access only asks if there is a bias: `m.bias is not None`, `if m.bias:`."""
    match outside[-1]:
        case ast.Compare(comparators=comparators):
            return any(_is_none(comparator) for comparator in comparators)
        case ast.If(test=test) | ast.IfExp(test=test) | ast.Assert(test=test):
            return test is access
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            return True
        case _:
            return False


def is_guarded(access: ast.Attribute, layer: Layer, outside: tuple[ast.AST, ...]) -> bool:
    """Whether a test around or before the access rules out that it is this layer's, or that it is None.

    outside: the nodes around the access, outermost first.
    """
    return any(_excludes(test, access, layer, outside) for test in _tests((*outside, access)))


@dataclass(frozen=True, slots=True)
class _Test:
    """A condition that is true (or, if not `holds`, false) wherever the access is reached."""

    condition: ast.expr
    holds: bool


def _tests(path: tuple[ast.AST, ...]) -> Iterator[_Test]:
    for outer, inner in pairwise(path):
        match outer:
            case ast.If(test=test, body=body, orelse=orelse):
                if inner in body:
                    yield from _conjuncts(test)
                elif inner in orelse:
                    yield from _refuted(test)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                if inner is body:
                    yield from _conjuncts(test)
                elif inner is orelse:
                    yield from _refuted(test)
            case ast.BoolOp(op=ast.And(), values=values):
                for value in values[: _place(inner, values)]:
                    yield from _conjuncts(value)
            case _:
                pass
        yield from _tests_before(outer, inner)


def _tests_before(outer: ast.AST, inner: ast.AST) -> Iterator[_Test]:
    """What the statements before this one in its block have made sure of, by `assert` or by leaving."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(outer, name, None)
        if not isinstance(block, list):
            continue
        statements = cast(list[ast.stmt], block)
        for statement in statements[: _place(inner, statements)]:
            match statement:
                case ast.Assert(test=test):
                    yield from _conjuncts(test)
                case ast.If(test=test, body=[*_, last], orelse=[]) if isinstance(last, _EXITS):
                    yield from _refuted(test)
                case _:
                    pass


def _place(node: ast.AST, among: list[ast.stmt] | list[ast.expr]) -> int:
    """The position of a node, 0 where it is not among them."""
    return next((index for index, other in enumerate(among) if other is node), 0)


def _conjuncts(test: ast.expr) -> Iterator[_Test]:
    """What holds when the test does."""
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            for value in values:
                yield from _conjuncts(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _refuted(operand)
        case _:
            yield _Test(test, True)


def _refuted(test: ast.expr) -> Iterator[_Test]:
    """What holds when the test does not."""
    match test:
        case ast.BoolOp(op=ast.Or(), values=values):
            for value in values:
                yield from _refuted(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _conjuncts(operand)
        case _:
            yield _Test(test, False)


def _excludes(test: _Test, access: ast.Attribute, layer: Layer, outside: tuple[ast.AST, ...]) -> bool:
    """Whether under the test the access cannot meet a missing bias of this layer.

    `hasattr(m, "bias")` does not count: a layer built with `bias=False` has the attribute, and it is None.
    """
    match test.condition:
        case ast.Compare(left=left, ops=[ast.IsNot() | ast.NotEq()], comparators=[right]) if _is_none(right):
            return test.holds and _is_same(left, access)
        case ast.Compare(left=left, ops=[ast.Is() | ast.Eq()], comparators=[right]) if _is_none(right):
            return not test.holds and _is_same(left, access)
        case ast.Call(func=ast.Name("isinstance"), args=[instance, classes]) if _equal(instance, access.value):
            matches = [_is_instance(name, layer) for name in _class_names(classes)]
            return all(match is False for match in matches) if test.holds else True in matches
        case condition if (matches := _matches_name(condition, access.value, layer.class_name, outside)) is not None:
            return matches is not test.holds
        case condition:
            return test.holds and _is_same(condition, access)


def _is_none(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Constant) and expression.value is None


def _equal(left: ast.AST, right: ast.AST) -> bool:
    return ast.dump(left) == ast.dump(right)


def _is_same(expression: ast.expr, access: ast.Attribute) -> bool:
    """Whether an expression is the same access, or its `getattr(m, "bias", None)`."""
    match expression:
        case ast.Attribute(value=value, attr=name):
            return name == access.attr and _equal(value, access.value)
        case ast.Call(func=ast.Name("getattr"), args=[value, ast.Constant(name), *_]):
            return name == access.attr and _equal(value, access.value)
        case _:
            return False


def _class_names(classes: ast.expr) -> list[str]:
    return [ast.unparse(element) for element in (classes.elts if isinstance(classes, ast.Tuple) else [classes])]


def _is_instance(dotted: str, layer: Layer) -> bool | None:
    """Whether the layer is an instance of a class, told from torch's names; None for a class of the user's, and where
    the layer is only declared to be like one of that class."""
    prefix, _, name = dotted.rpartition(".")
    own = layer.entry.label.removeprefix("Lazy")
    if name in (own, layer.entry.label, "Module") or (name == "_ConvNd" and own.startswith("Conv")):
        return None if layer.declared and name != "Module" else True
    is_torch = prefix.rpartition(".")[2] == "nn" or prefix.startswith("torch.nn") or _TORCH_LAYER.fullmatch(name)
    return False if is_torch and not name.startswith("_Conv") else None


def _matches_name(condition: ast.expr, base: ast.expr, label: str, outside: tuple[ast.AST, ...]) -> bool | None:
    """Whether the class name `label` passes `classname.find("Conv") != -1`, `"Conv" in classname` or `classname ==
    "Conv2d"`; None for any other test."""
    match condition:
        case ast.Compare(
            left=ast.Call(func=ast.Attribute(value=name, attr="find"), args=[ast.Constant(str(word))]),
            ops=[ast.NotEq() | ast.Gt()],
            comparators=[ast.UnaryOp(op=ast.USub(), operand=ast.Constant(1))],
        ):
            matches = word in label
        case ast.Compare(left=ast.Constant(str(word)), ops=[ast.In()], comparators=[name]):
            matches = word in label
        case ast.Compare(left=name, ops=[ast.Eq()], comparators=[ast.Constant(str(word))]):
            matches = word == label
        case _:
            return None
    return matches if _is_class_name(name, base, outside) else None


def _is_class_name(expression: ast.expr, base: ast.expr, outside: tuple[ast.AST, ...]) -> bool:
    """Whether an expression is the name of the class of `base`, also by way of a variable of the same function."""
    match expression:
        case ast.Attribute(value=ast.Attribute(value=owner, attr="__class__"), attr="__name__"):
            return _equal(owner, base)
        case ast.Attribute(value=ast.Call(func=ast.Name("type"), args=[owner]), attr="__name__"):
            return _equal(owner, base)
        case ast.Name(variable):
            functions = [node for node in outside if isinstance(node, ast.FunctionDef)]
            values = [
                node.value
                for node in (ast.walk(functions[-1]) if functions else ())
                if isinstance(node, ast.Assign) and any(ast.unparse(target) == variable for target in node.targets)
            ]
            return (
                bool(values)
                and not any(isinstance(value, ast.Name) for value in values)
                and all(_is_class_name(value, base, outside) for value in values)
            )
        case _:
            return False
