"""Hovers of real sources, by the text under the cursor."""

from __future__ import annotations

from biaslens.explain.hover import Hover, hover
from biaslens.lint import Report, lint
from biaslens.options import Options
from biaslens.syntax.files import Files
from biaslens.text import Source

PATH = "/project/a model.py"
PRELUDE = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n\n"

NET = """\
class Net(nn.Module):
    def __init__(self, norm=True):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 1, 3, bias=False)
        self.bn2 = nn.InstanceNorm2d(1)
        self.conv3 = nn.Conv2d(1, 8, 3)
        self.conv4 = nn.Conv2d(8, 8, 3)
        self.bn4 = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.fc1 = nn.Linear(8, 8)
        self.ln = nn.LayerNorm(8)
        self.fc2 = nn.Linear(8, 8)
        self.fc3 = nn.Linear(8, 8)
        self.spare = nn.Linear(8, 8)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 2)
        x = torch.relu(self.bn1(x))
        x = self.bn2(self.conv2(x))
        x = torch.sigmoid(self.conv3(x))
        x = torch.relu(self.bn4(self.conv4(x)))
        x = self.ln(self.fc1(x.mean((2, 3))))
        x = elsewhere(self.fc2(x))
        return self.fc3(x)
"""

ATTENTION = """\
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.key = nn.Linear(16, 16)
        self.score = nn.Linear(16, 1)

    def forward(self, x, query):
        batch, length, width = x.shape
        weights = torch.softmax(self.score(x), dim=1)
        return F.scaled_dot_product_attention(query, self.key(x), x) * weights
"""

FUSED = """\
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return F.softmax(q @ k.transpose(-2, -1), dim=-1) @ v
"""


def report(text: str) -> Report:
    made = lint(Source(PATH, PRELUDE + text), Files(), Options())
    assert made.problems == ()
    return made


def at(mark: str, text: str = NET) -> Hover | None:
    """The hover on the last character of the first occurrence of a mark."""
    made = report(text)
    return hover(made, made.source.text.index(mark) + len(mark) - 1)


def said(mark: str, text: str = NET) -> list[str]:
    """The lines of the plain hover."""
    found = at(mark, text)
    assert found is not None
    return found.plain.splitlines()


def line_of(mark: str, text: str = NET) -> int:
    whole = PRELUDE + text
    return whole[: whole.index(mark)].count("\n") + 1
