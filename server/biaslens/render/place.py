"""Where something stands, in the words of a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias

from biaslens.text import Location, Position, Problem, Source

Read: TypeAlias = Callable[[str], Source | Problem]
"""Gives the text of a file by its absolute name, as `Files.read` does."""


def begins_at(location: Location, read: Read) -> Position:
    """Where a location begins; row and column 1 where its file can no longer be read."""
    return ends(location, read)[0]


def ends(location: Location, read: Read) -> tuple[Position, Position]:
    """Where a location begins and ends."""
    source = read(location.path)
    if isinstance(source, Problem):
        return Position(1, 1), Position(1, 1)
    return source.position(location.span.start), source.position(location.span.end)


def displayed(path: str, folder: str) -> str:
    """A path as a person wants to see it: relative where it lies in `folder`, and without control characters."""
    inside = os.path.isabs(path) and os.path.commonpath((path, folder)) == folder
    return printable(os.path.relpath(path, folder) if inside else path)


def printable(text: str) -> str:
    """The text with every control character replaced by its picture, so that no file can steer the terminal."""
    return "".join(_picture(character) for character in text)


def _picture(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    reorders = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069  # the text around it, right to left
    return "\ufffd" if 0x80 <= code < 0xA0 or code in (0x2028, 0x2029) or reorders else character


def problem_line(problem: Problem, folder: str, read: Read) -> str:
    """A problem as one line `path:row:column: message`; row and column 1 stand for the whole file."""
    position = begins_at(Location(problem.path, problem.span), read) if problem.span else Position(1, 1)
    message = " ".join(printable(line) for line in problem.message.splitlines())
    return f"{displayed(problem.path, folder)}:{position}: {message}"
