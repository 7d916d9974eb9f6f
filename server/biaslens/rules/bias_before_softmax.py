"""# Bias before a softmax

## What it finds

A layer whose bias adds the same number to all entries over which a softmax is taken (it turns scores into positive
weights that sum to one): the *key* bias of attention, and the bias of a `Linear(d, 1)` that gives a score to each
position, before a softmax over the positions. Where one layer makes queries, keys and values together
(`Linear(d, 3 * d)`), the part of its bias that becomes the keys: as information, since it cannot be left out.

## Why

A softmax depends only on the differences between its inputs. In attention each query `q` compares itself with every key
`k` by the product `q·k`. A key bias `b` adds `q·b` to each of these scores, the same number for every key, so the
weights stay as they are. Masks (−inf where a query must not look), position biases that are added to the scores (as in
ALiBi, T5 and Swin) and dropout after the softmax change nothing about that.

The *query* and *value* biases are different: they have an effect. And key biases are not always idle. They have an
effect with rotary position embeddings (RoPE), which turn each key by an angle that depends on its position, and where
keys are normalised. Removing one that has no effect does not improve accuracy: the model computes the same as before.

## Example

```python
import torch.nn as nn


class Attention(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)  # error
        self.value = nn.Linear(dim, dim)

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(-2, -1)
        return scores.softmax(dim=-1) @ self.value(x)
```

## Use instead

```python
import torch.nn as nn


class Attention(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim)

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(-2, -1)
        return scores.softmax(dim=-1) @ self.value(x)
```

## When it does not apply

Something reads the keys or the scores before the softmax: rotary position embeddings, a norm on the keys, cosine
similarity instead of a product, `tanh` around the scores (a soft cap). There is no softmax over all keys: linear or
sigmoid attention. One more entry takes part that has no key bias: an attention sink, `add_zero_attn`, `add_bias_kv`.
The raw scores are used elsewhere. Of one layer for queries, keys and values the rest of the bias has an effect.

## Fix safety

Safe: the model computes the same function, in training and in evaluation. The bias leaves the `state_dict` (the
parameters by name, which is what a checkpoint stores), so the fix is marked unsafe in a file that loads weights, or
that reads this `.bias` without asking whether it is None; where such a read would crash, no fix is offered. There is
none for a part of a bias.

## The proof in three lines

- A key `k_j + b` gives the score `q·(k_j + b) = q·k_j + q·b`, where `q·b` does not depend on `j`.
- `exp(s_j + c) / Σ exp(s_i + c) = exp(s_j) / Σ exp(s_i)` for every number `c`.
- With `c = q·b` the attention weights are the same for every `b`.

## References

- [Namazifar and others, 2023](https://arxiv.org/abs/2302.08626)
- [`torch.nn.Softmax`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html)
- [`torch.nn.functional.scaled_dot_product_attention`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html)
- [PyTorch's tuning guide](https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html)
"""

from __future__ import annotations

from collections.abc import Iterator

from biaslens.flow import Flow
from biaslens.rules.redundant import findings
from biaslens.rules.rule import Finding, Rule


def check(flow: Flow) -> Iterator[Finding]:
    """A finding for every site whose bias a softmax cancels."""
    return findings(flow, RULE)


RULE = Rule(
    code="BL105",
    name="bias-before-softmax",
    check=check,
    documentation=__doc__ or "",
    url="https://arxiv.org/abs/2302.08626",
    mechanism="softmax",
)
