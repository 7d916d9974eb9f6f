"""Colour for terminals, as a function that a renderer is given, so that no renderer asks where its text goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

Style: TypeAlias = Literal["code", "path", "mark", "note", "gutter", "strong", "added", "removed"]

Paint: TypeAlias = Callable[[str, Style], str]
"""Gives a text in a style."""


def plain(text: str, _style: Style) -> str:
    """The text as it is: for files, pipes and whoever set NO_COLOR."""
    return text


def coloured(text: str, style: Style) -> str:
    """The text between the escape sequences of its style."""
    return f"\x1b[{_sequence(style)}m{text}\x1b[0m" if text else ""


def _sequence(style: Style) -> str:
    match style:
        case "code" | "mark":
            return "1;31"
        case "note" | "gutter":
            return "1;34"
        case "path" | "strong":
            return "1"
        case "added":
            return "32"
        case "removed":
            return "31"
