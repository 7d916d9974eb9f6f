"""What the runs of one entry say of each constructor call, and which answers were not followed for it yet."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from biaslens.program.coverage import EVERYTHING, Cover, Cube, cube, without_numbers
from biaslens.program.influence import Influence, Reached, add, members
from biaslens.program.ir import Asked, Question
from biaslens.program.origins import Origin
from biaslens.program.run import Run
from biaslens.program.symbols import Symbol
from biaslens.text import Location


@dataclass(eq=False, slots=True)
class _Site:
    """One constructor call. calls: those inside of which it makes layers. cubes: on which answers it rests what becomes
    of these, by run. is_cancelled: somewhere all of their shifts are. has_a_bias: somewhere there is one."""

    calls: set[ast.AST] = field(default_factory=set[ast.AST])
    cubes: dict[int, Cube] = field(default_factory=dict[int, Cube])
    is_cancelled: bool = False
    has_a_bias: bool = False


@dataclass(frozen=True, slots=True)
class Alike:
    """What questions have in common that no reader tells apart: where they are asked, and about which parameters."""

    place: Location
    parameters: frozenset[Symbol]

    def __str__(self) -> str:
        span = self.place.span
        return f"{self.place.path}:{span.start}:{span.end} {' '.join(sorted(map(str, self.parameters)))}"


def kind_of(question: Question) -> Alike:
    """The kind of a question."""
    return Alike(question.location, question.key.parameters)


def _place_of(call: ast.AST) -> str:
    return f"{getattr(call, 'lineno', 0)}:{getattr(call, 'col_offset', 0)}"


@dataclass(frozen=True, eq=False, slots=True)
class _Seen:
    """What is kept of a run.

    whole: all of its answers. skipped: on what it rests that calls did not run. ended: it raised, with what that rests
    on.
    """

    run: Run
    whole: Cube
    skipped: Mapping[ast.AST, Influence]
    ended: Cube | None = None


class Evidence:
    """Grows with each run. bits: of the questions, as `Influences` has them."""

    def __init__(self, bits: Mapping[Symbol, int]) -> None:
        self._bits = bits
        self._listed: tuple[Symbol, ...] = ()
        self._seen: list[_Seen] = []
        self._sites: dict[Location, _Site] = {}
        self._asked: dict[Symbol, Asked] = {}
        self._asked_in: dict[Symbol, tuple[Alike, tuple[str, ...]]] = {}
        self._absent: dict[tuple[Location, int, int], Cube] = {}

    def add(self, run: Run, reached: Mapping[int, Reached]) -> None:
        """Effect: counts a path of the program. reached: how far the shifts get, by number of the layer."""
        index = self._count(run)
        self._seen.append(_Seen(run, _whole(run), _skipped(run)))
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
        ended = whole if run.fruitless else self._cube(run, run.influence.here)
        self._seen.append(_Seen(run, whole, {}, ended))

    def blamed(self, run: Run) -> frozenset[Symbol]:
        """The questions of a run that raised on which it rests that it did."""
        return frozenset(run.answers) if run.fruitless else self._questions_in(run, run.influence.here)

    @property
    def questions(self) -> tuple[tuple[Symbol, Asked], ...]:
        """All questions in the order of their bits."""
        recursive = [self._asked_in[key] for key, asked in self._asked.items() if asked.is_recursive]
        return tuple((key, self._told(key, recursive)) for key in self._bits)

    def _told(self, key: Symbol, recursive: Sequence[tuple[Alike, tuple[str, ...]]]) -> Asked:
        """What is known of a question. recursive: those that are asked in a recursion, with the calls around them."""
        asked = self._asked.get(key)
        if asked is None:  # in a run that was too long
            return Asked((), "", False)
        own, calls = self._asked_in[key]
        is_deeper = any(same == own and around[: len(calls)] == calls for same, around in recursive)
        return replace(asked, is_asked_deeper=True) if is_deeper else asked

    def telling(self, run: Run, reached: Mapping[int, Reached]) -> frozenset[Symbol]:
        """The questions of a run on which it rests what becomes of its shifts, or what code runs at all."""
        influence = run.influence.always
        for found in reached.values():
            influence |= found.influence
        for skipped in run.influence.skipped:
            influence |= skipped.influence
        return self._questions_in(run, influence)

    def _questions_in(self, run: Run, influence: Influence) -> frozenset[Symbol]:
        keys = self._keys
        return frozenset(key for bit in members(influence) if (key := keys[bit]) in run.answers)

    def open_sites(self, settled: Collection[Location]) -> Iterator[Location]:
        """The calls whose layers' shifts are cancelled somewhere. settled: others that are looked for in vain."""
        for place, site in self._sites.items():
            if site.is_cancelled and place not in settled:
                yield place

    def missing(self, place: Location) -> dict[Symbol, str] | None:
        """Answers with which a call was not followed yet; None where what was followed speaks for all."""
        site = self._sites[place]
        if EVERYTHING in site.cubes.values():
            return None
        found = Cover([*site.cubes.values(), *self._without(place)], self._asked).outside()
        return None if found is None else self._open_numbers(place, found)

    def _open_numbers(self, place: Location, found: dict[Symbol, str]) -> dict[Symbol, str]:
        """Answers, and those about numbers that lead to their questions: cubes leave them out where they are open."""
        site = self._sites[place]
        alike = max(
            (self._seen[index] for index in site.cubes),
            key=lambda seen: sum(map(seen.whole.__contains__, found.items())),
        )
        numbers = {key: answer.choice for key, answer in alike.run.answers.items() if answer.question.is_about_number}
        return {**numbers, **found}

    def around(self, place: Location, origins: Collection[Origin]) -> Iterator[dict[Symbol, str]]:
        """The answers of each run that makes layers here, with one of them changed.

        Only answers are changed on which it rests what becomes of the layers, and only if that was not followed yet.
        origins: of the questions whose answers are changed.
        """
        known = [*self._sites[place].cubes.values(), *self._without(place)]
        for index, rests_on in [*self._sites[place].cubes.items()]:
            seen = self._seen[index]
            for key, choice in sorted(rests_on, key=lambda answer: self._bits[answer[0]]):
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
                same, places = kind_of(question), tuple(map(_place_of, around))
                self._asked_in[key] = same, places
                kind = f"{same} {' '.join(places)}"
                self._asked[key] = Asked(choices, kind, question.is_about_rounds or is_recursive, is_recursive)
        return len(self._seen)

    @property
    def _keys(self) -> Sequence[Symbol]:
        if len(self._listed) < len(self._bits):  # asked for each cube, while few runs ask anything new
            self._listed = tuple(self._bits)
        return self._listed

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
        for call in site.calls:
            influence |= seen.skipped.get(call, 0)
        return self._cube(seen.run, influence) if influence else seen.whole


def _skipped(run: Run) -> Mapping[ast.AST, Influence]:
    found: dict[ast.AST, Influence] = {}
    for skipped in run.influence.skipped:
        for call in skipped.calls:
            found[call] = found.get(call, 0) | skipped.influence
    return found


def _whole(run: Run) -> Cube:
    return frozenset((key, answer.choice) for key, answer in run.answers.items())
