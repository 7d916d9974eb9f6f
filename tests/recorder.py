"""Every call of a torch function while a model runs: on which line of its file, with which tensors and result."""

# Torch's own annotations are partial:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call. lines: of the frames of the model's file, the innermost first. tensors: copies of what went in."""

    name: str
    function: Callable[..., Any]
    lines: tuple[int, ...]
    tensors: tuple[Tensor, ...]
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    result: Tensor


class Recorder(TorchFunctionMode):
    """Records the calls that give one tensor. file: the name under which the model's file was compiled."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.calls: list[Recorded] = []
        self._file = file

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        keywords = kwargs or {}
        tensors = tuple(value.clone() for value in (*args, *keywords.values()) if isinstance(value, Tensor))
        result = func(*args, **keywords)
        if isinstance(result, Tensor):
            name = getattr(func, "__name__", "")
            self.calls.append(Recorded(name, func, self._lines(), tensors, args, keywords, result.clone()))
        return result

    def _lines(self) -> tuple[int, ...]:
        frame, found = sys._getframe(2), []
        while frame is not None:
            if frame.f_code.co_filename == self._file:
                found.append(frame.f_lineno)
            frame = frame.f_back
        return tuple(found)
