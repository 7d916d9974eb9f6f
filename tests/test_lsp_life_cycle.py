"""From the first message to the exit code, with the bytes as they are: every request gets exactly one answer."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from benchmarks.wire import Wire, started

from editor import PATIENCE, SERVER


@pytest.fixture
def wire() -> Iterator[Wire]:
    with started(*SERVER) as wire:
        process = wire.process
        yield wire
        process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_shutdown_then_exit_ends_with_0(wire: Wire) -> None:
    answer = wire.initialize()
    assert answer["result"]["serverInfo"]["name"] == "biaslens"
    assert wire.ask(1, "shutdown") == {"jsonrpc": "2.0", "id": 1, "result": None}
    wire.notify("exit")
    assert wire.end() == 0


def test_exit_without_shutdown_ends_with_1(wire: Wire) -> None:
    wire.initialize()
    wire.notify("exit")
    assert wire.end() == 1


def test_exit_before_initialize_ends_with_1(wire: Wire) -> None:
    wire.notify("exit")
    assert wire.end() == 1


def test_the_end_of_the_input_ends_the_server(wire: Wire) -> None:
    wire.initialize()
    assert wire.process.stdin is not None
    wire.process.stdin.close()
    assert wire.end() == 1


def test_a_command_under_way_does_not_hold_up_the_end(wire: Wire) -> None:
    able = {"textDocument": {"codeLens": {"dynamicRegistration": False}}}
    wire.ask(0, "initialize", {"processId": None, "rootUri": None, "capabilities": able})
    wire.notify("initialized", {})
    item = {"uri": "file:///a.py", "languageId": "python", "version": 1, "text": "import torch\n" * 2000}
    wire.notify("textDocument/didOpen", {"textDocument": item})
    command = {"command": "biaslens.explain", "arguments": ["file:///a.py", 0]}
    wire.send(1, "workspace/executeCommand", command)
    answers = [wire.ask(2, "shutdown"), wire.answer()]
    assert {answer["id"]: answer.get("error", {}).get("code") for answer in answers} == {1: -32800, 2: None}
    wire.notify("exit")
    assert wire.end() == 0


def test_requests_out_of_their_time_are_refused(wire: Wire) -> None:
    hover = {"textDocument": {"uri": "file:///a.py"}, "position": {"line": 0, "character": 0}}
    assert wire.ask(1, "textDocument/hover", hover)["error"]["code"] == -32002
    wire.notify("textDocument/didOpen", {})
    wire.initialize()
    assert wire.ask(2, "initialize", {"processId": None, "capabilities": {}})["error"]["code"] == -32600
    assert wire.ask(3, "textDocument/hover", hover)["result"] is None
    wire.ask(4, "shutdown")
    assert wire.ask(5, "textDocument/hover", hover)["error"]["code"] == -32600
    assert wire.ask(6, "shutdown")["error"]["code"] == -32600
    wire.notify("exit")
    assert wire.end() == 0


def test_malformed_messages_are_refused_and_the_next_one_is_served(wire: Wire) -> None:
    wire.initialize()
    assert _refusal(wire, b'{"jsonrpc": "2.0", "id": 1,') == (None, -32700)
    assert _refusal(wire, b"\xff\xfe") == (None, -32700)
    assert _refusal(wire, b'[{"jsonrpc": "2.0", "id": 1, "method": "shutdown"}]') == (None, -32600)
    assert _refusal(wire, b'{"jsonrpc": "1.0", "id": 2, "method": "shutdown"}') == (2, -32600)
    assert _refusal(wire, b'{"jsonrpc": "2.0", "id": [3], "method": "shutdown"}') == (None, -32600)
    assert _refusal(wire, b'{"jsonrpc": "2.0", "id": 4, "method": 5}') == (4, -32600)
    answers = [
        wire.ask(5, "textDocument/hover", {"textDocument": {"uri": 7}, "position": "here"}),
        wire.ask("six", "textDocument/codeAction", {}),
        wire.ask(7, "textDocument/inventedByNobody", {"a": 1}),
    ]
    refused = [(answer["id"], answer["error"]["code"]) for answer in answers]
    assert refused == [(5, -32602), ("six", -32602), (7, -32601)]
    wire.notify("textDocument/didChange", {"textDocument": {"uri": 8}})
    wire.notify("textDocument/inventedByNobody", {})
    wire.notify("$/cancelRequest", {"id": 99})
    wire.notify("$/cancelRequest", {"id": {"an": "object"}})
    wire.notify("textDocument/didClose", {"textDocument": {"uri": "file:///never/opened.py"}})
    wire.notify(
        "textDocument/didChange",
        {"textDocument": {"uri": "file:///never/opened.py", "version": 2}, "contentChanges": [{"text": "x"}]},
    )
    wire.send_bytes(b'{"jsonrpc": "2.0", "id": "nobody asked", "result": {"jsonrpc": "2.0"}}')
    position = {"line": 0, "character": 0, "data": {"jsonrpc": "2.0"}}
    assert wire.ask(9, "textDocument/hover", {"textDocument": {"uri": "file:///a.py"}, "position": position}) == {
        "jsonrpc": "2.0",
        "id": 9,
        "result": None,
    }


def _refusal(wire: Wire, body: bytes) -> tuple[object, int]:
    wire.send_bytes(body)
    answer = wire.answer()
    return answer["id"], answer["error"]["code"]


def test_a_cancelled_request_is_answered_at_once_and_the_next_one_is_served(wire: Wire) -> None:
    wire.ask(0, "initialize", {"processId": None, "capabilities": {"textDocument": {"diagnostic": {}}}})
    wire.notify("initialized", {})
    document = {"uri": "file:///nowhere/a.py"}
    item = {**document, "languageId": "python", "version": 1, "text": ""}
    wire.notify("textDocument/didOpen", {"textDocument": item})
    request = {"jsonrpc": "2.0", "id": 1, "method": "textDocument/diagnostic", "params": {"textDocument": document}}
    wire.send_bytes(json.dumps(request).encode())
    wire.notify("$/cancelRequest", {"id": 1})
    answer = wire.answer()
    assert (answer["id"], answer["error"]["code"]) == (1, -32800)
    assert wire.ask(2, "textDocument/diagnostic", {"textDocument": document})["result"]["items"] == []


def test_what_others_print_goes_to_standard_error() -> None:
    program = """
