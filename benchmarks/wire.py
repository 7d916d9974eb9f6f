"""A language server's two pipes, with the bytes as they are: for benchmarks, and for tests of what a server answers."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PATIENCE = 30.0
"""Seconds after which a server that says nothing is given up."""


@dataclass
class Wire:
    """A server process and its two pipes."""

    process: subprocess.Popen[bytes]

    def write(self, data: bytes) -> None:
        """Sends bytes as they are."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send_bytes(self, body: bytes) -> None:
        """Sends a message that is encoded already."""
        self.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def notify(self, method: str, params: object = None) -> None:
        """Sends a notification."""
        self.send_bytes(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode())

    def ask(self, number: object, method: str, params: object = None) -> dict[str, Any]:
        """Sends a request and gives the next message that is an answer."""
        self.send(number, method, params)
        return self.answer()

    def send(self, number: object, method: str, params: object = None) -> None:
        """Sends a request, without waiting for its answer."""
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.send_bytes(json.dumps(message).encode())

    def answer(self) -> dict[str, Any]:
        """The next message that is an answer; what would be shown or logged is an error."""
        while True:
            message = self.read()
            assert message is not None, "the server closed its output"
            assert message.get("method") not in ("window/showMessage", "window/logMessage"), message
            if "method" not in message:
                return message

    def read(self) -> dict[str, Any] | None:
        """The next message, or None at the end; anything between two messages is an error."""
        assert self.process.stdout is not None
        length = 0
        while (line := self.process.stdout.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b": ")
            assert name in (b"Content-Length", b"Content-Type"), line
            length = int(value) if name == b"Content-Length" else length
        return json.loads(self.process.stdout.read(length)) if length else None

    def initialize(self) -> dict[str, Any]:
        """Begins a session for a client without abilities."""
        answer = self.ask(0, "initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        self.notify("initialized", {})
        return answer

    def end(self) -> int:
        """Waits for the process; its remaining output must be whole messages."""
        while self.read() is not None:
            pass
        return self.process.wait(PATIENCE)


@contextmanager
def started(*command: str, patience: float = PATIENCE) -> Generator[Wire]:
    """A process with its pipes, which is killed in any case. patience: seconds that it has in all."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        alarm = threading.Timer(patience, process.kill)
        alarm.start()
        try:
            yield Wire(process)
        finally:
            alarm.cancel()
            process.kill()
