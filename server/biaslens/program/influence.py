"""On which answers it rests what a program computes: recorded while one run is followed.

A run answers each open question one way. What it then computes rests on some of its answers only, and the same comes of
every other run that gives these. So a few runs speak for all: a bias is cancelled whatever the options are where its
layer and each step on its way rest on answers of which every combination was followed.

What is recorded is dynamic slicing with control dependence (Agrawal and Horgan, "Dynamic program slicing", 1990): each
variable, attribute and container has the set of questions on which its contents rest, and so has the place that is
being executed. A branch that is not taken rests on its test as well: what it would have written and read is looked up
in its source (`arms.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from biaslens.program.symbols import Symbol

if TYPE_CHECKING:
    from biaslens.program.arms import Arm
    from biaslens.program.values import Scope

Influence: TypeAlias = int
"""A set of questions: one bit for each, by `Influences.bits`. 0: nothing that was asked changes it."""


K = TypeVar("K")


def add(influences: dict[K, Influence], key: K, more: Influence) -> None:
    """Effect: adds questions to the set that is kept under a key."""
    influences[key] = influences.get(key, 0) | more


class Fork(NamedTuple):
    """A branch that was not taken, and would have used tensors.

    position: how many equations stood before it. variables: the tensors that it names. influence: of its test.
    """

    position: int
    variables: tuple[int, ...]
    influence: Influence


class Skipped(NamedTuple):
    """Code that did not run, or that called something else than it may. calls: the calls in it."""

    calls: frozenset[ast.AST]
    influence: Influence


class Reached(NamedTuple):
    """How far a shift gets on one path. influence: on which answers that rests. is_cancelled: all of it is."""

    influence: Influence
    is_cancelled: bool


@dataclass(eq=False, slots=True)
class Influences:
    """The sets of one run.

    bits: of the entry's questions; shared by its runs.
    value: on what the expression rests that is being evaluated.
    control: on what it rests that this code runs at all.
    held: on what the contents of lists, dicts and sets rest, by identity.
    history: on what all steps rest that led to a tensor, by variable.
    returning: on what it rests what the entry gives.
    forks: the branches that were not taken.
    skipped: the code that did not run.
    always: on what each step rests: answers that change what all norms do.
    handlers: those of each `try` whose body is being executed, with its scope.
    calls: the calls that are being executed.
    asked_in: those in which each question was asked first.
    """

    bits: dict[Symbol, int] = field(default_factory=dict)
    value: Influence = 0
    control: Influence = 0
    held: dict[int, Influence] = field(default_factory=dict)
    history: list[Influence] = field(default_factory=list)
    returning: Influence = 0
    forks: list[Fork] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    always: Influence = 0
    handlers: list[tuple[Scope, Sequence[Arm]]] = field(default_factory=list)
    calls: list[ast.AST] = field(default_factory=list)
    asked_in: dict[Symbol, tuple[ast.AST, ...]] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)

    @property
    def here(self) -> Influence:
        """On what a value rests that is stored now."""
        return self.value | self.control

    def bit(self, question: Symbol) -> Influence:
        """The set of one question."""
        found = self.bits.get(question)
        if found is None:
            found = self.bits[question] = 1 << len(self.bits)
        return found

    def asked(self, question: Symbol) -> None:
        """Effect: what is being evaluated rests on the answer to a question."""
        self.value |= self.bit(question)
        if question not in self.asked_in:
            self.asked_in[question] = tuple(self.calls)

    def changed(self, container: object, more: Influence = 0) -> None:
        """Effect: a list, dict or set has other contents now. more: on what that rests besides."""
        influence = self.here | more
        if influence:
            if id(container) not in self.held:
                self._kept.append(container)  # so that no other object gets its identity
            add(self.held, id(container), influence)

    def looked_into(self, container: object) -> None:
        """Effect: what is being evaluated rests on the contents of a list, dict or set; of others nothing is held."""
        if self.held:
            self.value |= self.held.get(id(container), 0)


class Learned(dict[K, Any]):
    """What answers have fixed of unknown values; to look it up rests on these answers."""

    def __init__(self, influences: Influences) -> None:
        super().__init__()
        self._influences = influences
        self._rests_on: dict[object, Influence] = {}

    def __setitem__(self, key: K, value: Any) -> None:
        super().__setitem__(key, value)
        here = self._influences.here
        if here:
            self._rests_on[key] = here

    def __getitem__(self, key: K) -> Any:
        value = super().__getitem__(key)
        self._influences.value |= self._rests_on.get(key, 0)
        return value

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        if found:
            self._influences.value |= self._rests_on.get(key, 0)
        return found

    def get(self, key: K, default: Any = None) -> Any:  # type: ignore[override]
        """As of any dict."""
        value = dict.get(self, key, _NOTHING)  # asked about nearly every value: `super()` takes longer
        if value is _NOTHING:
            return default
        if self._rests_on:
            self._influences.value |= self._rests_on.get(key, 0)
        return value

    def setdefault(self, key: K, default: Any = None) -> Any:
        """As of any dict."""
        if key not in self:
            self[key] = default
        return self[key]


_NOTHING = object()


def members(influence: Influence) -> Iterator[int]:
    """The positions of the bits in a set."""
    while influence:
        lowest = influence & -influence
        yield lowest.bit_length() - 1
        influence ^= lowest
