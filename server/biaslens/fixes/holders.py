"""Under which name the instances of a class hold the submodule that a call makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from biaslens.fixes.accesses import last_name
from biaslens.syntax.parse import Module
from biaslens.text import Span


@dataclass(frozen=True, slots=True)
class Holder:
    """A class that makes a submodule in its `__init__`.

    key: the name within the class's own state, "conv" or "layers.0". call: what makes it. definition, initialiser: the
    class and the method.
    """

    key: str
    call: ast.Call
    definition: ast.ClassDef
    initialiser: ast.FunctionDef


def holder_of(module: Module, call: Span) -> Holder | None:
    """Which class holds what the call at `call` makes, and how.

    None unless the text tells: `__init__` puts the result, at one place and outside of loops, into an attribute that
    nothing else in the file puts another submodule into.
    """
    path = _path_to(module, call)
    classes = [index for index, node in enumerate(path) if isinstance(node, ast.ClassDef)]
    if not classes or len(path) < classes[-1] + 4:
        return None
    definition, initialiser, *between = path[classes[-1] :]
    if not isinstance(definition, ast.ClassDef) or not isinstance(initialiser, ast.FunctionDef):
        return None
    statements = [node for node in between if isinstance(node, ast.stmt)]
    if initialiser.name != "__init__" or not all(isinstance(node, (ast.If, ast.With)) for node in statements[:-1]):
        return None
    made = path[-1]
    key = _key(statements[-1], made, definition)
    if key is None or not isinstance(made, ast.Call) or not _stays(module, key, definition):
        return None
    return Holder(key, made, definition, initialiser)


def dotted(expression: ast.expr) -> str | None:
    """`self.layers[0]` as "layers.0": what an instance holds there; None for anything else."""
    match expression:
        case ast.Attribute(value=ast.Name("self"), attr=name):
            return name
        case ast.Attribute(value=value, attr=name):
            before = dotted(value)
            return f"{before}.{name}" if before else None
        case ast.Subscript(value=ast.Name("self"), slice=ast.Constant(int(index))):
            return str(index)
        case ast.Subscript(value=value, slice=ast.Constant(int(index) | str(index))):
            before = dotted(value)
            return f"{before}.{index}" if before else None
        case _:
            return None


def _path_to(module: Module, call: Span) -> list[ast.AST]:
    """The nodes around the call at a place, outermost first, itself last; empty where there is none."""
    path: list[ast.AST] = []
    nodes: Iterator[ast.AST] = iter(module.statements)
    while True:
        inside = next((node for node in nodes if _covers(module, node, call)), None)
        if inside is None:
            return path if path and isinstance(path[-1], ast.Call) and module.span(path[-1]) == call else []
        path.append(inside)
        nodes = ast.iter_child_nodes(inside)


def _covers(module: Module, node: ast.AST, span: Span) -> bool:
    return hasattr(node, "lineno") and module.span(node).covers(span)


def _key(statement: ast.stmt, call: ast.AST, definition: ast.ClassDef) -> str | None:
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name("self"), attr=name)], value=value):
            return _joined(name, _place(value, call))
        case ast.AnnAssign(target=ast.Attribute(value=ast.Name("self"), attr=name), value=ast.expr() as value):
            return _joined(name, _place(value, call))
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name("self"), attr=method), args=arguments)):
            match arguments:
                case [ast.Constant(str(name)), value] if method in ("add_module", "register_module"):
                    return _joined(name, _place(value, call))
                case _:
                    return None
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name("super")), attr="__init__")) as own
        ):
            is_list = [last_name(base) for base in definition.bases] == ["Sequential"]
            return _in_list(own.args, call) if is_list else None
        case _:
            return None


def _place(value: ast.expr, call: ast.AST) -> str | None:
    """Where within a value the call stands: "" for the value itself, "0.1" within `nn.Sequential`s."""
    if value is call:
        return ""
    match value:
        case ast.Call(func=function, args=[ast.List(elements)], keywords=[]) if last_name(function) == "ModuleList":
            return _in_list(elements, call)
        case ast.Call(func=function, args=[ast.Dict(keys, values)], keywords=[]) if last_name(function) == "ModuleDict":
            return _in_pairs(list(zip(keys, values, strict=True)), call)
        case ast.Call(func=function, args=arguments, keywords=[]) if last_name(function) == "Sequential":
            match arguments:
                case [ast.Call(func=inner, args=[ast.List(elements)])] if last_name(inner) == "OrderedDict":
                    pairs = [(e.elts[0], e.elts[1]) for e in elements if isinstance(e, ast.Tuple) and len(e.elts) == 2]
                    return _in_pairs(pairs, call) if len(pairs) == len(elements) else None
                case _:
                    return _in_list(arguments, call)
        case _:
            return None


def _in_list(elements: list[ast.expr], call: ast.AST) -> str | None:
    for index, element in enumerate(elements):
        if isinstance(element, ast.Starred):
            return None
        place = _joined(str(index), _place(element, call))
        if place is not None:
            return place
    return None


def _in_pairs(pairs: Sequence[tuple[ast.expr | None, ast.expr]], call: ast.AST) -> str | None:
    for name, value in pairs:
        place = _place(value, call)
        if place is not None:
            return (
                _joined(name.value, place) if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
            )
    return None


def _joined(name: str, place: str | None) -> str | None:
    return None if place is None else f"{name}.{place}" if place else name


def _stays(module: Module, key: str, definition: ast.ClassDef) -> bool:
    """Whether nothing puts something else in its place, in the class or in classes that derive from it."""
    name, _, inside = key.partition(".")
    classes = [
        node for statement in module.statements for node in ast.walk(statement) if isinstance(node, ast.ClassDef)
    ]
    family = [definition]
    for node in classes:
        names = {member.name for member in family}
        if any(last_name(base) in names for base in node.bases):
            family.append(node)
    nodes = [node for member in family for node in ast.walk(member)]
    puts = [node for node in nodes if _puts(node, name)]
    return len(puts) <= 1 and not (inside and any(_changes(node, name) for node in nodes))


def _puts(node: ast.AST, name: str) -> bool:
    """Whether a node is `self.name` being assigned."""
    match node:
        case ast.Attribute(value=ast.Name(), attr=attribute, ctx=ast.Store() | ast.Del()):
            return attribute == name
        case _:
            return False


def _changes(node: ast.AST, name: str) -> bool:
    """Whether a node changes which submodules the container `self.name` has."""
    match node:
        case ast.Subscript(value=ast.Attribute(attr=attribute), ctx=ast.Store() | ast.Del()):
            return attribute == name
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr=attribute), attr="insert" | "pop")):
            return attribute == name
        case _:
            return False
