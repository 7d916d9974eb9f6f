"""What a server goes through in a day, with seeds: random edits, broken messages, hours of typing, a kill.

`make test` runs a sample, `make soak` all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from benchmarks.wire import Wire, started

from editor import SERVER, Text
from test_lsp_wire import MODEL

URI = "file:///project/model.py"
LETTERS = (
    "x",
    "é",
    "漢",
    "😀",
    "e\u0301",
    "\u2028",
    "\u0085",
    "\x0c",
    "\x1c",
    "\t",
    " ",
    "\n",
    "\r\n",
    "\r",
    "#",
    "'",
    '"',
)
WORDS = (
    "nn.Conv2d(3, 8, 3)",
    "self.bn(self.conv(x))",
    "class ",
    "def forward(self, x):\n",
    "    ",
    "bias=False",
    "\ufeff",
)
LONG, SHORT = 3000.0, 300.0
"""Seconds that a server has in all."""

ENCODINGS = ("utf-8", "utf-16", "utf-32")


@pytest.fixture
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether to run all of it."""
    return bool(request.config.getoption("--soak"))


@dataclass
class Mirror:
    """A client's copy of a document, which it edits and tells the server about."""

    wire: Wire
    text: Text
    rng: random.Random
    past: list[str]

    def edit(self) -> None:
        """One notification of one to four changes, each told in terms of the text after the one before it."""
        changes = [self._change() for _ in range(self.rng.choice((1, 1, 1, 2, 4)))]
        self.text.version += 1
        self.wire.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": URI, "version": self.text.version}, "contentChanges": changes},
        )

    def _change(self) -> dict[str, Any]:
        text, rng = self.text, self.rng
        if rng.random() < 0.02 or len(text.content) > 6000:
            text.content = rng.choice((MODEL, "", text.content[: len(text.content) // 2]))
            return {"text": text.content}
        if self.past and rng.random() < 0.1:  # undo, as some editors send it
            text.content = self.past.pop()
            return {"text": text.content}
        self.past = [*self.past[-20:], text.content]
        start = rng.randrange(len(text.content) + 1)
        end = min(len(text.content), start + rng.choice((0, 0, 0, 1, 2, 5, 40)))
        new = "".join(rng.choice(LETTERS if rng.random() < 0.7 else WORDS) for _ in range(rng.choice((0, 1, 1, 3))))
        start, end = _whole_line_ends(text.content, start), _whole_line_ends(text.content, end)
        place = text.range(start, end)
        text.content = text.content[:start] + new + text.content[end:]
        return {"range": {"start": _position(place.start), "end": _position(place.end)}, "text": new}


def _whole_line_ends(text: str, offset: int) -> int:
    """An editor never stands between a carriage return and its line feed."""
    return offset - 1 if text[offset - 1 : offset + 1] == "\r\n" else offset


def _position(position: Any) -> dict[str, int]:
    return {"line": position.line, "character": position.character}


def start(wire: Wire, *encodings: str) -> None:
    """Initializes a server for a client that counts columns in these units, the first it likes best."""
    literals = {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}}}
    capabilities: dict[str, Any] = {"textDocument": {"diagnostic": {}, "codeAction": literals}}
    if encodings:
        capabilities["general"] = {"positionEncodings": list(encodings)}
    answer = wire.ask(0, "initialize", {"processId": None, "capabilities": capabilities})
    assert "result" in answer, answer
    wire.notify("initialized", {})


def opened(wire: Wire, text: str, version: int = 1) -> None:
    item = {"uri": URI, "languageId": "python", "version": version, "text": text}
    wire.notify("textDocument/didOpen", {"textDocument": item})


def diagnostics(wire: Wire, number: int) -> Any:
    return wire.ask(number, "textDocument/diagnostic", {"textDocument": {"uri": URI}})["result"]["items"]


def debug_information(wire: Wire, number: str) -> Any:
    answer = wire.ask(number, "workspace/executeCommand", {"command": "biaslens.debugInformation"})
    assert "result" in answer, answer
    return answer["result"]


def diagnosed_afresh(text: str, encoding: str) -> Any:
    with started(*SERVER) as wire:
        start(wire, encoding)
        opened(wire, text)
        return diagnostics(wire, 1)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_after_random_edits_the_server_has_the_clients_text_and_says_what_it_would_say_afresh(
    encoding: str, whole: bool
) -> None:
    count, rounds = (334, 100) if whole else (100, 5)
    with started(*SERVER, patience=LONG if whole else SHORT) as wire:
        start(wire, encoding)
        opened(wire, MODEL)
        mirror = Mirror(wire, Text(MODEL, encoding), random.Random(f"mirror {encoding}"), [])
        for number in range(rounds):
            for _ in range(count):
                mirror.edit()
            (document,) = debug_information(wire, f"debug {number}")["documents"]
            digest = hashlib.sha256(mirror.text.content.encode("utf-8", "surrogatepass")).hexdigest()
            assert (document["version"], document["sha256"]) == (mirror.text.version, digest), f"round {number}"
        mirror.text.content = mirror.text.content[:500] + "\n" + MODEL
        mirror.text.version += 1
        change = {"textDocument": {"uri": URI, "version": mirror.text.version}}
        wire.notify("textDocument/didChange", {**change, "contentChanges": [{"text": mirror.text.content}]})
        assert diagnostics(wire, 1) == diagnosed_afresh(mirror.text.content, encoding)


# --- messages that nobody should send --------------------------------------------------------------------------------

METHODS = (
    "textDocument/hover",
    "textDocument/codeAction",
    "textDocument/diagnostic",
    "textDocument/inlayHint",
    "textDocument/codeLens",
    "codeAction/resolve",
    "workspace/executeCommand",
    "workspace/diagnostic/refresh",
    "textDocument/didChange",
    "textDocument/didOpen",
    "textDocument/didClose",
    "notebookDocument/didOpen",
    "notebookDocument/didChange",
    "workspace/didChangeConfiguration",
    "workspace/didChangeWatchedFiles",
    "initialize",
    "initialized",
    "$/cancelRequest",
    "$/setTrace",
    "invented/byNobody",
)
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    float("inf"),
    "",
    "x" * 1000,
    "file:///%zz",
    "untitled:a",
    "\ud800",
    [],
    {},
    [[]],
    {"jsonrpc": "2.0"},
    {"uri": "file:///project/model.py"},
    {"line": -1, "character": 10**9},
    [None, {}],
)


