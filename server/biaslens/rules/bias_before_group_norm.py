"""# Bias before a group norm with one channel per group

## What it finds

A layer with a bias whose output ends, on every path through the code, in a `GroupNorm` with as many groups as
channels.

## Why

A group norm splits the channels into groups and subtracts from each group its mean over all of its channels and
positions. With one channel per group that is the mean of the channel, which contains its bias, so the bias is
subtracted again, as by an instance norm. Whether the norm has a learned scale and shift of its own (`affine`, which is
the default) plays no part.

With fewer groups only the *average* bias of a group is lost, and the differences between its channels survive: there
the bias has an effect, and this rule is silent. Removing a bias that has none does not improve accuracy: the model
computes the same as before.

## Example

```python
import torch.nn as nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 16, 3, padding=1)  # error
        self.norm = nn.GroupNorm(16, 16)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()
```

## Use instead

```python
import torch.nn as nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(16, 16)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()
```

## When it does not apply

The norm has fewer groups than channels, or their numbers cannot be shown to be equal. Something reads the bias before
the norm: an activation such as ReLU, dropout, or another convolution that pads with zeros, where less of the bias
arrives at the border than in the middle.

## Fix safety

Safe: the model computes the same function, in training and in evaluation. The bias leaves the `state_dict` (the
parameters by name, which is what a checkpoint stores), so the fix is marked unsafe in a file that loads weights, or
that reads this `.bias` without asking whether it is None; where such a read would crash, no fix is offered.

## The proof in three lines

- With one channel per group, `mean(y) = mean(W∗x) + b` over the positions of one sample, for each channel.
- So `y − mean(y) = W∗x − mean(W∗x)`, and the variance σ² does not contain `b` either.
- The result `γ · (y − mean(y)) / σ + β`, with the norm's own scale γ and shift β, is the same for every `b`.

## References

- [Wu and He, 2018](https://arxiv.org/abs/1803.08494)
- [PyTorch's tuning guide](https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html)
- [`torch.nn.GroupNorm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow
from biaslens.rules.redundant import findings
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every site whose bias a group norm cancels."""
    return findings(flow, RULE)


RULE = Rule(
    code="BL103",
    name="bias-before-group-norm",
    check=check,
    documentation=__doc__ or "",
    url="https://arxiv.org/abs/1803.08494",
    mechanism="group norm",
)
