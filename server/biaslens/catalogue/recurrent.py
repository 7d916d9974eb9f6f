"""Recurrent layers: their inner steps are not followed, but what their two biases are to each other is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from biaslens.catalogue.entry import ADDED_IN_GATES, ADDED_TWICE, Call, Inner, Step
from biaslens.catalogue.steps import Unclear, opaque, row


def unfollowed(call: Call) -> Step:
    """A layer with several inner maps, which is not followed."""
    if not call.operands:
        raise Unclear("it has no input")
    return opaque(call, "the inner steps of a recurrent layer are not followed")


def with_two_biases(says: str, place: int) -> Inner:
    """What is known where both biases are there. place: of `bias` among the positional arguments."""

    def inner(arguments: Mapping[str, object]) -> str:
        bias = arguments.get("bias", True)
        positional, keywords = arguments.get("args", ()), arguments.get("kwargs", ())
        if not isinstance(positional, tuple) or not isinstance(keywords, tuple):
            return ""
        if len(found := cast("tuple[object, ...]", positional)) > place:
            bias = found[place]
        bias = dict(cast("tuple[tuple[str, object], ...]", keywords)).get("bias", bias)
        return says if bias is True else ""

    return inner


_STACK = "*args, **kwargs"
_CELL = "input_size, hidden_size, bias=True, device=None, dtype=None"

ROWS = tuple(
    row(f"nn.{name}({parameters})", unfollowed, sample, inputs="input, hx=None", role="layer", inner=inner)
    for name, parameters, sample, inner in (
        ("LSTM", _STACK, "4, 6 | 3 2 4", with_two_biases(ADDED_TWICE, 3)),
        ("GRU", _STACK, "4, 6 | 3 2 4", with_two_biases(ADDED_IN_GATES, 3)),
        ("RNN", _STACK, "4, 6 | 3 2 4", with_two_biases(ADDED_TWICE, 4)),
        ("LSTMCell", _CELL, "4, 6 | 2 4", with_two_biases(ADDED_TWICE, 2)),
        ("GRUCell", _CELL, "4, 6 | 2 4", with_two_biases(ADDED_IN_GATES, 2)),
        (
            "RNNCell",
            "input_size, hidden_size, bias=True, nonlinearity='tanh', device=None, dtype=None",
            "4, 6 | 2 4",
            with_two_biases(ADDED_TWICE, 2),
        ),
    )
)
