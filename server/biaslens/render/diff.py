"""What a fix would change, as a unified diff. That of a Python file is one that `git apply` and `patch` understand."""

from __future__ import annotations

import difflib

from biaslens.render.style import Paint, Style
from biaslens.text import Source


def unified_diffs(before: Source, after: Source, name: str, paint: Paint) -> str:
    """The diff of two versions of the file called `name`, of a notebook one for each cell; empty where equal."""
    pairs = zip(before.pieces, after.pieces, strict=True)
    return "".join(
        _unified_diff(old.source, new.source, f"{name}:cell {old.cell}" if old.cell else name, paint)
        for old, new in pairs
    )


def _unified_diff(before: Source, after: Source, name: str, paint: Paint) -> str:
    parts: list[str] = []
    for line in difflib.unified_diff(_lines(before), _lines(after), name, name):
        body = line.rstrip("\r\n")
        style = _style(body)
        text = (paint(body, style) if style else body) + line[len(body) :]
        parts.append(text if line.endswith(("\n", "\r")) else f"{text}\n\\ No newline at end of file\n")
    return "".join(parts)


def _lines(source: Source) -> list[str]:
    """The lines with their ends. A lone carriage return ends no line for the tools that apply diffs."""
    lines = source.text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _style(line: str) -> Style | None:
    if line.startswith(("---", "+++")):
        return "strong"
    if line.startswith("@@"):
        return "gutter"
    return "added" if line.startswith("+") else "removed" if line.startswith("-") else None
