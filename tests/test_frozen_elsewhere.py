"""Norms that another file freezes: the file of the model alone does not tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from biaslens.flow import Verdict
from biaslens.lint import Report, lint_all
from biaslens.options import Options
from biaslens.syntax.files import Files

MODEL = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()
"""
FUNCTION = """from torch import nn
from model import Net


def main(loader):
    net = Net()
    net.train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    for x in loader:
        net(x).sum().backward()
"""
SCRIPT = """import model

if __name__ == "__main__":
    net = model.Net().cuda()
    net.train()
    net.norm.eval()
"""
EVALUATION = """from model import Net


def main(loader):
    net = Net()
    net.eval()
    return [net(x) for x in loader]
"""
AROUND = """from torch import nn
from model import Net


class Pair(nn.Module):
    def __init__(self, small=False):
        super().__init__()
        self.first = Net()
        self.second = None if small else Net()

    def freeze_bn(self):
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    def forward(self, x):
        return self.first(x) if self.second is None else self.second(x)
"""
UNDONE = SCRIPT.replace("    net.train()\n", "") + "    net.train()\n"


@pytest.mark.parametrize(
    ("user", "verdict"),
    [
        (FUNCTION, Verdict.ABSORBED),
        (SCRIPT, Verdict.ABSORBED),
        (EVALUATION, Verdict.REDUNDANT),
        (UNDONE, Verdict.REDUNDANT),
        (AROUND, Verdict.CONDITIONAL),
    ],
)
def test_what_another_file_freezes_is_frozen(tmp_path: Path, user: str, verdict: Verdict) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "train.py").write_text(user)
    paths = [str(tmp_path / name) for name in ("model.py", "train.py")]
    report = next(iter(lint_all(paths, Files(), Options())))
    assert isinstance(report, Report)
    assert [site.verdict for site in report.flow.affine_sites] == [verdict]
