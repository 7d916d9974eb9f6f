"""Layers whose inner steps are not followed: what is said of the biases inside of them is measured in torch."""

# Torch's own annotations are partial:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from biaslens.catalogue.entry import ADDED_IN_GATES, ADDED_TWICE, KEY_CANCELLED
from biaslens.explain.hover import hover
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source
from markdown_cases import FOLDER, PRELUDE

SAID = {
    "nn.LSTM(4, 6)": ADDED_TWICE,
    "nn.LSTM(4, 6, 2, True, bidirectional=True)": ADDED_TWICE,
    "nn.LSTM(4, 6, bias=True, proj_size=3)": ADDED_TWICE,
    "nn.RNN(4, 6)": ADDED_TWICE,
    "nn.RNN(4, 6, 2, 'relu', True)": ADDED_TWICE,
    "nn.LSTMCell(4, 6)": ADDED_TWICE,
    "nn.RNNCell(4, 6, nonlinearity='relu')": ADDED_TWICE,
    "nn.GRU(4, 6, num_layers=2)": ADDED_IN_GATES,
    "nn.GRUCell(4, 6)": ADDED_IN_GATES,
    "nn.MultiheadAttention(4, 2)": KEY_CANCELLED,
    "nn.MultiheadAttention(4, 2, kdim=4, vdim=4, batch_first=True)": KEY_CANCELLED,
    "nn.LSTM(4, 6, 1, False)": "",
    "nn.RNN(4, 6, 1, 'tanh', False)": "",
    "nn.GRUCell(4, 6, bias=False)": "",
    "nn.LSTM(4, 6, bias=flag())": "",
    "nn.MultiheadAttention(4, 2, bias=False)": "",
    "nn.MultiheadAttention(4, 2, add_bias_kv=True)": "",
    "nn.MultiheadAttention(4, 2, add_zero_attn=True)": "",
}

every_call = pytest.mark.parametrize("call", SAID)


def looked_at(call: str) -> Report:
    text = f"{PRELUDE}layer = {call}\n".replace("layer =", "from other import flag\nlayer =")
    path = str(FOLDER / "model.py")
    return lint(Source(path, text), Files({path: text}), Options(select=("ALL", "BL")))


@every_call
def test_what_is_known_depends_on_the_arguments(call: str) -> None:
    assert [layer.inner for layer in looked_at(call).flow.compounds] == ([SAID[call]] if SAID[call] else [])


@every_call
def test_the_rule_speaks_of_two_biases_and_the_hover_of_all(call: str) -> None:
    report = looked_at(call)
    found = hover(report, report.source.text.index("nn." + call[3:]))
    codes = [finding.code for finding in report.findings]
    match SAID[call]:
        case "":
            assert codes == []
            assert found is None
        case said if said == KEY_CANCELLED:
            assert codes == []
            assert found is not None
            assert "`in_proj_bias.chunk(3)[1]`, for the keys) has no effect." in found.plain
        case said:
            assert codes == ["BL202"]
            assert found is not None
            assert ("in two of three gates" in found.plain) is (said == ADDED_IN_GATES)


@pytest.mark.parametrize("call", [call for call, said in SAID.items() if said in (ADDED_TWICE, ADDED_IN_GATES)])
def test_torch_computes_the_same_where_one_bias_gains_what_the_other_loses(call: str) -> None:
    alone, together = changed(call, 2 / 3 if SAID[call] == ADDED_IN_GATES else 1.0)
    assert alone > 1e-3
    assert together < 1e-12
    if SAID[call] == ADDED_IN_GATES:
        assert changed(call, 1.0)[1] > 1e-3


@pytest.mark.parametrize("call", [call for call in SAID if "Multihead" in call and "=False" not in call])
def test_torch_computes_the_same_with_another_key_bias_unless_there_are_more_keys(call: str) -> None:
    layer, inputs = made(call)
    before = outputs(layer, inputs)
    for place, part in enumerate(layer.in_proj_bias.chunk(3)):
        with torch.no_grad():
            part.add_(1.0 + torch.rand_like(part))
            change = distance(before, outputs(layer, inputs))
            assert (change < 1e-12) is (place == 1 and SAID[call] == KEY_CANCELLED)
            before = outputs(layer, inputs)


def made(call: str) -> tuple[Any, list[Tensor]]:
    torch.manual_seed(1)
    layer = eval(call, {"nn": nn}).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    shape = (3, 4) if "Cell" in call else (5, 3, 4)
    return layer, [torch.randn(shape, dtype=torch.float64)] * (3 if "Multihead" in call else 1)


def biases_of(layer: nn.Module) -> list[tuple[Tensor, Tensor]]:
    named = dict(layer.named_parameters())
    return [(bias, named[name.replace("_ih", "_hh")]) for name, bias in named.items() if name.startswith("bias_ih")]


def changed(call: str, share: float) -> tuple[float, float]:
    """How far the outputs move where a share of one bias gains alone, and where the other loses as much."""
    layer, inputs = made(call)
    moved: list[float] = []
    for sign in (0.0, -1.0):
        before = outputs(layer, inputs)
        with torch.no_grad():
            for left, right in biases_of(layer):
                size = round(share * len(left))
                delta = torch.rand(size, dtype=torch.float64) + 0.1
                left[:size] += delta
                right[:size] += sign * delta
        moved.append(distance(before, outputs(layer, inputs)))
    return moved[0], moved[1]


def outputs(layer: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return flat(layer(*inputs))


def flat(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [tensor for item in value for tensor in flat(item)]


def distance(before: list[Tensor], after: list[Tensor]) -> float:
    return max((b - a).abs().max().item() for b, a in zip(before, after, strict=True))
