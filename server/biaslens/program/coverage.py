"""Whether what was followed speaks for all answers: sets of answers that leave no combination out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from math import prod
from typing import TypeAlias

from biaslens.program.influence import Influence, members
from biaslens.program.ir import Answer, Asked

Cube: TypeAlias = "frozenset[tuple[str, str]]"
"""Some answers, as (question, choice): all combinations of answers that contain them."""

EVERYTHING: Cube = frozenset()

MAX_ROUNDS = 27
"""So many ways in which three loops go round are combined."""

MAX_SPLITS = 1_000
"""Where so many distinctions do not tell whether everything is covered, it counts as not covered."""


def cube(answers: Mapping[str, Answer], influence: Influence, questions: Sequence[str]) -> Cube:
    """Those answers of a path on which something rests. questions: by the bits of the influence."""
    return frozenset((key, answers[key].choice) for bit in members(influence) if (key := questions[bit]) in answers)


def without_numbers(rests_on: Cube, answers: Mapping[str, Answer]) -> Cube:
    """A cube of a path without numbers that are left open: what holds of an unknown number holds of its default too."""
    return frozenset(
        (key, choice) for key, choice in rests_on if choice == "default" or not answers[key].question.is_about_number
    )


def without_unknowns(rests_on: Cube, answers: Mapping[str, Answer]) -> Cube:
    """The same with everything that was followed as an unknown value, not only numbers: it may be any value."""
    return frozenset(
        (key, choice) for key, choice in rests_on if choice == "default" or not answers[key].question.is_about_value
    )


Questions: TypeAlias = Mapping[str, Asked]
"""By their keys."""


def uncovered(cubes: Collection[Cube], questions: Questions, within: Cube = EVERYTHING) -> dict[str, str] | None:
    """Answers that no cube contains, None where they contain all.

    within: only combinations with these answers matter.
    Questions that no reader tells apart are answered alike, as those of twelve blocks are that are built in a loop. How
    often many loops go round is not combined: one or two go round otherwise than all do first.
    """
    if EVERYTHING in cubes:
        return None
    fixed = dict(within)
    left = {rest for one in cubes if (rest := _rest(one, fixed)) is not None} if fixed else {*cubes}
    kinds = [kind for one in left if (kind := _by_kind(one, questions)) is not None]
    splitting = _Splitting(kinds, {asked.kind: asked.choices for asked in questions.values()})
    for rounds in _numbers_of_rounds(left, questions):
        told = splitting.outside(rounds)
        if told is not None:
            return {**{key: told[asked.kind] for key, asked in questions.items() if asked.kind in told}, **fixed}
    return None


def _by_kind(one: Cube, questions: Questions) -> Cube | None:
    """A cube in terms of kinds of questions; None where it answers questions of one kind in several ways, unless these
    are asked in a recursion, which goes on until it ends."""
    found: dict[str, str] = {}
    for key, choice in sorted(one, key=lambda item: questions[item[0]].choices.index(item[1])):
        asked = questions[key]
        if found.setdefault(asked.kind, choice) != choice and not asked.is_recursive:
            return None
    return frozenset(found.items())


def _numbers_of_rounds(cubes: Iterable[Cube], questions: Questions) -> Iterator[dict[str, str]]:
    """How often the loops go round of which some cubes speak: all combinations, if they are few; else all as they do
    first, then one of them or two otherwise."""
    loops = {asked.kind: asked.choices for one in cubes for key, _ in one if (asked := questions[key]).is_about_rounds}
    first = {kind: choices[0] for kind, choices in sorted(loops.items())}
    most = len(first) if prod(map(len, loops.values())) <= MAX_ROUNDS else 2
    for number in range(most + 1):
        for kinds in combinations(first, number):
            for others in product(*(loops[kind][1:] for kind in kinds)):
                yield {**first, **dict(zip(kinds, others, strict=True))}


def compatible(one: Cube, other: Cube) -> bool:
    """Whether some combination of answers is in both."""
    return _rest(one, dict(other)) is not None


def _rest(one: Iterable[tuple[str, str]], fixed: Mapping[str, str]) -> Cube | None:
    """What a cube still asks for where some answers are fixed; None where these are other ones."""
    if any(fixed.get(key, choice) != choice for key, choice in one):
        return None
    return frozenset((key, choice) for key, choice in one if key not in fixed)


class _Splitting:
    """Splits all combinations by one question after the other, until a cube contains all that is left, or none does.

    A cube is an int here: one bit for each answer that it asks for.
    """

    def __init__(self, cubes: Collection[Cube], choices: Mapping[str, Sequence[str]]) -> None:
        answers = sorted({answer for one in cubes for answer in one})
        self._bits = {answer: 1 << index for index, answer in enumerate(answers)}
        self._cubes = {sum(self._bits[answer] for answer in one) for one in cubes}
        self._choices: dict[str, list[str]] = {}
        for question, choice in answers:
            known = self._choices.setdefault(question, list(choices.get(question, ())))
            known += [choice] if choice not in known else []
        self._masks = {
            question: sum(self._bits.get((question, choice), 0) for choice in its)
            for question, its in self._choices.items()
        }
        self._splits = 0

    def outside(self, given: Mapping[str, str]) -> dict[str, str] | None:
        """An answer to each of some questions that is in no cube, beside those given; None where all are in cubes."""
        self._splits = 0
        cubes = self._cubes
        for question, choice in given.items():
            cubes = self._with(cubes, question, choice)
        found = self._split(cubes)
        return None if found is None else {**given, **found}

    def _split(self, cubes: set[int]) -> dict[str, str] | None:
        if 0 in cubes:
            return None
        if not cubes:
            return {}
        self._splits += 1
        if self._splits > MAX_SPLITS:
            return {}
        asked = {question: sum(1 for one in cubes if one & mask) for question, mask in self._masks.items()}
        question = max(asked, key=lambda question: asked[question])
        for choice in self._choices[question]:
            found = self._split(self._with(cubes, question, choice))
            if found is not None:
                return {question: choice, **found}
        return None

    def _with(self, cubes: set[int], question: str, choice: str) -> set[int]:
        """What cubes still ask for where a question is answered."""
        mask = self._masks.get(question, 0)
        others = mask & ~self._bits.get((question, choice), 0)
        return {one & ~mask for one in cubes if not one & others}
