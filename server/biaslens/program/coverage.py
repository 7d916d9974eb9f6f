"""Whether what was followed speaks for all answers: sets of answers that leave no combination out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from math import prod
from typing import TypeAlias

from biaslens.program.influence import Influence, members
from biaslens.program.ir import Answer, Asked
from biaslens.program.symbols import Symbol

Cube: TypeAlias = "frozenset[tuple[Symbol, str]]"
"""Some answers, as (question, choice): all combinations of answers that contain them."""

EVERYTHING: Cube = frozenset()

MAX_ROUNDS = 27
"""So many ways in which three loops go round are combined."""

MAX_SPLITS = 1_000
"""Where so many distinctions do not tell whether everything is covered, it counts as not covered."""


def cube(answers: Mapping[Symbol, Answer], influence: Influence, questions: Sequence[Symbol]) -> Cube:
    """Those answers of a path on which something rests. questions: by the bits of the influence."""
    return frozenset((key, answers[key].choice) for bit in members(influence) if (key := questions[bit]) in answers)


def without_numbers(rests_on: Cube, answers: Mapping[Symbol, Answer]) -> Cube:
    """A cube of a path without numbers that are left open: what holds of an unknown number holds of its default too."""
    return frozenset(
        (key, choice) for key, choice in rests_on if choice == "default" or not answers[key].question.is_about_number
    )


def without_unknowns(rests_on: Cube, answers: Mapping[Symbol, Answer]) -> Cube:
    """The same with everything that was followed as an unknown value, not only numbers: it may be any value."""
    return frozenset(
        (key, choice) for key, choice in rests_on if choice == "default" or not answers[key].question.is_about_value
    )


Questions: TypeAlias = Mapping[Symbol, Asked]
"""By their keys."""


class Cover:
    """Some cubes together.

    Questions that no reader tells apart are answered alike, as those of twelve blocks are that are built in a loop. How
    often many loops go round is not combined: one or two go round otherwise than all do first.

    A cube is an int here: one bit for each answer that it asks for.
    """

    def __init__(self, cubes: Collection[Cube], questions: Questions) -> None:
        self._questions = questions
        self._all = cubes
        self._choices: dict[str, tuple[str, ...]] = {}
        self._bits: dict[tuple[str, str], int] = {}
        self._masks: dict[str, int] = {}
        self._loops: dict[str, tuple[str, ...]] = {}
        self._several: set[str] = set()
        self._number_answers({key for one in cubes for key, _ in one})
        self._cubes = {bits for one in cubes if (bits := self._bits_of(one)) is not None}
        self._splits = 0

    def outside(self, within: Cube = EVERYTHING) -> dict[Symbol, str] | None:
        """Answers that no cube contains, None where they contain all.

        within: only combinations with these matter. They fix what they answer, not all that is alike: `sizes[0] == 1`
        says nothing of the other items.
        """
        fixed = {self._questions[key].kind: choice for key, choice in within}
        if not self._several.isdisjoint(fixed):
            told = Cover(_rests(self._all, dict(within)), self._questions).outside()
            return None if told is None else {**told, **dict(within)}
        cubes = self._cubes
        for kind, choice in fixed.items():
            cubes = self._with(cubes, kind, choice)
        if 0 in cubes:
            return None
        union = _union(cubes)
        loops = {kind: choices for kind, choices in sorted(self._loops.items()) if union & self._masks[kind]}
        for rounds in _numbers_of_rounds(loops):
            told = self._outside(cubes, rounds)
            if told is not None:
                answers = {key: told[asked.kind] for key, asked in self._questions.items() if asked.kind in told}
                return {**answers, **dict(within)}
        return None

    def _number_answers(self, mentioned: Collection[Symbol]) -> None:
        """Effect: gives each answer to the kinds of some questions a bit."""
        kinds = Counter(self._questions[key].kind for key in mentioned)
        self._several = {kind for kind, number in kinds.items() if number > 1}
        for asked in self._questions.values():
            if asked.kind in kinds:
                self._choices[asked.kind] = (*dict.fromkeys((*self._choices.get(asked.kind, ()), *asked.choices)),)
                if asked.is_about_rounds:
                    self._loops[asked.kind] = self._choices[asked.kind]
        for kind, choices in self._choices.items():
            bits = {(kind, choice): 1 << len(self._bits) + place for place, choice in enumerate(choices)}
            self._bits |= bits
            self._masks[kind] = sum(bits.values())

    def _bits_of(self, one: Cube) -> int | None:
        """A cube in terms of kinds of questions; None where it answers questions of one kind in several ways, unless
        these are asked in a recursion, which goes on until it ends."""
        found: dict[str, str] = {}
        for key, choice in one:
            asked = self._questions[key]
            known = found.setdefault(asked.kind, choice)
            if known != choice:
                if not asked.is_recursive:
                    return None
                found[asked.kind] = min(known, choice, key=self._choices[asked.kind].index)
        return sum(self._bits[answer] for answer in found.items())

    def _outside(self, cubes: set[int], rounds: Mapping[str, str]) -> dict[str, str] | None:
        """The same with each of some loops going round in one way; answers by kind."""
        self._splits = 0
        for kind, choice in rounds.items():
            cubes = self._with(cubes, kind, choice)
        found = self._split(cubes)
        return None if found is None else {**rounds, **found}

    def _split(self, cubes: set[int]) -> dict[str, str] | None:
        """Splits all combinations by one question after the other, until a cube contains all that is left, or none
        does."""
        told: dict[str, str] = {}
        while (decided := self._unasked_for(cubes)) is not None:
            told[decided[0]] = decided[1]
            mask = self._masks[decided[0]]
            cubes = {one for one in cubes if not one & mask}
        if 0 in cubes:
            return None
        self._splits += 1
        if not cubes or self._splits > MAX_SPLITS:
            return told
        kind = self._most_asked(cubes)
        for choice in self._choices[kind]:
            found = self._split(self._with(cubes, kind, choice))
            if found is not None:
                return {**told, kind: choice, **found}
        return None

    def _unasked_for(self, cubes: set[int]) -> tuple[str, str] | None:
        """An answer that no cube asks for, to a question of which some cubes speak: with it, least is contained."""
        union = _union(cubes)
        for kind, mask in self._masks.items():
            if union & mask not in (0, mask):
                return kind, next(choice for choice in self._choices[kind] if not union & self._bits[kind, choice])
        return None

    def _most_asked(self, cubes: set[int]) -> str:
        counted = {kind: sum(1 for one in cubes if one & mask) for kind, mask in self._masks.items()}
        return max(counted, key=lambda kind: counted[kind])

    def _with(self, cubes: set[int], kind: str, choice: str) -> set[int]:
        """What cubes still ask for where a question is answered."""
        mask = self._masks.get(kind, 0)
        others = mask & ~self._bits.get((kind, choice), 0)
        return {one & ~mask for one in cubes if not one & others}


def _rests(cubes: Iterable[Cube], fixed: Mapping[Symbol, str]) -> set[Cube]:
    """What cubes still ask for where some answers are fixed; not those that ask for other ones."""
    return {
        frozenset(answer for answer in one if answer[0] not in fixed)
        for one in cubes
        if all(fixed.get(key, choice) == choice for key, choice in one)
    }


def _union(cubes: Iterable[int]) -> int:
    union = 0
    for one in cubes:
        union |= one
    return union


def _numbers_of_rounds(loops: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """How often some loops go round: all combinations, if they are few; else all as they do first, then one of them or
    two otherwise."""
    first = {kind: choices[0] for kind, choices in loops.items()}
    most = len(first) if prod(map(len, loops.values())) <= MAX_ROUNDS else 2
    for number in range(most + 1):
        for kinds in combinations(first, number):
            for others in product(*(loops[kind][1:] for kind in kinds)):
                yield {**first, **dict(zip(kinds, others, strict=True))}


def compatible(one: Cube, other: Cube) -> bool:
    """Whether some combination of answers is in both."""
    fixed = dict(other)
    return all(fixed.get(key, choice) == choice for key, choice in one)
