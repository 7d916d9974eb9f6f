"""Messages on a stream of bytes: a header with the length, and that many bytes of JSON.

pygls reads headers only in its own spelling, and gives up on lengths that no memory has; here a message that cannot be
read is refused, and the next one is served.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from io import BufferedIOBase
from typing import Protocol

MOST = 256 * 1024 * 1024
"""Bytes: a longer message is refused."""

_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d+)[ \t]*\r?\n", re.IGNORECASE)
_CHUNK = 1024 * 1024
_LINE = 64 * 1024


class Reader(Protocol):
    """A stream of bytes that is read without blocking the event loop; b"" is its end."""

    def readline(self) -> Awaitable[bytes]:
        """The next line, or what there is of it."""
        ...

    def read(self, n: int) -> Awaitable[bytes]:
        """At most so many bytes."""
        ...


class Handler(Protocol):
    """What is done with messages."""

    def handle_message(self, message: object) -> None:
        """Handles one decoded message."""
        ...

    def refuse_unreadable(self, why: str) -> None:
        """Answers to one that could not be decoded."""
        ...


class Blocking:
    """A file as a reader, on a thread of its own: a pipe cannot be waited for otherwise on every system.

    What has arrived is taken at once: most messages need a single turn of the thread, not one for each line.
    """

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="input")
        self._arrived = b""

    async def readline(self) -> bytes:
        """The next line, or what there is of it."""
        while b"\n" not in self._arrived and len(self._arrived) < _LINE and await self._more():
            pass
        return self._taken(self._arrived.find(b"\n", 0, _LINE) + 1 or _LINE)

    async def read(self, n: int) -> bytes:
        """At most so many bytes."""
        if not self._arrived:
            await self._more()
        return self._taken(n)

    async def _more(self) -> bool:
        loop = asyncio.get_running_loop()
        more = await loop.run_in_executor(self._thread, self._file.read1, _CHUNK)
        self._arrived += more
        return bool(more)

    def _taken(self, n: int) -> bytes:
        taken, self._arrived = self._arrived[:n], self._arrived[n:]
        return taken


async def receive(reader: Reader, handler: Handler) -> None:
    """Hands every message to the handler, in order, until the stream ends."""
    while (length := await _header(reader)) is not None:
        if length > MOST:
            handler.refuse_unreadable(f"A message of {length} bytes is too long.")
        body = await _body(reader, length)
        if body is None:
            return
        if length <= MOST:
            _handle(body, handler)
            await asyncio.sleep(0)  # what it asks for sees the state before the next message


def _handle(body: bytes, handler: Handler) -> None:
    try:
        message: object = json.loads(body)
    except (ValueError, RecursionError):  # of bytes that are no text as well
        handler.refuse_unreadable("This is not JSON.")
        return
    handler.handle_message(message)


async def _header(reader: Reader) -> int | None:
    """The length of the next message, None at the end of the stream. Headers without a length are passed over."""
    length: int | None = None
    while line := await reader.readline():
        found = _LENGTH.fullmatch(line)
        if found:
            length = int(found[1][:19])  # more digits than this are too many bytes in any case
        elif not line.strip() and length is not None:
            return length
    return None


async def _body(reader: Reader, length: int) -> bytes | None:
    """So many bytes, None where the stream ends before. Of a message that is too long nothing is kept."""
    parts: list[bytes] = []
    left = length
    while left > 0:
        part = await reader.read(min(left, _CHUNK))
        if not part:
            return None
        left -= len(part)
        if length <= MOST:
            parts.append(part)
    return b"".join(parts)
