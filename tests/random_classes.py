"""Python around the layers: helpers, flags, loops, inheritance, hooks, and ways to run a layer unseen."""

from __future__ import annotations

from random_models import Family

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
