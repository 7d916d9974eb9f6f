"""VGG (arXiv:1409.1556) with batch norm, described by a list."""

from torch import Tensor, nn

LAYOUTS: dict[str, list[int | str]] = {
    "small": [8, "pool", 16, "pool", 32, 32, "pool"],
    "A": [64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"],
}


class VGG(nn.Module):
    """Class scores for images, (batch, 3, height, width) → (batch, classes)."""

    def __init__(self, layout: str = "small", classes: int = 10, batch_norm: bool = True) -> None:
        super().__init__()
        self.features = make_layers(LAYOUTS[layout], batch_norm)
        self.pool = nn.AdaptiveAvgPool2d((2, 2))
        last = [entry for entry in LAYOUTS[layout] if isinstance(entry, int)][-1]
        self.classifier = nn.Sequential(
            nn.Linear(last * 4, 64),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(64, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.features(x))
        return self.classifier(x.flatten(1))


def make_layers(layout: list[int | str], batch_norm: bool) -> nn.Sequential:
    """A convolution for each number, a pooling for each "pool"."""
    layers: list[nn.Module] = []
    channels = 3
    for entry in layout:
        if isinstance(entry, str):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, entry, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(entry))
        layers.append(nn.ReLU(inplace=True))
        channels = entry
    return nn.Sequential(*layers)
