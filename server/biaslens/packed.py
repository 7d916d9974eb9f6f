"""Values that are seldom needed, kept small: what was followed of a file takes a fiftieth of its room."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Packed(Generic[T]):
    """A value as bytes that go nowhere but from one of our processes to another."""

    data: bytes

    def value(self, pause: Callable[[], None]) -> T:
        """The value, made anew. pause: called now and then; what it raises is raised here."""
        import pickle  # for the few who want all of a workspace

        return cast("T", pickle.Unpickler(_Reader(self.data, pause)).load())


def packed(value: T, pause: Callable[[], None]) -> Packed[T]:
    """A value as bytes. pause: as `Packed.value` has it."""
    import pickle

    writer = _Writer(pause)
    pickler = pickle.Pickler(writer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _Reducers()
    pickler.dump(value)
    return Packed(writer.finished())


class _Reducers(dict[Any, Callable[[Any], Any]]):
    """How objects are taken apart. Dataclasses with slots would look up their fields for each object."""

    def __missing__(self, kind: Any) -> Callable[[Any], Any]:
        if not is_dataclass(kind) or kind.__reduce__ is not object.__reduce__:
            raise KeyError(kind)
        names = [field.name for field in fields(kind) if field.init]
        values = attrgetter(*names, "__class__")  # with two names or more it gives a tuple
        reduce = self[kind] = lambda one: (one.__class__, values(one)[:-1])
        return reduce


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
