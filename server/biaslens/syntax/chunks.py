"""Where the top-level statements of a text begin, by brackets, strings and indentation alone.

What comes before a beginning does not matter for those behind it. So after an edit only the text around it is looked
at again.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from biaslens.text import Source, Span

_TOKEN = re.compile(
    r"#[^\r\n]*|(?:[rRbBuUfF]{0,2})(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''"
    r"|\"(?!\"\")(?:\\.|[^\"\\\r\n])*\"|'(?!'')(?:\\.|[^'\\\r\n])*')|\"\"\"|'''|[()\[\]{}]|\\?(?:\r\n|\n|\r)",
    re.DOTALL,
)
_HARD_START = re.compile(r"(?:class|def|async|import|from|@)\b|@")
_CONTINUES = re.compile(r"(?:else|elif|except|finally)\b|[)\]}#\\]")
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")
_LOOKAHEAD = 8
"""So many characters of a line tell whether it begins a statement."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """The offsets at which the statements of a text begin, and its own beginning.

    open_string: somewhere quotes are opened and never closed, so that any later change may close them.
    """

    text: str
    starts: tuple[int, ...]
    open_string: bool


def chunks(source: Source, piece: Span) -> Iterator[Span]:
    """Splits whole lines of a text at their top-level statements."""
    text = source.excerpt(piece)
    starts = chunks_of(text).starts
    for start, end in zip(starts, (*starts[1:], len(text)), strict=True):
        yield Span(piece.start + start, piece.start + end)


def chunks_of(text: str, before: Chunks | None = None) -> Chunks:
    """The chunks of a text of whole lines. before: those of another version of it, to take over what is the same."""
    if before is None or before.open_string:
        return _scanned(text, [0], lambda _: None)
    same, behind = common_ends(before.text, text)
    moved = len(text) - len(before.text)
    kept = max(1, bisect_right(before.starts, same - _LOOKAHEAD))
    later = {start + moved: index for index, start in enumerate(before.starts) if start >= len(before.text) - behind}

    def rest(start: int) -> tuple[int, ...] | None:
        index = later.get(start)
        return None if index is None else tuple(old + moved for old in before.starts[index:])

    return _scanned(text, list(before.starts[:kept]), rest)


def common_ends(before: str, after: str) -> tuple[int, int]:
    """How many characters two texts have in common at their beginnings, and then at their ends."""
    shorter = min(len(before), len(after))
    same = _common(shorter, lambda start, end: before[start:end] == after[start:end])
    left, right = len(before), len(after)
    behind = _common(
        shorter - same, lambda start, end: before[left - end : left - start] == after[right - end : right - start]
    )
    return same, behind


def _common(most: int, is_same: Callable[[int, int], bool]) -> int:
    """The largest number up to which all is the same, by halves."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if is_same(low, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _scanned(text: str, starts: list[int], rest: Callable[[int], tuple[int, ...] | None]) -> Chunks:
    """Looks for beginnings behind the last one that is known, until `rest` knows those from a beginning on."""
    begun = starts[-1]
    depth = 0
    open_string = False
    decorated = text[begun : begun + 1] == "@"
    for token in _TOKEN.finditer(text, begun):
        word = token.group()
        if word in _OPENING:
            depth += 1
        elif word in _CLOSING:
            depth = max(0, depth - 1)
        elif word[0] in "\r\n":
            end = token.end()
            first = text[end : end + _LOOKAHEAD]
            if not first or first[0].isspace() or _CONTINUES.match(first):
                continue
            hard = _HARD_START.match(first) is not None
            if (depth == 0 or hard) and not decorated:
                known = rest(end)
                if known is not None:
                    return Chunks(text, (*starts, *known), open_string)
                starts.append(end)
                depth = 0
            decorated = first[0] == "@"
        elif word in ('"""', "'''"):
            open_string = True
    return Chunks(text, tuple(starts), open_string)