def hostile(rng: random.Random, number: str) -> tuple[bytes, tuple[str | None, ...]]:
    """One message as bytes, and the numbers under which it has to be answered; None for one that cannot be read."""
    names = ("textDocument", "position", "range", "context", "contentChanges", "command", "arguments", "value", "id")
    fields = rng.sample((*names, "settings", "changes", "data", "title", "cells", "notebookDocument"), rng.randrange(5))
    params: Any = {name: rng.choice(JUNK) for name in fields} if rng.random() < 0.8 else rng.choice(JUNK)
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": rng.choice(METHODS), "params": params}
    match rng.randrange(8):
        case 0:
            body = json.dumps(message).encode()
            return framed(body[: rng.randrange(1, len(body))]), (None,)
        case 1:
            return framed(bytes(rng.randrange(128, 256) for _ in range(rng.randrange(1, 60)))), (None,)
        case 2:
            message[rng.choice(("jsonrpc", "method"))] = rng.choice((5, [], "1.0"))
            return framed(json.dumps(message).encode()), (number,)
        case 3:
            return b"X-Junk: 1\r\n\r\nContent-Length: nonsense\r\n" + framed(json.dumps(message).encode()), (number,)
        case 4:  # an answer that nobody asked for
            return framed(json.dumps({"jsonrpc": "2.0", "id": number, "result": rng.choice(JUNK)}).encode()), ()
        case 5:
            del message["id"]
            return framed(json.dumps(message).encode()), ()
        case 6:
            message["params"] = {"pad": "x" * 200_000}
            return framed(json.dumps(message).encode()), (number,)
        case _:
            return framed(json.dumps(message).encode()), (number,)


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def test_no_message_ends_the_server_or_stays_without_its_one_answer(whole: bool) -> None:
    rng = random.Random("protocol")
    with started(*SERVER, patience=LONG if whole else SHORT) as wire:
        start(wire)
        opened(wire, MODEL)
        expected_at_last = diagnostics(wire, 1)
        for batch in range(200 if whole else 20):
            due: Counter[object] = Counter()
            for place in range(50):
                data, numbers = hostile(rng, f"{batch}-{place}")
                wire.write(data)
                due.update(numbers)
            wire.send(f"sync {batch}", "invented/byNobody")
            due[f"sync {batch}"] += 1
            while due:
                message = wire.read()
                assert message is not None, "the server ended"
                assert message.get("method") != "window/showMessage", message
                if "method" not in message:
                    assert due[message["id"]] > 0, f"nobody waits for {message}"
                    due -= Counter([message["id"]])
        opened(wire, MODEL, version=5)
        assert diagnostics(wire, 2) == expected_at_last
        assert wire.ask(3, "shutdown")["result"] is None
        wire.notify("exit")
        assert wire.end() == 0


