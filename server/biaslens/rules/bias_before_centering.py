"""# Bias before a mean that is subtracted by hand

## What it finds

A layer with a bias whose output has its own mean subtracted by the code itself: `x - x.mean(dim)`, `x - pool(x)`, a
moving average, or a standardisation (subtract the mean, divide by the spread) that is written out, over axes along
which the bias is constant.

## Why

The mean contains the bias as well, once. Subtracting it removes the bias, whatever its value, exactly as a batch norm
would. What is left is a parameter that costs memory and optimiser state (the numbers that an optimiser such as Adam
keeps for each parameter), and whose gradient is rounding noise. Removing it does not improve accuracy: the model
computes the same as before.

## Example

```python
import torch.nn as nn


class Centred(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)  # error

    def forward(self, x):
        x = self.conv(x)
        return (x - x.mean((2, 3), keepdim=True)).relu()
```

## Use instead

```python
import torch.nn as nn


class Centred(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)

    def forward(self, x):
        x = self.conv(x)
        return (x - x.mean((2, 3), keepdim=True)).relu()
```

## When it does not apply

The mean is taken along the axis that the bias varies along (`x.mean(1)` over the channels): only the average bias
goes. The mean belongs to another tensor, or is weighted. The tensor is used without its mean subtracted as well.

## Fix safety

Safe: the model computes the same function, in training and in evaluation. The bias leaves the `state_dict` (the
parameters by name, which is what a checkpoint stores), so the fix is marked unsafe in a file that loads weights, or
that reads this `.bias` without asking whether it is None; where such a read would crash, no fix is offered.

## The proof in three lines

- With `y = W∗x + b` and a mean over axes along which `b` is constant, `mean(y) = mean(W∗x) + b`.
- So `y − mean(y) = W∗x − mean(W∗x)`.
- Every later use sees this difference only, and it is the same for every `b`.

## References

- [Ioffe and Szegedy, 2015, section 3.2](https://arxiv.org/abs/1502.03167),
  which says it of the subtraction inside a batch norm
- [`torch.mean`](https://docs.pytorch.org/docs/stable/generated/torch.mean.html)
- [PyTorch's tuning guide](https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow
from biaslens.rules.redundant import findings
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every site whose bias a subtracted mean cancels."""
    return findings(flow, RULE)


RULE = Rule(
    code="BL104",
    name="bias-before-centering",
    check=check,
    documentation=__doc__ or "",
    url="https://arxiv.org/abs/1502.03167",
    mechanism="centering",
)
