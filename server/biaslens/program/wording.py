"""What an open test is called: of `a and b` only `b`, where the source or other answers tell `a`."""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Sequence

from biaslens.program.values import Unknown, Value


def asked_part(node: ast.expr, value: Value) -> ast.expr:
    """The part of a test that is open, as code: a condition that says more holds where other answers make it true."""
    if not isinstance(value, Unknown) or is_all_of(node, value.key):
        return node
    try:
        return ast.parse(value.text, mode="eval").body
    except SyntaxError:  # it has no name in code
        return node


_TESTS = frozenset(["not", "==", "is", "in", "<", "<=", "and", "or"])


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


def is_all_of(node: ast.expr, key: Hashable) -> bool:
    """Whether a test with this key asks for all of an expression."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return is_all_of(operand, key[1] if isinstance(key, tuple) and key[:1] == ("not",) else key)
        case ast.IfExp():
            return False
        case (
            ast.BoolOp(values=parts)
            | ast.Call(func=ast.Name(id="any" | "all"), args=[ast.Tuple(elts=parts) | ast.List(elts=parts)])
        ):
            return _are_all_of(parts, key)
        case ast.Compare(ops=[_, _, *_] as parts):
            return isinstance(key, tuple) and key[0] == "and" and len(key) == len(parts) + 1
        case ast.Name() | ast.Attribute():  # it is called something else where it was made, in words that say more
            return not (isinstance(key, tuple) and key[0] in _TESTS)
        case _:
            return True


def _are_all_of(parts: Sequence[ast.expr], key: Hashable) -> bool:
    if not isinstance(key, tuple) or key[0] not in ("and", "or") or len(key) != len(parts) + 1:
        return False
    return all(map(is_all_of, parts, key[1:]))
