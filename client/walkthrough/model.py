from torch import nn


class Stem(nn.Module):
    """The first layers of an image classifier."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(64)
        self.project = nn.Conv2d(64, 128, kernel_size=1)

    def forward(self, x):
        x = self.norm(self.pool(self.conv(x)))
        return self.project(x.relu())
