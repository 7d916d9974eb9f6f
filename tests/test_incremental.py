"""After any edit an incremental lint says what a fresh one says. `make test` tries a sample, `make soak` all of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from biaslens.incremental import Latest, Memories, Memory
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.render.sites import program_text
from biaslens.syntax.chunks import chunks_of
from biaslens.syntax.files import Files
from biaslens.syntax.outline import outlined
from biaslens.text import Source
from markdown_cases import PRELUDE, all_cases

EXAMPLES = Path(__file__).parent.parent / "examples"
OPTIONS = Options(select=("BL",))
FOLDER = "/project"
MODEL, HELPER, BASE = (f"{FOLDER}/{name}.py" for name in ("model", "helper", "base"))

HELPER_TEXT = """from torch import nn
from base import Block, width as size

__all__ = ["Block", "conv", "make", "NORMS"]
NORMS = {"bn": nn.BatchNorm2d, "none": nn.Identity}


def conv(a, b, **more):
    return nn.Conv2d(a, b, 3, padding=1, **more)


def make(a, b, norm="bn"):
    return nn.Sequential(conv(a, b), NORMS[norm](b), nn.ReLU())


class Head(Block):
    def __init__(self, norm=None):
        super().__init__(size)
        self.out = nn.Linear(size, 10)
        self.norm = norm(10) if norm is not None else nn.Identity()

    def forward(self, x):
        return self.norm(self.out(super().forward(x).mean((2, 3))))
"""
BASE_TEXT = """from torch import nn

width = 8


class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = nn.Conv2d(n, n, 1)
        self.bn = nn.BatchNorm2d(n)

    def forward(self, x):
        return self.bn(self.conv(x)).relu()
"""
USER_TEXT = """import torch
from torch import nn
from helper import *
from helper import Head as Top
import base


class Net(nn.Module):
    def __init__(self, norm="bn"):
        super().__init__()
        self.stem = make(3, base.width, norm)
        self.body = nn.ModuleList([Block(base.width) for _ in range(3)])
        self.conv = conv(8, 8)
        self.top = Top()

    def forward(self, x):
        x = self.stem(x)
        for block in self.body:
            x = block(x)
        return self.top(x - self.conv(x))


def build(norm="bn"):
    return Net(norm)


net = Net()
"""
SNIPPETS = (
    *("    ", "\n", "\r\n", "\n\n\n", "#", '"""', "'", "(", ")", "[", "]", "@", "\\", ":", ",", "é", "\x0c"),
    *("not ", "bias=False", "# biaslens: ignore\n", "else:\n", "async ", "global width\n", "del net\n", "width = 4\n"),
    *("import helper\n", "from helper import conv\n", "from base import *\n", "class Other(nn.Module):\n    pass\n"),
    *("nn.BatchNorm2d = nn.Identity\n", "self.conv.bias = None\n", "@torch.jit.script\n"),
    "if torch.cuda.is_available():\n    width = 16\n",
)
WORDS = ("conv", "norm", "nn", "bn", "self", "width", "Block", "make", "Net", "forward", "Conv2d", "BatchNorm2d", "8")


def changed(text: str, choose: random.Random) -> str:
    """A text after something that a person may do to it."""
    lines = text.splitlines(keepends=True) or [""]
    place, line = choose.randrange(len(text) + 1), choose.randrange(len(lines))
    match choose.randrange(9):
        case 0 | 1:
            return text[:place] + choose.choice(SNIPPETS) + text[place:]
        case 2:
            return text[:place] + text[place + choose.choice((1, 1, 2, 9)) :]
        case 3:
            return "".join((*lines[:line], *lines[line + 1 :]))
        case 4:
            return "".join((*lines[:line], lines[line], *lines[line:]))
        case 5:  # a paragraph moves
            parts = text.split("\n\n\n")
            choose.shuffle(parts)
            return "\n\n\n".join(parts)
        case 6:
            return text.replace(choose.choice(WORDS), choose.choice(WORDS), choose.choice((1, -1)))
        case 7:
            return "".join((*lines[:line], "    " + lines[line], *lines[line + 1 :]))
        case _:
            return "".join((*lines[:line], choose.choice(SNIPPETS), "\n", *lines[line:]))


def told(report: Report, read: Callable[[str], Source]) -> tuple[object, ...]:
    """All that can be said of a report."""
    findings = [(f.code, f.location, f.message, f.severity, f.related, f.fix) for f in report.findings]
    return findings, report.problems, report.flow.norms, program_text(report, read, FOLDER).splitlines()


def compare(latest: Latest | Report, source: Source, files: Files) -> None:
    fresh = lint(source, files, OPTIONS)

    def read(path: str) -> Source:
        found = files.read(path)
        assert isinstance(found, Source)
        return found

    assert told(latest.whole, read) == told(fresh, read)
    shown = [(f.code, f.location, f.message, f.severity, f.related, f.fix) for f in latest.findings]
    assert shown == told(fresh, read)[0]


