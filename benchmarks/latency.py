"""How long an editor waits: `python -m benchmarks.latency [--lines N] [--edits N]`.

A file of N lines is opened and edited at typing speed, without waiting for answers in between as an editor would not;
the time is that from sending an edit to receiving the diagnostics of its version. Beside BiasLens, in the same run, an
empty pygls server that publishes nothing but empty lists, and `ruff server` and `pylsp` where they are installed (`pip
install python-lsp-server`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.bytecode import compile_package
from benchmarks.wire import Wire, started
from rich.console import Console
from rich.table import Table

URI = "file:///project/model.py"
PAUSE = 0.05
"""Seconds between two keys."""

CLASS = '''
class Net{number}(nn.Module):
    """A block with a finding."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3)
        self.norm = nn.BatchNorm2d(64)
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        x = self.norm(self.conv(x)).relu()
        return self.head(x.mean((2, 3)))
'''

EMPTY = """
from lsprotocol import types
from pygls.lsp.server import LanguageServer

server = LanguageServer("empty", "0")

def publish(params):
    item = params.text_document
    server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(item.uri, [], item.version))

server.feature(types.TEXT_DOCUMENT_DID_OPEN)(publish)
server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(publish)
server.start_io()
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds. first: from opening to diagnostics. edits: for each edit, sorted."""

    name: str
    start: float
    first: float
    edits: tuple[float, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--lines", type=int, default=1150, help="lines of the file")
    parser.add_argument("--edits", type=int, default=200, help="how many edits")
    chosen = parser.parse_args(arguments)
    compile_package()
    text = model(chosen.lines)
    servers: dict[str, Sequence[str]] = {
        "BiasLens": (sys.executable, "-m", "biaslens", "server"),
        "empty pygls": (sys.executable, "-c", EMPTY),
    }
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    for peer in (("ruff", "server"), ("pylsp",)):
        if command := shutil.which(peer[0], path=path):
            servers[" ".join(peer)] = (command, *peer[1:])
    table = Table(
        "server", "initialize", "first diagnostics", "edit p50", "p95", "max", title=f"ms, {chosen.lines} lines"
    )
    for name, command in servers.items():
        found = measured(name, command, text, chosen.edits)
        p95 = found.edits[int(len(found.edits) * 0.95)]
        cells = (found.start, found.first, statistics.median(found.edits), p95, found.edits[-1])
        table.add_row(name, *(f"{cell:.1f}" for cell in cells))
    Console().print(table)
    return 0


def measured(name: str, command: Sequence[str], text: str, edits: int) -> Measured:
    """One server, edited in the middle of its file."""
    begun = time.perf_counter()
    with started(*command, patience=600) as wire:
        wire.initialize()
        initialized = time.perf_counter()
        item = {"uri": URI, "languageId": "python", "version": 0, "text": text}
        wire.notify("textDocument/didOpen", {"textDocument": item})
        _published(wire, 0)
        opened = time.perf_counter()
        line = text[: len(text) // 2].count("\n")
        line += next(n for n, row in enumerate(text.split("\n")[line:]) if "return" in row)
        times = [_edit(wire, line, number) for number in range(1, edits + 1)]
    return Measured(name, 1000 * (initialized - begun), 1000 * (opened - initialized), tuple(sorted(times)))


def _edit(wire: Wire, line: int, version: int) -> float:
    """Types a space in front of a statement, with which its class cannot be read any more, or takes it away again."""
    time.sleep(PAUSE)
    start = {"line": line, "character": 8}
    end = start if version % 2 else {"line": line, "character": 9}
    change = {"range": {"start": start, "end": end}, "text": " " if version % 2 else ""}
    begun = time.perf_counter()
    identifier = {"uri": URI, "version": version}
    wire.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [change]})
    _published(wire, version)
    return 1000 * (time.perf_counter() - begun)


def _published(wire: Wire, version: int) -> None:
    """Waits for the diagnostics of a version; pylsp does not tell which one they are of."""
    while (message := wire.read()) is not None:
        if message.get("method") != "textDocument/publishDiagnostics":
            continue
        if message["params"].get("version", version) == version:
            return
    raise SystemExit("The server ended.")


def model(lines: int) -> str:
    """A file of models, a class of a dozen lines each."""
    count = max(1, lines // (CLASS.count("\n") + 1))
    return "from torch import nn\n\n" + "\n".join(CLASS.format(number=number) for number in range(count))


if __name__ == "__main__":
    sys.exit(main())
