"""The fix that keeps old checkpoints loading: they load strictly, and the model computes in eval mode what it did."""

# Torch's own annotations are partial:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from biaslens.lint import fixes_of, lint
from biaslens.options import Options
from biaslens.rules.rule import Fix
from biaslens.syntax.files import Files
from biaslens.text import Source

PATH = "/project/model.py"

PRELUDE = "import torch\nfrom torch import nn\nfrom collections import OrderedDict\n\n\n"

ATTRIBUTES = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.bn1 = nn.BatchNorm2d(8)
        self.pool = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(8, 4, 3, bias=True)
        self.bn2 = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = torch.relu(self.bn1(self.pool(self.conv1(x))))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.head(x.mean((2, 3)))
"""

SEQUENTIAL = """\
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        last = nn.ReLU()
        self.body = nn.Sequential(
            nn.Conv2d(width, 8, 1),
            last,
            nn.Sequential(nn.Conv2d(8, width, 1), nn.BatchNorm2d(width)),
        )

    def forward(self, x):
        return x + self.body(x)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            Block(8),
            Block(8),
        )
"""

NAMED = """\
class Net(nn.Module):
\tdef __init__(self):
\t\tsuper(Net, self).__init__()
\t\tself.stem = nn.Sequential(OrderedDict([("conv", nn.Conv2d(3, 8, 3)), ("norm", nn.BatchNorm2d(8))]))
\t\tself.add_module("last", nn.Conv2d(8, 8, 3))
\t\tself.norm = nn.BatchNorm2d(8)
\t\tnn.init.ones_(self.last.bias)

\tdef forward(self, x):
\t\treturn self.norm(self.last(torch.relu(self.stem(x))))"""

BEHIND_A_PREFIX = (
    ATTRIBUTES
    + """\


