"""With which arguments the functions of a model's file are called, while a model is built and run."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

_FUNCTION = inspect.CO_OPTIMIZED | inspect.CO_NEWLOCALS


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a function of the file.

    number: of the call. name: of the function. line: on which its definition begins. arguments: by parameter, as they
    were passed, whatever the function made of them afterwards. module: what the names of the file's top level mean.
    """

    number: int
    name: str
    line: int
    arguments: Mapping[str, Any]
    module: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Calls:
    """All calls of functions of the file so far, in order. under_way: gives those that have not returned yet, the
    innermost first.
    """

    so_far: list[Called]
    under_way: Callable[[], tuple[Called, ...]]


@contextmanager
def calls_kept(file: str) -> Generator[Calls]:
    """Every call of a function of the file is remembered. file: the name under which it was compiled."""
    kept: dict[FrameType, Called] = {}
    so_far: list[Called] = []

    def trace(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if code.co_filename == file and code.co_flags & _FUNCTION == _FUNCTION and frame not in kept:
            arguments = dict(frame.f_locals)
            kept[frame] = Called(len(so_far), code.co_name, code.co_firstlineno, arguments, frame.f_globals)
            so_far.append(kept[frame])

    def under_way() -> tuple[Called, ...]:
        found: list[Called] = []
        frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
        while frame is not None:
            if frame in kept:
                found.append(kept[frame])
            frame = frame.f_back
        return tuple(found)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield Calls(so_far, under_way)
    finally:
        sys.settrace(before)
