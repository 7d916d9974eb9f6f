"""# Bias before an instance norm

## What it finds

A convolution with a bias whose output ends, on every path through the code, in an instance norm.

## Why

An instance norm subtracts from every channel of every sample its mean over all positions. A bias adds the same
number at every position, so it is subtracted again. What is left is a parameter that learns nothing.

Some well-known code keeps the bias just here, because by default an instance norm has no learned shift of its own
(`affine=False`; with `affine=True` it has a scale γ and a shift β). But the bias cannot stand in for that shift: it is
added *before* the mean is subtracted, with `affine` or without. Who wants a shift after the norm has to write
`affine=True`. Removing the bias does not improve accuracy: the model computes the same as before.

## Example

```python
import torch.nn as nn


class Down(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 4, stride=2, padding=1)  # error
        self.norm = nn.InstanceNorm2d(16)
        self.act = nn.LeakyReLU(0.2)

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))
```

## Use instead

```python
import torch.nn as nn


class Down(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 4, stride=2, padding=1, bias=False)
        self.norm = nn.InstanceNorm2d(16)
        self.act = nn.LeakyReLU(0.2)

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))
```

## When it does not apply

Something reads the bias before the norm: an activation such as ReLU, dropout, or another convolution that pads with
zeros, where less of the bias arrives at the border than in the middle. The bias of a `Linear` before an
`InstanceNorm1d` has another number for each position that the mean is taken over, so it stays.

## Fix safety

Safe: the model computes the same function, in training and, by default, in evaluation. The bias leaves the
`state_dict` (the parameters by name, which is what a checkpoint stores), so the fix is marked unsafe in a file that
loads weights, or that reads this `.bias` without asking whether it is None; where such a read would crash, no fix is
offered. With `track_running_stats=True` the norm behaves like a batch norm in evaluation: it subtracts a stored mean,
`running_mean`, that contains the bias, and in a trained checkpoint what the bias adds has to be subtracted from it.

## The proof in three lines

- With `y = W∗x + b`, the mean over the positions of one sample is `mean(y) = mean(W∗x) + b`, for each channel.
- So `y − mean(y) = W∗x − mean(W∗x)`, and the variance σ² of the positions does not contain `b` either.
- The result `(y − mean(y)) / σ` is the same for every `b`, and so is `γ` times that plus `β`.

## References

- [Ulyanov, Vedaldi and Lempitsky, 2016](https://arxiv.org/abs/1607.08022)
- [PyTorch's tuning guide](https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html)
- [`torch.nn.InstanceNorm2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm2d.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow
from biaslens.rules.redundant import findings
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every site whose bias a instance norm cancels."""
    return findings(flow, RULE)


RULE = Rule(
    code="BL102",
    name="bias-before-instance-norm",
    check=check,
    documentation=__doc__ or "",
    url="https://arxiv.org/abs/1607.08022",
    mechanism="instance norm",
)
