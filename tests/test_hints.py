"""The words behind a layer: short, true to the verdict, and none where nothing is known."""

from __future__ import annotations

import pytest

from biaslens.explain.hints import LENGTH, Hint, hints
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source, Span

PATH = "/project/model.py"
PRELUDE = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n\n"

NET = """\
class Net(nn.Module):
    def __init__(self, use_bn=True, norm=nn.BatchNorm2d, bias=True):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, bias=False)
        self.layers = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8))
        self.conv3 = nn.Conv2d(8, 8, 3)
        self.bn3 = nn.BatchNorm2d(8) if use_bn else nn.Identity()
        self.conv4 = nn.Conv2d(8, 8, 3)
        self.bn4 = norm(8)
        self.conv5 = nn.Conv2d(8, 8, 3, bias=bias)
        self.fc0 = nn.Linear(8, 8, bias=False)
        self.fc1 = nn.Linear(8, 8)
        self.fc2 = nn.Linear(8, 8)
        self.fc3 = nn.Linear(8, 8)
        self.spare = nn.Linear(8, 8)
        self.head = nn.Linear(8, 8)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn1(self.conv2(x)))
        x = torch.relu(self.layers(x))
        x = torch.relu(self.bn3(self.conv3(x)))
        x = torch.relu(self.bn4(self.conv4(x)))
        x = torch.relu(self.bn1(self.conv5(x)))
        x = torch.relu(self.fc0(x.mean((2, 3))))
        x = torch.relu(self.fc2(self.fc1(x)))
        return self.head(elsewhere(self.fc3(x)))
"""


def report(text: str) -> Report:
    made = lint(Source(PATH, PRELUDE + text), Files(), Options())
    assert made.problems == ()
    return made


def all_hints(text: str) -> dict[str, Hint]:
    """The hints by the code in front of each: its line, from the name on."""
    made = report(text)
    found = hints(made.flow, made.source, Span(0, len(made.source.text)))
    assert [hint.offset for hint in found] == sorted(hint.offset for hint in found)
    before = [made.source.text[: hint.offset].rpartition("\n")[2].strip() for hint in found]
    return dict(zip(before, found, strict=True))


@pytest.mark.parametrize(
    ("call", "label"),
    [
        ("self.conv1 = nn.Conv2d(3, 8, 3)", "bias: cancelled by bn1"),
        ("self.conv2 = nn.Conv2d(8, 8, 3, bias=False)", "no bias: bn1 would cancel it"),
        ("self.layers = nn.Sequential(nn.Conv2d(8, 8, 3)", "bias: cancelled by BatchNorm2d"),
        ("self.conv3 = nn.Conv2d(8, 8, 3)", "bias: cancelled by bn3 if use_bn"),
        ("self.conv4 = nn.Conv2d(8, 8, 3)", "bias: cancelled by bn4 by default"),
        ("self.conv5 = nn.Conv2d(8, 8, 3, bias=bias)", "bias: cancelled by bn1 if bias"),
        ("self.fc0 = nn.Linear(8, 8, bias=False)", "no bias: nothing replaces it"),
        ("self.fc1 = nn.Linear(8, 8)", "bias: absorbed by fc2"),
        ("self.fc2 = nn.Linear(8, 8)", "bias: needed by relu"),
        ("self.fc3 = nn.Linear(8, 8)", "bias: unknown"),
        ("self.spare = nn.Linear(8, 8)", "bias: layer not used"),
        ("self.head = nn.Linear(8, 8)", "bias: reaches the output"),
    ],
)
def test_each_layer_has_its_label_at_the_end_of_its_call(call: str, label: str) -> None:
    assert all_hints(NET)[call].label == label


def test_there_is_one_hint_for_each_layer_and_none_for_norms() -> None:
    assert len(all_hints(NET)) == 12


def test_the_tooltip_is_the_verdict() -> None:
    found = all_hints(NET)
    assert found["self.conv1 = nn.Conv2d(3, 8, 3)"].tooltip == (
        "The bias of `conv1` has no effect: "
        "`bn1` subtracts the mean over batch, height and width, and the bias with it."
    )
    assert found["self.conv2 = nn.Conv2d(8, 8, 3, bias=False)"].tooltip == (
        "`bias=False` is right for `conv2`: `bn1` subtracts the mean over batch, height and width, and a bias with it."
    )
    assert found["self.fc0 = nn.Linear(8, 8, bias=False)"].tooltip == (
        "`fc0` has no bias, and nothing cancels one here: it would have an effect. `relu` depends on it: ReLU is not "
        "linear."
    )
    assert found["self.fc2 = nn.Linear(8, 8)"].tooltip == (
        "Keep the bias of `fc2`: it has an effect. `relu` depends on it: ReLU is not linear."
    )
    assert found["self.fc3 = nn.Linear(8, 8)"].tooltip == (
        "We cannot tell whether the bias of `fc3` has an effect. We cannot follow it at `elsewhere`."
    )
    assert found["self.head = nn.Linear(8, 8)"].tooltip == (
        "Keep the bias of `head`: it has an effect. It reaches the output of `Net`."
    )