# --- hours of typing -------------------------------------------------------------------------------------------------


def test_typing_for_hours_leaves_the_memory_as_it_was(whole: bool) -> None:
    edits, settle, lines = (10_000, 1_000, 1000) if whole else (400, 100, 200)
    text = long_model(lines)
    rng = random.Random("typing")
    place = Text(text, "utf-16").position(text.index("nn.Conv2d(") + 4)
    layer = {"textDocument": {"uri": URI}, "position": _position(place)}
    place_of_layer = {"start": layer["position"], "end": layer["position"]}
    actions: dict[str, Any] = {"textDocument": {"uri": URI}, "range": place_of_layer, "context": {"diagnostics": []}}
    with started(*SERVER, patience=LONG if whole else SHORT) as wire:
        start(wire)
        opened(wire, text)
        diagnostics(wire, 1)
        memory: list[float] = []
        for number in range(edits):
            line = rng.randrange(20, lines - 20)
            typed = rng.choice(("x", " ", "# note", "\n", "self.extra = nn.Conv2d(8, 8, 3)"))
            place = {"start": {"line": line, "character": 0}, "end": {"line": line, "character": 0}}
            back = {"start": place["start"], "end": _after(line, typed)}
            for version, change in ((1, {"range": place, "text": typed}), (2, {"range": back, "text": ""})):
                identifier = {"uri": URI, "version": 2 * number + 1 + version}
                wire.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [change]})
                time.sleep(0.01)
            if number % 5 == 0:
                assert wire.ask(f"hover {number}", "textDocument/hover", layer)["result"] is not None
            if number % 20 == 0:
                assert wire.ask(f"action {number}", "textDocument/codeAction", actions)["result"] != []
            if number % settle == settle - 1:
                diagnostics(wire, number + 2)
                memory.append(resident(wire.process.pid))
        assert diagnostics(wire, 0) == diagnosed_afresh(text, "utf-16")
        assert len(memory) > 1
        assert memory[-1] < memory[0] * 1.1 + 5, memory


def _after(line: int, typed: str) -> dict[str, int]:
    return {"line": line + 1, "character": 0} if typed == "\n" else {"line": line, "character": len(typed)}


def long_model(lines: int) -> str:
    """A file of models, each in a class of a dozen lines with a finding."""
    classes: list[str] = []
    while sum(text.count("\n") for text in classes) < lines:
        classes.append(MODEL[MODEL.index("class ") :].replace("class Net", f"class Net{len(classes)}") + "\n\n")
    return MODEL[: MODEL.index("class ")] + "".join(classes)


def resident(pid: int) -> float:
    """The memory of a process, in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_after_a_kill_in_the_middle_of_an_edit_a_new_server_says_the_same() -> None:
    with started(*SERVER) as wire:
        start(wire, "utf-16")
        opened(wire, MODEL)
        before = diagnostics(wire, 1)
        change = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": MODEL + "\n"}]}
        wire.notify("textDocument/didChange", change)
        os.kill(wire.process.pid, signal.SIGKILL)
        assert wire.process.wait(30) == -signal.SIGKILL
    assert before != []
    assert diagnosed_afresh(MODEL + "\n", "utf-16") == before
