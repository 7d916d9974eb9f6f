"""Which functions of a file may put modules into eval mode, by their text alone."""

from __future__ import annotations

import ast
from collections.abc import Iterable

FREEZERS = ".eval()"
"""Stands for `Module.freezers` among the names of a file that something rests on. No Python name looks like this."""


def freezers(statements: Iterable[ast.stmt]) -> frozenset[str]:
    """The names of functions and methods that put something into eval mode, or that name one which does; "" where
    statements of top level do."""
    named = [(name, node) for statement in statements for name, node in _functions(statement)]
    mentions = {node: _mentioned(node) for _, node in named}
    found = {name for name, node in named if any(map(switches_off, ast.walk(node)))}
    while more := {name for name, node in named if not found.isdisjoint(mentions[node])} - found:
        found |= more
    return frozenset(found)


def switches_off(node: ast.AST) -> bool:
    """Whether a node is `x.eval()`, `x.train(False)` or `x.training = False`."""
    match node:
        case ast.Call(func=ast.Attribute(attr="eval"), args=[], keywords=[]):
            return True
        case ast.Call(func=ast.Attribute(attr="train"), args=[ast.Constant(value=False)]):
            return True
        case ast.Call(func=ast.Attribute(attr="train"), keywords=[ast.keyword(value=ast.Constant(value=False))]):
            return True
        case ast.Assign(targets=[ast.Attribute(attr="training")], value=ast.Constant(value=False)):
            return True
        case _:
            return False


def _functions(statement: ast.stmt) -> Iterable[tuple[str, ast.stmt]]:
    """The functions and methods of a statement of top level; itself where it is none of them, without a name."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name, statement
        case ast.ClassDef(body=body):
            for inner in body:
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    yield from _functions(inner)
        case _:
            yield "", statement


def _mentioned(node: ast.AST) -> set[str]:
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return names | {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
