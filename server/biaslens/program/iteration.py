"""What a loop goes over. An unknown count is a question: none, one, or more.

More than one are the first, the last, and one between them that stands for all others: its index is an unknown number.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from itertools import islice
from typing import Any

from biaslens.algebra.sizes import unknown
from biaslens.program import bounds, modules, stretches
from biaslens.program.conditions import compare, count_of, key_of, settle, show, truth
from biaslens.program.run import PathEnds, Run
from biaslens.program.sizing import MAX_TEXT, as_size
from biaslens.program.symbols import Kind, Part, Symbol, bounded
from biaslens.program.values import (
    WHOLE,
    Arguments,
    External,
    Instance,
    Scope,
    ShapeOf,
    Stretch,
    Table,
    Tensor,
    Unknown,
    Value,
)

MAX_ITEMS = 2000
"""Of a longer loop, one round stands for all those in the middle: no model has so many layers."""

EXACT = 16
"""How many rounds of a longer loop are followed at its beginning."""


def items_of(run: Run, scope: Scope, value: Value, node: ast.AST) -> list[Value]:
    """The items of an iterable, in order; those of an unknown one are unknown."""
    value = settle(run, value)
    run.influence.looked_into(value)
    match value:
        case dict() if isinstance(value, Table) and value.rest is not None:
            return stretches.joined(run, [list(value), _other_keys(run, scope, value, value.rest, node)])
        case list() | tuple() | range() | str() | bytes() | dict() | set():
            run.step(min(len(value), MAX_ITEMS))
            if len(value) > MAX_ITEMS:
                return _long(run, scope, value, node)
            return stretches.noted(run, list(value), stretches.of(run, value))
        case Instance():
            return _children(run, scope, value, node)
        case ShapeOf():
            from biaslens.program.attributes import listed_sizes

            return list(listed_sizes(run, scope, value, node))
        case Tensor():
            return _tensor_items(run, scope, value, node)
        case Unknown():
            return _unknown_items(run, scope, value, node)
        case _:
            from biaslens.program.expressions import opaque

            return _unknown_items(run, scope, opaque(run, scope, node), node)


def length(run: Run, scope: Scope, value: Value, node: ast.AST) -> Value:
    """`len(value)`."""
    value = settle(run, value)
    match value:
        case dict():
            stretch = stretches.of(run, value)
            return count_of(run, value) if stretch is None else stretch.count
        case list() | tuple() | range() | str() | bytes() | set():
            stretch = stretches.of(run, value)
            return len(value) if stretch is None else settle(run, stretch.count)
        case Instance():
            from biaslens.program import objects

            return objects.length_of(run, scope, value, node)
        case Unknown(key=key):
            return settle(run, Unknown(Symbol(Kind.LENGTH, key), f"len({value.text})", True, value.origin))
        case Tensor():
            return run.size_of(value, 0)
        case ShapeOf(tensor=tensor, part=part):
            from biaslens.program.attributes import rank_of, shape_tuple

            sizes = shape_tuple(run, value)
            if part == WHOLE or isinstance(sizes, tuple):
                return rank_of(run, tensor) if part == WHOLE else len(sizes)
            return Unknown(Symbol(Kind.LENGTH, sizes.key), "the length of a shape", True)
        case _:
            return Unknown(Symbol(Kind.LENGTH, run.ordinal(value)), f"len({show(value)})", True)


def spread(run: Run, scope: Scope, count: Value, node: ast.AST, make: Callable[[Value], Value]) -> list[Value]:
    """The items of something with a count, each made from its index."""
    count = settle(run, count)
    if isinstance(count, int):
        indices = items_of(run, scope, range(count), node)
        return stretches.noted(run, [make(index) for index in indices], stretches.of(run, indices))
    if not isinstance(count, Unknown):
        return []
    several = _goes_round(run, scope, count, node)
    if several is not None:
        return [make(index) for index in range(several)]
    indices = (0, stretches.middle_of(run, count), stretches.from_end(count, 1))
    return stretches.noted(run, [make(index) for index in indices], Stretch(count, 1, 1))


def repeated(run: Run, scope: Scope, left: Value, right: Value, node: ast.AST) -> Value | None:
    """`[item] * count` with an unknown count; None of other values."""
    items, count = (left, right) if isinstance(left, (list, tuple)) else (right, left)
    if not isinstance(items, (list, tuple)) or len(items) != 1 or not isinstance(count, Unknown):
        return None
    if stretches.of(run, items) is not None:
        return None
    made = spread(run, scope, count, node, lambda _: items[0])
    return made if isinstance(items, list) else stretches.as_tuple(run, made)


def _goes_round(run: Run, scope: Scope, count: Unknown, node: ast.AST) -> int | None:
    """How often a loop with an unknown count goes round: never, once, or, None, several times."""
    if run.given(Symbol(Kind.ROUNDS, count.key)) == "several":  # else its number is known by now
        return None
    size = as_size(count) or unknown(count.key)
    base = bounds.base_of(size)
    text, offset = count.text, 0
    if base is not None and base[1] < 0 and (counted := _SHIFTED.fullmatch(text)) is not None:
        text, offset = counted[1], -base[1]
    choices = [("several", f"{text} > {1 + offset}"), ("1", f"{text} == {1 + offset}"), ("0", f"{text} == {offset}")]
    possible = [choice for choice in choices if _is_possible(run, count, choice[0])] or choices
    if run.presumed.get(count.key) == 0:
        possible.sort(key=lambda choice: choice[0] != "0")
    chosen = run.decide(Symbol(Kind.ROUNDS, count.key), text, count.origin, scope.module.location(node), possible)
    if chosen != "several":
        run.known[count.key] = int(chosen)
        if base is not None and isinstance(base[0], Symbol):
            run.known[base[0]] = int(chosen) - base[1]
        return int(chosen)
    bounds.at_least(run, size, 2)
    run.known[Symbol(Kind.TRUTH, count.key)] = True
    return None


_SHIFTED = re.compile(r"(.*\S) - \d+")
"""A count in words that is something less than a number that the user knows."""


def _is_possible(run: Run, count: Unknown, choice: str) -> bool:
    operator = ast.Gt() if choice == "several" else ast.Eq()
    return truth(run, compare(run, operator, count, 1 if choice == "several" else int(choice))) is not False


def unpack(run: Run, scope: Scope, value: Value, count: int, node: ast.AST) -> list[Value]:
    """The items of a value that is unpacked into `count` names; what cannot be told is unknown."""
    value = settle(run, value)
    if isinstance(value, ShapeOf) and value.part == WHOLE:
        from biaslens.program.attributes import sizes_of_rank

        return sizes_of_rank(run, value.tensor, count)
    if isinstance(value, Unknown):
        run.known.setdefault(Symbol(Kind.LENGTH, value.key), count)
        return [item(value, index) for index in range(count)]
    if isinstance(value, Tensor):
        from biaslens.program import attributes

        return [attributes.get_item(run, scope, value, index, node) for index in range(count)]
    items = items_of(run, scope, value, node)
    stretch = stretches.of(run, items)
    if stretch is not None and items:
        if isinstance(stretch.count, Unknown):
            run.known.setdefault(stretch.count.key, count)
        return [stretches.pick(items, stretch, place, count) for place in range(count)]
    if len(items) != count:
        raise PathEnds
    return items


def item(value: Unknown, index: Part, text: str = "") -> Unknown:
    """`value[index]` of an unknown. index: a constant, or the symbol of a value whose text is `text`."""
    shown = f"{value.text}[{text or repr(index)}]"[:MAX_TEXT]
    return Unknown(bounded(Symbol(Kind.ITEM, value.key, index)), shown, origin=value.origin)


def is_container(value: Value) -> bool:
    """Whether an instance is a Sequential, ModuleList or ModuleDict, or of a class derived from one."""
    return isinstance(value, Instance) and container_kind(value) is not None


def container_kind(instance: Instance) -> str | None:
    """The name of torch's container class that an instance derives from."""
    cls = instance.cls
    order = (cls,) if isinstance(cls, External) else getattr(cls, "order", ())
    for base in order:
        if isinstance(base, External) and base.name in CONTAINERS:
            return base.name
    return None


