"""Convolutions on images: operations between the layer and the norm, and other names for the same tensor."""

from __future__ import annotations

from random_models import Family

_IMAGE_ATTRIBUTES = {
    "conv": "nn.Conv2d(4, 4, 3, padding=1)",
    "pointwise": "nn.Conv2d(4, 4, 1)",
    "padded": "nn.Conv2d(4, 4, 3, padding=1)",
    "reflecting": 'nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")',
    "depthwise": "nn.Conv2d(4, 4, 1, groups=4)",
    "transposed": "nn.ConvTranspose2d(4, 4, 1)",
    "linear": "nn.Linear(4, 4)",
    "batch": "nn.BatchNorm2d(4)",
    "plain": "nn.BatchNorm2d(4, affine=False)",
    "instance": "nn.InstanceNorm2d(4, affine=True)",
    "group": "nn.GroupNorm(2, 4)",
    "channel": "nn.GroupNorm(4, 4)",
    "layer": "nn.LayerNorm(4)",
    "act": "nn.ReLU(inplace=True)",
    "column": "nn.Parameter(torch.ones(4, 1, 1))",
    "plane": "nn.Parameter(torch.ones(1, 1, 4, 4))",
    "square": "nn.Parameter(torch.ones(4, 4))",
}

_IMAGE_ENDINGS = """
x = self.batch(x)
x = self.plain(x)
x = self.instance(x)
x = self.group(x)
x = self.channel(x)
x = self.layer(x)
x = F.layer_norm(x, (4, 4, 4))
x = x.softmax(1)
x = x.softmax(-1)
x = x.relu()
x = x - x.mean((2, 3), keepdim=True)
x = x - x.mean(1, keepdim=True)
x = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), keepdim=True) + 1e-5).sqrt()
x = self.batch(self.pointwise(x))
"""

IMAGES = Family(
    """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        # attributes

    def forward(self, z, y, mask, gate):
        b, _, _, _ = z.shape
        x = self.conv(z)
        <operations>
        <ending>
        return x
""",
    {
        "ending": (1, 1, _IMAGE_ENDINGS),
        "operations": (
            1,
            3,
            """
x = x + y
x = y - x
x = y * x
x = 3 - x / 2
x = x * self.column
x = x * self.plane
x = x + self.column
x = x.mean(1, keepdim=True) + y
x = x - x.mean(1, keepdim=True)
x = x - x.mean((2, 3), keepdim=True)
x = x - x.mean()
x = x - 0.5 * x.mean(3, keepdim=True)
x = x.flip(1)
x = x - x.flip(1)
x = x - x.flip(2)
x = x.roll(1, 1)
x = x.transpose(1, 2)
x = x.permute(0, 2, 3, 1)
x = x.permute(0, 2, 3, 1).reshape(-1, 4).view(b, 4, 4, 4).permute(0, 3, 1, 2)
x = x.flatten(1).view(b, 4, 4, 4)
x = x.view(b, 16, 4).transpose(1, 2).reshape(b, 4, 4, 4)
x = x.reshape(b, 2, 2, 4, 4).transpose(1, 2).reshape(b, 4, 4, 4)
x = x.view(b, 2, 8, 4).flip(2).view(b, 4, 4, 4)
x = x.chunk(2, 1)[0].repeat(1, 2, 1, 1)
x = torch.cat(x.chunk(2, 1)[::-1], 1)
x = torch.cat([a - x.mean(1, keepdim=True) for a in x.split(2, 1)], 1)
x = torch.cat([x[:, :2], y[:, 2:]], 1)
x = torch.cat([x[:, :, :2], y[:, :, 2:]], 2)
x = torch.cat([x[:, :, :2], x[:, :, 2:]], 2)
x = torch.cat([x, y], 0)[:b]
x = torch.stack([x, y], 1).flatten(1, 2)[:, ::2]
x = torch.stack([a * i for i, a in enumerate(x.unbind(1), 1)], 1)
x = torch.stack(x.unbind(2), 3)
x = F.max_pool2d(x, 3, 1, 1)
x = F.avg_pool2d(x, 3, 1, 1)
x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
x = F.avg_pool2d(x, 3, 1, 1, False, False, 2)
x = F.pad(x, (1, 0, 0, 0))[:, :, :, :4]
x = F.pad(x, (1, 1, 1, 1), mode="replicate")[:, :, :4, :4]
x = F.pad(x, (0, 0, 0, 0, 1, 0))[:, :4]
x = F.interpolate(x, scale_factor=2)[:, :, :4, :4]
x = F.adaptive_max_pool2d(x, (1, 4)).expand(-1, -1, 4, -1)
x = F.pixel_shuffle(torch.cat([x, x, x, x], 1), 2)[:, :, :4, :4]
x = F.pixel_shuffle(x.repeat_interleave(4, 1), 2)[:, :, ::2, ::2]
x = F.unfold(x, 1).view(b, 4, 4, 4)
x = torch.where(mask, x, y)
x = x.masked_fill(mask, 0.0)
x = x.masked_fill(mask, -1e9).softmax(1)
x = x.softmax(1)
x = x.log_softmax(2)
x = x.cumsum(2)
x = x.diff(dim=3, append=x[..., :1])
x = x.diff(dim=1, prepend=x[:, :1])
x = x.sort(3)[0]
x = x.max(1, keepdim=True)[0] - x
x = x.amax((2, 3), keepdim=True) - x
x = x.std(1, keepdim=True) * y
x = x.var((0, 2, 3), keepdim=True) + y
x = x @ y
x = y @ x
x = x @ x.transpose(2, 3)
x = torch.einsum("bchw,cd->bdhw", x, self.square)
x = torch.einsum("bchw,wv->bchv", x, self.square)
x = torch.einsum("bchw,bdhw->bcd", x, y).unsqueeze(-1) * y
x = F.linear(x, self.square)
x = self.linear(x)
x = self.linear(x.transpose(1, 3)).transpose(1, 3)
x = self.pointwise(x)
x = self.padded(x)
x = self.depthwise(x)
x = self.transposed(x)
x = self.reflecting(x)
x = x + self.pointwise(x)
x = x - self.conv(y)
x = self.conv(self.batch(x))
x = self.batch(x)
x = self.layer(x)
x = self.channel(x)
x = F.normalize(x, dim=1)
x = self.act(x)
x = self.act(x + y) - y
x = x ** 2
x = x.detach()
x = F.dropout(x, 0.0)
x = F.dropout(x, 0.5)
x = F.dropout2d(x, 0.5)
x *= y
x[:, :, 0] += 1
x = x[:, [0, 0, 1, 2]]
x = x[:, :, [0, 0, 1, 2]]
x = x.gather(1, torch.zeros(b, 4, 4, 4, dtype=torch.long))
x = x.repeat_interleave(2, 1)[:, ::2]
x = x[:, :1].expand(-1, 4, -1, -1)
x = x.sum((2, 3))[:, :, None, None] + y
x = x.view(b, 4, -1).mean(-1)[..., None, None] - x
x = torch.addcmul(y, x, self.column)
x = torch.lerp(x, y, 0.3)
x = torch.lerp(x, y, gate)
x = x * gate
x = gate * x + (1 - gate) * x
x = x * torch.sigmoid(x)
x = x * x.mean((2, 3), keepdim=True)
x = torch.maximum(x, y)
x = x.logsumexp(1, keepdim=True) - x
x = x.movedim(1, 3).movedim(3, 1)
x = x.unbind(1)[0].unsqueeze(1) - x
x = x.unbind(3)[0].unsqueeze(3) - x
x = x.split([1, 3], 1)[1]; x = torch.cat([x, x[:, :1]], 1)
a, c = x.chunk(2, 1); x = torch.cat([a - c, c - a], 1)
a, c = x.chunk(2, 3); x = torch.cat([a - c, c - a], 3)
x = F.scaled_dot_product_attention(y, x, y)
x = F.scaled_dot_product_attention(y, y, x)
x = F.batch_norm(x, torch.zeros(4), torch.ones(4))
x = F.conv2d(y, self.conv.weight, x.mean((0, 2, 3)), padding=1)
""",
        ),
    },
    _IMAGE_ATTRIBUTES,
    (("Net()", "(3, 4, 4, 4), (3, 4, 4, 4), torch.rand(3, 1, 4, 4) < 0.3, torch.rand(3, 4, 1, 1)"),),
)

