"""Writing a repaired file: the same encoding, mark, line ends and permissions, all of it or nothing."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import tokenize
from pathlib import Path

from biaslens.syntax.files import decode
from biaslens.syntax.ipynb import rewritten
from biaslens.syntax.notebook import Notebook
from biaslens.text import Problem, Source


def write(before: Source, after: Source) -> Problem | None:
    """Replaces the file of `before` by the text of `after`, or says why it was left as it is.

    The file is left alone where it changed on disk since it was read.
    """
    path = os.path.realpath(before.path)
    try:
        data = Path(path).read_bytes()
        read_again = decode(data, before.path)
        if isinstance(read_again, Problem) or read_again != before:
            return Problem("unreadable", "It changed on disk meanwhile, so it was left as it is.", before.path)
        if not os.access(path, os.W_OK):
            return Problem("unreadable", "It is write-protected, so it was left as it is.", before.path)
        new = encoded_like(data, before, after)
        if new is None:
            return Problem("unreadable", "Its encoding cannot hold the change, so it was left as it is.", before.path)
        _replace(path, new)
    except OSError as error:
        return Problem("unreadable", f"It cannot be written: {error.strerror or error}.", before.path)
    return None


def encoded_like(data: bytes, before: Source, after: Source) -> bytes | None:
    """The text `after` in the encoding of `data`, with its byte order mark; `before` is the text that `data` holds.

    None where the encoding lacks a character, or would change bytes that the edit does not touch. Of a notebook only
    the cells change.
    """
    if isinstance(after, Notebook):
        return rewritten(data, after)
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    try:
        return after.text.encode(encoding) if before.text.encode(encoding) == data else None
    except UnicodeEncodeError:
        return None


def _replace(path: str, data: bytes) -> None:
    """Writes beside the file and renames, so that nobody ever sees half of it."""
    handle, temporary = tempfile.mkstemp(prefix=".biaslens-", dir=os.path.dirname(path))
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, temporary)
        with contextlib.suppress(OSError):  # only root may give a file away
            owner = os.stat(path)
            os.chown(temporary, owner.st_uid, owner.st_gid)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
