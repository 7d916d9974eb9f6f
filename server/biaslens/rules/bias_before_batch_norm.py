"""# Bias before a batch norm

## What it finds

A convolution or linear layer with a bias whose output ends, on every path through the code, in a batch norm. Between
the two may stand whatever carries a per-channel constant on: pooling, a residual addition, a concatenation, a
reshape, a second linear layer.

## Why

A batch norm subtracts from every channel its mean over the batch and all positions. A bias adds the same number
everywhere in its channel, so the mean grows by that number and the subtraction removes it; the variance does not see
it at all. What is left is a parameter that costs memory, optimiser state and a reduction over the batch in every
backward pass, and that learns nothing: its gradient is rounding noise. Whether the norm is `affine` plays no part;
if it is, its own `bias` does what the removed one could not. Removing the bias changes no accuracy.

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

Something reads the bias before the norm: an activation, dropout, a gate that depends on the sample, or a zero-padded
convolution, which makes the shift differ at the border. The output is also used elsewhere. The norm runs in eval
mode while training (a frozen norm): then it adds constants only, and the bias counts.

## Fix safety

Safe: in training the model computes the same function. The parameter leaves the `state_dict`, so the fix is marked
unsafe in a file that loads weights, or that reads this `.bias` without asking whether it is None; where such a read
would crash, no fix is offered. In eval mode the stored `running_mean` contains the bias, so in a trained checkpoint
it has to be subtracted there once.

## The proof in three lines

- With `y = W∗x + b`, the mean over batch and positions is `mean(y) = mean(W∗x) + b`, for each channel.
- So `y − mean(y) = W∗x − mean(W∗x)`, and the variance, a function of `y − mean(y)`, does not contain `b` either.
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
