"""Real editors, with the very configuration that docs/editors.md gives: Neovim and Emacs, driven as a person does it.

The scripts in tests/editors/ do what is to be done and write down what was to be seen; here it is judged.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from biaslens.lint import lint
from biaslens.options import Options
from biaslens.rules.rule import Finding
from biaslens.syntax.files import Files
from biaslens.text import Source
from command import run

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/editors.md").read_text("utf-8")
PATIENCE = 300.0
"""Seconds until an editor is given up; its script gives up earlier, and says why."""

EXAMPLE = (ROOT / "examples/dcgan.py").read_text("utf-8")
NON_ASCII = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({"é😀": nn.Conv2d(3, 8, 3), "µ": nn.BatchNorm2d(8), "漢": nn.Conv2d(8, 8, 3)})
        self.norm = nn.BatchNorm2d(8)
        self.last = nn.Conv2d(8, 8, 3, bias=not True)

    def forward(self, x):
        x = self.layers["µ"](self.layers["é😀"](x))
        x = self.norm(self.layers["漢"](x))
        return self.last(x.relu()).relu()
"""
SETTINGS = Options(extend_select=("BL301",))
"""What the sections about settings choose."""

DRIVERS = ROOT / "tests/editors"


@dataclass(frozen=True)
class Client:
    """An editor. headings: of the sections whose blocks of code are its configuration. file: where that goes."""

    command: Sequence[str]
    file: str
    headings: Sequence[str]

    @property
    def configuration(self) -> str:
        return "\n".join(block for heading in self.headings for block in blocks(PAGE, heading))


def neovim(*headings: str) -> Client:
    command = ("nvim", "--headless", "-S", str(DRIVERS / "neovim.lua"))
    return Client(command, ".config/nvim/init.lua", (*headings, "Neovim: fixes on save"))


def eglot(*headings: str) -> Client:
    command = ("emacs", "-nw", "-l", str(DRIVERS / "eglot.el"))
    return Client(command, ".emacs.d/init.el", (*headings, "Eglot: fixes on save"))


@pytest.mark.parametrize(
    ("client", "text", "options"),
    [
        pytest.param(neovim("Neovim 0.11 or newer"), EXAMPLE, Options(), id="Neovim"),
        pytest.param(neovim("Neovim 0.8 to 0.10"), EXAMPLE, Options(), id="Neovim as of old"),
        pytest.param(
            neovim("Neovim 0.11 or newer", "Neovim: settings"), NON_ASCII, SETTINGS, id="Neovim with settings"
        ),
        pytest.param(eglot("Emacs with Eglot"), EXAMPLE, Options(), id="Eglot"),
        pytest.param(eglot("Emacs with Eglot", "Eglot: settings"), NON_ASCII, SETTINGS, id="Eglot with settings"),
    ],
)
def test_a_session(client: Client, text: str, options: Options, tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(text, "utf-8")
    safely_fixed = run("check", "--fix", "--exit-zero", "-", stdin=text.encode()).out
    first, *others = findings(text, options)
    assert (findings(text, options) == findings(text, Options())) == (options == Options()), "the settings do something"
    end = first.location.span.end - 1

    told = session(client, file, "home")
    if told.get("failure"):  # on a machine that is very busy, an editor may miss its moment
        warnings.warn(f"{client.command[0]} was started once more: {told['failure']}\n{told.get('log')}", stacklevel=1)
        file.write_text(text, "utf-8")
        told = session(client, file, "second home")

    assert told.get("failure") is None, told.get("log")
    assert told["opened"]["text"] == text
    for moment in ("opened", "repaired", "edited", "fixed"):
        assert told[moment]["findings"] == expected(told[moment]["text"], options), moment
    assert "has no effect" in told["hover"]
    assert "running_mean" in told["hover"]
    assert "data:image" not in told["hover"]
    assert first.code in told["line"]
    assert told["menu"][0].startswith("Remove the bias of")
    assert [title for title in told["menu"] if title.startswith(f"Explain {first.code}")]
    assert told["repaired"]["text"] == text[:end] + ", bias=False" + text[end:]
    assert len(told["repaired"]["findings"]) == len(others)
    assert told["edited"]["text"] == text
    assert told["fixed"]["text"] == safely_fixed != text
    assert told["saved"] == {"text": safely_fixed, "modified": False}
    assert file.read_text("utf-8") == safely_fixed


def findings(text: str, options: Options) -> Sequence[Finding]:
    return lint(Source("/project/model.py", text), Files(), options).findings


def expected(text: str, options: Options) -> list[dict[str, Any]]:
    """What an editor shows of a text."""
    return [
        {
            "code": finding.code,
            "line": text.count("\n", 0, finding.location.span.start) + 1,
            "place": text[finding.location.span.start : finding.location.span.end],
        }
        for finding in findings(text, options)
    ]


# --- running an editor -----------------------------------------------------------------------------------------------


def session(client: Client, file: Path, name: str) -> Mapping[str, Any]:
    """What the editor's script tells. name: of a new home for the editor."""
    home = file.parent / name
    (home / client.file).parent.mkdir(parents=True)
    (home / client.file).write_text(client.configuration, "utf-8")
    report = home / "report.json"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if shutil.which(client.command[0], path=path) is None:
        missing = f"{client.command[0]} is not installed; `make test` says how to"
        pytest.fail(missing) if "CI" in os.environ else pytest.skip(missing)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "NVIM"))}
    environment = {**kept, "HOME": str(home), "PATH": path, "TERM": "xterm-256color", "REPORT": str(report)}
    screen = run_in_terminal([*client.command, str(file)], environment)
    assert report.exists(), screen
    return json.loads(report.read_text("utf-8"))


def run_in_terminal(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Runs a program until it ends by itself, and gives back what it wrote on the screen."""
    terminal = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *command]
    screen = subprocess.run(
        terminal, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=PATIENCE, check=False
    ).stdout
    return screen.decode("utf-8", "replace")


# --- the page --------------------------------------------------------------------------------------------------------


def blocks(page: str, heading: str) -> list[str]:
    """The blocks of code of a section."""
    (section,) = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", page, re.DOTALL | re.MULTILINE)
    found = re.findall(r"^```\w+\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert found, heading
    return found


def test_the_readme_shows_what_is_tried_here() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = blocks(readme, "Other editors")
    assert shown == [*blocks(PAGE, "Neovim 0.11 or newer"), *blocks(PAGE, "Emacs with Eglot")]
