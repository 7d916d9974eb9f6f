"""The line above a class: what it counts, and what it leaves out where something is not known."""

from __future__ import annotations

import pytest

from biaslens.explain.lenses import Lens, lenses
from biaslens.lint import lint
from biaslens.options import Options
from biaslens.rounds import edits_for
from biaslens.syntax.files import Files
from biaslens.text import Source

PRELUDE = "import torch\nfrom torch import nn\n\n\n"


def found(text: str, *select: str) -> tuple[Lens, ...]:
    return lenses(lint(Source("/project/model.py", PRELUDE + text), Files(), Options(select=select or ("BL1",))))


def block(layers: str, forward: str, head: str = "self") -> str:
    lines = "".join(f"        {line}\n" for line in layers.splitlines())
    return (
        f"class Block(nn.Module):\n    def __init__({head}):\n        super().__init__()\n{lines}\n"
        f"    def forward(self, x):\n        return {forward}\n"
    )


PAIR = "self.conv{0} = nn.Conv2d({1}, {2}, 3)\nself.bn{0} = nn.BatchNorm2d({2})\n"
RELU = "torch.relu(self.bn{0}(self.conv{0}({1})))"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        pytest.param(
            block(PAIR.format(1, 3, 64) + PAIR.format(2, 64, 128), RELU.format(2, RELU.format(1, "x"))),
            "2 redundant biases · 192 parameters",
            id="two",
        ),
        pytest.param(block(PAIR.format(1, 3, 1), RELU.format(1, "x")), "1 redundant bias · 1 parameter", id="one"),
        pytest.param(
            block(PAIR.format(1, 3, 2048), RELU.format(1, "x")), "1 redundant bias · 2,048 parameters", id="thousands"
        ),
        pytest.param(
            block(PAIR.format(1, 3, "width"), RELU.format(1, "x"), "self, width"),
            "1 redundant bias",
            id="no size known",
        ),
        pytest.param(
            block(
                PAIR.format(1, 3, 64) + PAIR.format(2, 64, "width"), RELU.format(2, RELU.format(1, "x")), "self, width"
            ),
            "2 redundant biases · 64+ parameters",
            id="one size known",
        ),
        pytest.param(
            block(
                "layers = []\nfor _ in range(3):\n    layers += [nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU()]\n"
                "self.layers = nn.Sequential(*layers)",
                "self.layers(x)",
            ),
            "1 redundant bias · 24 parameters",
            id="one line makes three layers of a model",
        ),
        pytest.param(
            block(
                "def part(norm):\n    first = [nn.Conv2d(8, 8, 3)]\n"
                "    return [*first, nn.BatchNorm2d(8), nn.ReLU()] if norm else [*first, nn.ReLU()]\n"
                "self.layers = nn.Sequential(*part(False), *part(True))",
                "self.layers(x)",
            ),
            "1 redundant bias (under a condition) · 8+ parameters",
            id="one line makes a needed bias as well",
        ),
        pytest.param(
            block(
                PAIR.format(1, 3, 64) + "self.conv2 = nn.Conv2d(64, 8, 3)\n"
                "self.bn2 = nn.BatchNorm2d(8) if norm else nn.Identity()",
                RELU.format(2, RELU.format(1, "x")),
                "self, norm=True",
            ),
            "2 redundant biases (1 under a condition) · 72 parameters",
            id="a condition",
        ),
    ],
)
def test_biases_and_their_parameters_are_counted(text: str, title: str) -> None:
    (lens,) = found(text)
    assert lens.title == title
    assert len(lens.findings) == int(title.split(maxsplit=1)[0])


def test_what_is_no_redundant_bias_is_a_finding() -> None:
    attention = block(
        "self.qkv = nn.Linear(8, 24)", "nn.functional.scaled_dot_product_attention(*self.qkv(x).chunk(3, -1))"
    )
    assert [lens.title for lens in found(attention)] == ["1 finding"]
    comment = block(PAIR.format(1, 3, 64).replace("3)\n", "3)\n# biaslens: ignore[BL102]\n", 1), RELU.format(1, "x"))
    assert [lens.title for lens in found(comment, "BL1", "BL9")] == [
        "1 redundant bias · 64 parameters · 1 other finding"
    ]


def test_each_class_and_function_with_findings_has_its_own() -> None:
    good = block(PAIR.format(1, 3, 8).replace("3)", "3, bias=False)"), RELU.format(1, "x")).replace("Block", "Good")
    bad = block(PAIR.format(1, 3, 8), RELU.format(1, "x"))
    function = "def make():\n    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16))\n"
    alone = "net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16))\n"
    inner = "".join(f"    {line}" for line in bad.replace("Block", "Guarded").splitlines(keepends=True))
    guarded = f"try:\n{inner}except ImportError:\n    pass\n"
    text = "\n\n".join((good, "@final\n" + bad, function, alone, guarded, "guarded = Guarded()\n"))
    shown = found(text)
    whole = Source("/project/model.py", PRELUDE + text)
    assert [(lens.name, whole.excerpt(lens.place)) for lens in shown] == [
        ("Block", "class Block(nn.Module):"),
        ("make", "def make():"),
        ("Guarded", "class Guarded(nn.Module):"),
    ]
    assert [lens.title for lens in shown] == [
        "1 redundant bias · 8 parameters",
        "1 redundant bias · 16 parameters",
        "1 redundant bias · 8 parameters",
    ]
    assert all(lens.span.covers(finding.location.span) for lens in shown for finding in lens.findings)


def test_fixes_within_a_lens_leave_the_other_classes_alone_in_every_round() -> None:
    # Both fixes guard the same line, so one waits for a second round; its layer is then behind the first end.
    loop = "        for m in self.children():\n            if isinstance(m, nn.Conv2d):\n                "
    last = "        self.second = nn.Conv2d(8, 8, 1)\n"
    net = (
        "class {0}(nn.Module):\n    def forward(self, x):\n        return self.norm(self.second(self.first(x)))\n\n"
        "    def __init__(self):\n        super().__init__()\n        self.norm = nn.BatchNorm2d(8)\n"
        f"        self.first = nn.Conv2d(3, 8, 1)\n{last}\n\n"
    )
    before, after = net.format("First"), net.format("Last")
    block = net.format("Block").replace(last, f"{loop}nn.init.zeros_(m.bias)\n{last}")
    text = PRELUDE + before + block + after
    files = Files({"/project/model.py": text})
    report = lint(Source("/project/model.py", text), files, Options())
    _, lens, _ = lenses(report)
    edits = edits_for(report, files, Options(), within=lens.span)
    guarded = "if m.bias is not None:\n                    nn.init.zeros_(m.bias)"
    fixed = block.replace("1)", "1, bias=False)").replace("nn.init.zeros_(m.bias)", guarded)
    assert report.source.edited(edits) == PRELUDE + before + fixed + after
    assert edits_for(report, files, Options(), "BL102", lens.span) == ()


def test_a_file_without_findings_has_none() -> None:
    assert found("") == ()
    assert found(block(PAIR.format(1, 3, 8), RELU.format(1, "x")), "BL2") == ()
