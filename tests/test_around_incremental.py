"""What the program around a model does, while somebody edits it: which names mean what, and what is frozen."""

from __future__ import annotations

import pytest

from test_incremental import MODEL, edit_at_random

TEXT = """import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def freeze_norm(self):
        self.norm.eval()

    def forward(self, x):
        return self.norm(self.conv(x)).relu()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.block = Block()

    def forward(self, x):
        return self.block(self.stem(x))


net = Net()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 8, 3)

    def forward(self, x):
        return self.conv(self.norm(x).relu())


def train(model, loader):
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


second = Net()
Net.norm_layer = nn.Identity
train(second, [])
"""


@pytest.mark.parametrize("seed", range(3))
def test_after_any_edit_it_says_what_a_fresh_lint_says(seed: int, request: pytest.FixtureRequest) -> None:
    edit_at_random({MODEL: TEXT}, 600 if request.config.getoption("--soak") else 25, seed)
