"""Where the statements of a file stand: their lines, blocks and indentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import cast

from biaslens.syntax.parse import Module
from biaslens.text import Span

_INDENT = re.compile(r"[ \t\f]*")


def block_of(path: Sequence[ast.AST], module: Module) -> list[ast.stmt]:
    """The block in which the last node of a path stands. path: nodes around each other, outermost first."""
    if len(path) < 2:
        return list(module.statements)
    fields = (getattr(path[-2], name, None) for name in ("body", "orelse", "finalbody"))
    blocks = [cast(list[ast.stmt], field) for field in fields if isinstance(field, list)]
    return next(block for block in blocks if any(statement is path[-1] for statement in block))


def lines_of(module: Module, statement: ast.AST) -> Span:
    """The whole lines of a statement, with its decorators and the last line's end, if that is in the same piece."""
    source = module.source
    nodes = [statement, *getattr(statement, "decorator_list", [])]
    start = min(source.line_and_column(module.span(node).start)[0] for node in nodes)
    end = source.line_and_column(module.span(statement).end)[0] + 1
    last = source.piece_at(module.span(statement).start).span.end
    return Span(source.line_starts[start], min([last, *source.line_starts[end : end + 1]]))


def indent_of(module: Module, node: ast.AST) -> str:
    """The white space in front of the line that a node begins on."""
    line, _ = module.source.line_and_column(module.span(node).start)
    found = _INDENT.match(module.source.line(line))
    return found.group() if found else ""


def indent_unit(module: Module, path: Sequence[ast.AST]) -> str:
    """By how much blocks are indented around the last node of a path; four spaces where nothing tells."""
    for node in reversed(path):
        body = getattr(node, "body", None)
        if not isinstance(node, ast.stmt) or not isinstance(body, list) or not body:
            continue
        outer, inner = indent_of(module, node), indent_of(module, cast(list[ast.stmt], body)[0])
        if inner.startswith(outer) and inner != outer:
            return inner[len(outer) :]
    return "    "


def is_alone(module: Module, statement: ast.AST) -> bool:
    """Whether nothing but comments shares the lines of a statement."""
    return not before_on_line(module, statement).strip() and _ends_line(module, statement)


def follows_colon(module: Module, statement: ast.AST) -> bool:
    """Whether a statement is all that stands behind a colon: `if x: statement`."""
    return before_on_line(module, statement).rstrip().endswith(":") and _ends_line(module, statement)


def before_on_line(module: Module, statement: ast.AST) -> str:
    """What stands on the line in front of a statement; with the lines that a backslash joins to it."""
    source, start = module.source, module.span(statement).start
    line, column = source.line_and_column(start)
    text = source.line(line)[:column]
    while line and source.line(line - 1).endswith("\\"):
        line -= 1
        text = source.line(line) + text
    return text


def _ends_line(module: Module, statement: ast.AST) -> bool:
    source, end = module.source, module.span(statement).end
    line, column = source.line_and_column(end)
    rest = source.line(line)[column:].strip()
    return not rest or rest.startswith("#")
