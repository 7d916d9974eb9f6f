"""A text with its own line table, half-open ranges of it, and replacements in it.

Offsets count code points. Lines end at `\\n`, `\\r\\n` or `\\r` and nowhere else, which is the rule of the
Language Server Protocol, of Python's tokenizer and of LibCST. `str.splitlines` splits at form feeds too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

_LINE_END = re.compile(r"\r\n|\n|\r")


class Span(NamedTuple):
    """A half-open range of code points, `start <= end`."""

    start: int
    end: int

    def contains(self, offset: int) -> bool:
        """Whether a cursor at `offset` touches this span; both of its ends count."""
        return self.start <= offset <= self.end

    def covers(self, other: Span) -> bool:
        """Whether the other span lies inside."""
        return self.start <= other.start and other.end <= self.end


class Edit(NamedTuple):
    """Replaces the text of `span`; an insertion where the span is empty."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Position:
    """A place as people count: row and column from one, and the cell of a notebook where its number is known."""

    row: int
    column: int
    cell: int | None = None

    def __str__(self) -> str:
        return f"{f'cell {self.cell}:' if self.cell else ''}{self.row}:{self.column}"


@dataclass(frozen=True)
class Source:
    """The text of one file as the editor or the disk has it.

    `path` is the file's absolute name, or the client's own string for a document without a file.
    """

    path: str
    text: str

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The parts that are read each by itself, in order: the cells of a notebook, or else the whole text."""
        return (Piece(0, self),)

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """The offset at which each line begins; the empty line after a final line end counts."""
        text = self.text
        if text.count("\r") == text.count("\r\n"):  # every line ends with \n, which is found in a third of the time
            return tuple(accumulate((len(line) + 1 for line in text.split("\n")[:-1]), initial=0))
        return (0, *(match.end() for match in _LINE_END.finditer(text)))

    @cached_property
    def newline(self) -> str:
        """The line ending that the file uses, by its first one."""
        first = _LINE_END.search(self.text)
        return first.group() if first else "\n"

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Zero-based line and column (in code points) of an offset, clamped to the text."""
        if not 0 <= offset <= len(self.text):
            offset = max(0, min(offset, len(self.text)))
        starts = self.line_starts
        line = bisect_right(starts, offset) - 1
        return line, offset - starts[line]

    def offset(self, line: int, column: int) -> int:
        """The offset of a zero-based line and column, clamped to the line and to the text."""
        if line < 0:
            return 0
        if line >= len(self.line_starts):
            return len(self.text)
        start = self.line_starts[line]
        return min(start + max(0, column), start + len(self.line(line)))

    def line(self, line: int) -> str:
        """The text of a zero-based line without its line end."""
        start = self.line_starts[line]
        end = self.line_starts[line + 1] if line + 1 < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def excerpt(self, span: Span) -> str:
        """The text of a span."""
        return self.text[span.start : span.end]

    def edited(self, edits: Iterable[Edit]) -> str:
        """The text with every edit applied; edits must not overlap."""
        parts: list[str] = []
        position = 0
        for edit in sorted(edits):
            if edit.span.start < position:
                raise ValueError("overlapping edits")
            parts += (self.text[position : edit.span.start], edit.text)
            position = edit.span.end
        return "".join((*parts, self.text[position:]))

    def after(self, edits: Iterable[Edit]) -> Source:
        """The source with every edit applied; edits must not overlap, and each must be one that `fits`."""
        return Source(self.path, self.edited(edits))

    def fits(self, edit: Edit) -> bool:
        """Whether an edit can be applied to what people wrote: it lies in one piece, and in what is Python there."""
        return True

    def piece_at(self, offset: int) -> Piece:
        """The piece in which an offset lies."""
        return self.pieces[max(0, bisect_right(self.pieces, offset, key=lambda piece: piece.start) - 1)]

    def position(self, offset: int) -> Position:
        """Where an offset is, as people count."""
        piece = self.piece_at(offset)
        row, column = piece.source.line_and_column(offset - piece.start)
        return Position(row + 1, column + 1, piece.cell)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a source that people see as a text of its own: a cell of a notebook, or else all of it.

    start: the offset at which it begins. source: its text as people wrote it, as long as in the whole. cell: its number
    in the notebook, from one, None where it is not known. address: by which an editor knows a cell, or "".
    """

    start: int
    source: Source
    cell: int | None = None
    address: str = ""

    @property
    def span(self) -> Span:
        """Where it is in the whole."""
        return Span(self.start, self.start + len(self.source.text))

    def inside(self, span: Span) -> Span:
        """A span of the whole as one of this piece."""
        return Span(span.start - self.start, span.end - self.start)


def changes_between(before: Source, after: Source) -> tuple[Edit, ...]:
    """Small edits that turn one source into the other, which has as many pieces; each lies in one piece."""
    return tuple(
        Edit(Span(old.start + edit.span.start, old.start + edit.span.end), edit.text)
        for old, new in zip(before.pieces, after.pieces, strict=True)
        for edit in edits_between(old.source.text, new.source.text)
    )


def edits_between(before: str, after: str) -> tuple[Edit, ...]:
    """Small edits that turn one text into the other, each within the lines that differ."""
    import difflib

    old, new = (list(_lines(text)) for text in (before, after))
    offsets = [0]
    for line in old:
        offsets.append(offsets[-1] + len(line))
    edits: list[Edit] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if i2 - i1 == j2 - j1:
            pairs = zip(range(i1, i2), range(j1, j2), strict=True)
            edits += [_trimmed(old[i], new[j], offsets[i]) for i, j in pairs if old[i] != new[j]]
        else:
            edits.append(_trimmed("".join(old[i1:i2]), "".join(new[j1:j2]), offsets[i1]))
    return tuple(edits)


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends."""
    start = 0
    for match in _LINE_END.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    if start < len(text):
        yield text[start:]


def _trimmed(old: str, new: str, offset: int) -> Edit:
    """The edit of `old`, which begins at `offset`, without what both texts begin and end with."""
    shorter = min(len(old), len(new))
    start = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    end = next((i for i in range(shorter - start) if old[-1 - i] != new[-1 - i]), shorter - start)
    return Edit(Span(offset + start, offset + len(old) - end), new[start : len(new) - end])


class Location(NamedTuple):
    """A range in a named file."""

    path: str
    span: Span

    def contains(self, other: Location) -> bool:
        """Whether another place is in this one."""
        return self.path == other.path and self.span.start <= other.span.start and other.span.end <= self.span.end


def in_order(places: Iterable[Location]) -> tuple[Location, ...]:
    """Places, sorted."""
    return tuple(sorted(places))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that went wrong, as data for the user: what, where, and what to do.

    kind: "syntax" (part of the file was skipped), "unreadable" (nothing could be checked), "budget" (a definition was
    too large, or a loop too long, to follow), "configuration", or "internal" (a bug of ours).
    """

    kind: str
    message: str
    path: str
    span: Span | None = None