import os
from biaslens.lsp import server

def chatty(original=server.language_server):
    print("printed", flush=True)
    os.write(1, b"written")
    return original()

server.language_server = chatty
server.main()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wire = Wire(process)
        wire.initialize()
        wire.notify("exit")
        assert wire.end() == 1
        assert process.stderr is not None
        assert process.stderr.read() == b"printed\nwritten"


def test_initialize_is_answered_before_the_analysis_is_imported() -> None:
    program = "import sys, biaslens.lsp.server; print(*sorted(sys.modules))"
    printed = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=PATIENCE)
    loaded = set(printed.split())
    assert "pygls.lsp.server" in loaded
    assert not loaded & {"libcst", "torch", "biaslens.lint", "biaslens.explain", "biaslens.flow", "biaslens.program.ir"}


def test_a_server_ends_with_the_process_that_its_client_names() -> None:
    with started(sys.executable, "-c", "input()") as parent, started(*SERVER) as wire:
        wire.ask(0, "initialize", {"processId": parent.process.pid, "capabilities": {}})
        assert wire.ask(1, "textDocument/inventedByNobody")["error"]["code"] == -32601
        parent.process.kill()
        parent.process.wait(PATIENCE)
        assert wire.process.wait(PATIENCE) == 1


def test_optional_messages_are_answered_or_ignored(wire: Wire) -> None:
    wire.initialize()
    wire.notify("$/inventedByNobody", {"value": 1})
    assert wire.ask(1, "$/inventedByNobody", {})["error"]["code"] == -32601
    wire.notify("$/setTrace", {"value": "messages"})
    wire.notify("$/progress", {"token": "nobody's", "value": {"kind": "end"}})
    assert wire.ask(2, "shutdown") == {"jsonrpc": "2.0", "id": 2, "result": None}


def test_a_client_that_traces_is_told_what_was_checked() -> None:
    with started(*SERVER, "--log-level", "debug") as wire:
        wire.ask(0, "initialize", {"processId": None, "capabilities": {}, "trace": "verbose"})
        wire.notify("initialized", {})
        item = {"uri": "file:///nowhere/a.py", "languageId": "python", "version": 7, "text": "import torch"}
        wire.notify("textDocument/didOpen", {"textDocument": item})
        seen: dict[str, list[str]] = {}
        while not {"$/logTrace", "textDocument/publishDiagnostics"} <= seen.keys():
            message = wire.read()
            assert message is not None
            seen.setdefault(message["method"], []).append(json.dumps(message["params"]))
        assert "Checked version 7 of file:///nowhere/a.py in " in seen["$/logTrace"][0]
        assert any("BiasLens" in entry and "serves" in entry for entry in seen["window/logMessage"])
        wire.notify("exit")
        assert wire.end() == 1
        assert wire.process.stderr is not None
        assert b"Info: BiasLens" in wire.process.stderr.read()


def test_a_port_serves_one_client() -> None:
    with started(*SERVER, "--tcp") as wire:
        process = wire.process
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        host, _, port = line.removeprefix("BiasLens listens on ").strip().rstrip(".").partition(":")
        assert host == "127.0.0.1"
        with socket.create_connection((host, int(port)), PATIENCE) as client, client.makefile("rwb") as stream:
            body = json.dumps(
                {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {}}}
            ).encode()
            stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            stream.flush()
            length = int(stream.readline().split()[1])
            while stream.readline() != b"\r\n":
                pass
            assert json.loads(stream.read(length))["result"]["serverInfo"]["name"] == "biaslens"
        assert process.wait(PATIENCE) == 1
        assert process.stderr.read() == b""
