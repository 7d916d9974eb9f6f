"""What a result rests on, so that it outlives the process: what was looked for, and a fingerprint of what was found."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TypeAlias

from biaslens.syntax.files import LookKind, Seen
from biaslens.text import Problem, Source

Look: TypeAlias = tuple[LookKind, str, str]
"""What was looked for, where, and a fingerprint of what was found."""


def fingerprint(found: Seen) -> str:
    """A text that tells what was found from anything else that may be found there."""
    match found:
        case bool():
            return "yes" if found else "no"
        case None:
            return "none"
        case Problem():
            return _digest("problem", found.message)
        case Source():
            cells = (f"{piece.start} {piece.cell} {piece.address}" for piece in found.pieces)
            return _digest("text", *cells, found.text)
        case tuple():
            return _digest("names", *found)


def stamp(path: str, before: int) -> str:
    """When a file was changed last, and its size: while that is the same, so is the file.

    "" where that cannot be told, as of a file that was changed later than `before`, in nanoseconds: it may have been
    changed again since it was read, within the same tick of the clock.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ""
    if max(found.st_mtime_ns, found.st_ctime_ns) >= before:
        return ""
    return f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size}"


def _digest(*parts: str) -> str:
    found = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()
