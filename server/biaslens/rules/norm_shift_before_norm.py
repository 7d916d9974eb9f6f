"""# Shift of a norm before another norm

## What it finds

A norm whose own learnable shift, β (PyTorch calls it the norm's `bias`), is subtracted again on every path through the
code: by the next norm, or by a softmax. Between the two may stand whatever passes on one number for a whole channel,
such as the 1×1 convolution between two blocks of MobileNetV2, unless it pads with zeros.

## Why

A norm gives `γ · x̂ + β`, where `x̂` is its input with mean 0 and spread 1. The β adds the same number everywhere in its
channel, so the mean that a batch norm behind it subtracts has grown by that number, too. β is a bias like any other: a
parameter that learns nothing. The scale γ is not concerned: it weighs the channels against each other.

## Example

```python
import torch.nn as nn


class Tokens(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.norm = nn.LayerNorm(dim)  # error
        self.mix = nn.Conv1d(dim, dim, 1, bias=False)
        self.bn = nn.BatchNorm1d(dim)

    def forward(self, x):
        return self.bn(self.mix(self.norm(x).transpose(-2, -1))).relu()
```

## Use instead

```python
import torch.nn as nn


class Tokens(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.norm = nn.LayerNorm(dim, bias=False)
        self.mix = nn.Conv1d(dim, dim, 1, bias=False)
        self.bn = nn.BatchNorm1d(dim)

    def forward(self, x):
        return self.bn(self.mix(self.norm(x).transpose(-2, -1))).relu()
```

## When it does not apply

An activation, dropout or a zero-padded convolution stands between the two norms, or something else reads what the
first norm gives. The second one is a layer norm over the features along which β varies (only the average of β goes), or
an RMSNorm, which does not subtract a mean.

## Fix safety

Only `LayerNorm` can be told to have a γ and no β, by `bias=False`, and only since torch 2.1: the fix is marked unsafe.
In training the model computes the same function. For other norms there is no fix. The finding is a hint: nothing has
to be done.

## The proof in three lines

- With `y = W(γx̂ + β)`, the mean over batch and positions is `mean(y) = mean(Wγx̂) + Wβ`, for each channel.
- So `y − mean(y) = Wγx̂ − mean(Wγx̂)`, and the variance does not contain `β` either.
- What the second norm gives is the same for every `β` of the first.

## References

- [Ioffe and Szegedy, 2015, section 3.2](https://arxiv.org/abs/1502.03167)
- [Sandler et al., 2018](https://arxiv.org/abs/1801.04381): blocks that end and begin with a 1×1 convolution and a norm
- [`torch.nn.LayerNorm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow
from biaslens.rules.redundant import canceller, is_reported, place_of, statement
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every norm of the flow's own file whose β something cancels."""
    for site in flow.sites:
        fate = site.first_cancelled
        if fate is not None and is_reported(site, flow.path, "norm"):
            yield Finding(
                code=RULE.code,
                name=RULE.name,
                location=site.location,
                message=statement(site, fate),
                severity=RULE.severity,
                site=site,
                related=((place_of(fate), f"{canceller(fate)} cancels it here"),),
                url=RULE.url,
                unnecessary=False,
            )


RULE = Rule(
    code="BL203",
    name="norm-shift-before-norm",
    check=check,
    documentation=__doc__ or "",
    url="https://arxiv.org/abs/1502.03167",
    default=False,
    severity="hint",
    fix="unsafe",
)
