"""Findings that outlive broken syntax: while a person types, what was found in untouched classes stays.

The parser skips only the statements that do not parse. What gets lost all the same are findings in a class that needs
a skipped one, and in classes that an open string or bracket has swallowed.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from biaslens.rules.rule import Finding
from biaslens.syntax.bindings import affected, mentioned
from biaslens.syntax.outline import Block, Outlined
from biaslens.syntax.parse import Module
from biaslens.text import Location, Span

_LINE_EDGE = ("", "\n", "\r")


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """A top-level statement with its decorators: where it stands, the names it binds and the names it mentions.

    block: of a text that is parsed in blocks; the same one in two texts is the same statement.
    """

    span: Span
    binds: frozenset[str]
    mentions: frozenset[str]
    block: Block | None = None


@dataclass(frozen=True)
class LastGood:
    """The last text of a document that parsed as a whole, and what was found in it."""

    module: Module
    findings: tuple[Finding, ...]

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The top-level statements of the text."""
        module = self.module
        if isinstance(module, Outlined):
            blocks = zip(module.blocks, module.starts, strict=True)
            return tuple(
                Statement(Span(start, start + block.length), block.binds, block.mentions, block)
                for block, start in blocks
                if block.statements
            )
        return tuple(
            Statement(_lines_of(node, module), frozenset(affected(node)), frozenset(mentioned(node)))
            for node in module.statements
        )

    def kept(self, module: Module, found: Sequence[Finding], skipped: Sequence[Span]) -> tuple[Finding, ...]:
        """The findings to keep in a text of which the analysis had to skip some spans, at their new places.

        A finding is kept if its statement's text stands unchanged and only once in the new text, if the analysis
        could not judge it (the statement was skipped with a broken one, or needs a name that only skipped ones bind),
        and if it is not among `found`.
        """
        if not self.findings or not skipped:
            return ()
        moves = _Moves(self.module, module)
        lost = self._depending_on(frozenset(self.module.affecting.keys() - module.affecting.keys()))
        already = {(finding.code, finding.location.span.start) for finding in found}
        kept: list[Finding] = []
        for finding in self.findings:
            statement = self._around(finding.location.span)
            if statement is None or (moves.is_parsed(statement) and statement not in lost):
                continue
            shift = moves.of(statement)
            if shift is None:
                continue
            moved = replace(
                finding, location=_shifted(finding.location, shift), related=tuple(self._related(finding, moves))
            )
            swallowed = any(span.start <= moved.location.span.start < span.end for span in skipped)
            if (swallowed or statement in lost) and (moved.code, moved.location.span.start) not in already:
                kept.append(moved)
        return tuple(kept)

    def _depending_on(self, names: frozenset[str]) -> frozenset[Statement]:
        """The statements that mention one of the names, directly or through what other statements bind."""
        reached: set[Statement] = set()
        while names:
            more = {s for s in self.statements if s not in reached and not s.mentions.isdisjoint(names)}
            if not more:
                break
            reached |= more
            names |= {name for statement in more for name in statement.binds}
        return frozenset(reached)

    @cached_property
    def _starts(self) -> list[int]:
        return [statement.span.start for statement in self.statements]

    def _around(self, span: Span) -> Statement | None:
        index = bisect_right(self._starts, span.start) - 1
        return self.statements[index] if index >= 0 and self.statements[index].span.covers(span) else None

    def _related(self, finding: Finding, moves: _Moves) -> Iterator[tuple[Location, str]]:
        for location, message in finding.related:
            if location.path != self.module.path:
                yield location, message
                continue
            statement = self._around(location.span)
            shift = moves.of(statement) if statement else None
            if shift is not None:
                yield _shifted(location, shift), message


class _Moves:
    """Where the statements of a text are in another one."""

    def __init__(self, old: Module, new: Module) -> None:
        self._old, self._new = old.source, new.source
        self._starts = _starts(new)

    def is_parsed(self, statement: Statement) -> bool:
        """Whether it is one in the new text as well, for all that can be told at a glance."""
        return statement.block in self._starts

    def of(self, statement: Statement) -> int | None:
        """By how much it moved, None if its lines are not there unchanged exactly once."""
        if statement.block in self._starts:
            return self._starts[statement.block] - statement.span.start
        text, new = self._old.excerpt(statement.span), self._new
        places: list[int] = []
        place = new.text.find(text)
        while place >= 0:
            before, after = new.text[max(0, place - 1) : place], new.text[place + len(text) : place + len(text) + 1]
            if before in _LINE_EDGE and after in _LINE_EDGE:
                places.append(place)
            place = new.text.find(text, place + 1)
        return places[0] - statement.span.start if len(places) == 1 else None


def _starts(module: Module) -> dict[Block | None, int]:
    return dict(zip(module.blocks, module.starts, strict=True)) if isinstance(module, Outlined) else {}


def _lines_of(node: ast.stmt, module: Module) -> Span:
    """The whole lines of a statement, from its first decorator to its last line's end, without the line end."""
    first = module.source.line_and_column(min(module.span(n).start for n in (node, *_decorators(node))))[0]
    last = module.source.line_and_column(module.span(node).end)[0]
    return Span(module.source.line_starts[first], module.source.line_starts[last] + len(module.source.line(last)))


def _decorators(node: ast.stmt) -> list[ast.expr]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return node.decorator_list
        case _:
            return []


def _shifted(location: Location, shift: int) -> Location:
    return Location(location.path, Span(location.span.start + shift, location.span.end + shift))
