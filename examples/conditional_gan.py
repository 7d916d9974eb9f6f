"""A conditional GAN (arXiv:1411.1784) whose generator starts from a vector and a label."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Generator(nn.Module):
    """An image of shape (batch, 1, 16, 16) from a latent vector and a one-hot label."""

    def __init__(self, latent: int = 32, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.from_latent = nn.Linear(latent, 64)
        self.from_latent_bn = nn.BatchNorm1d(64)
        self.from_label = nn.Linear(classes, 64)
        self.from_label_bn = nn.BatchNorm1d(64)
        self.fc = nn.Linear(128, width * 4 * 4)
        self.bn = nn.BatchNorm2d(width)
        self.up1 = nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1)
        self.up1_bn = nn.BatchNorm2d(width // 2)
        self.up2 = nn.ConvTranspose2d(width // 2, 1, 4, stride=2, padding=1)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        batch = z.shape[0]
        z = F.relu(self.from_latent_bn(self.from_latent(z.view(batch, -1))))
        y = F.relu(self.from_label_bn(self.from_label(label.view(batch, -1))))
        x = self.fc(torch.cat([z, y], dim=1))
        x = F.relu(self.bn(x.view(batch, self.width, 4, 4)))
        x = F.relu(self.up1_bn(self.up1(x)))
        return torch.tanh(self.up2(x))


class Discriminator(nn.Module):
    """Scores images together with their labels: (batch, 1)."""

    def __init__(self, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)
        self.conv2_bn = nn.BatchNorm2d(2 * width)
        self.fc1 = nn.Linear(2 * width * 4 * 4 + classes, 64)
        self.fc1_bn = nn.BatchNorm1d(64)
        self.fc2 = nn.Linear(64, 1)

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv1(image), 0.2)
        x = F.leaky_relu(self.conv2_bn(self.conv2(x)), 0.2)
        x = torch.cat([x.flatten(1), label.flatten(1)], dim=1)
        x = F.leaky_relu(self.fc1_bn(self.fc1(x)), 0.2)
        return self.fc2(x)
