"""A read-only view of buffers and disk. All input of the analysis goes through it, and it records every read."""

from __future__ import annotations

import codecs
import io
import os
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from biaslens.text import Problem, Source

NOTEBOOK = ".ipynb"
"""What the name of a notebook ends with."""

MAX_BYTES = 20_000_000
"""Larger files are not models."""

MAX_NOTEBOOK_BYTES = 100_000_000
"""Notebooks hold pictures and other outputs as well."""

MAX_BESIDE = 200
"""Folders with more Python files than this are not looked through."""


LookKind: TypeAlias = Literal["text", "file", "beside", "folders"]
"""What was looked for: a text, whether there is a file, the Python files of a folder, or the folders in it."""

Seen: TypeAlias = Source | Problem | bool | tuple[str, ...] | None
"""What a look found."""


class Files:
    """A snapshot: the editor's buffers win over the disk, and what was read once stays as it was read.

    buffers: unsaved texts by absolute path; that of a notebook is a source. before: an earlier snapshot, of which the
    texts are taken over that did not change on disk, by size and time. whole: the snapshot of which this is a record of
    some reads.
    """

    def __init__(
        self,
        buffers: Mapping[str, str | Source] | None = None,
        before: Files | None = None,
        whole: Files | None = None,
    ) -> None:
        self._buffers = dict(buffers or {})
        self._whole = whole
        self._read: dict[str, Source | Problem] = {}
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._before = dict(before._read) if before is not None else {}
        self._stamps_before = before._stamps if before is not None else {}
        self._exists: dict[str, bool] = {}
        self._folders: dict[str, tuple[str, ...]] = {}
        self._inner: dict[str, tuple[str, ...] | None] = {}

    def read(self, path: str) -> Source | Problem:
        """The text of a file, or why it cannot be read. Never raises."""
        if path not in self._read:
            buffer = self._buffers.get(path)
            found = Source(path, buffer) if isinstance(buffer, str) else buffer
            self._read[path] = found or (self._on_disk(path) if self._whole is None else self._whole.read(path))
        return self._read[path]

    def _on_disk(self, path: str) -> Source | Problem:
        stamp = self._stamps[path] = _stamp(path)
        known = self._before.get(path)
        return known if known is not None and stamp and stamp == self._stamps_before.get(path) else _read(path)

    def exists(self, path: str) -> bool:
        """Whether there is such a file, on disk or as a buffer."""
        found = self._exists.get(path)
        if found is None:
            is_there = os.path.isfile if self._whole is None else self._whole.exists
            found = self._exists[path] = path in self._buffers or is_there(path)
        return found

    def apart(self) -> Files:
        """The same snapshot, which records its own reads alone."""
        return Files(whole=self)

    def looks(self) -> Iterator[tuple[LookKind, str, Seen]]:
        """Everything that was looked for so far, and what was found."""
        for path, text in self._read.items():
            yield "text", path, text
        for path, is_there in self._exists.items():
            if path not in self._read:
                yield "file", path, is_there
        for folder, names in self._folders.items():
            yield "beside", folder, names
        for folder, inner in self._inner.items():
            yield "folders", folder, inner

    def look(self, kind: LookKind, path: str) -> Seen:
        """One of these looks."""
        match kind:
            case "text":
                return self.read(path)
            case "file":
                return self.exists(path)
            case "beside":
                return self._in(path)
            case "folders":
                return self.folders_in(path)

    def changed(self, texts: Mapping[str, str | Source]) -> Files:
        """The same snapshot with other texts for some files; it shares what was read, and records its own reads."""
        files = Files({**self._buffers, **texts}, whole=None if self._whole is None else self)
        files._read = {path: found for path, found in self._read.items() if path not in texts}
        files._exists = {path: found for path, found in self._exists.items() if path not in texts}
        return files

    def beside(self, path: str) -> tuple[str, ...]:
        """The Python files in the folder of a file, itself included, sorted; nothing where they are very many."""
        return self._in(os.path.dirname(path))

    @property
    def reads(self) -> frozenset[str]:
        """Every file that was read or looked for so far, and every folder that was looked through."""
        return frozenset(self._read) | frozenset(self._exists) | frozenset(self._folders)

    @property
    def seen(self) -> dict[str, int | bool]:
        """Of each file that was read the digest of what was found, of each that was only looked for whether it is
        there."""
        return {**self._exists, **{path: digest(found) for path, found in self._read.items()}}

    def differences(self, before: Files) -> tuple[frozenset[str], frozenset[str]]:
        """Of all that was read or looked for in another snapshot: what came or went, and what has another text."""
        there = frozenset(path for path, found in list(before._exists.items()) if self.exists(path) != found)
        read = list(before._read.items())
        return there, frozenset(path for path, found in read if not _is_same(self.read(path), found))

    def outdated(self) -> frozenset[str]:
        """The files and folders that are not on disk any more as they were found here."""
        now = Files(self._buffers)
        files = {path for path, found in list(self._read.items()) if digest(now.read(path)) != digest(found)}
        files |= {path for path, found in list(self._exists.items()) if now.exists(path) != found}
        return frozenset(files | {folder for folder, found in list(self._folders.items()) if now._in(folder) != found})

    def _in(self, folder: str) -> tuple[str, ...]:
        if folder not in self._folders and self._whole is not None:
            self._folders[folder] = self._whole._in(folder)
        elif folder not in self._folders:
            buffers = (os.path.basename(other) for other in self._buffers if os.path.dirname(other) == folder)
            found = sorted({*_python_files_in(folder), *(name for name in buffers if name.endswith(".py"))})
            self._folders[folder] = tuple(os.path.join(folder, name) for name in found if len(found) <= MAX_BESIDE)
        return self._folders[folder]

    def folders_in(self, path: str) -> tuple[str, ...] | None:
        """The names of the folders in a folder, sorted; None where there is no such folder."""
        if path not in self._inner:
            self._inner[path] = _folders_in(path) if self._whole is None else self._whole.folders_in(path)
        return self._inner[path]


