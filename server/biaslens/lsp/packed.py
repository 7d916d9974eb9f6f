"""Values that are seldom needed, kept small: what was followed of a file takes a fiftieth of its room."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Packed(Generic[T]):
    """A value as bytes that never leave this process."""

    data: bytes

    def value(self, pause: Callable[[], None]) -> T:
        """The value, made anew. pause: called now and then; what it raises is raised here."""
        import pickle  # for the few who want all of a workspace

        return cast("T", pickle.Unpickler(_Reader(self.data, pause)).load())


def packed(value: T, pause: Callable[[], None]) -> Packed[T]:
    """A value as bytes. pause: as `Packed.value` has it."""
    import pickle

    writer = _Writer(pause)
    pickle.Pickler(writer, pickle.HIGHEST_PROTOCOL).dump(value)
    return Packed(writer.finished())


class _Writer:
    """Compresses what is written to it, piece by piece."""

    def __init__(self, pause: Callable[[], None]) -> None:
        self._pause = pause
        self._compress = zlib.compressobj(1)
        self._parts: list[bytes] = []

    def write(self, data: bytes | memoryview, /) -> int:
        self._pause()
        self._parts.append(self._compress.compress(data))
        return len(data)

    def finished(self) -> bytes:
        return b"".join((*self._parts, self._compress.flush()))


class _Reader(io.RawIOBase):
    """Gives what was written, piece by piece."""

    def __init__(self, data: bytes, pause: Callable[[], None]) -> None:
        self._pause = pause
        self._file = io.BytesIO(zlib.decompress(data))

    def read(self, size: int = -1, /) -> bytes:
        self._pause()
        return self._file.read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._file.readline(size)
