"""Where nothing adds a shift before an activation: said only if every way to every activation is known to be free."""

from __future__ import annotations

import pytest

from biaslens.lint import lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source

PATH = "/project/model.py"

MODEL = """\
import torch
import torch.nn.functional as F
from torch import nn
from elsewhere import relu


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = LAYER
        self.plain = nn.Linear(4, 4, bias=False)
        self.biased = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.offset = nn.Parameter(torch.zeros(4))
        self.act = nn.SiLU()

    def forward(self, x):
        return FORWARD
"""


def found(forward: str, layer: str) -> list[str]:
    text = MODEL.replace("FORWARD", forward).replace("LAYER", layer)
    report = lint(Source(PATH, text), Files(), Options(select=("BL3",)))
    return [finding.message for finding in report.findings if "`layer`" in finding.message]


@pytest.mark.parametrize(
    "forward",
    [
        "F.relu(self.layer(x))",
        "self.act(self.layer(x))",
        "F.gelu(self.layer(F.relu(self.biased(x))))",
        "F.silu(self.layer(x)) * self.biased(x)",
        "self.plain(self.layer(x).view(-1, 2, 2).flatten(1) / 2).relu()",
        "[F.relu(part) for part in self.layer(x).chunk(2, dim=-1)]",
    ],
)
def test_a_free_way_to_an_activation_is_told(forward: str) -> None:
    (message,) = found(forward, "nn.Linear(4, 4, bias=False)")
    assert message.startswith("Nothing is added between `layer` and `")
    assert message.endswith("zeros into `layer` are zeros there, whatever the weights.")


@pytest.mark.parametrize(
    "forward",
    [
        "self.layer(x)",
        "(F.relu(self.layer(x)), self.layer(x))",
        "F.relu(self.layer(x) + 1)",
        "F.relu(self.layer(x) + self.offset)",
        "F.relu(self.layer(x) + x)",
        "F.relu(self.layer(x) * x)",
        "F.relu(self.biased(self.layer(x)))",
        "F.relu(self.layer(self.norm(x)))",
        "F.relu(F.dropout(self.layer(x)))",
        "F.relu(F.pad(self.layer(x), (1, 1), value=1.0))",
        "relu(self.layer(x))",
        "self.layer(x).exp()",
        "self.layer(x).softmax(dim=-1)",
    ],
)
def test_any_other_way_is_not(forward: str) -> None:
    assert found(forward, "nn.Linear(4, 4, bias=False)") == []


def test_a_layer_with_a_bias_in_some_models_is_left_alone() -> None:
    assert found("F.relu(self.layer(x))", "nn.Linear(4, 4)") == []
    assert found("F.relu(self.layer(x))", "nn.Linear(4, 4, bias=relu is not None)") == []


def test_a_norm_without_its_own_shift_is_told_of_in_its_own_words() -> None:
    assert found("F.relu(self.layer(x))", "nn.InstanceNorm2d(4)") == [
        "Nothing shifts what `layer` centres before `relu`: it has no β, and none follows."
    ]
    assert found("F.relu(self.layer(x))", "nn.LayerNorm(4, elementwise_affine=False)") != []
    assert found("F.relu(self.layer(x))", "nn.InstanceNorm2d(4, affine=True)") == []
    assert found("F.relu(self.layer(x))", "nn.LayerNorm(4)") == []
