"""The hover says what becomes of a bias, in the names of the code, on real sources."""

# Torch's own annotations are partial:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re

from biaslens.explain.hover import hover
from biaslens.lint import lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source
from explained import ATTENTION, FUSED, NET, PATH, PRELUDE, at, line_of, report, said


def test_a_cancelled_bias_is_explained_from_verdict_to_paper() -> None:
    here, there = line_of("self.conv1(x)"), line_of("self.bn1(x)")
    assert said("self.conv1 = nn.Conv") == [
        "The bias of `conv1` has no effect: `bn1` subtracts the mean over batch, height and width, and the bias with "
        "it.",
        "Leave it out (`bias=False`). `bn1` adds a learned shift of its own (β, its `bias`) after the subtraction: "
        "that takes its place.",
        f"Path: `conv1` (line {here}) → `max_pool2d` (line {here}) → `bn1` (line {there})",
        "`bn1(max_pool2d(conv1(x))): (y + b) − mean(y + b) = y − mean(y)` with `y = max_pool2d(conv1(x))` without the "
        "bias, and `b` what the bias adds to it: `mean(b) = b`, since `b` is the same in all samples and at all "
        "positions.",
        "It costs 64 parameters, each with a gradient and Adam's two running averages (1.0 kB in float32).",
        "Trained already? For eval mode `bn1` stores a mean that contains the bias: subtract what the bias adds from "
        "its `running_mean` once before you remove it.",
        "More: Ioffe & Szegedy 2015, section 3.2 (https://arxiv.org/abs/1502.03167) · PyTorch's tuning guide "
        "(https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html) · `biaslens explain BL101`",
    ]


def test_the_constructor_and_the_call_in_forward_say_the_same() -> None:
    constructed, called = at("self.conv1 = nn.Conv2d(3"), at("max_pool2d(self.conv1(x")
    assert constructed is not None
    assert called is not None
    assert constructed.plain == called.plain
    source = Source(PATH, PRELUDE + NET)
    assert source.excerpt(constructed.span) == "nn.Conv2d(3, 64, 3)"
    assert source.excerpt(called.span) == "self.conv1(x)"


def test_the_markdown_links_each_step_to_its_line() -> None:
    found = at("self.conv1 = nn.Conv")
    assert found is not None
    assert f"[`bn1`](file:///project/a%20model.py#L{line_of('self.bn1(x)')})" in found.markdown
    assert "[Ioffe & Szegedy 2015, section 3.2](https://arxiv.org/abs/1502.03167)" in found.markdown
    assert found.markdown.startswith("**The bias of `conv1` has no effect")


INNER_LAYERS = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.key = nn.Linear(16, 16)
        self.attention = nn.MultiheadAttention(16, 2)
        self.frames = nn.Linear(16, 16)
        self.rnn = nn.LSTM(16, 16)
        self.scores = nn.Linear(16, 16)

    def forward(self, x):
        y, _ = self.attention(x, self.key(x), x)
        z, _ = self.rnn(self.frames(x))
        return y, z, rearrange(self.scores(x), "b n (h d) -> b h n d", h=2).softmax(dim=2)