def edit_at_random(texts: Mapping[str, str], edits: int, seed: int) -> None:
    """Edits the first of some files, and now and then the others, and compares after each edit.

    The first one is open, and the others now and then as well: what they import is held once for all.
    """
    choose, memories = random.Random(seed), Memories()
    now, before = dict(texts), [dict(texts)]
    for number in range(edits):
        path = MODEL if choose.random() < 0.8 else choose.choice(sorted(texts))
        if choose.random() < 0.25:  # back to what it was, as by undoing
            now = dict(before[-choose.randint(1, min(4, len(before)))])
        else:
            now[path] = changed(now[path], choose)
        if choose.random() < 0.1 or len(now[MODEL]) > 20_000:
            now = dict(texts)
        before.append(dict(now))
        for opened in (MODEL, *(other for other in sorted(texts) if other != MODEL and choose.random() < 0.3)):
            source = Source(opened, now[opened])
            memory = memories.of(source)
            assert memory is not None
            try:
                compare(memory.lint(source, memory.files(now), OPTIONS), source, Files(now))
            except AssertionError:
                print(f"seed {seed}, edit {number} of {path}, {opened}:\n{now[path]}")
                raise


@pytest.mark.parametrize("seed", range(4))
def test_after_any_edit_it_says_what_a_fresh_lint_says(seed: int, request: pytest.FixtureRequest) -> None:
    edits = 1250 if request.config.getoption("--soak") else 40
    edit_at_random({MODEL: USER_TEXT, HELPER: HELPER_TEXT, BASE: BASE_TEXT}, edits, seed)


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_the_same_holds_of_the_examples(name: str, request: pytest.FixtureRequest) -> None:
    edits = 200 if request.config.getoption("--soak") else 8
    edit_at_random({MODEL: (EXAMPLES / name).read_text(encoding="utf-8")}, edits, len(name))


@pytest.mark.parametrize("seed", range(2))
def test_the_same_holds_of_the_specification(seed: int, request: pytest.FixtureRequest) -> None:
    """One case after the other in one file, with all before it."""
    choose, memory, text = random.Random(seed), Memory(), PRELUDE
    chosen = choose.sample(all_cases(), 120 if request.config.getoption("--soak") else 12)
    for case in chosen:
        text = f"{text}\n\n{case.text.removeprefix(PRELUDE)}" if choose.random() < 0.7 else case.text
        source = Source(MODEL, text)
        files = memory.files({MODEL: text})
        compare(memory.lint(source, files, OPTIONS), source, files)


@pytest.mark.parametrize("seed", range(20))
def test_texts_are_cut_as_if_for_the_first_time(seed: int) -> None:
    choose, text = random.Random(seed), USER_TEXT + HELPER_TEXT
    chunks, outline = chunks_of(text), outlined(Source(MODEL, text), "model", "")
    for _ in range(60):
        text = changed(text, choose) if choose.random() < 0.9 else USER_TEXT
        chunks = chunks_of(text, chunks)
        assert chunks == chunks_of(text)
        outline = outlined(Source(MODEL, text), "model", "", outline)
        assert "".join(block.source.text for block in outline.blocks) == text


@pytest.mark.parametrize("quotes", ['"""', "'''"])
def test_quotes_that_are_never_closed_are_noticed(quotes: str) -> None:
    """What is behind them may be cut in another way as soon as something closes them."""
    assert chunks_of(f'a = ""\nb = {quotes}\nc = "1"\n').open_string
    assert not chunks_of(f'a = ""\nb = {quotes}\nc = "1"\n{quotes}\n').open_string


def test_only_what_an_edit_concerns_is_followed_again() -> None:
    memory = Memory()

    def linted(text: str) -> Latest:
        latest = memory.lint(
            Source(MODEL, text), memory.files({MODEL: text, HELPER: HELPER_TEXT, BASE: BASE_TEXT}), OPTIONS
        )
        assert isinstance(latest, Latest)
        return latest

    def runs(latest: Latest) -> dict[str, object]:
        return {run.name: run for run in latest.told.program.runs}

    first = runs(linted(USER_TEXT + BASE_TEXT.replace("Block", "Own")))
    assert {"Net", "Own", "build", "net"} <= first.keys()
    moved = runs(linted("# a line above\n\n" + USER_TEXT + "# between\n" + BASE_TEXT.replace("Block", "Own")))
    assert all(moved[name] is run for name, run in first.items())
    edited = runs(linted(USER_TEXT + BASE_TEXT.replace("Block", "Own").replace("relu()", "tanh()")))
    assert [name for name, run in edited.items() if run is not first[name]] == ["Own"]
