"""# Bias before a layer norm over other axes

## What it finds

A layer whose bias varies along axes that a following layer norm does *not* normalise over, and is the same along
those that it does: for example a linear layer that mixes tokens (the positions of a sequence), whose bias has one
number per token, before a layer norm over the features (the numbers that describe one token).

## Why

A layer norm subtracts from each token the mean over its features. A bias that is the same for all features of a token
is part of that mean, so it is subtracted again.

The ordinary case is different. The bias of a `Linear` before a `LayerNorm` has another number for each feature: only
its *average* over the features is lost, the differences between them have an effect, and it stays. That a layer norm
removes the bias in front of it, as a batch norm does, is a mistake; and an `RMSNorm` removes nothing of it, since it
divides by the size of the features and subtracts no mean. Removing a bias that has no effect does not improve accuracy:
the model computes the same as before.

## Example

```python
import torch.nn as nn


class TokenMixing(nn.Module):
    def __init__(self, tokens=10, dim=16):
        super().__init__()
        self.mix = nn.Linear(tokens, tokens)  # error
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        x = self.mix(x.transpose(-1, -2)).transpose(-1, -2)
        return self.norm(x).relu()
```

## Use instead

```python
import torch.nn as nn


class TokenMixing(nn.Module):
    def __init__(self, tokens=10, dim=16):
        super().__init__()
        self.mix = nn.Linear(tokens, tokens, bias=False)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        x = self.mix(x.transpose(-1, -2)).transpose(-1, -2)
        return self.norm(x).relu()
```

## When it does not apply

The bias varies along the normalised axes, as that of any `Linear` directly before a `LayerNorm` over its features
does. The norm is an `RMSNorm`. The layer's output is normalised in one place and used as it is in another: a residual
stream (`x = x + block(norm(x))`) keeps the biases that were added to it.

## Fix safety

Safe: the model computes the same function, in training and in evaluation. The bias leaves the `state_dict` (the
parameters by name, which is what a checkpoint stores), so the fix is marked unsafe in a file that loads weights, or
that reads this `.bias` without asking whether it is None; where such a read would crash, no fix is offered.

## The proof in three lines

- With `y[t, f] = z[t, f] + b[t]`, the mean over the features is `mean(y)[t] = mean(z)[t] + b[t]`.
- So `y − mean(y) = z − mean(z)`, and the variance σ² over the features does not contain `b` either.
- The result `γ · (y − mean(y)) / σ + β`, with the norm's own scale γ and shift β, is the same for every `b`.

## References

- [Ba, Kiros and Hinton, 2016](https://arxiv.org/abs/1607.06450)
- [Zhang and Sennrich, 2019](https://arxiv.org/abs/1910.07467), for RMSNorm, which does not subtract the mean
- [`torch.nn.LayerNorm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html)
- [PyTorch's tuning guide](https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow
from biaslens.rules.redundant import findings
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every site whose bias a layer norm cancels."""
    return findings(flow, RULE)


RULE = Rule(
    code="BL106",
    name="bias-before-layer-norm",
    check=check,
    documentation=__doc__ or "",
    url="https://arxiv.org/abs/1607.06450",
    mechanism="layer norm",
)