CONTAINERS = frozenset({"torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ModuleDict", "torch.nn.ParameterList"})


def _children(run: Run, scope: Scope, instance: Instance, node: ast.AST) -> list[Value]:
    from biaslens.program import mappings, objects

    own = objects.iterator_of(instance)
    if own is not objects.MISSING:
        from biaslens.program import calls

        return items_of(run, scope, calls.call(run, scope, own, Arguments((instance,)), node), node)
    if mappings.is_mapping(instance):
        return items_of(run, scope, mappings.keys_of(run, scope, instance, node), node)
    kind = container_kind(instance)
    if kind is None:
        from biaslens.program.expressions import opaque

        return _unknown_items(run, scope, opaque(run, scope, node), node)
    names = [run.unspelled.get(name, name) for name in instance.modules]
    items = names if kind == "torch.nn.ModuleDict" else list(instance.modules.values())
    return stretches.noted(run, items, stretches.of(run, instance))


def _unknown_items(run: Run, scope: Scope, value: Unknown, node: ast.AST) -> list[Value]:
    size = settle(run, Unknown(Symbol(Kind.LENGTH, value.key), f"len({value.text})", True, value.origin))
    return spread(run, scope, size, node, lambda index: item_of(run, value, size, index))


def _long(run: Run, scope: Scope, value: Any, node: ast.AST) -> list[Value]:
    """The first items, an unknown one for all those in the middle, and the last."""
    from biaslens.program.expressions import opaque

    items = [*islice(value, EXACT)]
    number = isinstance(value, range)
    items.append(stretches.middle_of(run, len(value)) if number else opaque(run, scope, node))
    modules.escape(run, [] if number else [value], "it is in a list that is too long to be followed")
    last = value[-1] if isinstance(value, (list, tuple, range, str, bytes)) else opaque(run, scope, node)
    return stretches.noted(run, [*items, last], Stretch(len(value), EXACT, 1))