"""


def test_what_goes_into_a_layer_with_layers_inside_is_not_followed() -> None:
    assert "at `attention`" in said("self.key = nn.L", INNER_LAYERS)[0]
    assert "(the inner steps of an attention layer are not followed)" in said("self.key = nn.L", INNER_LAYERS)[0]
    assert "at `rnn`" in said("self.frames = nn.L", INNER_LAYERS)[0]
    assert "(the inner steps of a recurrent layer are not followed)" in said("self.frames = nn.L", INNER_LAYERS)[0]


def test_a_part_without_effect_follows_what_is_said_of_the_whole() -> None:
    lines = said("self.qkv = nn.L", FUSED)
    assert lines[0].startswith("Keep the bias of `qkv`: it has an effect.")
    place = lines.index(
        "A third of the bias of `qkv` (`bias.chunk(3)[1]`) has no effect: the softmax over dim -1 gives the same "
        "result whatever this part is."
    )
    assert "`chunk` (line" in lines[place + 1]
    assert "softmax(q·(k + b)) = softmax(q·k + q·b) = softmax(q·k)" in lines[place + 2]
    assert "nothing to repair" in lines[place + 3]
    assert not any("no effect" in line for line in said("self.qkv = nn.L", FUSED.replace("48)", "48, bias=False)")))


def test_an_operation_of_einops_is_one_step_of_the_way() -> None:
    text = "from einops import rearrange\n" + INNER_LAYERS
    here = line_of("self.scores(x)", text)
    assert said("self.scores = nn.L", text)[2] == (
        f"Path: `scores` (line {here}) → `rearrange` (line {here}) → `softmax` (line {here})"
    )


def test_why_bias_false_is_right_is_said_where_it_stands() -> None:
    lines = said("self.conv2 = nn.Conv")
    assert lines[0].startswith(
        "`bias=False` is right for `conv2`: `bn2` subtracts each channel's mean over height and width, and a bias with "
        "it."
    )
    assert (
        "`bn2(conv2(x)): (W∗x + b) − mean(W∗x + b) = W∗x − mean(W∗x)` with `W∗x` the output without the bias `b`: "
        in lines[3]
    )
    assert lines[1] == (
        "The mean is subtracted all the same: `bn2` has no learned shift (β) of its own, and a bias before it does not "
        "bring one back."
    )
    assert not any("costs" in line or "trained already" in line for line in lines)


def test_a_needed_bias_names_its_first_reader_with_the_line() -> None:
    lines = said("self.conv3 = nn.Conv")
    assert lines == [
        f"Keep the bias of `conv3`: it has an effect. `sigmoid` (line {line_of('sigmoid')}) depends on it: sigmoid is "
        "not linear.",
        "It shifts the input of `sigmoid`, each channel or feature by its own amount, for good.",
        f"Path: `conv3` (line {line_of('sigmoid')}) → `sigmoid` (line {line_of('sigmoid')})",
        "`sigmoid(W∗x + b)` depends on `b`.",
    ]


def test_a_condition_is_told_with_its_other_side() -> None:
    lines = said("self.conv4 = nn.Conv")
    assert lines[0].endswith(", when norm is true.")
    assert lines[1].startswith("Leave it out (`bias=False`) where that holds, and only there. ")
    assert lines[2] == f"Otherwise keep it: `relu` (line {line_of('self.bn4(self')}) depends on it: ReLU is not linear."


def test_a_layer_norm_is_said_to_take_the_average_only() -> None:
    lines = said("self.fc1 = nn.Lin")
    assert lines[0].startswith("Keep the bias of `fc1`: it has an effect.")
    assert (
        "A layer norm takes away only the average of the bias over the axes that it normalises; the differences inside "
        "the bias stay, and would be lost without it."
    ) in lines
    assert (
        "`ln(fc1(x)): (Wx + b) − mean(Wx + b) = Wx − mean(Wx) + (b − mean(b))` with `Wx` the output without the bias "
        "`b`: `b − mean(b)` stays."
    ) in lines
    assert lines[-1] == "More: Ba et al. 2016 (https://arxiv.org/abs/1607.06450)"


def test_what_could_not_be_followed_is_named() -> None:
    assert said("self.fc2 = nn.Lin")[0].startswith(
        "We cannot tell whether the bias of `fc2` has an effect. "
        f"We cannot follow it at `elsewhere` (line {line_of('elsewhere')})"
    )


def test_a_bias_that_reaches_the_output_is_needed() -> None:
    assert said("self.fc3 = nn.Lin") == [
        "Keep the bias of `fc3`: it has an effect. It reaches the output of `Net`.",
        "It sets the level around which the output varies: no norm or activation comes after it.",
    ]


def test_a_layer_that_is_never_applied_is_said_to_be_unused() -> None:
    assert said("self.spare = nn.Lin") == [
        "No path that we followed uses `spare`.",
        "So there is nothing to say about its bias.",
    ]


def test_a_norm_names_the_biases_that_it_cancels_spares_and_reads() -> None:
    assert said("self.bn1 = nn.Batch")[0] == (
        f"`bn1` cancels the bias of `conv1` (line {line_of('self.conv1 = ')}): that bias has no effect in training."
    )
    assert said("torch.relu(self.bn1") == said("self.bn1 = nn.Batch")
    assert "whether `affine` (γ and β) is on or off" in said("self.bn1 = nn.Batch")[2]
    assert said("self.bn2 = nn.Inst")[0] == (
        f"`bn2` would cancel a bias of `conv2` (line {line_of('self.conv2 = ')}), built without one for that reason."
    )
    assert said("self.ln = nn.Layer")[:2] == [
        "`ln` cancels no bias.",
        f"`ln` does not cancel the bias of `fc1` (line {line_of('self.fc1 = ')}), which varies along the normalised "
        "axes there.",
    ]


def test_attention_and_scores_have_formulas_of_their_own() -> None:
    key, score = said("self.key = nn.Lin", ATTENTION), said("self.score = nn.Lin", ATTENTION)
    assert key[3].startswith(
        "`softmax(q·(k + b)) = softmax(q·k + q·b) = softmax(q·k)` with `k = key(x)` without the bias:"
    )
    assert score[0].startswith("The bias of `score` has no effect: the softmax over dim 1 ")
    assert score[3].startswith("`softmax(s + b) = exp(s + b) / Σ exp(s + b) = exp(s) / Σ exp(s) = softmax(s)`")
    assert "It costs 1 parameter, with a gradient and Adam's two running averages (16 bytes in float32)." in score
    assert "2302.08626" in key[-1]


def test_a_call_that_applies_several_layers_says_one_sentence_for_each() -> None:
    text = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3))

    def forward(self, x):
        return self.layers(x)
"""
    assert said("return self.lay", text) == [
        "- `layers[0]` (Conv2d, line 9): leave the bias out; `layers[1]` (BatchNorm2d) cancels it.",
        "- `layers[3]` (Conv2d, line 9): keep the bias; it reaches the output of `Net`.",
    ]


