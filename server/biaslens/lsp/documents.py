"""The text model: what the client has open, as immutable values, and what its addresses mean."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote, urlsplit

from biaslens.configuration.nearest import NAMES
from biaslens.text import Source, Span

BYTE_ORDER_MARK = "\ufeff"
_DRIVE = re.compile(r"/[A-Za-z]:")


@dataclass(frozen=True)
class Document:
    """One version of one open document.

    uri: the client's own string, echoed in every answer. path: the name by which the analysis knows it, and its key
    here. text: exactly what the client has, a byte order mark included.
    """

    uri: str
    path: str
    version: int
    text: str

    @cached_property
    def mirror(self) -> Source:
        """The client's text, for converting its positions."""
        return Source(self.path, self.text)

    @cached_property
    def source(self) -> Source:
        """The text for the analysis, offset by offset the same.

        Python rejects a byte order mark in a string; a form feed is the one character that it skips at the start of a
        line.
        """
        if not self.text.startswith(BYTE_ORDER_MARK):
            return self.mirror
        return Source(self.path, "\f" + self.text[1:])

    @cached_property
    def parts(self) -> tuple[Document, ...]:
        """What the client knows as documents of their own: the Python cells of a notebook, or else this."""
        return (self,)

    @property
    def whole(self) -> Document:
        """What is analysed: the notebook of a cell, or else this."""
        return self

    @property
    def start(self) -> int:
        """Where this begins in the text for the analysis."""
        return 0

    def part(self, uri: str) -> Document | None:
        """The part that the client calls by this address."""
        return self

    def part_at(self, span: Span) -> Document | None:
        """The part in which a span of the text for the analysis lies."""
        return self

    def shows(self, span: Span) -> bool:
        """Whether a span of the text for the analysis lies in this."""
        return True

    @property
    def is_file(self) -> bool:
        """Whether other files can import it."""
        return self.path != self.uri

    def changed(self, version: int, text: str) -> Document:
        """The next version."""
        return replace(self, version=version, text=text)


def opened(uri: str, language: str, version: int, text: str) -> Document | None:
    """The document, or None where it is neither Python in a file or in an untitled buffer, nor a configuration file."""
    path = path_of(uri)
    if path is None or not (language == "python" or path.endswith(".py") or is_configuration(path)):
        return None
    return Document(uri, path, version, text)


def same_address(uri: str) -> str:
    """A form of an address that is the same however a client encodes it."""
    return unquote(uri)


def is_configuration(path: str) -> bool:
    """Whether a file is a configuration file by its name."""
    return os.path.isabs(path) and os.path.basename(path) in NAMES


def path_of(uri: str, *, windows: bool = os.name == "nt") -> str | None:
    """The name by which the analysis knows a document, or None for schemes that are not ours.

    However a client encodes an address, the same file has the same name. A buffer that is no file yet has its address
    as name.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    path = unquote(parts.path)
    if parts.scheme == "untitled" or (parts.scheme == "file" and not path):
        return uri
    if parts.scheme != "file":
        return None
    host = unquote(parts.netloc)
    if host and host != "localhost":
        path = f"//{host}{path}"
    if not windows:
        return os.path.normpath(path)
    if _DRIVE.match(path):
        path = path[1].lower() + path[2:]
    return str(PureWindowsPath(path))


def uri_of(path: str, *, windows: bool = os.name == "nt") -> str:
    """The address of a file that the client has not told us about."""
    posix = (PureWindowsPath(path) if windows else PurePosixPath(path)).as_posix()
    if posix.startswith("//"):
        return "file:" + quote(posix)
    return "file://" + quote(posix if posix.startswith("/") else "/" + posix)
