"""# Shift of a norm before a layer with a bias

## What it finds

A norm whose own learnable shift, β (PyTorch calls it the norm's `bias`), arrives on every path through the code at a
layer that has a bias of its own, as one number for each of that layer's features: a `LayerNorm` before the first linear
layer of an MLP (linear, activation, linear), as in most transformers, or a batch norm before a convolution without
padding.

## Why

A norm gives `γx̂ + β`, where `x̂` is its input with mean 0 and spread 1, and `W(γx̂ + β) + b = Wγx̂ + (Wβ + b)`: there is
one constant, and `b` can be all of it. A model without β can compute the same functions. As for two linear layers this
is a remark about what can be learned, not about what is computed: β has an effect and takes part in training. So this
is a hint, and no gain in accuracy is promised.

## Example

```python
import torch.nn as nn


class FeedForward(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.norm = nn.LayerNorm(width)  # error
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(self.up(self.norm(x)).relu())
```

## Use instead

```python
import torch.nn as nn


class FeedForward(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.norm = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(self.up(self.norm(x)).relu())
```

## When it does not apply

The next layer has no bias, or one that is frozen (not trained), tied to another or absent in some models. Something
else reads what the norm gives, as a second branch does. The next layer pads with zeros, or it is also applied to
something else.

## Fix safety

Unsafe: the model can learn the same functions, but the function that its present numbers stand for changes unless `Wβ`
is added to `b`, and `LayerNorm` takes `bias` only since torch 2.1. Other norms cannot be told to have a γ and no β, so
there is no fix for them.

## The proof in three lines

- Changing `β` by `δ` changes what the next layer gives by `Wδ`, in every use and for every input.
- Changing `b` by `−Wδ` as well leaves everything as it was.
- So with `δ = −β` the same function is computed with `β = 0`.

## References

- [Ba, Kiros and Hinton, 2016](https://arxiv.org/abs/1607.06450)
- [`torch.nn.LayerNorm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html)
- [`torch.nn.Linear`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow
from biaslens.rules.absorbed import findings
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every norm whose β later biases absorb."""
    return findings(flow, RULE, "norm")


RULE = Rule(
    code="BL204",
    name="norm-shift-before-affine",
    check=check,
    documentation=__doc__ or "",
    url="https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html",
    default=False,
    severity="hint",
    fix="unsafe",
)
