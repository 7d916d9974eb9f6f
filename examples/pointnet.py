"""A set abstraction of PointNet++ (arXiv:1706.02413) and a classifier for point clouds."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SetAbstraction(nn.Module):
    """Points of shape (batch, channels, groups, neighbours) to features of shape (batch, widths[-1], groups)."""

    def __init__(self, channels: int, widths: list[int]) -> None:
        super().__init__()
        self.mlp_convs = nn.ModuleList()
        self.mlp_bns = nn.ModuleList()
        last = channels
        for width in widths:
            self.mlp_convs.append(nn.Conv2d(last, width, 1))
            self.mlp_bns.append(nn.BatchNorm2d(width))
            last = width

    def forward(self, points: Tensor) -> Tensor:
        for i, conv in enumerate(self.mlp_convs):
            bn = self.mlp_bns[i]
            points = F.relu(bn(conv(points)))
        return torch.max(points, dim=3)[0]


class PointNet(nn.Module):
    """Class scores for groups of points, (batch, 3, groups, neighbours) → (batch, classes)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.local = SetAbstraction(3, [16, 16, 32])
        self.conv = nn.Conv1d(32, 64, 1)
        self.bn = nn.BatchNorm1d(64)
        self.fc1 = nn.Linear(64, 32)
        self.bn1 = nn.BatchNorm1d(32)
        self.drop1 = nn.Dropout(0.4)
        self.fc2 = nn.Linear(32, 32)
        self.bn2 = nn.BatchNorm1d(32)
        self.drop2 = nn.Dropout(0.4)
        self.fc3 = nn.Linear(32, classes)

    def forward(self, points: Tensor) -> Tensor:
        batch = points.shape[0]
        x = self.bn(self.conv(self.local(points)))
        x = x.max(dim=2)[0].view(batch, 64)
        x = F.relu(self.bn1(self.fc1(x)))
        x = self.drop1(x)
        x = F.relu(self.bn2(self.drop2(self.fc2(x))))
        return F.log_softmax(self.fc3(x), dim=-1)
