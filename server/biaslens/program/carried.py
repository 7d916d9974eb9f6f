"""What the rounds of a loop hand on, where the source does not tell how many there are.

Of the rounds between the first and the last only one is followed. So a counter has an unknown value in it, and a list
to which every round adds has an unknown length.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from biaslens.program import calls, expressions, stretches
from biaslens.program.counters import Loop, bound_names
from biaslens.program.iteration import is_container
from biaslens.program.origins import Origin
from biaslens.program.run import Run
from biaslens.program.sizing import calculate
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import Arguments, Instance, Scope, Stretch, Unknown, Value


class Carried:
    """What a loop hands on from round to round."""

    def __init__(self, run: Run, scope: Scope, node: Loop) -> None:
        self._run = run
        self._scope = scope
        self._node = node
        self._counters = run.world.counters(node)
        self._first = {name: _value_of(scope, name) for name in self._counters}
        self._lengths = [self._sizes()]
        self._held = _held_numbers(scope)

    def next_round(self, index: Value) -> None:
        """Effect: a round begins that stands for others. index: which one, None where that cannot be told."""
        self._lengths.append(self._sizes())
        self._count(index)
        for name, held in _lists(self._scope):
            if self._growth(name):
                self._stretch(name, held, None, 0)

    def end(self, count: Value) -> None:
        """Effect: the loop is over. count: how many rounds there were, None where that cannot be told."""
        self._lengths.append(self._sizes())
        if len(self._lengths) == 2:  # there was one round only
            return
        self._count(count)
        for name, held in _lists(self._scope):
            growth = self._growth(name)
            if growth:
                self._stretch(name, held, count if len(set(growth)) == 1 else None, growth[-1])

    def _growth(self, name: str) -> list[int]:
        """By how much a list grew in each round; nothing where it did not, or where it is not the same one."""
        lengths = [sizes.get(name, -1) for sizes in self._lengths]
        steps = [after - before for before, after in pairwise(lengths)]
        return steps if -1 not in lengths and any(steps) and min(steps) >= 0 else []

    def _stretch(self, name: str, held: Value, count: Value, back: int) -> None:
        before, known = self._lengths[0][name], stretches.of(self._run, held)
        front = min(self._lengths[1][name], known.front if known is not None else self._lengths[1][name])
        length = Symbol(Kind.LENGTH, Symbol(Kind.GROWN, self._run.ordinal(held)))
        total: Value = Unknown(length, f"len({name})", True)
        if isinstance(count, Unknown):
            total = count if back == 1 else calculate("*", count, back)
            total = calculate("+", total, before) if before else total
        stretches.note(self._run, held, Stretch(total, front, back))

    def _count(self, index: Value) -> None:
        for name, step in self._counters.items():
            first, now = self._first.get(name), _value_of(self._scope, name)
            if not _is_number(now) or now == first:
                continue
            if step is not None and index is not None and _is_number(first):
                value = _moved(first, index, step)
            else:
                value = self._some_number(name)
            _set(self._run, self._scope, name, value)
        changed = [name for name, now in _held_numbers(self._scope).items() if now != self._held.get(name, now)]
        if changed:  # by methods that the body calls, where it does not set them itself
            for name in sorted({*changed} - {*bound_names(self._node)}):
                _set(self._run, self._scope, name, self._some_number(name))

    def _some_number(self, name: str) -> Unknown:
        place = self._scope.module.location(self._node)
        return Unknown(self._run.another(Kind.CARRIED, place, name), name, True)

    def _sizes(self) -> dict[str, int]:
        return {name: _length(held) for name, held in _lists(self._scope)}


def leave_off(run: Run, scope: Scope, node: Loop) -> None:
    """Effect: a loop is followed no further: all that it uses may have been changed or read in the rounds to come."""
    run.left.add(scope.module.location(node))
    used = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)} & scope.variables.keys()
    values = [scope.variables[name] for name in sorted(used)]
    calls.call_unknown(run, scope, LONG_LOOP, Arguments(tuple(values)), node)
    for name in bound_names(node):
        if not isinstance(_value_of(scope, name), Instance):
            _set(run, scope, name, expressions.opaque(run, scope, node, text=name))
    yielded_more(run, scope)


def yielded_more(run: Run, scope: Scope) -> None:
    """Effect: a generator gives more than was followed of it."""
    if scope.yielded is not None:
        length = Symbol(Kind.LENGTH, Symbol(Kind.YIELDED, run.ordinal(scope.yielded)))
        total = Unknown(length, "the number of items", True)
        stretches.note(run, scope.yielded, Stretch(total, 1, 0))


LONG_LOOP = "a loop that goes on for too long"
"""What it is called where something hangs on it."""


def _moved(first: Value, index: Value, step: int) -> Value:
    """What a counter is before a round."""
    if isinstance(index, int) and isinstance(first, (int, float)):
        return first + index * step
    moved = calculate("*", index, step) if step != 1 or isinstance(index, int) else index
    return replace(calculate("+", moved, first), origin=Origin.DATA)


def _lists(scope: Scope) -> Iterator[tuple[str, Value]]:
    """The lists and containers that a name of the function, or an attribute of its receiver, holds."""
    for name, value in scope.variables.items():
        if isinstance(value, (list, dict)) or is_container(value):
            yield name, value
        elif isinstance(value, Instance):
            for attribute, held in (*value.attributes.items(), *value.modules.items()):
                if isinstance(held, (list, dict)) or is_container(held):
                    yield f"{name}.{attribute}", held


def _held_numbers(scope: Scope) -> dict[str, Value]:
    """The numbers that attributes of the function's objects hold."""
    return {
        f"{name}.{attribute}": held
        for name, value in scope.variables.items()
        if isinstance(value, Instance)
        for attribute, held in value.attributes.items()
        if _is_number(held)
    }


def _length(held: Value) -> int:
    return len(held.modules) if isinstance(held, Instance) else len(held)


def _value_of(scope: Scope, name: str) -> Value:
    owner, _, attribute = name.rpartition(".")
    if not owner:
        return scope.variables.get(name)
    held = scope.variables.get(owner)
    return held.attributes.get(attribute) if isinstance(held, Instance) else None


def _set(run: Run, scope: Scope, name: str, value: Value) -> None:
    owner, _, attribute = name.rpartition(".")
    if not owner:
        scope.variables[name] = value
    elif isinstance(held := scope.variables.get(owner), Instance):
        run.touch(held)
        held.attributes[attribute] = value


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, Unknown) and value.number)
