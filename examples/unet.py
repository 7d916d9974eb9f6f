"""U-Net (arXiv:1505.04597) with batch norm, built by helper functions."""

import torch
from torch import Tensor, nn


def double_conv(before: int, after: int) -> nn.Sequential:
    """Two convolutions, each with its norm and activation."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, kernel_size=3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


class Up(nn.Module):
    """Doubles the size of the image and merges it with the one of that size on the way down."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(before, after, kernel_size=2, stride=2)
        self.merge = double_conv(2 * after, after)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.merge(torch.cat([skip, self.up(x)], dim=1))


class UNet(nn.Module):
    """Gives a score for each class and pixel, (batch, classes, height, width)."""

    def __init__(self, channels: int = 3, classes: int = 2, width: int = 8, depth: int = 3) -> None:
        super().__init__()
        self.stem = double_conv(channels, width)
        self.downs = nn.ModuleList(double_conv(width * 2**i, width * 2 ** (i + 1)) for i in range(depth - 1))
        self.ups = nn.ModuleList(Up(width * 2 ** (i + 1), width * 2**i) for i in reversed(range(depth - 1)))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(width, classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.stem(x)]
        for down in self.downs:
            skips.append(down(self.pool(skips[-1])))
        x = skips.pop()
        for up in self.ups:
            x = up(x, skips.pop())
        return self.head(x)
