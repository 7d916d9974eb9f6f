"""Patterns of files and folders, in the syntax of .gitignore."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_SPECIAL = re.compile(r"[\\*?\[\]]")


def specification(lines: Sequence[str]) -> GitIgnoreSpec:
    """What several patterns match together; a malformed one is passed over, as git does."""
    from pathspec import GitIgnoreSpec  # imported where there are patterns, to start fast

    try:
        return GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error):
        return GitIgnoreSpec.from_lines([line for line in lines if _is_wellformed(line)])


def is_pattern(text: str) -> bool:
    """Whether a text is a pattern that can match anything; an empty line, a comment or half a bracket is none."""
    from pathspec import GitIgnoreSpec

    return _is_wellformed(text) and any(p.include is not None for p in GitIgnoreSpec.from_lines([text]).patterns)


def anchored(pattern: str, folder: str) -> str:
    """The pattern that matches from the root of the file system what `pattern` matches in a folder."""
    negation = "!" if pattern.startswith("!") else ""
    body = pattern.removeprefix("!")
    inner = body.rstrip("/").removeprefix("./")
    root = _SPECIAL.sub(r"\\\g<0>", _from_root(folder))
    place = f"/{root}" if root else ""
    if "/" in body.rstrip("/"):
        return f"{negation}{place}/{inner.lstrip('/')}{'/' if body.endswith('/') else ''}"
    return f"{negation}{place}/**/{body}"


class Patterns:
    """Several patterns, later ones winning over earlier ones.

    lines: patterns from the root of the file system; one without a slash is the name of a file or folder anywhere.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._names = frozenset(line for line in lines if "/" not in line)
        rest = [line for line in lines if "/" in line]
        self._specification = specification(rest) if rest else None

    def match(self, path: str, *, folder: bool = False) -> bool:
        """Whether they match a file or folder. Where they match the folder that it is in, that alone does not count."""
        parent, name = os.path.split(path)
        if name in self._names:
            return True
        if self._specification is None:
            return False
        return self._includes(_from_root(path), folder=folder) and not self._includes(_from_root(parent), folder=True)

    def match_below(self, path: str) -> bool:
        """Whether they match a file or one of the folders that it is in."""
        return any(part in self._names for part in PurePath(path).parts) or self._includes(_from_root(path))

    def _includes(self, path: str, *, folder: bool = False) -> bool:
        if self._specification is None or not path:
            return False
        return bool(self._specification.check_file(path + "/" if folder else path).include)


def _from_root(path: str) -> str:
    return PurePath(path).as_posix().strip("/")


def _is_wellformed(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True
