"""# Two biases that are added to each other

## What it finds

A recurrent layer of torch with its biases: `LSTM`, `GRU`, `RNN` and their cells have one bias for the input, `bias_ih`,
and one for the state that they hand from step to step, `bias_hh`, and add them up.

## Why

Each gate of such a layer (a part that decides what of the state is kept, written or shown) is a function of
`W_ih x + b_ih + W_hh h + b_hh`. What one of the biases gains and the other loses changes nothing: one would do. Torch
has two for compatibility with cuDNN, NVIDIA's library that computes these layers on a GPU. In a `GRU` that holds for
the reset and the update gate, two thirds of each bias; in the third gate `b_hn` is multiplied by the reset gate, which
makes it another one than `b_in`.

## Example

```python
import torch.nn as nn


class Tagger(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.rnn = nn.LSTM(width, width)  # error
        self.score = nn.Linear(width, 4)

    def forward(self, x):
        y, _ = self.rnn(x)
        return self.score(y)
```

## Use instead

Nothing in most cases: torch cannot leave out one of the two. It can leave out both, which makes the layer poorer.

```python
import torch.nn as nn


class Tagger(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.rnn = nn.LSTM(width, width, bias=False)
        self.score = nn.Linear(width, 4)

    def forward(self, x):
        y, _ = self.rnn(x)
        return self.score(y)
```

## When it does not apply

The layer is built with `bias=False`, or with an argument whose value is not known. Something uses one of the biases by
itself: weight decay, a regulariser or an initialiser makes a difference between two small biases and a larger one.

## Fix safety

There is no fix: the one argument `bias` leaves out both.

## The proof in three lines

- A gate of an `LSTM` or `RNN` is `f(W_ih x + b_ih + W_hh h + b_hh)`, which has the biases in their sum only.
- `(b_ih + d) + (b_hh - d) = b_ih + b_hh` for every `d`: the same function.
- The gate `n` of a `GRU` is `tanh(W_in x + b_in + r * (W_hn h + b_hn))`: there `d - r * d` is left.

## References

- [`torch.nn.LSTM`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html)
- [`torch.nn.GRU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html)
- [`torch.nn.RNN`](https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.catalogue.entry import ADDED_IN_GATES, ADDED_TWICE
from biaslens.flow import Flow, Part, Site, Verdict
from biaslens.rules.redundant import named
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every recurrent layer whose two biases are added to each other."""
    for layer in flow.compounds:
        if layer.inner not in (ADDED_TWICE, ADDED_IN_GATES):
            continue
        whole = layer.inner == ADDED_TWICE
        where = "only added to each other" if whole else "added to each other in two of three gates"
        yield Finding(
            code=RULE.code,
            name=RULE.name,
            location=layer.site,
            message=f"The two biases of {named(layer)}, `bias_ih` and `bias_hh`, are {where}: one would do there.",
            severity=RULE.severity,
            site=Site(layer.site, layer, Verdict.NEEDED, (), part=Part("half" if whole else "a third", "")),
            url=RULE.url,
            unnecessary=False,
        )


RULE = Rule(
    code="BL202",
    name="bias-added-twice",
    check=check,
    documentation=__doc__ or "",
    url="https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
    default=False,
    severity="hint",
    fix="",
)