def _is_same(found: Source | Problem, other: Source | Problem) -> bool:
    return found is other or digest(found) == digest(other)


def _stamp(path: str) -> tuple[int, ...]:
    """What changes when a file is written; nothing where that cannot be told."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def digest(found: Source | Problem) -> int:
    """A number that tells what was read from anything else that may be read there, within this process."""
    return hash(found.text if isinstance(found, Source) else found.message)


def decode(data: bytes, path: str) -> Source | Problem:
    """The text of a Python file by PEP 263, with its line ends as they are, or a notebook by its suffix; a byte order
    mark is dropped."""
    if path.endswith(NOTEBOOK):
        from biaslens.syntax import ipynb

        return ipynb.read(data, path)
    if b"\0" in data[:8192]:
        return Problem("unreadable", "This is a binary file, not Python source.", path)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return Source(path, codecs.decode(data, encoding).removeprefix("\ufeff"))
    except (SyntaxError, LookupError) as error:
        return Problem("unreadable", f"Its encoding declaration is not understood: {error}.", path)
    except UnicodeDecodeError as error:
        return Problem("unreadable", f"It is not valid {error.encoding} text (byte {error.start}).", path)


def decode_utf_8(data: bytes, path: str) -> Source | Problem:
    """The text of a file that can have no other encoding; a byte order mark is dropped."""
    try:
        return Source(path, codecs.decode(data, "utf-8").removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        return Problem("unreadable", f"It is not valid {error.encoding} text (byte {error.start}).", path)


def _read(path: str) -> Source | Problem:
    try:
        file = Path(path)
        most = MAX_NOTEBOOK_BYTES if path.endswith(NOTEBOOK) else MAX_BYTES
        if file.stat().st_size > most:
            return Problem("unreadable", f"It is larger than {most // 1_000_000} MB.", path)
        data = file.read_bytes()
        return decode_utf_8(data, path) if path.endswith(".toml") else decode(data, path)
    except OSError as error:
        return Problem("unreadable", f"It cannot be read: {error.strerror or error}.", path)
    except ValueError as error:
        return Problem("unreadable", f"It cannot be read: {error}.", path)


def _python_files_in(folder: str) -> list[str]:
    """The names of the files; nothing else is read, such as a pipe that would be waited for."""
    try:
        with os.scandir(folder or os.curdir) as entries:
            return [entry.name for entry in entries if entry.name.endswith(".py") and entry.is_file()]
    except (OSError, ValueError):
        return []


def _folders_in(path: str) -> tuple[str, ...] | None:
    try:
        with os.scandir(path) as entries:
            return tuple(sorted(entry.name for entry in entries if entry.is_dir()))
    except (OSError, ValueError):
        return None
