"""What the runs of one entry say of each constructor call, and which answers were not followed for it yet."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from biaslens.program.coverage import EVERYTHING, Cube, cube, uncovered, without_numbers
from biaslens.program.influence import Influence, Reached, add, members
from biaslens.program.ir import Asked, Question
from biaslens.program.run import Run
from biaslens.text import Location


@dataclass(eq=False, slots=True)
class _Site:
    """One constructor call. calls: those inside of which it makes layers. cubes: on which answers it rests what becomes
    of these, by run. is_cancelled: somewhere all of their shifts are. has_a_bias: somewhere there is one."""

    calls: set[ast.AST] = field(default_factory=set[ast.AST])
    cubes: dict[int, Cube] = field(default_factory=dict[int, Cube])
    is_cancelled: bool = False
    has_a_bias: bool = False


def kind_of(question: Question) -> str:
    """The same for questions that no reader tells apart: asked in the same place, about the same parameters."""
    parameters = " ".join(sorted(set(_PARAMETER.findall(question.key))))
    return f"{question.location.path}:{question.location.span.start}:{question.location.span.end} {parameters}"


def _place_of(call: ast.AST) -> str:
    return f"{getattr(call, 'lineno', 0)}:{getattr(call, 'col_offset', 0)}"


_PARAMETER = re.compile(r"\('(?:constructor|forward|default)', '[^']*', '[^']*'\)")
"""A parameter of an entry in the key of a question."""


@dataclass(frozen=True, eq=False, slots=True)
class _Seen:
    """What is kept of a run. whole: all of its answers. ended: it raised, with what that rests on."""

    run: Run
    whole: Cube
    ended: Cube | None = None


class Evidence:
    """Grows with each run. bits: of the questions, as `Influences` has them."""

    def __init__(self, bits: Mapping[str, int]) -> None:
        self._bits = bits
        self._seen: list[_Seen] = []
        self._sites: dict[Location, _Site] = {}
        self._asked: dict[str, Asked] = {}
        self._absent: dict[tuple[Location, int, int], Cube] = {}

    def add(self, run: Run, reached: Mapping[int, Reached]) -> None:
        """Effect: counts a path of the program. reached: how far the shifts get, by number of the layer."""
        index = self._count(run)
        self._seen.append(_Seen(run, _whole(run)))
        influences: dict[Location, Influence] = {}
        for layer in run.layers:
            found = reached.get(layer.number)
            if found is None:
                continue
            site = self._sites.setdefault(layer.site, _Site())
            site.calls.update(layer.calls)
            add(influences, layer.site, found.influence)
            site.is_cancelled = site.is_cancelled or found.is_cancelled
            site.has_a_bias = site.has_a_bias or layer.shift is not False
        for place, influence in influences.items():
            self._sites[place].cubes[index] = self._cube(run, influence)

    def add_ended(self, run: Run) -> None:
        """Effect: counts a run in which the program raises: it is no path."""
        self._count(run)
        whole = _whole(run)
        self._seen.append(_Seen(run, whole, whole if run.fruitless else self._cube(run, run.influence.here)))

    @property
    def questions(self) -> tuple[tuple[str, Asked], ...]:
        """All questions in the order of their bits."""
        return tuple((key, self._asked.get(key) or Asked((), key, False)) for key in self._bits)

    def telling(self, run: Run, reached: Mapping[int, Reached]) -> frozenset[str]:
        """The questions of a run on which it rests what becomes of its shifts, or what code runs at all."""
        influence = run.influence.always
        for found in reached.values():
            influence |= found.influence
        for skipped in run.influence.skipped:
            influence |= skipped.influence
        keys = self._keys
        return frozenset(key for bit in members(influence) if (key := keys[bit]) in run.answers)

    def open_sites(self, settled: Collection[Location]) -> Iterator[Location]:
        """The calls whose layers' shifts are cancelled somewhere. settled: others that are looked for in vain."""
        for place, site in self._sites.items():
            if site.is_cancelled and place not in settled:
                yield place

    def missing(self, place: Location) -> dict[str, str] | None:
        """Answers with which a call was not followed yet; None where what was followed speaks for all."""
        site = self._sites[place]
        if EVERYTHING in site.cubes.values():
            return None
        found = uncovered([*site.cubes.values(), *self._without(place)], self._asked)
        return None if found is None else self._open_numbers(place, found)

    def _open_numbers(self, place: Location, found: dict[str, str]) -> dict[str, str]:
        """Answers, and those about numbers that lead to their questions: cubes leave them out where they are open."""
        site = self._sites[place]
        alike = max(
            (self._seen[index] for index in site.cubes),
            key=lambda seen: sum(map(seen.whole.__contains__, found.items())),
        )
        numbers = {key: answer.choice for key, answer in alike.run.answers.items() if answer.question.is_about_number}
        return {**numbers, **found}

    def around(self, place: Location, origins: Collection[str]) -> Iterator[dict[str, str]]:
        """Answers that differ in one respect from those of a run that makes layers, if what becomes of these rests on
        it and was not followed. origins: of the questions that are answered in another way."""
        known = [*self._sites[place].cubes.values(), *self._without(place)]
        for index, rests_on in [*self._sites[place].cubes.items()]:
            seen = self._seen[index]
            for key, choice in sorted(rests_on):
                if seen.run.answers[key].question.origin not in origins:
                    continue
                for option in self._asked[key].choices:
                    other = (seen.whole - {(key, choice)}) | {(key, option)}
                    if not any(one <= other for one in known):
                        yield dict(other)

    def has_a_bias(self, place: Location) -> bool:
        """Whether a call makes a layer that has its shift, or may have it."""
        return self._sites[place].has_a_bias

    def gaps(self) -> Iterator[tuple[Location, tuple[Cube, ...]]]:
        """For each call the answers with which it makes no layer, or the program raises."""
        for place in self._sites:
            found = tuple(dict.fromkeys(self._without(place)))
            if found:
                yield place, found

    def _count(self, run: Run) -> int:
        for key in run.answers:
            known = self._asked.get(key)
            if known is None or not set(known.choices) >= set(run.choices[key]):
                choices = tuple(dict.fromkeys((*(known.choices if known is not None else ()), *run.choices[key])))
                question = run.answers[key].question
                calls = run.influence.asked_in.get(key, ())
                around = dict.fromkeys(calls)  # a recursion is a loop
                is_recursive = len(around) < len(calls)
                kind = f"{kind_of(question)} {' '.join(map(_place_of, around))}"
                self._asked[key] = Asked(choices, kind, question.is_about_rounds or is_recursive, is_recursive)
        return len(self._seen)

    @property
    def _keys(self) -> Sequence[str]:
        return tuple(self._bits)

    def _cube(self, run: Run, influence: Influence) -> Cube:
        return without_numbers(cube(run.answers, influence, self._keys), run.answers)

    def _without(self, place: Location) -> Iterator[Cube]:
        site = self._sites[place]
        for index, seen in enumerate(self._seen):
            if seen.ended is not None:
                yield seen.ended
            elif index not in site.cubes:
                key = place, index, len(site.calls)
                if key not in self._absent:
                    self._absent[key] = self._absence(site, seen)
                yield self._absent[key]

    def _absence(self, site: _Site, seen: _Seen) -> Cube:
        """On which answers of a run it rests that a call is not reached; all of them where that cannot be told."""
        influence = 0
        for skipped in seen.run.influence.skipped:
            if not skipped.calls.isdisjoint(site.calls):
                influence |= skipped.influence
        return self._cube(seen.run, influence) if influence else seen.whole


def _whole(run: Run) -> Cube:
    return frozenset((key, answer.choice) for key, answer in run.answers.items())
