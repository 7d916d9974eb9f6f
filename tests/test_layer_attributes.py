"""What a model may ask of its layers is answered as torch answers it, or not at all.

A model whose forward pass tests a true statement about a layer reads the bias on that side and cancels it on the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import Tensor, nn

from biaslens.flow import Verdict
from biaslens.lint import lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source
from markdown_cases import FOLDER, PRELUDE

LAYERS = (
    "nn.Conv2d(3, 8, 3)",
    "nn.Conv2d(4, 8, (3, 3), 2, padding=1, groups=2, bias=False)",
    'nn.Conv1d(3, 8, 3, padding="same")',
    "nn.ConvTranspose2d(3, 8, 2, 2)",
    "nn.Linear(3, 8)",
    "nn.BatchNorm2d(8)",
    "nn.BatchNorm2d(8, affine=False, track_running_stats=False)",
    "nn.InstanceNorm2d(8)",
    "nn.GroupNorm(2, 8)",
    "nn.LayerNorm(8)",
    "nn.MaxPool2d(2)",
    "nn.Dropout()",
    "nn.ReLU()",
    "nn.Upsample(scale_factor=2)",
    "nn.Sequential(nn.Linear(3, 3), nn.ReLU())",
    "nn.ModuleList([nn.ReLU()])",
    "nn.MultiheadAttention(8, 2)",
    "nn.Embedding(4, 8)",
)

ATTRIBUTES = (
    *("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation"),
    *("groups", "output_padding", "padding_mode", "in_features", "out_features", "num_features"),
    *("eps", "momentum", "affine", "track_running_stats", "num_groups", "num_channels"),
    *("normalized_shape", "elementwise_affine", "p", "inplace", "scale_factor", "embed_dim"),
    *("num_heads", "num_embeddings", "training", "weight", "bias", "running_mean"),
)

BASES = ("nn.Module", "nn.Conv2d", "nn.modules.conv._ConvNd", "nn.modules.batchnorm._BatchNorm", "nn.Sequential")

MODEL = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.layer = LAYER

    def forward(self, x):
        y = self.conv(x)
        return y.relu() if STATEMENT else self.norm(y)
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_no_true_statement_about_a_layer_is_taken_for_false(layer: str) -> None:
    statements = list(_statements(eval(layer, {"nn": nn})))
    if layer.startswith("nn.Multihead"):  # how many parts it has is not known, and 3 is tried for an unknown count
        statements = [
            statement for statement in statements if "parameters()" not in statement and "len(" not in statement
        ]
    assert [statement for statement in statements if _is_taken_for_false(layer, statement)] == []


@pytest.mark.parametrize("layer", LAYERS)
def test_a_false_statement_would_be_noticed(layer: str) -> None:
    assert _is_taken_for_false(layer, "self.layer is None")


REPLACED_PART = """class Layer(BASE):
    def __init__(self):
        super().__init__(8, 2)
        self.PART = nn.Linear(8, 8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Layer()
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        return self.layer(x, x, x), self.norm(self.layer.PART(x[0]))
"""


@pytest.mark.parametrize(
    ("base", "part"), [("nn.TransformerEncoderLayer", "linear1"), ("nn.MultiheadAttention", "out_proj")]
)
def test_what_a_layer_of_torch_does_with_a_part_that_is_exchanged_is_not_known(base: str, part: str) -> None:
    text = PRELUDE + REPLACED_PART.replace("BASE", base).replace("PART", part)
    path = str(FOLDER / "model.py")
    sites = lint(Source(path, text), Files({path: text}), Options()).flow.sites
    assert [site.verdict for site in sites if site.layer.label == part] == [Verdict.UNKNOWN]


def _statements(layer: nn.Module) -> Iterator[str]:
    """True statements about the layer, in terms of `self.layer`."""
    for name in ATTRIBUTES:
        yield f"hasattr(self.layer, {name!r}) is {hasattr(layer, name)}"
        value = getattr(layer, name, None)
        if isinstance(value, Tensor):
            yield f"self.layer.{name} is not None"
            yield f"self.layer.{name}.shape == {tuple(value.shape)}"
            yield f"self.layer.{name}.numel() == {value.numel()}"
        elif value is not None:
            yield f"self.layer.{name} == {value!r}"
            yield f"isinstance(self.layer.{name}, {type(value).__name__})"
        elif hasattr(layer, name):
            yield f"self.layer.{name} is None"
    for base in BASES:
        yield f"isinstance(self.layer, {base}) is {isinstance(layer, eval(base, {'nn': nn}))}"
    yield f"type(self.layer).__name__ == {type(layer).__name__!r}"
    yield f"len(list(self.layer.parameters())) == {len(list(layer.parameters()))}"
    yield f"len(list(self.layer.children())) == {len(list(layer.children()))}"
    yield f"len(self.layer.state_dict()) == {len(layer.state_dict())}"
    yield f"[name for name, _ in self.layer.named_parameters()] == {[name for name, _ in layer.named_parameters()]}"
    yield f"sum(p.numel() for p in self.layer.parameters()) == {sum(p.numel() for p in layer.parameters())}"


def _is_taken_for_false(layer: str, statement: str) -> bool:
    """Whether the bias is called redundant, which it is only where the statement is false."""
    path = str(FOLDER / "model.py")
    text = PRELUDE + MODEL.replace("LAYER", layer).replace("STATEMENT", statement)
    sites = lint(Source(path, text), Files({path: text}), Options()).flow.sites
    return any(site.verdict is Verdict.REDUNDANT for site in sites if site.layer.label == "conv")
