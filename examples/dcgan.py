"""DCGAN (arXiv:1511.06434) for 32×32 images."""

from torch import Tensor, nn


class Generator(nn.Module):
    """Turns a latent vector of shape (batch, latent) into an image of shape (batch, 3, 32, 32)."""

    def __init__(self, latent: int = 64, width: int = 32) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(latent, width * 4, 4),
            nn.BatchNorm2d(width * 4),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width * 4, width * 2, 4, stride=2, padding=1),
            nn.BatchNorm2d(width * 2),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width * 2, width, 4, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z[:, :, None, None])


class Discriminator(nn.Module):
    """Scores images of shape (batch, 3, 32, 32): one number each."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *self.block(3, width, normalize=False),
            *self.block(width, width * 2),
            *self.block(width * 2, width * 4),
            nn.Conv2d(width * 4, 1, 4),
        )

    @staticmethod
    def block(before: int, after: int, normalize: bool = True) -> list[nn.Module]:
        """Halves height and width."""
        layers: list[nn.Module] = [nn.Conv2d(before, after, 4, stride=2, padding=1)]
        if normalize:
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        return layers

    def forward(self, image: Tensor) -> Tensor:
        return self.main(image).flatten()
