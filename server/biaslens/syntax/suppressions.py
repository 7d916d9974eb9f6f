"""Comments that ask us to be silent: `# biaslens: ignore[BL101]`, `# noqa: BL101`, `# biaslens: ignore-file`.

A comment speaks for what begins or ends on its line, and for what stands in a statement that ends there. So it may
stand behind the first or the last line of a call, and where a formatter moves it when it breaks a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from biaslens.syntax.comments import Layout, layout
from biaslens.text import Edit, Source, Span

_DIRECTIVE = re.compile(
    r"#\s*(?:biaslens:\s*(?P<ours>ignore-file|ignore)(?![\w-])(?:\s*\[(?P<codes>[^\]#]*)\]|(?!\s*\[))"
    r"|noqa(?![\w-])(?:\s*:\s*(?P<noqa>[A-Z]+\d+\b(?:[\s,]+[A-Z]+\d+\b)*)|(?!\s*:)))",
    re.IGNORECASE,
)
"""An open bracket that is never closed, and a colon without a code, are no directives: they may mean less than all."""


@dataclass(frozen=True, slots=True)
class Code:
    """One code in a list, in capitals, and where it stands."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Suppression:
    """One directive.

    span: its own text, from its `#`; other text may stand before and after it in the comment. codes: which rules it
    silences, None for all. whole_file: it speaks for the file, not for a line. is_noqa: it is shared with other tools.
    """

    span: Span
    comment: Span
    line: int
    codes: tuple[Code, ...] | None
    whole_file: bool
    is_noqa: bool

    @property
    def listed(self) -> tuple[Code, ...]:
        """The codes that it names."""
        return self.codes or ()

    def names(self, code: str) -> bool:
        """Whether it silences this rule."""
        return self.codes is None or any(named.text == code for named in self.codes)


@dataclass(frozen=True)
class Suppressions:
    """All directives of one text. where: from a place in a span that is asked about to its offset in the text."""

    source: Source
    where: Callable[[int], int] = field(default=int, compare=False)

    @cached_property
    def found(self) -> tuple[Suppression, ...]:
        """The directives, in order."""
        if not _DIRECTIVE.search(self.source.text):  # most files have none, and need no tokenizer
            return ()
        return tuple(found for comment in self.layout.comments for found in _directives(self.source, comment))

    @cached_property
    def layout(self) -> Layout:
        """Where comments are, and where they can be."""
        return layout(self.source)

    def at(self, span: Span) -> tuple[Suppression, ...]:
        """The directives that speak for what stands at a span, whichever codes they name."""
        if not self.found:
            return ()
        lines = self._lines(span)
        return tuple(found for found in self.found if found.whole_file or found.line in lines)

    def have_room(self, span: Span) -> bool:
        """Whether a comment for a finding at a span can be added: behind broken code there may be no place for it."""
        return bool(self._rooms(span))

    def with_ignored(self, findings: Iterable[tuple[str, Span]]) -> tuple[Edit, ...]:
        """Edits that add `# biaslens: ignore[…]` for findings, each its code and span.

        A code joins a list that stands there already. A finding for which no line has room for a comment is left out.
        """
        wanted: dict[int, set[str]] = {}
        lists: dict[Suppression, set[str]] = {}
        for code, span in findings:
            listed = [s for s in self.at(span) if s.codes is not None and not s.is_noqa and not s.whole_file]
            rooms = self._rooms(span)
            if listed:
                lists.setdefault(listed[0], set()).add(code)
            elif rooms:
                wanted.setdefault(rooms[0], set()).add(code)
        return tuple(
            sorted(
                [
                    *(self._joined(suppression, codes) for suppression, codes in lists.items()),
                    *(self._appended(line, codes) for line, codes in wanted.items()),
                ]
            )
        )

    def without(self, suppression: Suppression, codes: Collection[str]) -> Edit:
        """The edit that takes codes out of a directive, or the directive out of its comment where none is left."""
        kept = [code for code in suppression.listed if code.text not in codes]
        if kept:
            return self._shortened(suppression, kept)
        return self._removed(suppression)

    def _lines(self, span: Span) -> tuple[int, ...]:
        """The first line of a span, its last one, and that on which its statement ends."""
        first, last = (self.source.line_and_column(self.where(place))[0] for place in (span.start, span.end))
        return tuple(dict.fromkeys((first, last, self.layout.statement_ends.get(last, last))))

    def _rooms(self, span: Span) -> list[int]:
        return [line for line in self._lines(span) if line in self.layout.open_lines]

    def _joined(self, suppression: Suppression, codes: Collection[str]) -> Edit:
        named = suppression.listed
        more = sorted(set(codes) - {code.text for code in named})
        place = named[-1].span.end if named else suppression.span.end - 1
        return Edit(Span(place, place), "".join(f", {code}" for code in more) if named else ", ".join(more))

    def _appended(self, line: int, codes: Collection[str]) -> Edit:
        text = self.source.line(line)
        start = self.source.line_starts[line]
        place = Span(start + len(text.rstrip(" \t\f")), start + len(text))
        return Edit(place, f"  # biaslens: ignore[{', '.join(sorted(codes))}]")

    def _shortened(self, suppression: Suppression, kept: list[Code]) -> Edit:
        """The list from its first to its last code, with the separator that its author uses."""
        codes = suppression.listed
        whole = Span(codes[0].span.start, codes[-1].span.end)
        separator = self.source.text[codes[0].span.end : codes[1].span.start]
        return Edit(whole, separator.join(self.source.excerpt(code.span) for code in kept))

    def _removed(self, suppression: Suppression) -> Edit:
        text, span = self.source.text, suppression.span
        start = self.source.line_starts[suppression.line]
        before, after = text[start : span.start], text[span.end : suppression.comment.end]
        remark = after.lstrip()
        if not before.strip() and not remark:  # the line holds nothing else
            return Edit(Span(start, self._next_line(suppression.line)), "")
        if not remark:
            return Edit(Span(start + len(before.rstrip()), suppression.comment.end), "")
        rest = span.end + len(after) - len(remark)
        return Edit(Span(span.start, rest), "" if remark.startswith("#") else "# ")

    def _next_line(self, line: int) -> int:
        starts = self.source.line_starts
        return min([self.source.piece_at(starts[line]).span.end, *starts[line + 1 : line + 2]])


def _directives(source: Source, comment: Span) -> Iterator[Suppression]:
    line, column = source.line_and_column(comment.start)
    alone = not source.line(line)[:column].strip()
    for match in _DIRECTIVE.finditer(source.text, comment.start, comment.end):
        group = "codes" if match["ours"] else "noqa"
        codes = None if match[group] is None else tuple(_codes(match[group], match.start(group)))
        whole_file = (match["ours"] or "").lower() == "ignore-file"
        if alone or not whole_file:
            yield Suppression(Span(*match.span()), comment, line, codes, whole_file, not match["ours"])


def _codes(text: str, offset: int) -> Iterator[Code]:
    for match in re.finditer(r"[^\s,]+", text):
        yield Code(match.group().upper(), Span(offset + match.start(), offset + match.end()))
