"""Edits that go with the removal of a bias: statements that initialise it are removed, or asked first if it is there.

`nn.init.zeros_(self.conv.bias)` concerns this layer alone and goes. What a loop or a function does to every layer that
it meets gets a guard, `if m.bias is not None:`, one for several such statements in a row.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from biaslens.fixes.accesses import Access
from biaslens.fixes.holders import Holder, dotted, holder_of
from biaslens.fixes.initialisers import initialiser
from biaslens.fixes.layout import before_on_line, block_of, follows_colon, indent_of, indent_unit, is_alone
from biaslens.fixes.removal import removals
from biaslens.syntax.parse import Module
from biaslens.text import Edit, Span


@dataclass(frozen=True, slots=True)
class Unfit:
    """An access for which no edit is known: without the bias it would crash."""

    access: Access


def companions(module: Module, accesses: Sequence[Access], call: Span) -> tuple[Edit, ...] | Unfit:
    """The edits after which none of the accesses meets a missing bias; Unfit where there are none for one of them.

    accesses: those that would fail on None. call: the constructor call of the layer, from which the bias is taken.
    """
    holder = holder_of(module, call) if accesses else None
    found: dict[ast.AST, _Initialiser] = {}
    for access in accesses:
        path = initialiser(access)
        if not path or path[-1] in found:  # the latter: it takes the bias of two layers
            return Unfit(access)
        found[path[-1]] = _Initialiser(access, path, _concerns(access, holder))
    edits: list[Edit] = []
    doomed: list[tuple[ast.AST, ...]] = []
    for group in _by_block(list(found.values()), module):
        if all(item.is_own for item in group):
            doomed += [item.path for item in group]
            continue
        for row in _rows(group, module):
            guard = _guard(row, module)
            if guard is None:
                return Unfit(row[0].access)
            edits += guard
    cuts = removals(doomed, module, edits)
    if cuts is None:
        return Unfit(next(item.access for item in found.values() if item.path in doomed))
    return tuple(sorted([*edits, *cuts]))


@dataclass(frozen=True, slots=True)
class _Initialiser:
    """path: the statement with the nodes around it, outermost first. is_own: it concerns the one layer alone."""

    access: Access
    path: tuple[ast.AST, ...]
    is_own: bool

    @property
    def statement(self) -> ast.AST:
        return self.path[-1]


def _concerns(access: Access, holder: Holder | None) -> bool:
    """Whether an access can be no other layer's than what the holder makes."""
    classes = [node for node in access.outside if isinstance(node, ast.ClassDef)]
    return holder is not None and classes[-1:] == [holder.definition] and dotted(access.node.value) == holder.key


def _by_block(items: Sequence[_Initialiser], module: Module) -> Iterator[list[_Initialiser]]:
    groups: dict[int, list[_Initialiser]] = {}
    for item in items:
        groups.setdefault(id(block_of(item.path, module)[0]), []).append(item)
    yield from groups.values()


def _rows(group: Sequence[_Initialiser], module: Module) -> Iterator[list[_Initialiser]]:
    """Initialisers of one block that follow each other and concern one bias."""
    order = {id(statement): index for index, statement in enumerate(block_of(group[0].path, module))}
    row: list[_Initialiser] = []
    for item in sorted(group, key=lambda item: order[id(item.statement)]):
        is_next = row and order[id(item.statement)] == order[id(row[-1].statement)] + 1
        if row and not (is_next and _name(item) == _name(row[-1])):
            yield row
            row = []
        row.append(item)
    yield row


def _name(item: _Initialiser) -> str:
    return ast.dump(item.access.node.value)


def _guard(row: Sequence[_Initialiser], module: Module) -> list[Edit] | None:
    """The edits that put the statements below a question; None where their layout does not allow it."""
    first, last = row[0].statement, row[-1].statement
    if any(_holds_line_ends(item.statement) for item in row):
        return None
    source, unit = module.source, indent_unit(module, row[0].path[:-1])
    question = f"if {module.excerpt(row[0].access.node)} is not None:"
    if len(row) == 1 and follows_colon(module, first):
        before = before_on_line(module, first)
        start = module.span(first).start
        gap = Span(start - len(before) + len(before.rstrip()), start)
        header = next(node for node in reversed(row[0].path[:-1]) if hasattr(node, "lineno"))
        indent = source.newline + indent_of(module, first if isinstance(header, ast.Match) else header) + unit
        return [Edit(gap, f"{indent}{question}{indent}{unit}")]
    if not all(is_alone(module, item.statement) for item in row):
        return None
    indent = indent_of(module, first)
    begin, end = (source.line_and_column(place)[0] for place in (module.span(first).start, module.span(last).end))
    edits = [Edit(Span(offset, offset), unit) for offset in _starts(module, begin + 1, end)]
    start = module.span(first).start
    return [Edit(Span(start, start), f"{question}{source.newline}{indent}{unit}"), *edits]


def _starts(module: Module, first: int, last: int) -> Iterator[int]:
    """Where the text begins on each line that has any."""
    for line in range(first, last + 1):
        text = module.source.line(line)
        if text.strip():
            yield module.source.line_starts[line] + len(text) - len(text.lstrip())


def _holds_line_ends(statement: ast.AST) -> bool:
    """Whether a string in it goes over several lines, so that indentation would change it."""
    strings = (node for node in ast.walk(statement) if isinstance(node, (ast.Constant, ast.JoinedStr)))
    return any(node.lineno != node.end_lineno for node in strings)