def test_a_part_of_a_bias_that_has_no_effect_is_told() -> None:
    text = """\
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(q, k, v)
"""
    (found,) = all_hints(text).values()
    assert found.label == "bias: a third has no effect"
    assert found.tooltip.startswith("A third of the bias of `qkv` (`bias.chunk(3)[1]`) has no effect:")


def test_uses_and_names_that_are_long_leave_the_label_short() -> None:
    text = """\
class Block(nn.Module):
    def __init__(self, normalisation_of_each_channel='batch'):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.a_norm_with_a_very_long_name = nn.BatchNorm2d(8)
        self.last = nn.Conv2d(8, 8, 3)
        self.norm = nn.BatchNorm2d(8) if normalisation_of_each_channel == 'batch' else nn.Identity()

    def forward(self, x):
        x = self.a_norm_with_a_very_long_name(self.conv(x))
        return torch.relu(self.norm(self.last(torch.relu(x))))
"""
    labels = [hint.label for hint in all_hints(text).values()]
    assert labels == ["bias: cancelled by …name", "bias: cancelled by norm if normalisatio…"]
    assert max(map(len, labels)) == LENGTH


def test_a_hint_stands_behind_what_closes_at_the_end_of_its_line() -> None:
    text = """\
class Net(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.Tanh(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8),
            nn.Conv2d(8, 8, 3, padding=(1, 1)),  # the last
        )
        self.more = nn.ModuleList([nn.Conv2d(8, 8, 1)])
        self.more.append(nn.Conv2d(
            8, 8, 1))

    def forward(self, x):
        return self.more[1](torch.relu(self.more[0](torch.relu(self.main(x)))))
"""
    assert [*all_hints(text)] == [
        "nn.Conv2d(3, 8, 3),",
        "nn.Tanh(), nn.Conv2d(8, 8, 3)",
        "nn.Conv2d(8, 8, 3, padding=(1, 1)),",
        "self.more = nn.ModuleList([nn.Conv2d(8, 8, 1)])",
        "8, 8, 1))",
    ]


def test_a_layer_that_is_held_by_its_place_is_called_by_its_class() -> None:
    text = """\
net = nn.Sequential(
    nn.Linear(2, 3),
    nn.Tanh(),
    nn.Linear(3, 4),
    nn.Linear(4, 5),
)
"""
    labels = [hint.label for hint in all_hints(text).values()]
    assert labels == ["bias: needed by Tanh", "bias: absorbed by Linear", "bias: reaches the output"]


def test_a_condition_looks_in_a_tooltip_as_in_the_code() -> None:
    text = """\
class Net(nn.Module):
    def __init__(self, __kind__):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8) if __kind__ == '<b>' else nn.Identity()

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))
"""
    (found,) = all_hints(text).values()
    assert found.label == "bias: cancelled by norm if __kind__…"
    assert found.tooltip.endswith(r"when \_\_kind\_\_ == '\<b>'.")
    assert found.plain.endswith("when __kind__ == '<b>'.")


def test_only_the_part_asked_for_is_answered() -> None:
    made = report(NET)
    whole = hints(made.flow, made.source, Span(0, len(made.source.text)))
    second = whole[1]
    assert hints(made.flow, made.source, Span(second.offset, second.offset)) == (second,)
    assert hints(made.flow, made.source, Span(0, whole[0].offset - 1)) == ()


def test_layers_that_another_file_makes_have_no_hint_here() -> None:
    block = PRELUDE + NET.replace("class Net", "class Block")
    files = Files({"/project/blocks.py": block})
    text = "from torch import nn\nfrom blocks import Block\n\n\nnet = nn.Sequential(Block(), nn.Linear(8, 3))\n"
    made = lint(Source(PATH, text), files, Options())
    (found,) = hints(made.flow, made.source, Span(0, len(text)))
    assert text[: found.offset].endswith("nn.Linear(8, 3))")
