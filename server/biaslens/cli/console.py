"""Where output goes, and whether it may have colour: the one place that asks the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

import click

from biaslens.render.place import Read, problem_line
from biaslens.render.style import Paint, coloured, plain
from biaslens.text import Problem


@dataclass(frozen=True, slots=True)
class Console:
    """The two streams and the folder to which paths are shown relative."""

    out: TextIO
    err: TextIO
    folder: str
    paint: Paint

    def say(self, text: str) -> None:
        """A result, on the standard output."""
        self.out.write(text + "\n")

    def note(self, text: str) -> None:
        """A remark that must not get into results, on the standard error."""
        self.err.write(text + "\n")

    def complain(self, problem: Problem, read: Read) -> None:
        """A problem as one line on the standard error."""
        self.note(problem_line(problem, self.folder, read))


def console() -> Console:
    """The console of this process. Characters that its encoding lacks are written as escapes, never as an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        folder = os.getcwd()
    except OSError as error:
        raise click.ClickException(f"The current folder cannot be read: {error.strerror or error}.") from None
    paint = coloured if _wants_colour(sys.stdout, os.environ) else plain
    return Console(sys.stdout, sys.stderr, folder, paint)


def _wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
