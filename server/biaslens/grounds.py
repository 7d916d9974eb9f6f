"""For which answers of an entry it is known what becomes of a constructor call's biases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from biaslens.program.coverage import EVERYTHING, Cover, Cube, compatible, without_unknowns
from biaslens.program.ir import Answer, Path, Run
from biaslens.program.origins import Origin
from biaslens.program.symbols import Symbol
from biaslens.text import Location

_ORDER = tuple(Origin)
"""Whose answers make the better condition: first those of the person who builds the model."""


class Grounds:
    """What was followed of one constructor call in one entry.

    ends: for each path on which it makes layers, the answers on which it rests what becomes of these, and whether their
    biases are cancelled there; True as well where no layer has a bias, or uses it.
    """

    def __init__(self, run: Run, place: Location, ends: Iterable[tuple[Path, Cube, bool]]) -> None:
        by_path: dict[int, tuple[Path, Cube, bool]] = {}
        for path, rests_on, is_cancelled in ends:  # a call in a loop makes several layers
            _, known, so_far = by_path.get(id(path), (path, EVERYTHING, True))
            by_path[id(path)] = path, known | rests_on, so_far and is_cancelled
        self._questions = dict(run.questions)
        self._kept = [rests_on for _, rests_on, is_cancelled in by_path.values() if not is_cancelled]
        gaps = next((cubes for location, cubes in run.gaps if location == place), ())
        cancelled = [_general(path, rests_on) for path, rests_on, is_cancelled in by_path.values() if is_cancelled]
        self._known: Sequence[Cube] = tuple(dict.fromkeys((*cancelled, *gaps)))
        self._rests_on = {key: rests_on for key, (_, rests_on, is_cancelled) in by_path.items() if is_cancelled}
        self._given = {(answer.question.key, answer.choice) for path in run.paths for answer in path.answers}
        self._regions: dict[Cube, Cube | None] = {}

    @cached_property
    def is_covered(self) -> bool:
        """Whether what was followed speaks for all answers."""
        return Cover([*self._known, *self._kept], self._questions).outside() is None

    @cached_property
    def _cover(self) -> Cover:
        return Cover(self._known, self._questions)

    def answers_singly(self, rests_on: Cube) -> bool:
        """Whether some path gives each answer to the questions on which something rests, not every combination."""
        keys = {key for key, _ in rests_on}
        return all((key, choice) in self._given for key in keys for choice in self._questions[key].choices)

    def decides_a_recursion(self, answer: Answer) -> bool:
        """Whether the same is asked again deeper in a recursion, which then goes on or ends."""
        return self._questions[answer.question.key].is_asked_deeper

    def is_cancelled_on(self, path: Path) -> bool:
        """Whether the biases of all its layers on a path are cancelled."""
        return id(path) in self._rests_on

    def holds(self, region: Cube) -> bool:
        """Whether the biases are cancelled with every combination of answers that contains some."""
        return self._against(region) is None

    def region(self, path: Path) -> Cube | None:
        """A few answers of a path with which the biases are cancelled whatever the others are; None where there are
        none, since what was followed contradicts itself."""
        rests_on = self._rests_on[id(path)]
        if rests_on not in self._regions:
            own = dict(rests_on)
            in_order = {key: own[key] for key in self._questions if key in own}
            self._regions[rests_on] = self._region(path, in_order)
        return self._regions[rests_on]

    def _region(self, path: Path, own: Mapping[Symbol, str]) -> Cube | None:
        origins = {answer.question.key: answer.question.origin for answer in path.answers}
        found: dict[Symbol, str] = {}
        while (other := self._against(frozenset(found.items()))) is not None:
            telling = [key for key, choice in own.items() if other.get(key, choice) != choice]
            telling = telling or [key for key in own if key not in found]
            if not telling:
                return None
            key = min(telling, key=lambda key: _ORDER.index(origins[key]))
            found[key] = own[key]
        for key in [*found]:  # later ones may say the same
            rest = frozenset(item for item in found.items() if item[0] != key)
            if self.holds(rest):
                del found[key]
        return frozenset(found.items())

    def _against(self, region: Cube) -> Mapping[Symbol, str] | None:
        """Answers in a region with which the biases are not cancelled, or which were not followed."""
        for kept in self._kept:
            if compatible(kept, region):
                return dict(kept)
        return self._cover.outside(region)


def _general(path: Path, rests_on: Cube) -> Cube:
    return without_unknowns(rests_on, {answer.question.key: answer for answer in path.answers})


def answers_of(path: Path, region: Cube) -> tuple[Answer, ...]:
    """The answers of a path that are in a region."""
    return tuple(answer for answer in path.answers if (answer.question.key, answer.choice) in region)
