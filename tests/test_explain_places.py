"""The hover at comments, norms, calls and lists, and with the links and pictures of its reader."""

# Torch's own annotations are partial:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re
from typing import Any

import torch

from biaslens.explain.document import Addresses
from biaslens.explain.hover import hover
from biaslens.explain.picture import image
from biaslens.rules.page import page
from biaslens.rules.registry import rule_by_code
from biaslens.text import Source
from explained import FUSED, NET, PATH, PRELUDE, at, line_of, report, said

COMMENTED = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)  # biaslens: ignore[BL101, BL102]
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 8)  # noqa

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))
"""


def test_a_comment_says_what_it_silences() -> None:
    line = line_of("self.conv = nn", COMMENTED)
    assert said("# biaslens: ig", COMMENTED) == [
        "This comment silences `BL101`, `BL102` on this line.",
        f"BL101 (line {line}): The bias of `conv` has no effect: `norm` subtracts the mean over batch, height and "
        "width, and the bias with it.",
        "BL101 is bias-before-batch-norm. More: `biaslens explain BL101`",
        "BL102 is bias-before-instance-norm. More: `biaslens explain BL102`",
    ]
    assert said("# noq", COMMENTED) == [
        "This comment silences every rule on this line.",
        "At present there is nothing to silence.",
    ]


def test_the_code_of_a_rule_in_a_comment_shows_its_page() -> None:
    found = at("ignore[BL10", COMMENTED)
    assert found is not None
    rule = rule_by_code("BL101")
    assert rule is not None
    assert found.markdown == page(rule).strip()
    assert Source(PATH, PRELUDE + COMMENTED).excerpt(found.span) == "BL101"


def test_links_lead_where_the_reader_can_follow_them() -> None:
    made = report(NET)
    offset = made.source.text.index("nn.Conv2d(3, 64")
    addresses = Addresses(lambda path, line: f"x:{line}", lambda code: f"page:{code}")
    found = hover(made, offset, addresses=addresses)
    assert found is not None
    assert f"[`bn1`](x:{line_of('self.bn1(x)')})" in found.markdown
    assert found.markdown.endswith("[BL101](page:BL101)")


def test_what_an_rms_norm_and_a_frozen_norm_do_is_told() -> None:
    text = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.norm = nn.RMSNorm(8)
        self.conv = nn.Conv2d(3, 8, 3)
        self.frozen = nn.BatchNorm2d(8)

    def train(self, mode=True):
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, x, y):
        return self.norm(self.fc(x)), self.frozen(self.conv(y)).relu()
"""
    assert said("nn.RMSN", text)[0] == "`norm` cancels no bias: it subtracts no mean of what comes in."
    assert said("nn.RMSN", text)[1].startswith(
        f"`norm` does not cancel the bias of `fc` (line {line_of('self.fc =', text)})"
    )
    assert "An RMS norm only divides: it subtracts no mean, and so no bias." in said("self.fc = nn.L", text)
    assert said("nn.BatchN", text)[2].startswith("It is in eval mode here")
    assert said("self.conv = nn.C", text)[0] == "The shift β of `frozen` can take over what the bias of `conv` adds."


def test_a_layer_without_bias_and_without_a_norm_is_a_choice() -> None:
    text = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 8, bias=False)
        self.down = nn.Linear(8, 8, bias=False)

    def forward(self, x):
        return self.down(self.up(x).relu())
"""
    lines = said("self.up = nn.L", text)
    assert lines[0].startswith("`up` has no bias, and nothing cancels one here: it would have an effect.")
    assert lines[1] == (
        "Nothing adds a constant between it and `relu`: zeros into `up` are zeros there, whatever the weights. "
        "Zero in, zero out."
    )
    assert lines[2].startswith("So it is a choice here, not a necessity.")
    assert "Zero in, zero out." not in "".join(said("self.down = nn.L", text))


def test_sizes_are_told_in_the_names_of_the_code() -> None:
    text = """\
