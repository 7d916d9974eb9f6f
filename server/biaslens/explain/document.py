"""Explanations before they are text: paragraphs with links, written as Markdown for editors or plainly for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from biaslens.flow import Fate, Site
from biaslens.syntax.files import Files
from biaslens.text import Location, Position, Source


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads somewhere: to a place in the code, a page, or the page of a rule by its code."""

    text: str
    target: Location | str


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a rule."""

    code: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The way of a bias, drawn; it has no text."""

    site: Site
    fate: Fate


Piece: TypeAlias = str | Link | Page | Picture
Paragraph: TypeAlias = tuple[Piece, ...]


def file_address(path: str, line: int | None) -> str:
    """A `file:` address of a one-based line; "" for documents that are no file."""
    if re.match(r"[A-Za-z]:[\\/]", path):
        address = "file:///" + quote(path.replace("\\", "/"), safe="/")
    elif path.startswith("/"):
        address = "file://" + quote(path, errors="replace")
    else:
        return ""
    return f"{address}#L{line}" if line else address


def no_page(_code: str) -> str:
    """For whoever has no address of a rule's page: the command that prints it is named instead."""
    return ""


def no_picture(_site: Site, _fate: Fate) -> str:
    """For whoever cannot show pictures."""
    return ""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where links lead: of a file and a one-based line (None where it is not known), and of a rule's page.

    Each gives "" where there is no address; then the text stands without a link. picture: draws the way of a bias as
    Markdown, "" for none.
    """

    of_file: Callable[[str, int | None], str] = file_address
    of_page: Callable[[str], str] = no_page
    picture: Callable[[Site, Fate], str] = no_picture


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes paragraphs. source: the file that is explained. files: where the lines of others are looked up."""

    source: Source
    files: Files | None
    addresses: Addresses

    def markdown(self, paragraphs: Sequence[Paragraph]) -> tuple[str, ...]:
        """Each paragraph as Markdown."""
        return tuple("".join(map(self._markdown, paragraph)) for paragraph in paragraphs)

    def plain(self, paragraphs: Sequence[Paragraph]) -> tuple[str, ...]:
        """Each paragraph without markup, but for the backticks around code."""
        return tuple("".join(map(self._plain, paragraph)) for paragraph in paragraphs)

    def _markdown(self, piece: Piece) -> str:
        match piece:
            case str():
                return prose(piece)
            case Picture(site, fate):
                return self.addresses.picture(site, fate)
            case Page(code):
                address = self.addresses.of_page(code)
                return f"[{code}]({address})" if address else self._plain(piece)
            case Link(text, str() as address):
                return f"[{text}]({address})"
            case Link(text, Location() as place):
                address = self._address(place)
                return f"[{text}]({address})" if address else self._plain(piece)
            case _:
                raise TypeError(piece)

    def _plain(self, piece: Piece) -> str:
        match piece:
            case str():
                return "".join(_strong_and_rest(piece))
            case Picture():
                return ""
            case Page(code):
                return f"`biaslens explain {code}`"
            case Link(text, str() as address):
                return f"{text} ({address})"
            case Link(text, Location() as place):
                at, name = self._position(place), re.split(r"[/\\]", place.path)[-1]
                where = [*([] if place.path == self.source.path else [name]), *([_in_words(at)] if at else [])]
                head = f"{text[:-1]}, " if text.endswith(")") else f"{text} ("
                return f"{head}{', '.join(where)})"
            case _:
                raise TypeError(piece)

    def _address(self, place: Location) -> str:
        source = self._source(place.path)
        cell = source.piece_at(place.span.start).address if source else ""
        at = self._position(place)
        return cell or ("" if at and at.cell else self.addresses.of_file(place.path, at.row if at else None))

    def _position(self, place: Location) -> Position | None:
        """None where the file is not at hand."""
        source = self._source(place.path)
        return source.position(place.span.start) if source else None

    def _source(self, path: str) -> Source | None:
        source = self.source if path == self.source.path else self.files and self.files.read(path)
        return source if isinstance(source, Source) else None


def _in_words(position: Position) -> str:
    return f"{f'cell {position.cell}, ' if position.cell else ''}line {position.row}"


def prose(text: str) -> str:
    """A sentence as Markdown, in which only code in backticks and `**` around its beginning are markup.

    A condition quotes the file: `__mode__ == '<b>'` has to look like that.
    """
    strong, rest = map(_escaped, _strong_and_rest(text))
    return f"**{strong}**{rest}" if strong else rest


def _strong_and_rest(text: str) -> tuple[str, str]:
    """The part between the `**` at the beginning of a text and the last one that is not in code, and what follows."""
    found = _STRONG.fullmatch(text)
    return (found[1], found[2]) if found else ("", text)


def _escaped(text: str) -> str:
    """The text with a backslash before all that would be markup outside of code."""
    pieces = text.split("`")
    return "`".join(_MARKUP.sub(r"\\\g<0>", piece) if n % 2 == 0 else piece for n, piece in enumerate(pieces))


_STRONG = re.compile(r"\*\*(.*)\*\*([^`]*(?:`[^`]*`[^`]*)*)", re.DOTALL)
_MARKUP = re.compile(r"[\\\[\]<*~]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])")
"""An underscore inside of a word is none."""
