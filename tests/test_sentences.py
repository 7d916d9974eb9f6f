"""Every sentence that an explanation can say is said about some model of the specification, and each is plain."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from biaslens import explain
from biaslens.explain import norms
from biaslens.explain.hover import Hover, hover
from biaslens.lint import lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source
from markdown_cases import all_cases
from test_rules import RULES, blocks

PATH = "/project/model.py"
FOLDER = Path(explain.__file__).parent
MODULES = ("layers", "verdicts", "cancelled", "kept", "steps", "norms", "comments", "formulas", "sizes", "references")
LONGEST = 12
"""Paragraphs: more than this nobody reads in ten seconds."""

COMPOUNDS = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2)
        self.lstm = nn.LSTM(16, 16)
        self.gru = nn.GRU(16, 16)

    def forward(self, x):
        return self.gru(self.lstm(self.attention(x, x, x)[0])[0])
"""

COMMENTS = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)  # biaslens: ignore[BL101]
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3)  # biaslens: ignore
        self.head = nn.Conv2d(4, 4, 3)  # noqa: BL102, BL105
        # biaslens: ignore-file[BL103]

    def forward(self, x):
        return self.head(self.conv2(self.bn1(self.conv1(x))).relu())
"""

MANY = "from torch import nn\n\n# biaslens: ignore-file\n" + "\n".join(
    f"net{n} = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))" for n in range(7)
)


@cache
def said() -> tuple[Mapping[str, frozenset[int]], tuple[tuple[str, Hover], ...]]:
    """The executed lines of each module of explanations, and every hover of every model."""
    texts = [
        *((str(case), case.text) for case in all_cases()),
        *((rule.code, text) for rule in RULES for text in blocks(rule)),
        ("compounds", COMPOUNDS),
        ("comments", COMMENTS),
        ("many", MANY),
    ]
    reports = [(name, lint(Source(PATH, text), Files({PATH: text}), Options())) for name, text in texts]
    lines: dict[str, set[int]] = {name: set() for name in MODULES}

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        path = Path(frame.f_code.co_filename)
        if path.parent != FOLDER or path.stem not in lines:
            return None
        if event == "line":
            lines[path.stem].add(frame.f_lineno)
        return trace

    found: list[tuple[str, Hover]] = []
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for name, report in reports:
            seen: set[str] = set()
            for offset in starts(report.source.text):
                one = hover(report, offset)
                if one is not None and one.plain not in seen:
                    seen.add(one.plain)
                    found.append((name, one))
    finally:
        sys.settrace(before)
    return {name: frozenset(executed) for name, executed in lines.items()}, tuple(found)


def starts(text: str) -> Iterator[int]:
    """Where calls and comments may begin, and their codes."""
    return (match.start() for match in re.finditer(r"[\w.\]\[]+\(|#|BL\d+", text))


def templates(module: str) -> dict[int, tuple[int, str]]:
    """The statements of a module that hold a sentence: first line → last line and text."""
    tree = ast.parse((FOLDER / f"{module}.py").read_text("utf-8"))
    found: dict[int, tuple[int, str]] = {}
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            if isinstance(node, (ast.Expr, ast.Return, ast.Assign)) and node is not function.body[0]:
                words = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
                if any(re.search(r"[a-z]{2,} [a-z]{2,}", text) for text in words):
                    found[node.lineno] = (node.end_lineno or node.lineno, max(words, key=len))
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_sentence_is_said_about_some_model(module: str) -> None:
    executed = said()[0][module]
    unsaid = [
        f"{module}.py:{first}: {text!r}"
        for first, (last, text) in templates(module).items()
        if not executed.intersection(range(first, last + 1))
    ]
    assert unsaid == []


@pytest.mark.parametrize("text", [*norms.FACTS.values(), *norms.NOT_CENTRED.values()])
def test_every_fact_about_a_norm_is_said(text: str) -> None:
    assert any(text in one.lines for _, one in said()[1])


def test_hovers_are_short_and_plain_and_promise_nothing() -> None:
    assert len(said()[1]) > 500
    for name, one in said()[1]:
        if one.plain.startswith("# "):  # the page of a rule
            continue
        assert len(one.lines) <= LONGEST, (name, one.plain)
        assert not re.search(r"accura|faster|better|improve", one.plain), (name, one.plain)
        assert "**" not in one.plain, (name, one.plain)
        assert "  " not in one.plain, (name, one.plain)
        for line in one.lines:
            assert re.search(r"[.)`:]$", line), (name, line)
            assert not re.search(r"\('|(?<!\w)\['|\bNone\b parameters|constructor'", line), (name, line)


def test_markup_is_closed_and_every_bracket_is_a_link() -> None:
    for name, one in said()[1]:
        for paragraph in () if one.plain.startswith("# ") else one.paragraphs:
            assert paragraph.count("**") % 2 == 0, (name, paragraph)
            assert paragraph.count("`") % 2 == 0, (name, paragraph)
            prose = re.sub(r"`[^`]*`", "code", paragraph)
            links = re.findall(r"(?<!\\)\[[^\]]*\]\([^)\s]+\)", prose)
            assert len(re.findall(r"(?<!\\)\[", prose)) == len(links), (name, paragraph)


HOSTILE = """
from torch import nn


class Net(nn.Module):
    def __init__(self, norm="[x](command:evil) <img src=y> `z`"):
        super().__init__()
        self.layers = nn.ModuleDict({"a`](http://evil) [b": nn.Conv2d(3, 4, 3)})
        self.norm = nn.BatchNorm2d(4) if norm == "[x](command:evil) <img src=y> `z`" else nn.Identity()

    def forward(self, x):
        return self.norm(self.layers["a`](http://evil) [b"](x)).relu()
"""


def test_no_text_of_a_file_becomes_markup() -> None:
    report = lint(Source(PATH, HOSTILE), Files(), Options())
    found = [hover(report, offset) for offset in starts(HOSTILE)]
    paragraphs = [paragraph for one in found if one is not None for paragraph in one.paragraphs]
    assert any("command:evil" in paragraph for paragraph in paragraphs)
    for paragraph in paragraphs:
        prose = re.sub(r"`[^`]*`", "code", paragraph)
        targets = re.findall(r"(?<!\\)\]\(([^)]*)\)", prose)
        assert all(re.match(r"file:///project/model\.py#L\d+$|https://(arxiv|docs\.pytorch)\.org/", t) for t in targets)
        assert not re.search(r"(?<!\\)<", prose), paragraph
