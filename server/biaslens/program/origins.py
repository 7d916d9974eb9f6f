"""Who decides what an unknown value is, or how a question is answered."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Origin(Enum):
    """Who decides what a value is, or how a question is answered; those first whose answers make the better condition.

    In front are the people who build the model.
    """

    CONSTRUCTOR = "constructor"  # an argument of the constructor
    DEFAULT = "default"  # a parameter at its default
    FORWARD = "forward"  # an argument of forward
    RESULT = "result"  # code that could not be followed
    DATA = "data"
    MODE = "mode"  # training or eval


def weakest(origins: Iterable[Origin]) -> Origin:
    """The origin that says least about who decides."""
    return min(origins, key=_WEAKEST_FIRST.index)


_WEAKEST_FIRST = (
    *(Origin.DATA, Origin.RESULT, Origin.MODE),
    *(Origin.FORWARD, Origin.CONSTRUCTOR, Origin.DEFAULT),
)


def only(origins: Iterable[Origin]) -> Origin:
    """The origin of what is made of several values, where all come from one place."""
    found = set(origins)
    return found.pop() if len(found) == 1 else Origin.DATA
