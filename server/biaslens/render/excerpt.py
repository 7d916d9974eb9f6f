"""Lines of source with marks under what is meant."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

from biaslens.render.place import printable
from biaslens.render.style import Paint
from biaslens.text import Source, Span

WIDTH = 160
"""Longer lines are cut to a window of this many characters around the mark."""

_BEFORE = 40
"""How much of a cut line stays in front of the mark."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What to underline, with what, and the words behind it."""

    span: Span
    sign: Literal["^", "-"]
    words: str = ""


def excerpt(source: Source, marks: tuple[Mark, ...], margin: int, paint: Paint) -> list[str]:
    """The marked lines in their order, each followed by its marks; `...` where lines between them are left out.

    margin: the width of the column of line numbers. A mark over several lines is drawn under the first of them.
    """
    lines: list[str] = []
    previous: int | None = None
    first = 0
    for mark in sorted(marks, key=lambda mark: mark.span):
        row, column = source.line_and_column(mark.span.start)
        text = source.line(row)
        if row != previous:
            if previous is not None and row > previous + 1:
                lines.append(paint("...", "gutter"))
            first = max(0, column - _BEFORE) if len(text) > WIDTH else 0
            lines.append(f"{paint(f'{row + 1:>{margin}} |', 'gutter')} {_window(text, first)}".rstrip())
            previous = row
        if column < first + WIDTH:  # else it stands outside the window of a long line
            end_row, end_column = source.line_and_column(mark.span.end)
            end = min(end_column if end_row == row else len(text), first + WIDTH)
            lead = (1 if first else 0) + _columns(_expanded(text[first:column]))
            underline = mark.sign * max(1, _columns(_expanded(text[column:end])))
            words = f" {mark.words}" if mark.words else ""
            style = "mark" if mark.sign == "^" else "note"
            lines.append(f"{paint(' ' * margin + ' |', 'gutter')} {' ' * lead}{paint(underline + words, style)}")
    return lines


def row_number_width(source: Source, marks: tuple[Mark, ...]) -> int:
    """The width of the largest line number among the marks."""
    return max((len(str(source.line_and_column(mark.span.start)[0] + 1)) for mark in marks), default=1)


def _window(text: str, first: int) -> str:
    if len(text) <= WIDTH:
        return _expanded(text)
    cut = _expanded(text[first : first + WIDTH])
    return f"{'…' if first else ''}{cut}{'…' if first + WIDTH < len(text) else ''}"


def _expanded(text: str) -> str:
    """The text as it is printed: a tab is one space, as the mark below counts it."""
    return printable(text.replace("\t", " "))


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(_column(character) for character in text)


def _column(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
