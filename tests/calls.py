"""With which arguments the functions of a model's file are called, while a model is built and run."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

_FUNCTION = inspect.CO_OPTIMIZED | inspect.CO_NEWLOCALS


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a function of the file.

    number: of the call. name: of the function. line: on which its definition begins. arguments: by parameter, as they
    were passed, whatever the function made of them afterwards. module: what the names of the file's top level mean.
    own: all names of the function as they were when it ended, empty before that.
    """

    number: int
    name: str
    line: int
    arguments: Mapping[str, Any]
    module: Mapping[str, Any]
    own: Mapping[str, Any] = field(default_factory=lambda: {}, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Calls:
    """All calls of functions of the file so far, in order. under_way: gives those that have not returned yet, the
    innermost first.
    """

    so_far: list[Called]
    under_way: Callable[[], tuple[Called, ...]]


@contextmanager
def calls_kept(file: str, others: Collection[CodeType] = ()) -> Generator[Calls]:
    """Every call of a function of the file is remembered. file: the name under which it was compiled. others: functions
    from elsewhere whose calls are remembered as well.
    """
    kept: dict[FrameType, Called] = {}
    so_far: list[Called] = []

    def trace(frame: FrameType, event: str, _argument: object) -> Callable[..., None] | None:
        code = frame.f_code
        is_of_file = code.co_filename == file and code.co_flags & _FUNCTION == _FUNCTION
        if (not is_of_file and code not in others) or frame in kept:
            return None
        arguments, own = dict(frame.f_locals), dict[str, Any]()
        kept[frame] = Called(len(so_far), code.co_name, code.co_firstlineno, arguments, frame.f_globals, own)
        so_far.append(kept[frame])
        frame.f_trace_lines = False

        def ended(frame: FrameType, event: str, _argument: object) -> None:
            if event == "return" and not code.co_name.startswith("<"):
                own.update(frame.f_locals)

        return ended

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
