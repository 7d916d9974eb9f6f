"""Runs the command line inside this process, as its entry point does, and gives back what it printed."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from biaslens.cli.main import main


@dataclass(frozen=True, slots=True)
class Outcome:
    """Exit code and both outputs of one command."""

    code: int
    bytes_out: bytes
    err: str

    @property
    def out(self) -> str:
        return self.bytes_out.decode("utf-8")

    @property
    def json(self) -> Any:
        return json.loads(self.bytes_out)


def run(*arguments: str | Path, stdin: bytes = b"") -> Outcome:
    """The outcome of `biaslens ARGUMENTS`."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "stdin", given):
        code = main([str(argument) for argument in arguments])
    out.flush()
    err.flush()
    return Outcome(code, _written(out), _written(err).decode("utf-8"))


def _written(stream: io.TextIOWrapper) -> bytes:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()
