"""How far a long run is, on a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 1.0
"""Seconds before anything is shown."""


class Bar:
    """A bar on the standard error, where that is a terminal; gone when all is done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown_from = time.monotonic() + PATIENCE if stream.isatty() else float("inf")
        self._total = self._done = 0
        self._bar: Progress | None = None
        self._task: Any = None

    def expect(self, count: int) -> None:
        """Effect: so many files are still to come."""
        self._total += count

    def advance(self) -> None:
        """Effect: one more is done."""
        self._done += 1
        if time.monotonic() < self._shown_from:
            return
        if self._bar is None:
            self._bar, self._task = _bar(self._stream, self._total)
        self._bar.update(self._task, completed=self._done, total=self._total)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        """Effect: takes the bar away."""
        if self._bar is not None:
            self._bar.stop()


def _bar(stream: TextIO, total: int) -> tuple[Progress, Any]:
    from rich.console import Console  # takes time to load
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Checking"), BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(file=stream), transient=True)
    task = bar.add_task("", total=total)
    bar.start()
    return bar, task
