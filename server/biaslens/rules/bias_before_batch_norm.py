"""# Bias before a batch norm

## What it finds

A convolution or linear layer with a bias whose output ends, on every path through the code, in a batch norm. Between
the two may stand whatever passes on one number for a whole channel: pooling, a residual sum (`x + block(x)`), a
concatenation, a reshape, a 1×1 convolution, a second linear layer.

## Why

A bias adds one number to all of a channel, at every position of every sample. In training a batch norm subtracts from
each channel its mean over the batch and all positions. The bias has raised that mean by just its own value, so it is
subtracted again; the variance, which says how far the values spread, does not see it at all. What is left is a
parameter that costs memory, optimiser state (the numbers that an optimiser such as Adam keeps for each parameter) and a
sum over the batch in every backward pass, and that learns nothing: its gradient is rounding noise.

So `bias=False` in front of a batch norm is more than a convention. It does not take an `affine` norm, which is one that
goes on to multiply by a learned γ and add a learned β (PyTorch's names: `weight` and `bias`): the subtraction removes
the bias with or without them. Where there is a β, it does what the removed bias could not. Removing the bias does not
improve accuracy: the model computes the same as before.

## Example

```python
import torch.nn as nn


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)  # error
        self.pool = nn.MaxPool2d(2)
        self.bn = nn.BatchNorm2d(16)

    def forward(self, x):
        return self.bn(self.pool(self.conv(x))).relu()
```

## Use instead

```python
import torch.nn as nn


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.bn = nn.BatchNorm2d(16)

    def forward(self, x):
        return self.bn(self.pool(self.conv(x))).relu()
```

## When it does not apply

Something reads the bias before the norm: an activation such as ReLU, dropout, a gate (a factor computed from the
sample), or another convolution that pads with zeros, where less of the bias arrives at the border than in the middle.
The output is also used elsewhere. The norm runs in eval mode while the model trains (a frozen norm): then it subtracts
a stored number instead of the mean of the batch, and the bias counts.

## Fix safety

Safe: in training the model computes the same function. The bias leaves the `state_dict` (the parameters by name, which
is what a checkpoint stores), so the fix is marked unsafe in a file that loads weights, or that reads this `.bias`
without asking whether it is None; where such a read would crash, no fix is offered. In eval mode a batch norm
subtracts the mean that it has stored while training, `running_mean`, and that contains the bias: in a trained
checkpoint what the bias adds has to be subtracted from it once.

## The proof in three lines

- With `y = W∗x + b`, the mean over batch and positions is `mean(y) = mean(W∗x) + b`, for each channel.
- So `y − mean(y) = W∗x − mean(W∗x)`, and the variance σ², a mean of `(y − mean(y))²`, does not contain `b` either.
- The result `γ · (y − mean(y)) / σ + β` is the same for every `b`.

## References

- [Ioffe and Szegedy, 2015, section 3.2](https://arxiv.org/abs/1502.03167):
  "the bias b can be ignored since its effect will be canceled by the subsequent mean subtraction"
- [PyTorch's tuning guide](https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html)
- [`torch.nn.BatchNorm2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow
from biaslens.rules.redundant import findings
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every site whose bias a batch norm cancels."""
    return findings(flow, RULE)


RULE = Rule(
    code="BL101",
    name="bias-before-batch-norm",
    check=check,
    documentation=__doc__ or "",
    url="https://arxiv.org/abs/1502.03167",
    mechanism="batch norm",
)
