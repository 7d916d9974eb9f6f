"""# Bias before another layer with a bias

## What it finds

A convolution or linear layer whose bias arrives, on every path through the code, at another layer that has a bias of
its own, as one number for each of that layer's features: two linear layers without an activation between them, or
the values of attention before its output layer. Whatever the first bias adds, the second one could add instead.

## Why

`W₂(W₁x + b₁) + b₂ = W₂W₁x + (W₂b₁ + b₂)`: there is one constant, `W₂b₁ + b₂`, and `b₂` can be all of it. A model
without `b₁` can compute the same functions; one says that `b₂` *absorbs* `b₁`. That is a remark about what can be
learned, not about what is computed: `b₁` has an effect, it takes part in training, and a constant made of two numbers
may train differently from one. So this is a hint, and no gain in accuracy is promised.

## Example

```python
import torch.nn as nn


class Bottleneck(nn.Module):
    def __init__(self, width=16, rank=4):
        super().__init__()
        self.down = nn.Linear(width, rank)  # error
        self.up = nn.Linear(rank, width)

    def forward(self, x):
        return self.up(self.down(x)).relu()
```

## Use instead

```python
import torch.nn as nn


class Bottleneck(nn.Module):
    def __init__(self, width=16, rank=4):
        super().__init__()
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, width)

    def forward(self, x):
        return self.up(self.down(x)).relu()
```

## When it does not apply

Something else reads the bias, such as a residual connection around the second layer (`h + up(h)`). The second layer
pads with zeros, so that less of the bias arrives at the border. It is also applied to something that does not carry
this bias. Its bias is frozen (not trained), tied to another one, or absent in some models. In `fc1(x) + fc2(x)` either
bias could be the one that stays: nothing is said about them.

## Fix safety

Unsafe: the model can learn the same functions, but the function that its present numbers stand for changes unless
`W₂b₁` is added to `b₂`. The bias leaves the `state_dict` (the parameters by name, which is what a checkpoint stores).
Where code reads this `.bias` and would crash, no fix is offered.

## The proof in three lines

- Changing `b₁` by `δ` changes what the second layer gives by `W₂δ`, in every use and for every input.
- Changing `b₂` by `−W₂δ` as well leaves everything as it was.
- So with `δ = −b₁` the same function is computed with `b₁ = 0`.

## References

- [Ioffe and Szegedy, 2015, section 3.2](https://arxiv.org/abs/1502.03167), on biases that others make superfluous
- [`torch.nn.Linear`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html)
- [`torch.nn.Conv2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow
from biaslens.rules.absorbed import findings
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every affine layer whose bias later biases absorb."""
    return findings(flow, RULE, "affine")


RULE = Rule(
    code="BL201",
    name="bias-before-affine",
    check=check,
    documentation=__doc__ or "",
    url="https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html",
    default=False,
    severity="hint",
    fix="unsafe",
)