def _other_keys(run: Run, scope: Scope, table: Table, rest: Unknown, node: ast.AST) -> list[Value]:
    """The keys of an open dict that are not known."""
    empty = Table(rest=rest, absent=table.absent | table.keys())
    size = count_of(run, empty)
    if isinstance(size, Unknown) and run.presumed.get(Symbol(Kind.LENGTH, rest.key)) == 0:
        run.presumed.setdefault(size.key, 0)

    def key(index: Value) -> Value:
        return Unknown(bounded(Symbol(Kind.KEY_OF, rest.key, key_of(run, index))), f"a key of {rest.text}")

    return spread(run, scope, size, node, key)


def item_of(run: Run, value: Unknown, count: Value, index: Value) -> Value:
    """The item of an unknown list at an index, which is counted from the end where it is told from the count."""
    if isinstance(index, int):
        return settle(run, item(value, index))
    size, total = as_size(index), as_size(count)
    behind = (size - total).value if size is not None and total is not None else None
    if behind is not None and behind < 0:
        return settle(run, item(value, behind))
    return settle(run, item(value, key_of(run, index), show(index)))


def _tensor_items(run: Run, scope: Scope, tensor: Tensor, node: ast.AST) -> list[Value]:
    from biaslens.program import attributes

    count = run.size_of(tensor, 0)
    return spread(run, scope, count, node, lambda index: attributes.get_item(run, scope, tensor, index, node))
