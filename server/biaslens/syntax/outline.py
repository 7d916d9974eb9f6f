"""Parsing a text that changes: what an edit did not touch keeps its syntax trees, and its places in them.

The top-level statements of a text are cut into blocks. Each block has a number, and inside of its trees and of all that
is made from them a place is an *address*: the number of its block, and the offset in that block. So whatever was found
out about a block stays true, word by word, when lines are added above it; `Outlined.offset` tells where it stands now.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from biaslens.syntax import bindings
from biaslens.syntax.chunks import Chunks, chunks_of
from biaslens.syntax.modes import FREEZERS
from biaslens.syntax.parse import Module, offset_of, parsed, skipped
from biaslens.text import Location, Problem, Source, Span

_LINE_BITS = 20
_LINES = (1 << _LINE_BITS) - 1
_OFFSET_BITS = 32
_OFFSETS = (1 << _OFFSET_BITS) - 1
FIRST_ADDRESS = 1 << _OFFSET_BITS
"""Smaller numbers are offsets: no text is that long."""


@dataclass(frozen=True, eq=False)
class Block:
    """Whole lines with a statement of top level, rarely several. error: why they do not parse, or ""."""

    number: int
    source: Source
    statements: tuple[ast.stmt, ...]
    error: str = ""

    @cached_property
    def length(self) -> int:
        """How long it is without the empty lines at its end."""
        return len(self.source.text.rstrip())

    @cached_property
    def affected(self) -> tuple[frozenset[str], ...]:
        """The names that each statement binds or changes."""
        return tuple(frozenset(bindings.affected(statement)) for statement in self.statements)

    @cached_property
    def binds(self) -> frozenset[str]:
        """All these names."""
        return frozenset(name for names in self.affected for name in names)

    @cached_property
    def mentions(self) -> frozenset[str]:
        """All names in its statements."""
        return frozenset(name for statement in self.statements for name in bindings.mentioned(statement))

    @cached_property
    def rebound(self) -> frozenset[str]:
        """As `Module.rebound`."""
        return frozenset(bindings.rebound(self.statements)) if "global " in self.source.text else frozenset()

    @cached_property
    def star_imports(self) -> tuple[ast.ImportFrom, ...]:
        """As `Module.star_imports`, but the first one first."""
        return tuple(bindings.star_imports(self.statements)) if "*" in self.source.text else ()

    @cached_property
    def typed_imports(self) -> dict[str, tuple[ast.ImportFrom, str]]:
        """As `Module.typed_imports`."""
        return bindings.typed_imports(self.statements) if "TYPE_CHECKING" in self.source.text else {}


@dataclass(frozen=True, eq=False)
class Outlined(Module):
    """A module in blocks.

    starts: the offset of each. next_number: larger than that of any block so far. chunks: how its text was cut; None
    where it could not be.
    """

    blocks: tuple[Block, ...]
    starts: tuple[int, ...]
    next_number: int
    chunks: Chunks | None

    @cached_property
    def affecting(self) -> dict[str, tuple[int, ...]]:  # noqa: D102
        return bindings.by_name(names for block in self.blocks for names in block.affected)

    @cached_property
    def rebound(self) -> frozenset[str]:  # noqa: D102
        return frozenset(name for block in self.blocks for name in block.rebound)

    @cached_property
    def star_imports(self) -> tuple[ast.ImportFrom, ...]:  # noqa: D102
        return tuple(node for block in reversed(self.blocks) for node in reversed(block.star_imports))

    @cached_property
    def typed_imports(self) -> dict[str, tuple[ast.ImportFrom, str]]:  # noqa: D102
        return {name: found for block in self.blocks for name, found in block.typed_imports.items()}

    def offset(self, address: int) -> int:
        """Where an address is in this text by now. An offset stays what it is."""
        if address < FIRST_ADDRESS:
            return address
        return self._starts_by_number[address >> _OFFSET_BITS] + (address & _OFFSETS)

    def address(self, span: Span) -> Span:
        """The addresses of a span that lies in one block."""
        index = max(0, bisect_right(self.starts, span.start) - 1)
        base = (self.blocks[index].number << _OFFSET_BITS) - self.starts[index]
        return Span(base + span.start, base + span.end)

    def excerpt(self, node: ast.AST) -> str:  # noqa: D102
        block, span = self._block_of(node), self.span(node)
        return " ".join(block.source.excerpt(Span(span.start & _OFFSETS, span.end & _OFFSETS)).split())

    def _location(self, node: ast.AST) -> Location:
        block = self._block_of(node)
        base = block.number << _OFFSET_BITS
        start = offset_of(block.source, node.lineno & _LINES, node.col_offset)  # type: ignore[attr-defined]
        end = offset_of(block.source, node.end_lineno & _LINES, node.end_col_offset)  # type: ignore[attr-defined]
        return Location(self.source.path, Span(base + start, base + end))

    def _block_of(self, node: ast.AST) -> Block:
        return self._blocks_by_number[node.lineno >> _LINE_BITS]  # type: ignore[attr-defined]

    @cached_property
    def _blocks_by_number(self) -> dict[int, Block]:
        return {block.number: block for block in self.blocks}

    @cached_property
    def _starts_by_number(self) -> dict[int, int]:
        return {block.number: start for block, start in zip(self.blocks, self.starts, strict=True)}


def outlined(source: Source, name: str, package: str, before: Outlined | None = None) -> Outlined:
    """Parses a text that is one piece; never raises. before: an earlier version, to take over what is the same."""
    chunks = chunks_of(source.text, before.chunks if before is not None else None)
    starts = chunks.starts
    texts = [source.text[start:end] for start, end in zip(starts, (*starts[1:], len(source.text)), strict=True)]
    made = _Blocks(source.path, before.next_number if before is not None else 1)
    blocks = made.of(texts, before.blocks if before is not None else ())
    cut: Chunks | None = chunks
    if any(block.error for block in blocks) and (before is None or before.chunks is None or chunks.open_string):
        # What the rules for cutting do not know may still be Python. A text that was cut well once is taken to be
        # broken: Python would stop at the same place.
        whole = made.block(source.text)
        if not whole.error:
            starts, blocks, cut = (0,), (whole,), None
    problems = tuple(_problems(source, blocks, starts))
    statements = tuple(statement for block in blocks for statement in block.statements)
    return Outlined(source, name, package, statements, problems, blocks, starts, made.number, cut)


def changed_names(before: Outlined, after: Outlined) -> frozenset[str]:
    """The names of top level that may mean something else after an edit; "*" where others may come from elsewhere."""
    old, new = (
        {
            statement: names
            for block in blocks
            for statement, names in zip(block.statements, block.affected, strict=True)
        }
        for blocks in (set(before.blocks).difference(after.blocks), set(after.blocks).difference(before.blocks))
    )
    either = {**old, **new}
    changed = old.keys() ^ new.keys()
    names = {name for statement in changed for name in (*either[statement], *bindings.handed_over(statement))}
    names |= before.rebound ^ after.rebound
    if _order(before, after) != _order(after, before):  # a name means what was bound before it is used
        names |= before.affecting.keys() | after.affecting.keys()
    names |= {FREEZERS} if before.freezers != after.freezers else set()
    typed, now = before.typed_imports, after.typed_imports
    names |= {name for name in typed.keys() | now.keys() if typed.get(name) != now.get(name)}
    return frozenset(names | ({"*"} if before.star_imports != after.star_imports else set()))


def _order(module: Outlined, other: Outlined) -> list[ast.stmt]:
    """The statements of one version that are in another one as well."""
    common = set(other.statements)
    return [statement for statement in module.statements if statement in common]


class _Blocks:
    """Makes blocks with numbers of their own."""

    def __init__(self, path: str, number: int) -> None:
        self.number = number
        self._path = path

    def of(self, texts: Sequence[str], old: Sequence[Block]) -> tuple[Block, ...]:
        """The blocks of some texts, the old ones where they are the same.

        Where only what follows the code of a block has changed, a comment or empty lines, its trees stay.
        """
        shorter = min(len(old), len(texts))
        first = next((i for i in range(shorter) if old[i].source.text != texts[i]), shorter)
        last = next((i for i in range(shorter - first) if old[-1 - i].source.text != texts[-1 - i]), shorter - first)
        gone = {block.source.text: block for block in old[first : len(old) - last]}
        same = [gone.pop(text, None) for text in texts[first : len(texts) - last]]
        codes = {code: block for block in gone.values() if (code := _code(block))}
        made: list[Block] = []
        for text, known in zip(texts[first : len(texts) - last], same, strict=True):
            block = known or self.block(text)
            alike = codes.pop(_code(block), None) if known is None else None
            made.append(Block(alike.number, block.source, alike.statements) if alike is not None else block)
        return (*old[:first], *made, *old[len(old) - last :])

    def block(self, text: str) -> Block:
        """A new block."""
        number = self.number
        self.number += 1
        found = parsed(text)
        if isinstance(found, str):
            return Block(number, Source(self._path, text), (), found)
        for statement in found:
            _move_down(statement, number << _LINE_BITS)
        return Block(number, Source(self._path, text), tuple(found))


def _code(block: Block) -> str:
    """The text of a block up to the end of its last statement; "" where there is none."""
    if not block.statements:
        return ""
    last = block.statements[-1]
    return block.source.text[: offset_of(block.source, (last.end_lineno or 0) & _LINES, last.end_col_offset or 0)]


def _move_down(node: ast.AST, lines: int) -> None:
    """Effect: the nodes of a tree stand that many lines further down. `ast.increment_lineno` takes thrice the time."""
    waiting: list[ast.AST] = [node]
    while waiting:
        fields = waiting.pop().__dict__
        if "lineno" in fields:
            fields["lineno"] += lines
            fields["end_lineno"] += lines
        for value in fields.values():
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [item for item in cast("list[object]", value) if isinstance(item, ast.AST)]


def _problems(source: Source, blocks: Sequence[Block], starts: Sequence[int]) -> Iterator[Problem]:
    for block, start in zip(blocks, starts, strict=True):
        if block.error:
            lines = source.line_and_column(start)[0]
            message = re.sub(r"\bline (\d+)\b", lambda found: f"line {int(found[1]) + lines}", block.error)  # noqa: B023
            yield skipped(message, source, Span(start, start + len(block.source.text)))