def test_there_is_nothing_to_say_elsewhere() -> None:
    for mark in ("class N", "super", "def forw", "import tor"):
        assert at(mark) is None


def test_every_hover_on_every_offset_is_short_and_has_no_accuracy_promises() -> None:
    for text in (NET, ATTENTION):
        made = report(text)
        found = [hover(made, offset) for offset in range(len(made.source.text))]
        seen = {one.plain: one for one in found if one is not None}
        assert len(seen) >= 4
        for offset, one in enumerate(found):
            assert one is None or one.span.contains(offset)
        for plain, one in seen.items():
            assert 1 <= len(plain.splitlines()) <= 12
            assert "accuracy" not in plain
            assert "**" not in plain
            assert (
                one.markdown.count("[")
                == one.markdown.count("](")
                == one.markdown.count("](file:///")
                + len(re.findall(r"\]\(https://arxiv\.org/abs/\d{4}\.\d{5}\)", one.markdown))
                + one.markdown.count("](https://docs.pytorch.org/")
            )


def test_a_line_in_another_file_is_linked_where_its_text_is_at_hand() -> None:
    blocks = "/project/blocks.py"
    files = Files({blocks: PRELUDE + "class Pad(nn.Identity):\n    def forward(self, x):\n        return x.mul(2)\n"})
    text = """\
from blocks import Pad


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.pad = Pad()
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.bn(self.pad(self.conv(x)))
"""
    made = lint(Source(PATH, PRELUDE + text), files, Options())
    offset = made.source.text.index("nn.Conv2d")
    with_files, without = hover(made, offset, files), hover(made, offset)
    assert with_files is not None
    assert without is not None
    assert "[`mul`](file:///project/blocks.py#L8)" in with_files.markdown
    assert "`mul` (blocks.py, line 8)" in with_files.plain
    assert "[`mul`](file:///project/blocks.py)" in without.markdown
    assert "`mul` (blocks.py)" in without.plain


def test_a_document_without_a_file_gets_no_link_to_one() -> None:
    made = lint(Source("untitled:Untitled-1", PRELUDE + NET), Files(), Options())
    found = hover(made, made.source.text.index("nn.Conv2d"))
    assert found is not None
    assert "](file:" not in found.markdown
    assert "`bn1` (line " in found.markdown


def test_an_absorbed_bias_is_said_to_live_on_in_a_later_one() -> None:
    text = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.fc1 = nn.Linear(8, 6)
        self.fc2 = nn.Linear(6, 4)
        self.fc3 = nn.Linear(4, 4, bias=False)
        self.fc4 = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc4(self.fc3(self.fc2(self.fc1(self.norm(x))).relu()))
"""
    assert said("nn.Linear(8, 6)", text) == [
        "The bias of `fc2` can take over what the bias of `fc1` adds.",
        "Keep it or leave it out: it has an effect, but the model can learn the same functions either way.",
        "Path: `fc1` (line 16) → `fc2` (line 16)",
        "`fc2(fc1(x)): V(Wx + b) + c = VWx + (Vb + c)` where `c`, the later bias, can be all of the constant.",
        "It costs 6 parameters, each with a gradient and Adam's two running averages (96 bytes in float32).",
        "Trained already? What the bias adds there moves into the later one once when it goes.",
        "More: `biaslens explain BL201`",
    ]
    assert said("nn.Linear(4, 4, bias=False)", text)[0] == (
        "`fc3` has no bias: the bias of `fc4` can add all that one here could."
    )
    assert said("nn.LayerNorm", text)[0] == "`norm` cancels no bias: none arrives here that we followed."
    assert said("nn.LayerNorm", text)[1] == (
        "The bias of `fc1` can take over what the shift β of `norm` adds. That does no harm: there is nothing to "
        "change."
    )