ALIASES = Family(
    """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        # attributes

    def forward(self, z, y, mask):
        b = z.shape[0]
        x = self.conv(z)
        a = c = y
        <operations>
        <ending>
        <late>
        return x
""",
    {
        "ending": (1, 1, _IMAGE_ENDINGS),
        "late": (0, 1, "a.relu_()\nx = x + a.sum()\nx = x + c.mean()\ny.relu_(); x = x + y"),
        "operations": (
            2,
            5,
            """
a = x
a = x.view(b, 4, 16)
a = x[:, :2]
a = x[:, :, 1:]
a = x.flatten(1)
a = x.clone()
a = x.detach()
a, c = x.chunk(2, 1)
a, c = x[:, 0], x[:, 1:]
a = x.transpose(1, 2)
a = x.contiguous()
a = x.reshape(-1)
a = x.mean((2, 3), keepdim=True)
a = self.act(x)
c = a
c = a.clone()
x, a = a, x
y = x
box = [x, a]; box[0] += 1
box = {"x": x}; box["x"].mul_(2)
a.relu_()
a += 1
a *= 2
a *= a
a.sub_(a.mean())
a[0] = 0
a[:, 0] += 1
a.zero_()
a.data.abs_()
torch.exp(a, out=a)
F.relu(a, inplace=True)
self.act(a)
c.add_(1)
c.tanh_()
x += y
x += 1
x -= x.mean((2, 3), keepdim=True)
x *= y
x.mul_(self.column)
x.add_(y)
x.div_(2)
x.copy_(y)
x[:, 0] += 1
x[:, :, 0] = 0
x[:, :2] = x[:, 2:]
x.transpose_(2, 3)
x.masked_fill_(mask, 0.0)
x = x + a.mean()
x = x + a.reshape(-1)[0]
x = a.view(b, 4, 4, 4)
x = torch.cat([a, c], 1)
x = torch.cat([a, x[:, 2:]], 1)
x = x.clone()
""",
        ),
    },
    _IMAGE_ATTRIBUTES,
    (("Net()", "(3, 4, 4, 4), (3, 4, 4, 4), torch.rand(3, 1, 4, 4) < 0.3"),),
)
