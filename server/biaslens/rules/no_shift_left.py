"""# No shift left before an activation

## What it finds

A layer built without a bias, or a norm without a learned shift β, whose result goes straight into an activation such as
ReLU: nothing on the way adds a constant. So zeros that come into the layer are zeros before the activation, whatever
the weights.

## Why

A unit `relu(w·x + b)` switches at `w·x = −b`, anywhere; without `b` it switches at `w·x = 0`, so that all its
boundaries pass through the origin. Where a norm with a β follows, the β is that shift; here there is none, and nothing
else replaces the bias. Many models do this on purpose, such as language models with no biases and an RMSNorm, which
scales its input and neither subtracts nor adds anything: they are wide enough, and have fewer parameters. This rule
only says where it is so.

## Example

```python
import torch.nn as nn


class FeedForward(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.up = nn.Linear(width, 4 * width, bias=False)  # error
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        return self.down(self.up(x).relu())
```

## Use instead

Nothing, if it is meant. Otherwise:

```python
import torch.nn as nn


class FeedForward(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        return self.down(self.up(x).relu())
```

## When it does not apply

Something between the layer and the activation adds a constant, or may: a bias, the β of a norm, a parameter or a number
that is added, another branch. The β of a norm in front of the layer comes through it and is a shift as well. Something
else than an activation is first to read what the layer gives. Code on the way could not be followed.

## Fix safety

There is no fix: the code may be right as it is.

## The proof in three lines

- A layer without a bias is linear: `f(0) = W·0 = 0`.
- Pooling, reshaping and scaling by a number keep zeros, and so does a second layer without a bias.
- So the activation meets `0` for an input of zeros, whatever the weights are.

## References

- [Touvron et al., 2023](https://arxiv.org/abs/2302.13971): a language model without biases
- [Zhang and Sennrich, 2019](https://arxiv.org/abs/1910.07467), for RMSNorm, which has no β
- [`torch.nn.Linear`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow, Site
from biaslens.program.ir import Equation
from biaslens.rules.redundant import named
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every layer of the flow's own file after which no shift comes before the activations."""
    for site in flow.sites:
        if site.unshifted and site.location.path == flow.path:
            yield Finding(
                code=RULE.code,
                name=RULE.name,
                location=site.location,
                message=_statement(site),
                severity=RULE.severity,
                site=site,
                related=tuple((end.location, f"`{end.label}` meets it here") for end in _ends(site)[:1]),
                url=RULE.url,
                unnecessary=False,
            )


def _statement(site: Site) -> str:
    names = list(dict.fromkeys(f"`{end.label}`" for end in _ends(site)))
    activations = " and ".join(names[:3])
    name = named(site.layer)
    if site.layer.entry.role == "norm":
        return f"Nothing shifts what {name} centres before {activations}: it has no β, and none follows."
    return (
        f"Nothing is added between {name} and {activations}: zeros into {name} are zeros there, whatever the weights."
    )


def _ends(site: Site) -> list[Equation]:
    return [fate.end for fate in site.fates if fate.end is not None]


RULE = Rule(
    code="BL301",
    name="no-shift-left",
    check=check,
    documentation=__doc__ or "",
    url="https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html",
    default=False,
    severity="hint",
    fix="",
)
