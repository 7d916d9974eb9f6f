"""A small ResNet (arXiv:1512.03385) whose norm is an argument."""

from collections.abc import Callable

from torch import Tensor, nn


def conv3x3(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    """A 3×3 convolution that keeps the size, up to its stride."""
    return nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1)


class BasicBlock(nn.Module):
    """Two convolutions with a shortcut around them."""

    def __init__(
        self, before: int, after: int, stride: int = 1, norm_layer: Callable[[int], nn.Module] | None = None
    ) -> None:
        super().__init__()
        if norm_layer is None:
            norm_layer = nn.BatchNorm2d
        self.conv1 = conv3x3(before, after, stride)
        self.bn1 = norm_layer(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(after, after)
        self.bn2 = norm_layer(after)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, kernel_size=1, stride=stride),
                norm_layer(after),
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """Class scores for images, (batch, 3, height, width) → (batch, classes)."""

    def __init__(
        self, layers: list[int], classes: int = 10, norm_layer: Callable[[int], nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, kernel_size=7, stride=2, padding=3)
        self.bn1 = norm_layer(8) if norm_layer is not None else nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        blocks: list[nn.Module] = []
        width = 8
        for stage, depth in enumerate(layers):
            for i in range(depth):
                after = 8 * 2**stage
                blocks.append(BasicBlock(width, after, 2 if stage > 0 and i == 0 else 1, norm_layer))
                width = after
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        x = self.blocks(x).mean(dim=(2, 3))
        return self.fc(x)
