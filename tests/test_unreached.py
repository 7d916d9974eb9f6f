"""What was not followed is said, and nothing is called empty that was lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from command import run

HEAD = "import torch.nn as nn\n\n\n"

FOUND = f"""{HEAD}class Found(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.bn(self.conv(x))
"""

UNKNOWN = f"""{HEAD}from elsewhere import act


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.head = nn.Linear(8, 8)

    def forward(self, x):
        return act(self.head(act(self.conv(x))))
"""

SLOW = f"""{HEAD}def slow():
    total = 0
    for i in range(1900):
        for j in range(1900):
            total += j
    return total


"""

LARGE = f"""{SLOW}class Large(nn.Module):
    def __init__(self):
        super().__init__()
        self.number = slow()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.conv(x)
"""

BUILDER = f"""{SLOW}def build():
    number = slow()
    return nn.Sequential(nn.Conv2d(3, number, 3), nn.BatchNorm2d(number))
"""

SCRIPT = f"""{HEAD}def main():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    net.cuda()
"""

ABSTRACT = f"""{HEAD}class Abstract(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        raise NotImplementedError
"""

BROKEN = f"""{HEAD}class Broken(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(3, 8, 3
"""

EMPTY = "import torch\n\n\ndef norm(x):\n    return torch.nn.functional.batch_norm(x)\n"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "model.py"


LAST_LINES: Mapping[str, tuple[str, str]] = {
    "one found": (FOUND, "Found 1 redundant bias in 1 file (1 fixable with `--fix`)."),
    "one unknown": (
        UNKNOWN.replace("        self.head = nn.Linear(8, 8)\n", "").replace(
            "self.head(act(self.conv(x)))", "self.conv(x)"
        ),
        "No redundant bias found; 1 bias could not be followed (`biaslens sites` says why).",
    ),
    "two unknown": (UNKNOWN, "No redundant bias found; 2 biases could not be followed (`biaslens sites` says why)."),
    "both": (
        FOUND + UNKNOWN,
        "Found 1 redundant bias in 1 file (1 fixable with `--fix`); 2 biases could not be followed "
        "(`biaslens sites` says why).",
    ),
    "none that is there": (
        UNKNOWN.replace("3, 8, 3)", "3, 8, 3, bias=False)").replace("8, 8)", "8, 8, bias=False)"),
        "No redundant bias found.",
    ),
    "too large": (LARGE, "No redundant bias found; 1 bias could not be followed (`biaslens sites` says why)."),
    "a function that is": (
        BUILDER,
        "No redundant bias found; 1 bias could not be followed (`biaslens sites` says why).",
    ),
    "in a script": (SCRIPT, "No redundant bias found; 1 bias could not be followed (`biaslens sites` says why)."),
    "in no layer": (SCRIPT.replace("3, 8, 3", "3, 8, 3, 1, 0, 1, 1, False"), "No redundant bias found."),
    "abstract": (ABSTRACT, "No redundant bias found; 1 bias could not be followed (`biaslens sites` says why)."),
    "nothing": (EMPTY, "No redundant bias found."),
}


@pytest.mark.parametrize("case", LAST_LINES)
def test_the_last_line_says_how_much_was_not_followed(case: str, model: Path) -> None:
    text, line = LAST_LINES[case]
    model.write_text(text)
    assert run("check", "--no-cache").out.splitlines()[-1] == line
    fresh, kept = run("check"), run("check")
    assert fresh.out == kept.out
    assert kept.out.splitlines()[-1] == line, "that is remembered"
    assert "followed" not in run("check", "--quiet").out


def test_repairs_do_not_hide_it(model: Path) -> None:
    model.write_text(FOUND + UNKNOWN)
    words = "2 biases could not be followed (`biaslens sites` says why)."
    assert run("check", "--fix").out == f"Found 1 redundant bias in 1 file (1 fixed, 0 remaining); {words}\n"
    assert run("check").out == f"No redundant bias found; {words}\n"


REASONS: Mapping[str, tuple[str, str]] = {
    "too large": (LARGE, "`Large` is too large to follow"),
    "a function that is": (BUILDER, "`build` is too large to follow"),
    "in a script": (SCRIPT, "no path that was followed makes it"),
    "abstract": (ABSTRACT, "no path that was followed makes it"),
}


@pytest.mark.parametrize("case", REASONS)
def test_a_layer_that_was_lost_is_listed_with_the_reason(case: str, model: Path) -> None:
    text, reason = REASONS[case]
    model.write_text(text)
    (layer,) = run("sites", "--output-format", "json").json
    row = text[: text.index("nn.Conv2d")].count("\n") + 1
    assert (layer["layer"], layer["bias"], layer["verdict"]) == ("torch.nn.Conv2d", True, "unknown")
    assert (layer["reason"], layer["location"]["row"]) == (reason, row)
    assert reason in run("sites").out
    assert f"Conv2d at model.py:{row}:" in run("program", "model.py").out
    assert "No model" not in run("program", "model.py").out
    explained = run("explain", f"model.py:{row}")
    assert (explained.code, f"The Conv2d at model.py:{row} could not be followed: {reason}." in explained.err) == (
        2,
        True,
    )
    assert "nor anywhere" not in run("explain", "model.py:1").err
    said = run("check", "--no-cache").err
    assert ("its layers are left alone" in said) is ("too large" in reason)


@pytest.mark.parametrize(
    "spelling",
    [
        "import torch\nlayer = torch.nn.Linear",
        "import torch.nn\nlayer = torch.nn.Linear",
        "from torch import nn as n\nlayer = n.Linear",
        "from torch.nn import Linear as Dense\nlayer = Dense",
        "from torch.nn.modules.linear import Linear\nlayer = Linear",
        "from torch.nn import *\nlayer = Linear",
        "from layers import *\nlayer = nn.Linear",
        "def inside():\n    import torch.nn as nn\nlayer = nn.Linear",
    ],
)
def test_layers_are_told_by_any_name_that_is_torchs(spelling: str, model: Path) -> None:
    head, _, name = spelling.rpartition("\nlayer = ")
    model.with_name("layers.py").write_text("import torch.nn as nn\n")
    model.write_text(f"{head}\n\n\ndef main(sizes):\n    net = {name}(*sizes)\n    del net\n")
    (layer,) = run("sites", "--output-format", "json", "model.py").json
    assert (layer["layer"], layer["bias"], layer["bias_argument"]) == ("torch.nn.Linear", None, None)


def test_a_name_of_ones_own_is_no_layer(model: Path) -> None:
    own = "from layers import *\n\n\nclass Linear:\n    pass\n\n\ndef main():\n    Linear(3, 4)\n    other.Linear(3)\n"
    model.write_text(f"import torch\n{own}")
    assert run("sites").out == "No layer with a weight and a bias is constructed here.\n"


def test_the_argument_that_decides_is_told(model: Path) -> None:
    model.write_text(f"{HEAD}def main(flag):\n    nn.Linear(3, 4, bias=not flag)\n    nn.Linear(3, 4, False)\n")
    first, second = run("sites", "--output-format", "json").json
    assert (first["bias"], first["bias_argument"]) == (None, "not flag")
    assert (second["bias"], second["bias_argument"]) == (False, None)
    assert run("check").out.startswith("No redundant bias found; 1 bias could not")


def test_nothing_is_said_of_what_was_skipped(model: Path) -> None:
    model.write_text(BROKEN)
    outcome = run("sites")
    assert outcome.out == "No layer with a weight and a bias was found in what could be followed.\n"
    assert "This statement was skipped" in outcome.err
    assert run("program", "model.py").out == "Nothing that makes a layer could be followed.\n"
    assert "nothing that makes a layer could be followed" in run("explain", "model.py:2").err


def test_nothing_is_nothing_where_all_was_followed(model: Path) -> None:
    model.write_text(EMPTY)
    assert run("sites").out == "No layer with a weight and a bias is constructed here.\n"
    assert run("program", "model.py").out == "No model, container or layer was found.\n"
    assert "nor anywhere else in the file" in run("explain", "model.py:5").err


def test_a_layer_that_another_file_makes_is_not_lost(model: Path) -> None:
    model.write_text(f"{HEAD}def add(layers):\n    layers.append(nn.Conv2d(3, 8, 3))\n")
    user = model.with_name("user.py")
    user.write_text(
        f"from model import add\n{HEAD}def build():\n    layers = []\n    add(layers)\n"
        "    return nn.Sequential(*layers, nn.BatchNorm2d(8))\n"
    )
    assert "could not be followed" in run("check", "model.py").out
    assert "could not be followed" not in run("check").out


def test_the_standard_input_has_no_place_in_a_package(model: Path) -> None:
    model.with_name("__init__.py").write_text("")
    assert run("check", "-", stdin=FOUND.encode()).out.startswith("-:7:21: BL101")
