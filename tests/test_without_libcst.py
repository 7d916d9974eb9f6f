"""A Python for which LibCST has no compiled module, as a newer one than those that the extension is built for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.wire import started

MODEL = "from torch import nn\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"


@pytest.fixture(autouse=True)
def _without_native_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "libcst"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package.parent), *([before] if before else [])]))


def test_the_server_diagnoses_and_says_once_that_fixes_are_off() -> None:
    document = {"uri": "file:///project/model.py"}
    place = {"line": 1, "character": 25}
    able: dict[str, Any] = {
        "diagnostic": {},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}},
    }
    with started(sys.executable, "-m", "biaslens", "server") as wire:
        wire.ask(1, "initialize", {"processId": None, "rootUri": None, "capabilities": {"textDocument": able}})
        wire.notify("initialized", {})
        item = {**document, "languageId": "python", "version": 1, "text": MODEL}
        wire.notify("textDocument/didOpen", {"textDocument": item})
        (finding,) = wire.ask(2, "textDocument/diagnostic", {"textDocument": document})["result"]["items"]
        assert finding["code"] == "BL101"
        at: dict[str, Any] = {"range": {"start": place, "end": place}, "context": {"diagnostics": []}}
        logged: list[str] = []
        for number in (3, 4):
            wire.send(number, "textDocument/codeAction", {"textDocument": document, **at})
            while "method" in (message := wire.read() or {}):
                assert message["method"] == "window/logMessage", message
                logged.append(message["params"]["message"])
            titles = [action["title"] for action in message["result"]]
            assert titles == ["Ignore BL101 on this line", "Explain BL101"]
    assert len(logged) == 1
    assert_says(logged[0])


def test_the_command_line_finds_and_says_that_fixes_are_off(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(MODEL)
    plain = run("check", "--output-format", "concise", str(file))
    assert (plain.returncode, plain.stderr) == (1, "")
    assert "BL101 The bias" in plain.stdout, "no [*], which promises a fix"
    fixing = run("check", "--fix", str(file))
    assert fixing.returncode == 1
    assert_says(fixing.stderr)
    assert file.read_text() == MODEL


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "biaslens", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def assert_says(text: str) -> None:
    assert text.startswith("Fixes are off: LibCST, which writes them, cannot be loaded with this CPython 3."), text
    assert "No module named 'libcst.native'" in text
    assert text.rstrip().endswith("Findings are shown all the same.")
