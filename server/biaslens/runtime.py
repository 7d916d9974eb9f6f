"""How Python runs the analysis: with room for deep recursion, and seldom looking for garbage."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

RECURSION_LIMIT = 4000
"""Frames for the deepest chain of calls and imports that is followed; within the stack of a thread on every Python."""

_ROOM = 132_000
"""Words of 8 bytes: a little more than a mebibyte."""


def deeply(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function gives that calls itself to great depths: following one call of a model takes a dozen frames.

    Effect: raises Python's recursion limit.

    CPython (3.11 and later) keeps the frames of calls in pieces of 16 KiB. Each call that goes beyond the end of one
    takes another from the system, and gives it back when it returns: where a loop happens to call across an end, that
    took a sixth of all time. A piece is as large as its first frame needs, rounded up to a power of two. So this frame
    claims a little more than half of two mebibytes, and all calls inside it share the other half.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    return function(*args, **kwargs)


deeply.__code__ = deeply.__code__.replace(co_stacksize=_ROOM)


def collect_seldom() -> None:
    """Effect: Python looks for garbage in cycles after a few checks; by default it does so many times in each, and
    finds nothing. What is there by now stays, and is not looked through again."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def collect_now() -> None:
    """Effect: gives back what a world parsed that nobody needs any more: it goes in a circle, and would lie about for
    long."""
    gc.collect()
