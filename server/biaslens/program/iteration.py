"""What a loop goes over. An unknown count is a question: 3 rounds, 1 or none."""

from __future__ import annotations

import ast
from itertools import islice

from biaslens.program.conditions import settle, show
from biaslens.program.run import PathEnds, Run
from biaslens.program.sizing import MAX_TEXT, bounded
from biaslens.program.values import WHOLE, Arguments, External, Instance, Scope, ShapeOf, Tensor, Unknown, Value

OPEN_KEY = "**"
"""In a dict of keyword arguments: more may be in it. No Python name looks like this."""

MAX_ITEMS = 4096
"""Longer loops are not followed to the end: no model has so many layers."""


def items_of(run: Run, scope: Scope, value: Value, node: ast.AST) -> list[Value]:
    """The items of an iterable, in order; those of an unknown one are unknown."""
    value = settle(run, value)
    match value:
        case list() | tuple() | range() | str() | bytes() | dict() | set():
            items = [item for item in islice(value, MAX_ITEMS) if item != OPEN_KEY]
            run.step(len(items))
            return items
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
        case list() | tuple() | range() | str() | bytes() | dict() | set():
            return len(value)
        case Instance():
            from biaslens.program import objects

            return objects.length_of(run, scope, value, node)
        case Unknown(key=key):
            return settle(run, Unknown(("length", key), f"len({value.text})", True, value.origin))
        case Tensor():
            return run.size_of(value, 0)
        case ShapeOf(tensor=tensor, part=part):
            from biaslens.program.attributes import rank_of, shape_tuple

            sizes = shape_tuple(run, value)
            if part == WHOLE or isinstance(sizes, tuple):
                return rank_of(run, tensor) if part == WHOLE else len(sizes)
            return Unknown(("length", sizes.key), "the length of a shape", True)
        case _:
            return Unknown(("length", run.ordinal(value)), f"len({show(value)})", True)


def rounds(run: Run, scope: Scope, count: Value, node: ast.AST) -> int:
    """How often a loop with a count runs."""
    count = settle(run, count)
    if isinstance(count, int):
        return max(0, min(count, MAX_ITEMS))
    if not isinstance(count, Unknown):
        return 0
    text = run.world.text(node)
    choices = [(n, f"{text} gives {n} {'round' if n == '1' else 'rounds'}") for n in ("3", "1", "0")]
    chosen = run.decide(("rounds", count.key), text, count.origin, scope.module.location(node), choices)
    run.known[count.key] = int(chosen)
    return int(chosen)


def unpack(run: Run, scope: Scope, value: Value, count: int, node: ast.AST) -> list[Value]:
    """The items of a value that is unpacked into `count` names; what cannot be told is unknown."""
    value = settle(run, value)
    if isinstance(value, ShapeOf) and value.part == WHOLE:
        from biaslens.program.attributes import sizes_of_rank

        return sizes_of_rank(run, value.tensor, count)
    if isinstance(value, Unknown):
        run.known.setdefault(("length", value.key), count)
        return [item(value, index) for index in range(count)]
    if isinstance(value, Tensor):
        from biaslens.program import attributes

        return [attributes.get_item(run, scope, value, index, node) for index in range(count)]
    items = items_of(run, scope, value, node)
    if len(items) != count:
        raise PathEnds
    return items


def item(value: Unknown, index: object, text: str = "") -> Unknown:
    """`value[index]` of an unknown. index: a number, or the key of a value whose text is `text`."""
    shown = f"{value.text}[{text or repr(index)}]"[:MAX_TEXT]
    return Unknown(bounded(("item", value.key, index)), shown, origin=value.origin)


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
    return list(instance.modules) if kind == "torch.nn.ModuleDict" else list(instance.modules.values())


def _unknown_items(run: Run, scope: Scope, value: Unknown, node: ast.AST) -> list[Value]:
    size = settle(run, Unknown(("length", value.key), f"len({value.text})", True, value.origin))
    return [item(value, index) for index in range(rounds(run, scope, size, node))]


def _tensor_items(run: Run, scope: Scope, tensor: Tensor, node: ast.AST) -> list[Value]:
    from biaslens.program import attributes

    count = rounds(run, scope, run.size_of(tensor, 0), node)
    return [attributes.get_item(run, scope, tensor, index, node) for index in range(count)]
