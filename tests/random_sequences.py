"""Layers on sequences: token layouts and attention."""

from __future__ import annotations

from random_models import Family

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
