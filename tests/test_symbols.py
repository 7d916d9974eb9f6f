"""Symbols: the same one is the same value, in every process, wherever a workspace lies."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from biaslens.algebra.sizes import number, unknown
from biaslens.cli.main import main
from biaslens.program.symbols import MAX_WEIGHT, Kind, Symbol, bounded

WIDTH = Symbol(Kind.CONSTRUCTOR, "model.py:10:Net.__init__", "width")
DEPTH = Symbol(Kind.CONSTRUCTOR, "model.py:10:Net.__init__", "depth")

MODEL = """\
from torch import nn


def optional(flag):
    if flag:
        return nn.BatchNorm2d(8)
    return nn.Identity()


class Net(nn.Module):
    def __init__(self, first, second):
        super().__init__()
        self.norms = nn.ModuleList([optional(flag) for flag in (first, second)])
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.conv2 = nn.Conv2d(8, 8, 3)

    def forward(self, x):
        x = self.norms[0](self.conv1(x)).relu()
        return self.norms[1](self.conv2(x))
"""


@pytest.mark.parametrize("folder", ["models", "it's", 'a "model"', "('constructor', 'a', 'b')"])
def test_two_parameters_asked_in_one_place_are_told_apart_in_any_folder(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / folder / "model.py"
    path.parent.mkdir()
    path.write_text(MODEL)
    assert main(["sites", "--no-cache", "--jobs", "1", "--output-format", "json", str(path)]) == 0
    told = capsys.readouterr().out
    assert '"condition": "first is true"' in told
    assert '"condition": "second is true"' in told
    main(["check", "--no-cache", "--jobs", "1", "--fix", "--unsafe-fixes", str(path)])
    assert "self.conv1 = nn.Conv2d(3, 8, 3, bias=not first)\n" in path.read_text()
    assert "self.conv2 = nn.Conv2d(8, 8, 3, bias=not second)\n" in path.read_text()


def test_equal_symbols_are_one_and_constants_of_different_types_are_not() -> None:
    assert Symbol(Kind.ITEM, WIDTH, 1) == Symbol(Kind.ITEM, WIDTH, 1)
    assert len({Symbol(Kind.CONSTANT, value) for value in (1, 1.0, True, "1", None)}) == 5
    assert Symbol(Kind.NOT, WIDTH) != Symbol(Kind.LENGTH, WIDTH)


def test_a_symbol_knows_what_its_parts_know() -> None:
    size = (unknown(WIDTH) + number(1)) // unknown(DEPTH)
    symbol = Symbol(Kind.EQUAL, Symbol(Kind.NUMBER, size), Symbol(Kind.CONSTANT, 3))
    assert symbol.parameters == {WIDTH, DEPTH}
    assert not symbol.is_of_round
    assert Symbol(Kind.ITEM, symbol, Symbol(Kind.MIDDLE, WIDTH, 0)).is_of_round
    assert Symbol(Kind.NOT, symbol).weight == symbol.weight + 2


def test_a_symbol_of_too_many_parts_is_shortened_to_the_same_one() -> None:
    def doubled(symbol: Symbol) -> Symbol:
        return symbol if symbol.weight > MAX_WEIGHT else doubled(Symbol(Kind.ARITHMETIC, "%", symbol, symbol))

    assert bounded(WIDTH) is WIDTH
    assert bounded(doubled(WIDTH)) == bounded(doubled(WIDTH))
    assert bounded(doubled(WIDTH)) != bounded(doubled(DEPTH))
    assert bounded(doubled(WIDTH)).weight < MAX_WEIGHT


def test_a_symbol_is_the_same_in_another_process() -> None:
    symbol = Symbol(Kind.EQUAL, Symbol(Kind.NUMBER, unknown(WIDTH)), Symbol(Kind.CONSTANT, 3))
    script = (
        "import pickle, sys\n"
        "found = pickle.load(sys.stdin.buffer)\n"
        "assert {type(found)(found.kind, *found.parts): 1}[found] == 1\n"
        "sys.stdout.buffer.write(pickle.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(symbol),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        timeout=60,
    )
    assert {symbol: 1}[pickle.loads(done.stdout)] == 1