class Wrapper(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = Net()

    def forward(self, x):
        return self.module(x)
"""
)

MODELS = {
    "attributes": (ATTRIBUTES, "Net", 2),
    "members of Sequential": (SEQUENTIAL, "Net", 2),
    "names": (NAMED, "Net", 2),
    "behind a prefix": (BEHIND_A_PREFIX, "Wrapper", 2),
}

HOOK = """\

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        # Older checkpoints have a bias for these layers, and it is in the running mean of the norm as well.
        for layer, norm in {
            "conv1": "bn1",
            "conv2": "bn2",
        }.items():
            bias, mean = f"{prefix}{layer}.bias", f"{prefix}{norm}.running_mean"
            if bias in state_dict and mean in state_dict:
                state_dict[mean] = state_dict[mean] - state_dict.pop(bias)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
"""


def _hook_fixes(text: str) -> list[Fix]:
    report = lint(Source(PATH, text), Files({PATH: text}), Options())
    fixes = [fix for finding in report.findings for fix in fixes_of(finding, report)]
    return [fix for fix in fixes if fix.title.endswith(" and keep loading old checkpoints")]


def _after(text: str) -> tuple[str, int]:
    """The file after this fix of one finding after the other, and how many there were."""
    count = 0
    while fixes := _hook_fixes(text):
        assert (fixes[0].applicability, fixes[0].reason) == ("safe", "")
        text = Source(PATH, text).edited(fixes[0].edits)
        count += 1
    assert lint(Source(PATH, text), Files({PATH: text}), Options()).findings == ()
    return text, count


def _built(text: str, name: str) -> nn.Module:
    namespace: dict[str, Any] = {"__name__": "case"}
    exec(compile(text, "<case>", "exec", dont_inherit=True), namespace)
    return namespace[name]()


def _trained(text: str, name: str) -> nn.Module:
    """The model with random state, as if trained."""
    torch.manual_seed(1)
    model = _built(text, name)
    with torch.no_grad():
        for tensor in (*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())):
            tensor.add_(torch.rand_like(tensor))
    return model.eval()


def _largest_difference(left: nn.Module, right: nn.Module) -> float:
    x = torch.randn(4, 3, 9, 9)
    with torch.no_grad():
        a, b = left(x), right(x)
    return float((a - b).abs().max() / a.abs().max())


@pytest.mark.parametrize(("text", "name", "count"), MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_an_old_checkpoint_loads_strictly_and_gives_the_same(text: str, name: str, count: int, newline: str) -> None:
    text = (PRELUDE + text).replace("\n", newline)
    after, fixed = _after(text)
    assert fixed == count
    assert after.count("\n") == after.count(newline)
    old, new = _trained(text, name), _built(after, name).eval()
    checkpoint = old.state_dict()
    before = {key: value.clone() for key, value in checkpoint.items()}
    new.load_state_dict(checkpoint, strict=True)
    assert _largest_difference(old, new) < 1e-6
    assert list(checkpoint) == list(before), "the caller's dict is as it was"
    assert all(torch.equal(checkpoint[key], before[key]) for key in before)
    assert len(new.state_dict()) < len(checkpoint)
    again = _built(after, name).eval()
    again.load_state_dict(new.state_dict(), strict=True)
    assert _largest_difference(new, again) == 0


def test_without_the_hook_the_old_checkpoint_does_not_load() -> None:
    text = PRELUDE + ATTRIBUTES
    after, _ = _after(text)
    checkpoint = _trained(text, "Net").state_dict()
    with pytest.raises(RuntimeError, match="Unexpected key"):
        _built(after.replace("_load_from_state_dict(self", "_not_called(self"), "Net").load_state_dict(checkpoint)


def test_what_torch_complains_about_otherwise_is_still_told() -> None:
    after, _ = _after(PRELUDE + ATTRIBUTES)
    checkpoint: dict[str, Tensor] = _trained(PRELUDE + ATTRIBUTES, "Net").state_dict()
    del checkpoint["bn1.running_mean"]
    with pytest.raises(RuntimeError, match=r'(?s)Missing key.*"bn1.running_mean".*Unexpected key.*"conv1.bias"'):
        _built(after, "Net").load_state_dict(checkpoint)


def test_the_hook_stands_behind_the_constructor_and_grows_by_a_line() -> None:
    after, _ = _after(PRELUDE + ATTRIBUTES)
    without = ATTRIBUTES.replace("3, 8, 3)", "3, 8, 3, bias=False)").replace("bias=True", "bias=False")
    assert after == PRELUDE + without.replace("\n    def forward", f"{HOOK}\n    def forward")


def test_a_file_that_loads_weights_makes_only_the_other_fix_unsafe() -> None:
    text = PRELUDE + ATTRIBUTES + '\n\nnet = Net()\nnet.load_state_dict(torch.load("net.pth"))\n'
    report = lint(Source(PATH, text), Files({PATH: text}), Options())
    usual, keeping = fixes_of(report.findings[0], report)
    assert (usual.applicability, keeping.applicability) == ("unsafe", "safe")
    text += 'optimizer.load_state_dict(torch.load("optimizer.pth"))\n'
    report = lint(Source(PATH, text), Files({PATH: text}), Options())
    _, keeping = fixes_of(report.findings[0], report)
    assert keeping.applicability == "unsafe"
    assert "`optimizer.load_state_dict`" in keeping.reason


OTHERS = {
    "an instance norm": ("self.bn1 = nn.BatchNorm2d(8)", "self.bn1 = nn.InstanceNorm2d(8)"),
    "no running statistics": (
        "self.bn1 = nn.BatchNorm2d(8)",
        "self.bn1 = nn.BatchNorm2d(8, track_running_stats=False)",
    ),
    "arguments that cannot be seen": ("self.bn1 = nn.BatchNorm2d(8)", "self.bn1 = nn.BatchNorm2d(8, **{})"),
    "a scaled bias": ("self.pool(self.conv1(x))", "self.pool(2 * self.conv1(x))"),
    "a negative bias": ("self.pool(self.conv1(x))", "self.pool(-self.conv1(x))"),
    "channels in another order": ("self.pool(self.conv1(x))", "self.pool(self.conv1(x).flip(1))"),
    "a norm that is used twice": ("self.bn1(self.pool(self.conv1(x)))", "self.bn1(self.bn1(self.pool(self.conv1(x))))"),
    "a norm made in a loop": (
        "self.bn1 = nn.BatchNorm2d(8)",
        "for name in ('bn1',):\n            setattr(self, name, nn.BatchNorm2d(8))",
    ),
    "a layer that is replaced": ("self.pool =", "self.conv1 = nn.Conv2d(3, 8, 1)\n        self.pool ="),
    "a hook of the author's": (
        "    def forward",
        "    def _load_from_state_dict(self, *args):\n        super()._load_from_state_dict(*args)\n\n    def forward",
    ),
}


@pytest.mark.parametrize(("old", "new"), OTHERS.values(), ids=OTHERS)
def test_it_is_offered_only_where_one_running_mean_contains_just_the_bias(old: str, new: str) -> None:
    text = PRELUDE + ATTRIBUTES
    titles = [fix.title for fix in _hook_fixes(text)]
    assert titles == [f"Remove the bias of `{name}` and keep loading old checkpoints" for name in ("conv1", "conv2")]
    assert text.count(old) == 1
    changed = text.replace(old, new)
    report = lint(Source(PATH, changed), Files({PATH: changed}), Options())
    assert report.findings
    assert titles[0] not in [fix.title for fix in _hook_fixes(changed)]


def test_it_is_not_offered_where_the_norm_is_held_by_another_class() -> None:
    text = """\
class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.conv(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Conv()
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.inner(x))
"""
    assert _hook_fixes(PRELUDE + text) == []


def test_a_norm_of_another_instance_is_not_the_layers_own() -> None:
    text = """\
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.norm = nn.BatchNorm2d(8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = Part()
        self.b = Part()

    def forward(self, x):
        return self.b.norm(self.a.conv(x)) + self.a.norm(self.b.conv(x))
"""
    report = lint(Source(PATH, PRELUDE + text), Files({PATH: PRELUDE + text}), Options())
    assert len(report.findings) == 1
    assert _hook_fixes(PRELUDE + text) == []
