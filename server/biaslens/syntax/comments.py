"""Where the comments of a text stand, which of its lines can take one, and where its statements end."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from biaslens.syntax.chunks import chunks
from biaslens.text import Source, Span


@dataclass(frozen=True, slots=True)
class Layout:
    """What a text's lines hold besides code. Lines are zero-based.

    comments: from their `#` to the end of the line, in order. open_lines: those at whose end a comment can be written;
    others end inside a string or with a backslash. statement_ends: for the lines of a statement (of a compound one: of
    its header) the last of them.
    """

    comments: tuple[Span, ...]
    open_lines: frozenset[int]
    statement_ends: Mapping[int, int]


def layout(source: Source) -> Layout:
    """The layout of a text. Where a piece does not parse, each top-level statement is read by itself; never raises.

    In a statement that cannot be read only comments are found, and none behind a quote that is never closed.
    """
    parts = [part for piece in source.pieces for part in _parts(source, piece.span)]
    return Layout(
        tuple(comment for part in parts for comment in part.comments),
        frozenset(line for part in parts for line in part.open_lines),
        MappingProxyType({line: end for part in parts for line, end in part.statement_ends.items()}),
    )


def _parts(source: Source, piece: Span) -> list[Layout]:
    whole = _read(source, piece)
    if whole is not None:
        return [whole]
    starts = [span.start for span in chunks(source, piece)]
    spans = [Span(*ends) for ends in zip([piece.start, *starts], [*starts, piece.end], strict=True)]
    return [_read(source, span) or _scanned(source, span) for span in spans]


_SKIPPED = (tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_STRING_STARTS = ("FSTRING_START", "TSTRING_START")
_STRING_ENDS = ("FSTRING_END", "TSTRING_END")


def _read(source: Source, piece: Span) -> Layout | None:
    """The layout of whole lines by Python's own tokenizer, None where it does not understand them."""
    first = source.line_and_column(piece.start)[0] - 1
    text = re.sub(r"\r\n?", "\n", source.excerpt(piece))
    comments: list[Span] = []
    open_lines: set[int] = set()
    ends: dict[int, int] = {}
    start: int | None = None
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            line = first + token.start[0]
            name = tokenize.tok_name[token.type]
            depth += (name in _STRING_STARTS) - (name in _STRING_ENDS)
            if token.type == tokenize.ERRORTOKEN:  # older tokenizers go on inside of a string that is never closed
                return None
            if token.type == tokenize.COMMENT:
                offset = source.line_starts[line] + token.start[1]
                if not source.text.startswith(token.string, offset):
                    return None
                comments.append(Span(offset, offset + len(token.string)))
            elif token.type in (tokenize.NL, tokenize.NEWLINE):
                if not depth:  # a comment inside of a string with fields is new in Python 3.12
                    open_lines.add(line)
                if token.type == tokenize.NEWLINE and start is not None:
                    ends |= dict.fromkeys(range(start, line + 1), line)
                    start = None
            elif token.type not in _SKIPPED and start is None:
                start = line
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return Layout(tuple(comments), frozenset(open_lines), MappingProxyType(ends))


_COMMENT_OR_STRING = re.compile(
    r"#[^\r\n]*|\"\"\"(?:\\.?|[^\\])*?(?:\"\"\"|\Z)|'''(?:\\.?|[^\\])*?(?:'''|\Z)"
    r"|\"(?:\\.|[^\"\\\r\n])*\"?|'(?:\\.|[^'\\\r\n])*'?",
    re.DOTALL,
)


def _scanned(source: Source, piece: Span) -> Layout:
    """The comments of broken code; a string that is never closed goes to the end of its line, or of the piece."""
    found = _COMMENT_OR_STRING.finditer(source.excerpt(piece))
    comments = [match.span() for match in found if match.group().startswith("#")]
    return Layout(
        tuple(Span(piece.start + start, piece.start + end) for start, end in comments),
        frozenset(),
        MappingProxyType({}),
    )
