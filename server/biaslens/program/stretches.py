"""Lists whose length the source does not tell: some items at the front, one for all in the middle, some at the end."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from biaslens.program.conditions import key_of, settle, show
from biaslens.program.origins import Origin
from biaslens.program.run import PathEnds, Run
from biaslens.program.sizing import as_size, calculate
from biaslens.program.symbols import Kind, Symbol, bounded, inside
from biaslens.program.values import FunctionValue, Instance, Partial, Scope, Stretch, Tensor, Unknown, Value


def noted(run: Run, items: list[Value], stretch: Stretch | None) -> list[Value]:
    """The same list. Effect: its length is another one than the number of its items."""
    if stretch is not None:
        run.stretches[id(items)] = (items, stretch)
    return items


def note(run: Run, value: Value, stretch: Stretch | None) -> None:
    """Effect: the length of a list or of a container is another one than the number of its items, or it is not."""
    if stretch is not None:
        run.stretches[id(value)] = (value, stretch)
    else:
        run.stretches.pop(id(value), None)


def as_tuple(run: Run, items: list[Value]) -> tuple[Value, ...]:
    """The same as a tuple."""
    result, stretch = tuple(items), of(run, items)
    if stretch is not None:
        note(run, result, stretch)
    return result


def of(run: Run, value: Value) -> Stretch | None:
    """How a list or container is stretched; None where it has the length that it seems to have."""
    found = run.stretches.get(id(value)) if run.stretches else None
    if found is None and run.shared is not None and run.shared.stretches:
        found = run.shared.stretches.get(id(value))
    return found[1] if found is not None else None


def middle_of(run: Run, count: Value, number: int = 0) -> Unknown:
    """The index of a round between the first and the last: the same one in all loops with the same count."""
    key = Symbol(Kind.MIDDLE, bounded(key_of(run, count)), number)
    size = as_size(count)
    if size is not None:
        run.between.setdefault(key, size)
    return Unknown(key, "i", True)


def is_of_loop(run: Run, value: Unknown) -> bool:
    """Whether a value is told from the index of a round of a loop with an unknown count: no other round has it."""
    return value.key.is_of_round or (bool(run.lowest) and any(name in run.lowest for name in inside(value.key)))


def spelled(run: Run, value: Value) -> Value:
    """A name that a loop makes up of its index, as a text that no other name is; other values as they are."""
    if not isinstance(value, Unknown) or value.number or not is_of_loop(run, value):
        return value
    if value.key not in run.spelled:
        text = value.text.removeprefix("f").strip("'\"")
        while text in run.unspelled:
            text += "'"
        run.spelled[value.key] = text
        run.unspelled[text] = value
    return run.spelled[value.key]


def from_end(count: Value, back: int) -> Value:
    """`count - back`, as an index in a loop: which model somebody builds does not hang on it."""
    if isinstance(count, int):
        return count - back
    index = calculate("-", count, back)
    return replace(index, origin=Origin.DATA)


def index_at(run: Run, stretch: Stretch, position: int, length: int) -> Value:
    """The index of the item at a position among those that stand for all."""
    if position < stretch.front:
        return position
    if length - position <= stretch.back:
        return from_end(stretch.count, length - position)
    return middle_of(run, stretch.count, position - stretch.front)


def pick(items: Sequence[Value], stretch: Stretch | None, position: int, length: int) -> Value:
    """The item at a position of a list that is taken to be as long as another one, which has `length` items."""
    if stretch is None:
        return items[position] if position < len(items) else items[-1]
    if position < min(stretch.front, len(items)) and (position < length - 1 or len(items) == 1):
        return items[position]
    if length - position <= min(stretch.back, len(items)):
        return items[position - length]
    return items[min(stretch.front, len(items) - 1)]


def extended(run: Run, target: Value, before: int, source: Value, added: int) -> None:
    """Effect: says how a list is stretched after the items of another one were put behind its own."""
    first, second = of(run, target), of(run, source)
    if first is None and second is None:
        return
    first, second = first or Stretch(before, before, before), second or Stretch(added, added, added)
    note(run, target, _joined(first, second, before, added))


def _joined(first: Stretch, second: Stretch, before: int, added: int) -> Stretch:
    front = before + second.front if first.front >= before else first.front
    back = added + first.back if second.back >= added else second.back
    return Stretch(_sum(first.count, second.count), front, back)


def joined(run: Run, parts: Sequence[Sequence[Value]]) -> list[Value]:
    """Several lists as one."""
    result: list[Value] = []
    for part in parts:
        before = len(result)
        result += part
        extended(run, result, before, part, len(part))
    return result


def changed(run: Run, items: Value, name: str, arguments: Sequence[Value]) -> None:
    """Effect: says how a list is stretched after one of its methods changed it."""
    stretch = of(run, items)
    if stretch is None:
        return
    count, front, back = stretch.count, stretch.front, stretch.back
    length = len(items.modules) if isinstance(items, Instance) else len(items)
    match name, arguments:
        case "append", _:
            note(run, items, Stretch(_sum(count, 1), front, back + 1))
        case "insert", (0, *_):
            note(run, items, Stretch(_sum(count, 1), front + 1, back))
        case "pop", () | (-1,):
            note(run, items, Stretch(_sum(count, -1), min(front, length), max(back - 1, 0)))
        case "pop", (0,):
            note(run, items, Stretch(_sum(count, -1), max(front - 1, 0), min(back, length)))
        case "reverse", _:
            note(run, items, Stretch(count, back, front))
        case "clear", _:
            note(run, items, None)
        case _:
            note(run, items, Stretch(_sum(count, 1 if name == "insert" else -1), 0, 0))


def _sum(left: Value, right: Value) -> Value:
    return left + right if isinstance(left, int) and isinstance(right, int) else calculate("+", left, right)


MAX_CHOICES = 12
"""An unknown item of a longer list is not followed item by item."""


def item_at(run: Run, scope: Scope, owner: Value, items: Sequence[Value], index: Value, node: ast.AST) -> Value:
    """`owner[index]` of a list or container, where the length or the index is not known."""
    stretch = of(run, owner)
    length = len(items)
    found = _place(run, stretch, index, length)
    if isinstance(found, int):
        if not -length <= found < length:
            raise PathEnds
        return items[found]
    return _one_of(run, scope, owner, [items[i] for i in found], index, node)


def _place(run: Run, stretch: Stretch | None, index: Value, length: int) -> int | range:
    """Where an item is, or where it may be."""
    if stretch is None:
        return index if isinstance(index, int) else range(length)
    if isinstance(index, int):
        if index < stretch.front:
            return index if -index <= length else range(length)
        return range(max(min(stretch.front, length - 1), 0), length)
    size, count = as_size(index), as_size(stretch.count)
    behind = (size - count).value if size is not None and count is not None else None
    if behind is not None and behind < 0:
        return _place(run, stretch, behind, length)
    if isinstance(index, Unknown) and index.key == middle_of(run, stretch.count).key:
        inner = length - stretch.front - stretch.back
        return stretch.front if stretch.front == 1 and inner == 1 else -1 if inner == 0 else range(length)
    return range(length)


def _one_of(run: Run, scope: Scope, owner: Value, items: list[Value], index: Value, node: ast.AST) -> Value:
    """One of several items, where the source does not tell which."""
    if not items:
        raise PathEnds
    distinct = list({id(item): item for item in items}.values())
    if len(distinct) == 1:
        return distinct[0]
    text = f"{show(owner)}[{show(index)}]"
    if not any(isinstance(item, (Instance, Tensor, FunctionValue, Partial, list, tuple, dict)) for item in distinct):
        return settle(run, Unknown(bounded(Symbol(Kind.ITEM, run.ordinal(owner), key_of(run, index))), text))
    if len(distinct) > MAX_CHOICES:
        from biaslens.program import calls
        from biaslens.program.values import Arguments

        return calls.call_unknown(run, scope, text, Arguments(tuple(distinct)), node)
    choices = [(str(number), f"{text} is one of several") for number in range(len(distinct))]
    stretch = of(run, owner)  # lists that are stretched alike, built in one loop, have alike items at an index
    alike = run.ordinal(owner) if stretch is None else _alike(run, stretch)
    key = Symbol(Kind.WHICH, alike, len(distinct), key_of(run, index))
    return distinct[int(run.decide(key, text, Origin.DATA, scope.module.location(node), choices))]


def _alike(run: Run, stretch: Stretch) -> Symbol:
    return Symbol(Kind.STRETCH, key_of(run, stretch.count), stretch.front, stretch.back)


def sliced(run: Run, owner: Value, items: Sequence[Value], index: slice) -> tuple[range, Stretch | None] | None:
    """Which items a slice takes, and how what it gives is stretched; None where that cannot be told."""
    stretch, length = of(run, owner), len(items)
    count = stretch.count if stretch is not None else length
    start, stop = (_bound(settle(run, part), count) for part in (index.start, index.stop))
    step = settle(run, index.step)
    known = all(part is None or isinstance(part, int) for part in (start, stop, step))
    if not known or (stretch is not None and step not in (None, 1) and (step, start, stop) != (-1, None, None)):
        return None
    if stretch is None:
        return range(length)[slice(start, stop, step)], None
    if step == -1:
        return range(length)[::-1], Stretch(count, stretch.back, stretch.front)
    return _part(run, owner, stretch, start or 0, stop, length)


def _part(
    run: Run, owner: Value, stretch: Stretch, start: int, stop: int | None, length: int
) -> tuple[range, Stretch | None]:
    front, back = stretch.front, stretch.back
    left = start if 0 <= start <= front else length + start if -back <= start < 0 else min(front, length - 1)
    right = length if stop is None else stop if 0 <= stop <= front else length + stop if -back <= stop < 0 else None
    exact = stop is None or right is not None
    if right is None:
        right = length - back if stop is not None and stop < 0 else length
    right = max(left, right)
    if right <= front or left >= length - back:
        return range(left, right), None
    part = Symbol(Kind.SLICE, run.ordinal(owner), start, stop)
    count: Value = Unknown(Symbol(Kind.LENGTH, part), "the length of a slice", True)
    if exact and (0 <= start <= front or -back <= start < 0):
        count = _sum(stretch.count, right - left - length)
    return range(left, right), Stretch(count, max(front - left, 0), max(back - (length - right), 0) if exact else 0)


def _bound(value: Value, count: Value) -> Value:
    """A bound that is told from the end, as a negative number."""
    if not isinstance(value, Unknown):
        return value
    size, total = as_size(value), as_size(count)
    behind = (size - total).value if size is not None and total is not None else None
    return None if behind == 0 else behind if behind is not None and behind < 0 else value
