"""What an open test is called: of `a and b` only `b`, where the source or other answers tell `a`."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy

from biaslens.program.symbols import Kind, Part, Symbol
from biaslens.program.values import Scope, Unknown, Value
from biaslens.syntax.parse import names_in


def in_words_of_the_caller(scope: Scope, node: ast.expr, value: Value) -> ast.expr:
    """The part of a test that is open, in the names that whoever builds the model knows: `norm` for the `kind` of a
    helper that gets it.

    value: of the test.
    """
    asked = asked_part(node, value)
    names = scope.module.names(node) if asked is node else names_in(asked)
    said = {name: held.text for name in names if isinstance(held := scope.held(name), Unknown) and _is_told(held)}
    said = {name: text for name, text in said.items() if text != name}
    return _Renaming(said).visit(deepcopy(asked)) if said else asked


def _is_told(value: Unknown) -> bool:
    """Whether a value is an argument of the entry, under a name that can stand in code."""
    return value.key.kind in _TOLD and is_code(value.text)


_TOLD = (Kind.CONSTRUCTOR, Kind.FORWARD, Kind.INPUT, Kind.ATTRIBUTE, Kind.ITEM, Kind.ITEM_OR)


class _Renaming(ast.NodeTransformer):
    def __init__(self, said: Mapping[str, str]) -> None:
        self._said = said

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.copy_location(ast.Name(self._said.get(node.id, node.id), node.ctx), node)


def asked_part(node: ast.expr, value: Value) -> ast.expr:
    """The part of a test that is open, as code: a condition that says more holds where other answers make it true."""
    if not isinstance(value, Unknown) or is_all_of(node, value.key):
        return node
    try:
        return ast.parse(value.text, mode="eval").body
    except SyntaxError:  # it has no name in code
        return node


_TESTS = frozenset([Kind.NOT, Kind.EQUAL, Kind.IS, Kind.IN, Kind.LESS, Kind.AT_MOST, Kind.AND, Kind.OR])


def is_code(text: str) -> bool:
    """Whether a value that is an argument, or a part of one, is called something that can stand in code."""
    return _PART.fullmatch(text) is not None


_PART = re.compile(r"[^\W\d][\w.]*(?:\[(?:'[^']*'|\d+)\]|\.get\('[^']*'\))*")


def joined(symbol: str, texts: Sequence[str]) -> str:
    """Tests with `and` or `or` between them."""
    return f" {symbol} ".join(map(in_brackets, texts))


def in_brackets(text: str) -> str:
    """A test as it can stand behind `not`, or beside others."""
    is_loose = any(word in text for word in (" and ", " or ", " if "))
    return f"({text})" if is_loose else text


def is_all_of(node: ast.expr, key: Part) -> bool:
    """Whether a test with this key asks for all of an expression."""
    kind = key.kind if isinstance(key, Symbol) else None
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return is_all_of(operand, key.parts[0] if isinstance(key, Symbol) and kind is Kind.NOT else key)
        case ast.IfExp():
            return False
        case (
            ast.BoolOp(values=parts)
            | ast.Call(func=ast.Name(id="any" | "all"), args=[ast.Tuple(elts=parts) | ast.List(elts=parts)])
        ):
            return _are_all_of(parts, key)
        case ast.Compare(ops=[_, _, *_] as parts):
            return isinstance(key, Symbol) and kind is Kind.AND and len(key.parts) == len(parts)
        case ast.Name() | ast.Attribute():  # it is called something else where it was made, in words that say more
            return kind not in _TESTS
        case _:
            return True


def _are_all_of(parts: Sequence[ast.expr], key: Part) -> bool:
    if not isinstance(key, Symbol) or key.kind not in (Kind.AND, Kind.OR) or len(key.parts) != len(parts):
        return False
    return all(map(is_all_of, parts, key.parts))
