"""TOML texts: their values, and where in the text each of them stands."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from biaslens.text import Problem, Source, Span

Keys: TypeAlias = tuple[str | int, ...]
"""The way to a value: the names of tables and keys, and the numbers of items in arrays."""


def parse(source: Source) -> Mapping[str, object] | Problem:
    """The values of a TOML text, or where it is not understood and why. Never raises."""
    if sys.version_info >= (3, 11):
        import tomllib  # imported where there is a text to read, to start fast
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(_without_mark(source.text))
    except tomllib.TOMLDecodeError as error:
        return _misunderstood(str(error), source)
    except (RecursionError, ValueError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return Problem("configuration", f"This TOML is not understood: {reason}.", source.path)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key stands and where its value; for a table in brackets both are its name, for an item the value."""

    key: Span
    value: Span


def places(text: str) -> Mapping[Keys, Place]:
    """Where every key and item of a text stands that `parse` understands; of another text what can be told.

    Never raises. Tables that are only a part of another table's name stand nowhere.
    """
    scan = _Scan(_without_mark(text))
    try:
        return scan.places()
    except RecursionError:
        return {}


_MARK = "\ufeff"
_POSITION = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


def _without_mark(text: str) -> str:
    """The text without a byte order mark, every character at the same offset."""
    return " " + text[1:] if text.startswith(_MARK) else text


def _misunderstood(message: str, source: Source) -> Problem:
    position = _POSITION.search(message)
    words = message[: position.start()] if position else message
    start = len(source.text)
    if position and position["line"]:
        before = source.text.split("\n")[: int(position["line"]) - 1]
        start = min(start, sum(len(line) + 1 for line in before) + int(position["column"]) - 1)
    line = source.line_and_column(start)[0]
    end = source.line_starts[line] + len(source.line(line))
    return Problem(
        "configuration", f"This is not TOML: {words[:1].lower()}{words[1:]}.", source.path, Span(start, max(start, end))
    )


_TOKEN = re.compile(
    r"""
      (?P<space>[ \t]+)
    | (?P<comment>\#[^\n]*)
    | (?P<newline>\r?\n)
    | (?P<string>\"\"\"(?:[^\\]|\\.)*?\"{3,5} | '''.*?'{3,5} | "(?:[^"\\\n]|\\.)*" | '[^'\n]*')
    | (?P<mark>[\[\]{}=,.])
    | (?P<bare>[^\s\[\]{}=,.\#"']+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    span: Span


class _Scan:
    """Goes once through a text. It knows the shape of TOML, not which values are right."""

    def __init__(self, text: str) -> None:
        matches = (match for match in _TOKEN.finditer(text))
        tokens = (_Token(match.lastgroup or "", match.group(), Span(*match.span())) for match in matches)
        self._tokens = [token for token in tokens if token.kind not in ("space", "comment")]
        self._next = 0
        self._found: dict[Keys, Place] = {}
        self._lengths: dict[Keys, int] = {}

    def places(self) -> Mapping[Keys, Place]:
        """Where everything is."""
        table: Keys = ()
        while self._token is not None:
            if self._takes("newline"):
                continue
            if self._takes("mark", "["):
                table = self._header()
            else:
                self._assignment(table)
            self._skip_line()
        return self._found

    def _header(self) -> Keys:
        """The table that a line in brackets opens; in double brackets it is the next one of several."""
        several = self._takes("mark", "[")
        names = list(self._names())
        keys = self._inside([name for name, _ in names])
        if names:
            span = Span(names[0][1].start, names[-1][1].end)
            if several:
                self._lengths[keys] = self._lengths.get(keys, -1) + 1
                self._found.setdefault(keys, Place(span, span))
                keys = (*keys, self._lengths[keys])
            self._found.setdefault(keys, Place(span, span))
        return keys

    def _inside(self, names: list[str]) -> Keys:
        """The keys of a table's name: where a part names several tables, its newest one is meant."""
        keys: Keys = ()
        for number, name in enumerate(names):
            keys = (*keys, name)
            if keys in self._lengths and number < len(names) - 1:
                keys = (*keys, self._lengths[keys])
        return keys

    def _assignment(self, table: Keys) -> None:
        keys = table
        spans: list[tuple[Keys, Span]] = []
        for name, span in self._names():
            keys = (*keys, name)
            spans.append((keys, span))
        if spans and self._takes("mark", "="):
            value = self._value(keys)
            for place, span in spans:
                self._found.setdefault(place, Place(span, value))

    def _value(self, keys: Keys) -> Span:
        """Reads a value and gives where it stands."""
        first = self._token
        if first is None:
            return Span(0, 0)
        if self._takes("mark", "["):
            for number, _ in enumerate(self._items("]")):
                item = self._value((*keys, number))
                self._found[(*keys, number)] = Place(item, item)
        elif self._takes("mark", "{"):
            for _ in self._items("}"):
                self._assignment(keys)
        elif first.kind == "string":
            self._next += 1
        else:  # a number, a date or a word, of several tokens where it has dots or spaces
            while (token := self._token) and token.kind != "newline" and token.text not in (",", "]", "}"):
                self._next += 1
        last = self._tokens[max(self._next - 1, 0)]
        return Span(first.span.start, max(first.span.start, last.span.end))

    def _items(self, end: str) -> Iterator[None]:
        """Stands before each item up to a closing bracket, and takes that."""
        while self._token is not None:
            if self._takes("mark", end):
                return
            if self._takes("mark", ",") or self._takes("newline"):
                continue
            before = self._next
            yield
            if self._next == before:
                self._next += 1

    def _names(self) -> Iterator[tuple[str, Span]]:
        """The parts of a dotted key."""
        while (token := self._token) and token.kind in ("bare", "string"):
            self._next += 1
            yield _name(token), token.span
            if not self._takes("mark", "."):
                return

    @property
    def _token(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _takes(self, kind: str, text: str = "") -> bool:
        token = self._token
        found = token is not None and token.kind == kind and text in ("", token.text)
        self._next += found
        return found

    def _skip_line(self) -> None:
        while self._token is not None and not self._takes("newline"):
            self._next += 1


def _name(token: _Token) -> str:
    """What a key is called; a quoted one may have escapes."""
    if token.kind == "bare":
        return token.text
    found = parse(Source("", f"name = {token.text}"))
    return token.text if isinstance(found, Problem) else str(found["name"])
