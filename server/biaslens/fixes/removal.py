"""Statements taken out of their blocks so that what is left is still Python, and says what it said."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from biaslens.fixes.layout import block_of, follows_colon, is_alone, lines_of
from biaslens.syntax.parse import Module
from biaslens.text import Edit, Span

_MODES = ("no_grad", "inference_mode", "enable_grad", "set_grad_enabled")
_QUESTIONS = ("isinstance", "hasattr", "getattr", "type", "len", "callable")


def removals(paths: Sequence[tuple[ast.AST, ...]], module: Module, others: Sequence[Edit] = ()) -> list[Edit] | None:
    """The edits that remove statements; None where one shares its line with another one.

    paths: each a statement with the nodes around it, outermost first. others: edits of statements that stay.
    An `if` or `with` that has nothing left to do goes as well; another block gets `pass`.
    """
    victims = [_Victim(path, path) for path in paths]
    edits: list[Edit] = []
    while victims:
        block = block_of(victims[0].path, module)
        doomed = [victim for victim in victims if any(victim.path[-1] is other for other in block)]
        victims = [victim for victim in victims if victim not in doomed]
        is_elif = len(block) == 1 and module.source.text.startswith("elif", module.span(block[0]).start)
        if len(doomed) < len(block) or is_elif:
            if not all(is_alone(module, victim.path[-1]) for victim in doomed):
                return None
            edits += _cut([victim.path[-1] for victim in doomed], block, module, others)
        elif _is_idle(doomed[0].path, module):
            victims.append(_Victim(doomed[0].path[:-1], doomed[0].path))
        elif (len(block) == 1 and follows_colon(module, block[0])) or all(is_alone(module, s) for s in block):
            edits.append(Edit(Span(module.span(block[0]).start, module.span(block[-1]).end), "pass"))
        else:
            return None
    return edits


@dataclass(frozen=True, slots=True)
class _Victim:
    """A statement to remove, and the initialiser because of which."""

    path: tuple[ast.AST, ...]
    because: tuple[ast.AST, ...]


def _is_idle(path: Sequence[ast.AST], module: Module) -> bool:
    """Whether the compound statement around the last node does nothing once its body is empty."""
    header = path[-2] if len(path) > 1 else None
    match header:
        case ast.If(test=test, body=body, orelse=[]):
            return body is block_of(path, module) and all(map(_only_asks, ast.walk(test)))
        case ast.With(items=items):
            return all(_is_mode(item) for item in items)
        case _:
            return False


def _only_asks(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=function):
            return isinstance(function, ast.Name) and function.id in _QUESTIONS
        case ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom():
            return False
        case _:
            return True


def _is_mode(item: ast.withitem) -> bool:
    match item:
        case ast.withitem(context_expr=ast.Call(func=ast.Attribute(attr=name) | ast.Name(name)), optional_vars=None):
            return name in _MODES
        case _:
            return False


def _cut(doomed: Sequence[ast.AST], block: Sequence[ast.stmt], module: Module, others: Sequence[Edit]) -> list[Edit]:
    """Cuts statements out of a block that keeps others.

    Where all of the block is about biases, other fixes cut there as well: one edit over the whole block keeps two of
    them from emptying it together.
    """
    spans = [_lines_with_gap(module, statement) for statement in doomed]
    rest = [statement for statement in block if not any(statement is other for other in doomed)]
    whole = Span(lines_of(module, block[0]).start, lines_of(module, block[-1]).end)
    stays = any(whole.covers(edit.span) for edit in others) or not all(map(_is_about_bias, rest))
    if stays or block[-1] not in doomed:
        return [Edit(span, "") for span in spans]
    kept, position = "", whole.start
    for span in sorted(spans):
        kept += module.source.text[position : span.start]
        position = span.end
    return [Edit(whole, kept)]


def _lines_with_gap(module: Module, statement: ast.AST) -> Span:
    """The lines of a statement, and the blank one in front where another one follows."""
    source, span = module.source, lines_of(module, statement)
    first, after = source.line_and_column(span.start)[0], source.line_and_column(span.end)[0]
    is_first = span.start == source.piece_at(span.start).start
    is_framed = not is_first and not source.line(first - 1).strip() and not source.line(after).strip()
    return Span(source.line_starts[first - 1], span.end) if is_framed else span


def _is_about_bias(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == "bias" for node in ast.walk(statement))