class Net(nn.Module):
    def __init__(self, config, width=8):
        super().__init__()
        self.conv = nn.Conv2d(3, 2 * width, 3)
        self.bn = nn.BatchNorm2d(2 * width)
        self.fc = nn.Linear(config.hidden, config.hidden // config.heads)
        self.bn1 = nn.BatchNorm1d(config.hidden // config.heads)

    def forward(self, x, y):
        return self.bn(self.conv(x)).relu(), self.bn1(self.fc(y.flatten(1))).relu()
"""
    assert "It costs `2 * width` (16) parameters, each with a gradient and Adam's two running averages." in said(
        "self.conv = nn.C", text
    )
    fraction = "config.hidden // config.heads"
    assert f"It costs `{fraction}` parameters, each with a gradient and Adam's two running averages." in said(
        "self.fc = nn.L", text
    )


FACTORY = """\
def conv(channels):
    return nn.Conv2d(channels, 8, 3)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = conv(3)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = conv(8)
        self.bn2 = nn.BatchNorm2d(8)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.bn2(self.conv2(x)).relu()
"""


def test_a_call_is_about_the_layer_that_it_applies() -> None:
    start = "The bias of `conv{0}` has no effect in every use found (`Net`): `bn{0}` subtracts"
    assert said("self.conv2(x", FACTORY)[0].startswith(start.format(2))
    assert said("self.conv1(x", FACTORY)[0].startswith(start.format(1))
    assert said("self.bn2 = nn.B", FACTORY)[0].startswith("`bn2` cancels the bias of `conv2`")
    others = "The same holds for the others that the same constructor call makes: {}."
    assert others.format("`conv2`") in said("nn.Conv2d(", FACTORY)
    assert others.format("`conv1`") in said("self.conv2(x", FACTORY)


def test_pictures_stand_below_the_advice_for_readers_who_can_see_them() -> None:
    made = report(NET)
    offset = made.source.text.index("nn.Conv2d(3, 64")
    plain = hover(made, offset)
    drawn = hover(made, offset, addresses=Addresses(picture=image))
    assert plain is not None
    assert drawn is not None
    assert drawn.lines == plain.lines
    assert drawn.paragraphs[:2] + drawn.paragraphs[3:] == plain.paragraphs
    assert drawn.paragraphs[2].startswith(
        "![conv1 → max_pool2d → bn1: the bias is subtracted at bn1](data:image/svg+xml"
    )


def test_what_could_be_like_something_of_torch_is_named() -> None:
    text = "from mypkg.layers import MyNorm\n" + FACTORY.replace("nn.BatchNorm2d", "MyNorm")
    lines = said("self.conv1(x", text)
    unknown = (
        "We cannot tell whether the bias of `conv1` has an effect. We cannot follow it at `mypkg.layers.MyNorm(...)`"
    )
    assert lines[0].startswith(unknown)
    own = "mypkg.layers.MyNorm"
    assert (
        f"Does `{own}` what something of torch does? Say so: `--like {own}=torch.nn.…`, or the setting `like`." in lines
    )


def test_why_a_bias_is_uneven_where_a_norm_meets_it_is_said() -> None:
    text = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 32)
        self.bn2 = nn.BatchNorm2d(8)
        self.tokens = nn.Linear(8, 8)
        self.bn3 = nn.BatchNorm1d(5)

    def forward(self, x, y, z):
        batch, length, width = z.shape
        x = self.bn1(self.conv2(self.conv1(x))).relu()
        y = self.bn2(self.fc(y).view(-1, 8, 2, 2)).relu()
        return x, y, self.bn3(self.tokens(z))
"""
    start = "This norm takes away one number for each channel. "
    assert f"{start}`conv2` pads with zeros, so less of the bias arrives at the border." in said(
        "self.conv1 = nn.C", text
    )
    assert f"{start}`view` puts several entries of the bias into one channel." in said("self.fc = nn.L", text)
    tokens = "The features of a `Linear` are on the last axis, and with three axes the mean is taken over that one."
    assert f"{start}{tokens}" in said("self.tokens = nn.L", text)


PAIR = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x):
        return self.bn(self.conv(x)).relu()
"""


def test_the_line_for_a_trained_model_keeps_what_it_computes() -> None:
    (line,) = (text for text in said("self.conv = nn.C", PAIR) if text.startswith("Trained already?"))
    (code,) = re.findall(r"run `(.*?)` once", line)
    namespace: dict[str, Any] = {}
    exec(PRELUDE + PAIR, namespace)
    torch.manual_seed(0)
    model = namespace["Net"]().double()
    model.conv.bias.data += 3
    x = torch.randn(4, 3, 9, 9, dtype=torch.float64)
    for _ in range(5):
        model(x)
    before = model.eval()(x)
    exec(code, {"bn": model.bn, "conv": model.conv})
    model.conv.bias = None
    assert torch.allclose(model(x), before, atol=1e-12)
    model.train()(x).sum().backward()


def test_what_depends_on_a_bias_before_a_norm_is_named() -> None:
    text = PAIR.replace("self.bn(self.conv(x))", "self.bn(F.dropout(self.conv(x)))")
    here = line_of("F.dropout", text)
    assert said("self.bn = nn.B", text)[:2] == [
        "`bn` cancels no bias: none arrives here that we followed.",
        f"Before it, `dropout` (line {here}) depends on the bias of `conv`: dropout's random mask multiplies it.",
    ]


def test_a_list_of_layers_is_that_of_one_model() -> None:
    text = """\
def layers(normalize=True):
    found = []
    for width in (3, 8):
        found.append(nn.Conv2d(width, 8, 3))
        if normalize:
            found.append(nn.BatchNorm2d(8))
        found.append(nn.ReLU())
    return nn.Sequential(*found)


class Net(nn.Module):
    def __init__(self, normalize=True):
        super().__init__()
        self.layers = layers(normalize)

    def forward(self, x):
        return self.layers(x)
"""
    names = [re.findall(r"`(layers\[\d\])` \(Conv2d", entry) for entry in said("return self.layers(", text)]
    assert names == [["layers[0]"], ["layers[3]"]]


def test_a_softmax_names_the_bias_of_which_it_cancels_a_part() -> None:
    line = line_of("self.qkv = ", FUSED)
    assert said("F.softmax(", FUSED)[0] == (
        f"`softmax` cancels a part of the bias of `qkv` (line {line}), a third; keep the rest."
    )
    assert not any("cancels no bias" in line for line in said("F.softmax(", FUSED))
