"""Findings that outlive broken syntax: while a person types, what was found in untouched classes stays.

The parser skips only the statements that do not parse. What gets lost all the same are findings in a class that needs
a skipped one, and in classes that an open string or bracket has swallowed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from biaslens.rules.rule import Finding
from biaslens.syntax.parse import Module, parse
from biaslens.text import Location, Source, Span

_LINE_EDGE = ("", "\n", "\r")


@dataclass(frozen=True, slots=True)
class Statement:
    """A top-level statement with its decorators: where it stands, the names it binds and the names it mentions."""

    span: Span
    binds: frozenset[str]
    mentions: frozenset[str]


@dataclass(frozen=True)
class LastGood:
    """The last text of a document that parsed as a whole, and what was found in it."""

    source: Source
    findings: tuple[Finding, ...]

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The top-level statements of the text."""
        module = parse(self.source)
        bound: dict[int, set[str]] = {}
        for name, indices in module.affecting.items():
            for index in indices:
                bound.setdefault(index, set()).add(name)
        return tuple(
            Statement(_lines_of(node, module), frozenset(bound.get(index, ())), frozenset(_mentions(node)))
            for index, node in enumerate(module.statements)
        )

    def kept(self, source: Source, found: Sequence[Finding], skipped: Sequence[Span]) -> tuple[Finding, ...]:
        """The findings to keep in a text of which the analysis had to skip some spans, at their new places.

        A finding is kept if its statement's text stands unchanged and only once in the new text, if the analysis
        could not judge it (the statement was skipped with a broken one, or needs a name that only skipped ones bind),
        and if it is not among `found`.
        """
        if not self.findings or not skipped:
            return ()
        module = parse(source)
        moves = {statement: _moved(statement.span, self.source, source) for statement in self.statements}
        bound = frozenset(name for statement in self.statements for name in statement.binds)
        lost = self._depending_on(bound - module.affecting.keys())
        already = {(finding.code, finding.location.span.start) for finding in found}
        kept: list[Finding] = []
        for finding in self.findings:
            statement = self._around(finding.location.span)
            shift = moves[statement] if statement else None
            if statement is None or shift is None:
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
        while True:
            more = {s for s in self.statements if s not in reached and s.mentions & names}
            if not more:
                return frozenset(reached)
            reached |= more
            names |= {name for statement in more for name in statement.binds}

    def _around(self, span: Span) -> Statement | None:
        return next((statement for statement in self.statements if statement.span.covers(span)), None)

    def _related(self, finding: Finding, moves: dict[Statement, int | None]) -> Iterator[tuple[Location, str]]:
        for location, message in finding.related:
            if location.path != self.source.path:
                yield location, message
                continue
            statement = self._around(location.span)
            shift = moves[statement] if statement else None
            if shift is not None:
                yield _shifted(location, shift), message


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


def _mentions(node: ast.stmt) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id


def _moved(span: Span, old: Source, new: Source) -> int | None:
    """By how much a statement moved, or None if its lines are not there unchanged exactly once."""
    text = old.excerpt(span)
    places: list[int] = []
    place = new.text.find(text)
    while place >= 0:
        before, after = new.text[max(0, place - 1) : place], new.text[place + len(text) : place + len(text) + 1]
        if before in _LINE_EDGE and after in _LINE_EDGE:
            places.append(place)
        place = new.text.find(text, place + 1)
    return places[0] - span.start if len(places) == 1 else None


def _shifted(location: Location, shift: int) -> Location:
    return Location(location.path, Span(location.span.start + shift, location.span.end + shift))
