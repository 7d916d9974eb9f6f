"""Random small models from tables: a family has a template, and each slot of it takes random lines.

A line may use any attribute of the family; those that a model uses are made in its constructor, one to a line. Some
models are nonsense that torch refuses to run, which costs a little time and no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from markdown_cases import PRELUDE, Build

_SLOT = re.compile(r"^( *)<(\w+)>\n", re.MULTILINE)
_ATTRIBUTE = re.compile(r"\bself\.(\w+)")


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A model file, and all the ways to run it."""

    text: str
    builds: tuple[Build, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one kind. slots: how many lines each slot takes at least and at most, and the lines to choose from.

    attributes: the statement's right side by attribute. builds: expressions and inputs.
    """

    template: str
    slots: Mapping[str, tuple[int, int, str]]
    attributes: Mapping[str, str]
    builds: tuple[tuple[str, str], ...]


def random_model(family: Family, seed: int) -> RandomModel:
    """The family's model of that seed, the same one on every call."""
    random = Random(seed)

    def filled(slot: re.Match[str]) -> str:
        at_least, at_most, lines = family.slots[slot[2]]
        chosen = random.choices(lines.strip("\n").split("\n"), k=random.randint(at_least, at_most))
        return "".join(f"{slot[1]}{line}\n" for line in chosen)

    body = _SLOT.sub(filled, family.template)
    used = set(_ATTRIBUTE.findall(body))
    made = "".join(f"        self.{name} = {call}\n" for name, call in family.attributes.items() if name in used)
    text = PRELUDE + body.replace("        # attributes\n", made).lstrip("\n")
    return RandomModel(text, tuple(Build("build", model, inputs) for model, inputs in family.builds))


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

TOKENS = Family(
    """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        # attributes

    def forward(self, z, y, mask, gate):
        b, t, _ = z.shape
        <start>
        <operations>
        <ending>
        return x
""",
    {
        "start": (
            1,
            1,
            """
x = self.linear(z)
x = self.conv(z)
x = self.conv(z.transpose(1, 2)).transpose(1, 2)
x = self.linear(z.mT).mT
x = self.linear(z.flatten(0, 1)).view(b, t, 4)
x = F.linear(z, self.linear.weight, self.linear.bias)
x = torch.einsum("btd,ed->bte", z, self.linear.weight) + self.linear.bias
x = z @ self.linear.weight.T + self.linear.bias
x = F.conv1d(z, self.conv.weight, self.conv.bias)
x = torch.stack([self.linear(row) for row in z.unbind(1)], 1)
x = self.linear(z) if z.dim() == 3 else z
""",
        ),
        "operations": (
            0,
            3,
            """
x = x + y
x = y * x
x = x * gate
x = x / 2
x = x.transpose(1, 2)
x = x.mT.mT
x = x.permute(1, 0, 2)[:, :, :].permute(1, 0, 2)
x = x - x.mean(1, keepdim=True)
x = x - x.mean(2, keepdim=True)
x = x - x[:, :1]
x = x - x[:, :, :1]
x = x.cumsum(1)
x = x[:, 1:] - x[:, :-1]; x = torch.cat([x, x[:, :1]], 1)
x = x.max(1, keepdim=True)[0].expand(-1, t, -1)
x = x.max(2, keepdim=True)[0].expand(-1, -1, 4)
x = x.max(1)[0].unsqueeze(1) + y
x = x.mean(1, keepdim=True) + y
x = self.linear(x)
x = x + self.narrow(F.gelu(self.wide(x)))
x = self.mixing(x.transpose(1, 2)).transpose(1, 2)
x = self.padded(x)
x = self.conv(x)
x = torch.bmm(y, x)
x = torch.bmm(y.softmax(-1), x)
x = torch.bmm(y.softmax(1), x)
x = torch.bmm(x, y.softmax(1))
x = torch.einsum("btd,de->bte", x, self.square)
x = torch.einsum("btd,ts->bsd", x, self.square)
x = torch.einsum("bte,bde->btd", x, y)
x = torch.einsum("btd,btd->bt", x, y).unsqueeze(-1) + y
x = torch.cat([x, y], 1)[:, ::2]
x = torch.cat([x, y], 2)[:, :, ::2]
x = torch.cat([x, y], -1).view(b, t, 2, 4).sum(2)
x = x.view(b, t, 2, 2).transpose(1, 2).reshape(b, t, 4)
x = x.view(b, t, 2, 2).flip(-1).flatten(2)
x = x.reshape(b * t, 4).view(b, t, 4)
x = x.reshape(b, -1).view(b, 4, t)
x = x.unflatten(2, (2, 2)).mean(-1).repeat_interleave(2, -1)
x = x.unfold(1, 1, 1).squeeze(-1)
x = x.roll(1, 1)
x = x.roll(1, 2)
x = x[:, torch.randperm(t)]
x = x[:, :, [3, 1, 2, 0]]
x = x.gather(1, torch.zeros(b, t, 4, dtype=torch.long))
x = x.masked_fill(mask, 0.0)
x = x * ~mask
x = torch.where(mask, x, y)
x = F.relu(x)
x = F.dropout(x, 0.1)
x = F.dropout1d(x, 0.5)
x = F.glu(torch.cat([x, y], -1))
x = F.max_pool1d(x, 3, 1, 1)
x = F.avg_pool1d(x, 3, 1, 1)
x = F.interpolate(x, size=4)
x = F.pad(x, (0, 0, 1, 0))[:, :t]
x = F.pad(x, (1, 0))[..., :4]
x = F.softmax(x, dim=1) * y
x = F.normalize(x, dim=-1)
x = x.norm(dim=1, keepdim=True) * y
x = x.std(2, keepdim=True) * y
x = x.std(1, keepdim=True) * y
x = x.unsqueeze(2) - y.unsqueeze(1); x = x.mean(2)
x = x.unsqueeze(2) - x.unsqueeze(1); x = x.amax(2)
x = torch.stack(x.chunk(2, -1), 1).mean(1).repeat(1, 1, 2)
a, c = x.chunk(2, -1); x = torch.cat([a * c, c], -1)
a, c = x.split([1, t - 1], 1); x = torch.cat([c, a], 1)
a, *rest = x.unbind(1); x = torch.stack([*rest, a], 1)
a, *rest = x.unbind(2); x = torch.stack([r - a for r in rest] + [a], 2)
""",
        ),
        "ending": (
            1,
            1,
            """
x = self.layer(x)
x = self.batch(x)
x = self.batch(x.transpose(1, 2))
x = self.batch(x.flatten(0, 1))
x = self.batch(x.mean(1))
x = self.batch(x[:, 0])
x = self.batch(x.reshape(b, 4, -1))
x = self.instance(x)
x = self.instance(x.transpose(1, 2))
x = self.group(x)
x = self.group(x.transpose(1, 2))
x = self.group(x.flatten(0, 1))
x = x.softmax(1)
x = x.softmax(-1)
x = self.score(x).softmax(1)
x = self.score(x).squeeze(-1).softmax(-1) @ y
x = (self.score(x).transpose(1, 2).softmax(-1) @ y).squeeze(1)
x = x.log_softmax(0)
x = F.layer_norm(x.transpose(1, 2), (t,))
x = x - x.mean(1, keepdim=True)
x = self.batch(self.linear(self.layer(x)).transpose(1, 2))
x = self.layer(self.mixing(x.transpose(1, 2)).transpose(1, 2))
x = F.cross_entropy(x.flatten(0, 1), torch.zeros(b * t, dtype=torch.long))
x = x.tanh()
""",
        ),
    },
    {
        "linear": "nn.Linear(4, 4)",
        "mixing": "nn.Linear(4, 4)",
        "wide": "nn.Linear(4, 8)",
        "narrow": "nn.Linear(8, 4)",
        "score": "nn.Linear(4, 1)",
        "conv": "nn.Conv1d(4, 4, 1)",
        "padded": "nn.Conv1d(4, 4, 3, padding=1)",
        "batch": "nn.BatchNorm1d(4)",
        "instance": "nn.InstanceNorm1d(4)",
        "group": "nn.GroupNorm(4, 4)",
        "layer": "nn.LayerNorm(4)",
        "square": "nn.Parameter(torch.ones(4, 4))",
    },
    (("Net()", "(3, 4, 4), (3, 4, 4), torch.rand(3, 4, 1) < 0.3, torch.rand(3, 1, 4)"),),
)

ATTENTION = Family(
    """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        # attributes

    def forward(self, x, y, mask):
        b, t, _ = x.shape
        <project>
        <split>
        <change>
        <score>
        <weigh>
        <normalize>
        <adjust>
        <combine>
        o = o.transpose(1, 2).reshape(b, t, -1)
        <finish>
""",
    {
        "project": (
            1,
            1,
            """
q, k, v = self.query(x), self.key(x), self.value(x)
q, k, v = self.query(x), self.key(y), self.value(y)
q, k, v = self.fused(x).chunk(3, -1)
q, k, v = self.fused(x).view(b, t, 3, 4).unbind(2)
q, k, v = self.fused(x).split(4, -1)
q, k, v = (f(x) for f in (self.query, self.key, self.value))
q = self.query(x); k, v = self.fused(y)[..., 4:].chunk(2, -1)
q, k = self.query(x), self.key(y); v = k
q = k = self.key(x); v = self.value(x)
q, k, v = x, self.key(x), x
""",
        ),
        "split": (
            0,
            1,
            """
q, k, v = (a.view(b, t, 2, 2).transpose(1, 2) for a in (q, k, v))
q, k, v = [a.reshape(b, t, 2, 2).permute(0, 2, 1, 3) for a in (q, k, v)]
q, k, v = map(lambda a: torch.stack(a.chunk(2, -1), 1), (q, k, v))
q, k, v = (a.unsqueeze(1) for a in (q, k, v))
q = q.view(b, t, 2, 2).transpose(1, 2); k, v = k[:, None, :, :2], v[:, None, :, 2:]
k = k.view(b, t, 1, 4).expand(b, t, 2, 4).transpose(1, 2); q, v = q.unsqueeze(1), v.unsqueeze(1)
""",
        ),
        "change": (
            0,
            2,
            """
q = q * t ** -0.5
k = k * 0.5
k = k * self.rows
k = k + self.rows
k = k * self.gain
q, k = q * self.rows + q.flip(-1) * self.gain, k * self.rows + k.flip(-1) * self.gain
k = k.flip(-1)
k = k.roll(1, -2)
k = k - k.mean(-2, keepdim=True)
k = k - k.mean(-1, keepdim=True)
k = F.normalize(k, dim=-1)
q, k = F.layer_norm(q, q.shape[-1:]), F.layer_norm(k, k.shape[-1:])
k = F.relu(k)
q, k = q.softmax(-1), k.softmax(-2)
k = torch.cat([k, torch.zeros_like(k[..., :1, :])], -2); v = torch.cat([v, v[..., :1, :]], -2)
k, v = k[..., 1:, :], v[..., 1:, :]
k, v = k.repeat_interleave(2, -2), v.repeat_interleave(2, -2)
k, v = torch.cat([k, k], -2), torch.cat([v, v], -2)
k = torch.cat([k[..., :1, :], k[..., 1:, :] * 2], -2)
k = k.clone(); k[..., 0, :] = 0
k = k + q
q = q + k
v = v + k
v = v - v.mean(-2, keepdim=True)
v = F.dropout(v, 0.1)
k, v = F.avg_pool2d(k, (3, 1), 1, (1, 0)), v
q, k = k, q
""",
        ),
        "score": (
            1,
            1,
            """
s = q @ k.transpose(-2, -1)
s = torch.matmul(q, k.mT)
s = torch.matmul(q / 2, k.transpose(-1, -2))
s = torch.einsum("...id,...jd->...ij", q, k)
s = (q.unsqueeze(-2) * k.unsqueeze(-3)).sum(-1)
s = (q.unsqueeze(-2) + k.unsqueeze(-3)).sum(-1)
s = (q.unsqueeze(-2) - k.unsqueeze(-3)).pow(2).sum(-1)
s = k @ q.transpose(-2, -1)
s = torch.cdist(q, k)
""",
        ),
        "weigh": (
            0,
            2,
            """
s = s / 2
s = s * self.table
s = s + self.table
s = s + self.table.tril()
s = s + torch.full((t, t), float("-inf")).triu(1)
s = s.masked_fill(mask, float("-inf"))
s = s.masked_fill(mask, -1e9)
s = s.masked_fill(mask, 0.0)
s = s.masked_fill(torch.ones(t, t).triu(1).bool(), float("-inf"))
s = s.masked_fill(torch.ones(t, t).tril().bool(), float("-inf"))
s = torch.where(mask, s, torch.full_like(s, -1e9))
s = torch.where(mask, s, s.new_zeros(()))
s = s + mask * -1e4
s = s.tril()
s = s.tanh()
s = s.clamp(max=5)
s = s - s.amax(-1, keepdim=True)
s = s - s.mean(-1, keepdim=True)
s = s - s.mean(-2, keepdim=True)
s = s + s.mean()
s = s.transpose(-2, -1)
s = F.dropout(s, 0.1)
s = torch.cat([s, s.new_zeros(*s.shape[:-1], 1)], -1).softmax(-1)[..., :-1]
s = s ** 2
s = s.sort(-1)[0]
s = s.flip(-1)
s[..., 0] = 0
s = s + s.transpose(-2, -1)
""",
        ),
        "normalize": (
            1,
            1,
            """
w = s.softmax(-1)
w = F.softmax(s, dim=-1)
w = torch.softmax(s, -1, dtype=torch.float64)
w = s.log_softmax(-1).exp()
w = s.exp() / s.exp().sum(-1, keepdim=True)
w = (s - s.logsumexp(-1, keepdim=True)).exp()
w = s.softmax(-2)
w = s.softmax(1)
w = s.flatten(-2).softmax(-1).view_as(s)
w = s.exp() / (1 + s.exp().sum(-1, keepdim=True))
w = s.sigmoid()
w = s / t
""",
        ),
        "adjust": (
            0,
            1,
            """
w = F.dropout(w, 0.1)
w = w / w.sum(-1, keepdim=True)
w = w * mask
w = w.masked_fill(mask, 0.0)
w = w.transpose(-2, -1)
w = w * s
w = w + w.mean(-1, keepdim=True)
""",
        ),
        "combine": (
            1,
            1,
            """
o = w @ v
o = torch.einsum("...ij,...jd->...id", w, v)
o = (w.unsqueeze(-1) * v.unsqueeze(-3)).sum(-2)
o = w @ v + v
o = w @ (v - v.mean(-2, keepdim=True))
o = v - w @ v
o = F.scaled_dot_product_attention(q, k, v)
o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
o = F.scaled_dot_product_attention(q, k, v, attn_mask=self.table)
o = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1)
""",
        ),
        "finish": (
            1,
            1,
            """
return self.out(o)
return o
return self.out(o), w
return self.layer(self.out(o))
return self.batch(self.out(o).transpose(1, 2))
return self.batch(o.transpose(1, 2))
return (x + self.out(o)).softmax(1)
return o - o.mean(1, keepdim=True)
""",
        ),
    },
    {
        "query": "nn.Linear(4, 4)",
        "key": "nn.Linear(4, 4)",
        "value": "nn.Linear(4, 4)",
        "fused": "nn.Linear(4, 12)",
        "out": "nn.Linear(4, 4)",
        "layer": "nn.LayerNorm(4)",
        "batch": "nn.BatchNorm1d(4)",
        "rows": "nn.Parameter(torch.ones(4, 1))",
        "gain": "nn.Parameter(torch.ones(1))",
        "table": "nn.Parameter(torch.ones(4, 4))",
    },
    (("Net()", "(3, 4, 4), (3, 4, 4), torch.rand(4, 4) < 0.5"),),
)

PYTHON = Family(
    """
from collections import OrderedDict
from functools import partial, reduce

mystery = eval("lambda f, *values: f(*values)")


class Skip(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        <skip>


def make_norm(kind, width=4):
    <make>


def chained(*functions):
    def run(x):
        for f in functions:
            x = f(x)
        return x

    return run


class Base(nn.Module):
    after = True

    def __init__(self, kind="bn", first=False, layers=1, **options):
        super().__init__()
        self.kind, self.first = kind, first
        <conv>
        <norm>
        <rest>
        <twist>

    @property
    def last(self):
        <last>

    def post(self, x):
        <post>

    def forward(self, x):
        <early>
        <step>
        x = self.conv(x)
        <step>
        return self.post(x)


class Derived(Base):
    <derived>
    def post(self, x):
        <post>


class Net(nn.Module):
    def __init__(self, kind="bn", first=False):
        super().__init__()
        <block>
        <other>

    def forward(self, x):
        <use>
""",
    {
        "skip": (1, 1, "return x + self.inner(x)\nreturn self.inner(x)\nreturn self.inner(x).relu()"),
        "make": (
            1,
            1,
            """
return {"bn": nn.BatchNorm2d, "in": nn.InstanceNorm2d}.get(kind, nn.Identity)(*([width] if kind != "none" else []))
return nn.BatchNorm2d(width) if kind == "bn" else nn.Identity()
return nn.BatchNorm2d(width) if kind != "none" else nn.GroupNorm(2, width)
return getattr(nn, "BatchNorm2d" if kind == "bn" else "InstanceNorm2d")(width)
return nn.BatchNorm2d(width)
return nn.ReLU() if kind == "none" else nn.InstanceNorm2d(width, affine=kind == "in")
""",
        ),
        "conv": (
            1,
            1,
            """
self.conv = nn.Conv2d(4, 4, 1)
self.conv = nn.Conv2d(4, 4, kernel_size=3, padding=1, **options)
self.conv = partial(nn.Conv2d, 4, kernel_size=1)(4)
self.conv = nn.Sequential(*[nn.Conv2d(4, 4, 1) for _ in range(layers)])
setattr(self, "conv", nn.Conv2d(4, 4, 1))
self.add_module("conv", nn.Conv2d(4, 4, 1))
self.conv = Skip(nn.Conv2d(4, 4, 1))
self.conv = nn.Sequential(OrderedDict(a=nn.Conv2d(4, 4, 1), b=nn.Identity()))
""",
        ),
        "norm": (
            1,
            1,
            """
self.norm = make_norm(kind)
self.norm = make_norm(width=4, kind=kind if not first else "bn")
self.norm = nn.BatchNorm2d(4)
self.norm = nn.BatchNorm2d(4) if kind == "bn" else None
self.norm = nn.Sequential(make_norm(kind), nn.ReLU(inplace=True))
self.norm = nn.Sequential(*([nn.ReLU()] * first), nn.BatchNorm2d(4))
self.norm = nn.Identity() if layers > 1 else nn.BatchNorm2d(4)
""",
        ),
        "rest": (
            1,
            1,
            """
self.rest = nn.ModuleList([self.norm, nn.ReLU()])
self.rest = nn.ModuleList([nn.ReLU(), self.norm][:: -1 if first else 1])
self.rest = [self.norm, torch.tanh]
self.rest = nn.ModuleList(); self.rest.append(nn.MaxPool2d(3, 1, 1)); self.rest.append(self.norm)
self.rest = (nn.Identity(), *[nn.Dropout(0.5 if kind == "none" else 0.0)], self.norm)
self.rest = nn.ModuleList([nn.Dropout(0.0), self.norm]); self.rest.insert(0, nn.Identity())
""",
        ),
        "twist": (
            0,
            1,
            """
self.norm.eval()
self.rest[0] = nn.Identity()
self.conv = nn.Sequential(self.conv, nn.ReLU())
self.conv.register_forward_hook(lambda m, a, y: y.relu())
self.register_forward_pre_hook(lambda m, a: (a[0] * 2,))
self.apply(lambda m: m.eval() if isinstance(m, nn.BatchNorm2d) else None)
for name, m in list(self.named_children()): setattr(self, name, Skip(m) if isinstance(m, nn.Conv2d) else m)
for m in self.modules(): m.momentum = 0.5
self.inner, self.again = self.norm, self.conv
self.after = self.first
self.norm.forward = torch.tanh
self.forward = lambda x: self.conv(x).relu()
mystery(setattr, self, "norm", nn.ReLU())
self.register_buffer("kept", torch.zeros(4)); self.norm.register_forward_hook(lambda m, a, y: y + a[0].sum())
self.hidden = [self.conv]; self.pair = nn.ModuleDict({"a": self.norm, "b": nn.Identity()}); self.norm = self.pair["b"]
if first: del self.norm; self.norm = nn.Tanh()
""",
        ),
        "last": (1, 1, "return self.norm\nreturn self.norm if self.after else torch.relu\nreturn self.rest[-1]"),
        "post": (
            1,
            1,
            """
return self.norm(x)
return self.norm(x) if self.norm is not None else x
return self.last(x)
return getattr(self, "norm" if self.after else "conv")(x)
return chained(torch.relu, self.norm)(x) if self.first else self.norm(x)
return reduce(lambda y, f: f(y), self.rest, x)
return x if self.first else self.norm(x)
""",
        ),
        "early": (
            0,
            1,
            """
if self.first: return self.norm(self.conv(x))
if self.kind == "none": return self.conv(x).relu()
if x.dim() != 4: return self.conv(x)
if self.first and self.norm is not None: x = self.norm(x)
""",
        ),
        "step": (
            0,
            2,
            """
if self.first: x = F.relu(x)
if self.kind not in ("bn", "in"): x = x.tanh()
for f in self.rest[:1]: x = f(x)
for i, f in enumerate(self.rest): x = f(x) if i else x
x = chained(*self.rest)(x)
x = (lambda y: y * 2)(x)
x = [x, x.relu()][self.first]
x = {True: x, False: x + 1}[self.first]
x = x + self.conv(x)
x, y = self.last(x), x
y = x; y = y.relu() if self.first else y; x = y
with torch.enable_grad(): x = x / 2
x = mystery(self.norm, x)
x = x + mystery(lambda y: self.conv(y), x)
x = x + mystery(self.conv.forward, x)
x = x + mystery(partial(self.conv), x)
x = x * self.state_dict()["conv.bias"].sum() if "conv.bias" in self.state_dict() else x
x = x + sum(p.sum() for p in self.conv.parameters())
x = x + next(filter(None, [self.conv]))(x)
x = x + self._modules["conv"](x)
x = x + [m for m in self.modules() if isinstance(m, nn.Conv2d)][0](x).relu()
x = F.max_pool2d(x, 3, 1, 1)
""",
        ),
        "derived": (
            1,
            1,
            """
after = False
after, extra = True, 1
def __init__(self, *args, **options): super().__init__(*args, **options); self.norm = nn.BatchNorm2d(4)
def __init__(self, kind="none", first=True): super().__init__(kind, first=not first)
def forward(self, x): return super().forward(x) + x
def forward(self, x): return self.post(self.conv(x))
""",
        ),
        "block": (
            1,
            1,
            """
self.block = Base(kind, first)
self.block = Base(first=first)
self.block = Derived(kind)
self.block = (Derived if first else Base)(kind)
self.block = nn.Sequential(Base(kind), Derived(first=first))
self.block = nn.Sequential(*(block(kind) for block in (Base, Base, Derived)))
self.block = Base("in" if first else kind, layers=1 + first)
""",
        ),
        "other": (
            1,
            1,
            """
self.other = Base("none")
self.other = self.block
self.other = make_norm(kind)
self.other = Skip(Derived(first=True))
self.other = nn.ReLU()
""",
        ),
        "use": (
            1,
            1,
            """
return self.block(x)
return self.other(self.block(x))
return self.block(x) + self.other(x)
return reduce(lambda y, m: m(y), self.children(), x)
return self.block(self.block(x))
""",
        ),
    },
    {},
    tuple(
        (f"{model}({kind!r}, {first})", "(3, 4, 4, 4)")
        for model, kinds in (("Base", ("bn", "none", "in")), ("Net", ("bn", "none")))
        for kind in kinds
        for first in (False, True)
    ),
)

FAMILIES: Mapping[str, Family] = {
    "images": IMAGES,
    "aliases": ALIASES,
    "tokens": TOKENS,
    "attention": ATTENTION,
    "python": PYTHON,
}
